"""Plans for the commands: remembered where the same was asked of the same metadata before, else made."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ppcdeps.cli.options import Command
from ppcdeps.cli.question import Question
from ppcdeps.model.errors import ConfigError, RepositoryError
from ppcdeps.model.gap import GapKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.planning.workloads import PYTHON_PREFIX
from ppcdeps.report.plan_json import dump_plan, load_plan

if TYPE_CHECKING:
    from ppcdeps.planning.plan import PythonPart
    from ppcdeps.planning.solution import Solution
    from ppcdeps.python.index import Index

_SUFFIX = ".plan.json"


def python_option(command: Command) -> Command:
    """`--python`. The command is given ``python``: pip or rpm."""
    return click.option(
        "--python",
        type=click.Choice(["pip", "rpm"]),
        default="pip",
        show_default=True,
        help="Who installs Python packages that the target's repositories lack.",
    )(command)


def srpms_option(command: Command) -> Command:
    """`--srpms`. The command is given ``srpms``: a folder, or None."""
    return click.option(
        "--srpms",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Evaluate the source RPMs in this folder: what their specs say for ppc64le wins over known facts.",
    )(command)


def plan_for(question: Question, python: str, reporter: Reporter) -> tuple[Plan, str]:
    """The plan and its text. ``python`` is who installs Python packages: pip or rpm.

    Where the Python index cannot be read, or what it has does not fit together, the packages stay RPMs, with a
    warning, and the plan is not remembered; a workload with roots on the index has no other way. Raises what
    `Question.solve_run` raises.
    """
    cache, key = question.repositories.cache, f"{question.key()} python {python} {_index_settings(python)}"
    remembered = cache.derived_path(key, _SUFFIX)
    if not question.again and remembered.exists():
        with contextlib.suppress(ConfigError, OSError):
            return load_plan(remembered), remembered.read_text("utf-8")
    from ppcdeps.planning.plan import plan_of
    from ppcdeps.planning.solution import solve_builds

    run = question.solve_run(reporter)
    failed = False
    part: PythonPart | None = None
    if python == "pip":
        try:
            part = _python_part(question, run, reporter)
        except (RepositoryError, ConfigError) as fault:
            if any(root.startswith(PYTHON_PREFIX) for root in question.workload.roots):
                raise  # nothing but an index has these roots
            failed = True
            reporter.warn(f"Python packages stay RPMs in this plan: {fault}")
    solution = solve_builds(run, part.answered if part else ())
    made = plan_of(solution, question.repositories.metadata, part)
    text = dump_plan(made)
    if not failed:
        cache.store_derived(key, _SUFFIX, lambda file: _write(file, text))
    return made, text


def solution_of(plan: Plan, question: Question, reporter: Reporter) -> "Solution":
    """The solution behind a plan, with the builds that the plan takes."""
    from ppcdeps.planning.solution import solve_builds

    by_pip = {gap.name for gap in plan.gaps if gap.kind is GapKind.PYTHON}
    return solve_builds(question.solve_run(reporter), by_pip)


def _python_part(question: Question, run: "Solution", reporter: Reporter) -> "PythonPart | None":
    from ppcdeps.planning.pythonside import concerns_python, python_part, python_side

    if not concerns_python(run):
        return None
    from ppcdeps.planning.workloads import curated_constraints

    pins = curated_constraints(question.workload)
    with index_for(question, reporter) as index:
        return python_part(run, python_side(run, index, reporter, constraints=pins))


def index_for(question: Question, reporter: Reporter) -> "Index":
    """The Python index that a question is asked of: pip's, after the question's own wheels. Raises ConfigError."""
    from dataclasses import replace

    from ppcdeps.python.index import Index
    from ppcdeps.python.pipconfig import read_pip_config

    config, found = read_pip_config(), question.repositories
    if question.wheels is not None:
        config = replace(config, indexes=(question.wheels.absolute().as_uri(), *config.indexes))
    return Index(config, found.cache, offline=found.offline, refresh=question.again, reporter=reporter)


def _index_settings(python: str) -> str:
    """What the environment says of the index: another index may give another plan."""
    if python != "pip":
        return ""
    return repr(sorted((name, value) for name, value in os.environ.items() if name.startswith("PIP_")))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode())
