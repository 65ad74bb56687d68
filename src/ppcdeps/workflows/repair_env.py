"""An environment put in order: what is wrong with it, what it is to have, and the commands that bring it there."""

from pathlib import Path

from ppcdeps.base.atomic import write_program
from ppcdeps.checking.env.repair import Repair, WantedEnvironment, repair_of
from ppcdeps.checking.env.repair_steps import RepairStep, script_of, steps_of
from ppcdeps.checking.env.wanted import parse_wanted, read_wanted
from ppcdeps.checking.findings import Report
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.values import dataclass
from ppcdeps.planning.workloads import list_workloads
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.workflows.checks import ApiCheck, Installation, report_of
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.constraints import constraints as pip_files
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.request import plan_request
from ppcdeps.workflows.words import sorted_words


@dataclass(frozen=True, slots=True)
class WantedPython:
    """What an environment is to have: the requirements of a file for pip, or of a workload on a target.

    ``target`` and ``release`` are as the command line says them, of a workload only.
    """

    requirements: Path | None = None
    workload: str | None = None
    target: str | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True)
class RepairedEnvironment:
    """The report of ``check_env``, what puts the environment in order, its commands in steps, and these as a script
    for ``sh``.
    """

    report: Report
    repair: Repair
    steps: tuple[RepairStep, ...]
    script: str

    def write_script(self, path: Path) -> None:
        """Write the script to a new file that can be run.

        Raises ConfigError where something of that name is there, or the folder cannot be written to.
        """
        write_program(path, self.script.encode("utf-8", "surrogateescape"), "--script")


def repair_env(
    installation: Installation,
    wanted: WantedPython,
    reporter: Reporter,
    *,
    constraints: Path | None = None,
    api: ApiCheck,
    follow: bool = False,
) -> RepairedEnvironment:
    """What is wrong with an installed Python, and how it gets what is wanted. Nothing is run and nothing changed.

    ``follow`` is for names across distributions, as ``api`` says; else ``api`` is for the index that a workload's
    requirements need. Raises what ``check_env`` raises, ConfigError for requirements that pip refuses or that are for
    another Python, EnvironmentLacksError without pip-tools, and for a workload what `constraints` raises.
    """
    environment = installation.read()
    if wanted.requirements is not None:
        goal = read_wanted(wanted.requirements, environment.target, constraints)
    else:
        goal = _wanted_by(wanted, environment.target, constraints, api, reporter)
    report = report_of(environment, reporter, constraints, api if follow else None)
    repair = repair_of(environment, goal, report.findings)
    steps = steps_of(environment, repair)
    skipped = (*report.skipped, *repair.unjudged)
    whole = Report.of(report.check, report.subject, report.findings, report.examined, skipped)
    return RepairedEnvironment(whole, repair, steps, script_of(environment, repair, steps))


def _wanted_by(
    wanted: WantedPython,
    environment: TargetEnvironment,
    constraints: Path | None,
    api: ApiCheck,
    reporter: Reporter,
) -> WantedEnvironment:
    workload = wanted.workload or ""
    if not sorted_words((workload,)).workloads:
        raise UsageError(f"there is no workload {workload!r}", hint=f"known are {', '.join(list_workloads())}")
    choice = RepositoryChoice(
        target=wanted.target, release=wanted.release, offline=api.offline, cache_directory=api.cache.directory
    )
    request = plan_request((workload,), resolve_target(choice, reporter), constraints=constraints)
    side = pip_files(request, reporter, command=command_line("constraints", workload))
    texts = dict(side.files.texts)
    # What `ppcdeps constraints` writes, as if it were read from these files.
    return parse_wanted(
        next(text for name, text in texts.items() if name.startswith("requirements-")),
        next(text for name, text in texts.items() if name.startswith("constraints-")),
        environment,
        origin=f"the workload {workload}",
    )
