"""`check env`: findings on an installed Python environment, of which nothing is run."""

from pathlib import Path

from ppcdeps.checking.env.copies import copy_findings
from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.files import file_findings
from ppcdeps.checking.env.isolated import isolated_program_findings
from ppcdeps.checking.env.known import known_fault_findings
from ppcdeps.checking.env.native import native_files, native_findings
from ppcdeps.checking.findings import Examined, Report, Skipped
from ppcdeps.model.reporter import Reporter
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, Constraints, read_constraints

_MOST_UNSEEN = 20


def report_on(
    environment: Environment, reporter: Reporter, constraints: Path | Constraints = NO_CONSTRAINTS
) -> Report:
    """All findings on an environment that has been read. Raises ConfigError for constraints that cannot be read."""
    held = read_constraints(constraints, environment.target) if isinstance(constraints, Path) else constraints
    python = environment.python
    reporter.note(
        f"Python {python.version} for {environment.target.machine}, {len(environment.copies)} distributions"
    )
    findings = list(copy_findings(environment, held))
    findings += file_findings(environment)
    findings += known_fault_findings(environment)
    findings += isolated_program_findings(environment)
    reporter.note("reading native modules")
    native = native_files(environment)
    findings += native_findings(environment, native)
    examined = [
        Examined("site folders", len(environment.path.sites)),
        Examined("distributions", len(environment.copies)),
        Examined("files that they list", sum(len(copy.files or ()) for copy in environment.copies)),
        Examined("native modules", len(native)),
    ]
    if environment.rpm is not None and not environment.rpm.unread:
        examined.append(Examined("RPM packages", len(environment.rpm.installed)))
    if held is not NO_CONSTRAINTS:
        examined.append(Examined("constraints", len(held.by_name)))
    unfollowed = [
        Skipped(f"{option} in {where}", "indexes and links are those of pip's configuration")
        for option, where in held.unfollowed
    ]
    skipped = [*environment.skipped, *_unseen(environment), *unfollowed]
    return Report.of("env", _subject(environment), findings, examined, skipped)


def _subject(environment: Environment) -> str:
    python = environment.python
    where = "" if environment.root.is_machine else f" in {environment.root.folder}"
    return f"Python {python.version} for {environment.target.machine}, {python.command}{where}"


def _unseen(environment: Environment) -> list[Skipped]:
    unseen = sorted(environment.root.unseen.items())
    skipped = [Skipped(path, why) for path, why in unseen[:_MOST_UNSEEN]]
    if len(unseen) > _MOST_UNSEEN:
        skipped.append(Skipped(f"{len(unseen) - _MOST_UNSEEN} further files and folders", "for the same reasons"))
    return skipped
