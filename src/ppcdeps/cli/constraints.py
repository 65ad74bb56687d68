"""`ppcdeps constraints`: the files for pip alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import (
    constraints_option,
    json_option,
    output_options,
    python_option,
    repository_options,
    roots_argument,
)
from ppcdeps.cli.output import write, write_line
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import UsageError
from ppcdeps.model.visible import visible
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.request import Installer

if TYPE_CHECKING:
    from ppcdeps.workflows.request import PlanRequest


@click.command()
@roots_argument
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where the files are written, and an earlier run's pins are read (default: here).",
)
@python_option
@constraints_option
@click.option("--upgrade", is_flag=True, help="Forget the pins of an earlier run.")
@click.option("--exclude-newer", metavar="DATE", help="Leave out what was uploaded after this date (2026-11-23).")
@click.option("--urls", is_flag=True, help="URLs in pylock.toml, instead of paths below wheels/.")
@click.option("--optional-as-pure", is_flag=True, help="Build nothing that can do without its compiled part.")
@json_option
@repository_options()
@output_options
def constraints(
    roots: tuple[str, ...],
    folder: Path,
    python: Installer,
    constraints_file: Path | None,
    upgrade: bool,
    exclude_newer: str | None,
    urls: bool,
    optional_as_pure: bool,
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> None:
    """Write the files for pip that WORKLOAD needs: constraints, hashed requirements, pylock.toml.

    The index and its credentials are those of pip's configuration.
    """
    from ppcdeps.model.plan_file import python_document
    from ppcdeps.model.python_plan import Provision
    from ppcdeps.python.gaps import planned_python
    from ppcdeps.python.lockfiles import spelled_out
    from ppcdeps.workflows.constraints import constraints as pip_files
    from ppcdeps.workflows.repositories import resolve_target
    from ppcdeps.workflows.request import plan_request

    newest = _moment(exclude_newer)
    resolved = resolve_target(choice, reporter)
    request = plan_request(roots, resolved, python=python, constraints=constraints_file)
    side = pip_files(
        request,
        reporter,
        former=None if upgrade else folder,
        exclude_newer=newest,
        optional_as_pure=optional_as_pure,
        urls=urls,
        command=_origin(request, constraints_file, exclude_newer, urls=urls, optional_as_pure=optional_as_pure),
    )
    written = side.files.write(folder)
    if as_json:
        import json

        planned = planned_python(side.lock, side.bridge, side.bridge_requires, resolved.target.python.package)
        document = python_document(planned)
        write(json.dumps(document, indent=2, sort_keys=True) + "\n", as_json=True)
    else:
        for path in written:
            write_line(visible(str(path)))
    if not side.lock.having(Provision.WHEEL, Provision.SDIST):
        reporter.warn("nothing is left for pip to install: as far as this metadata shows, RPMs provide it all")
    for note in side.lock.notes:
        reporter.note(note)
    for line in spelled_out(side.lock):
        reporter.note(f"to be built: {line}")
    reporter.note(f"based on {resolved.basis.line()}")
    if side.bridge:
        reporter.note(
            f"RPM packages require {len(side.routing.bridged)} capabilities of what pip installs: see the plan"
        )


def _origin(
    request: "PlanRequest", pins: Path | None, exclude_newer: str | None, *, urls: bool, optional_as_pure: bool
) -> str:
    """The command that makes these files again, as they name it: without folders of this machine."""
    words = request.record.option_words() if request.record is not None else ()
    words += ("--constraints", str(pins)) if pins is not None else ()
    words += ("--exclude-newer", exclude_newer) if exclude_newer is not None else ()
    words += (*(("--urls",) if urls else ()), *(("--optional-as-pure",) if optional_as_pure else ()))
    roots = request.record.words if request.record is not None else request.workload.roots
    return visible(command_line("constraints", *roots, *words))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--exclude-newer {text}: not a date", hint="write it like 2026-11-23") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
