"""`ppcdeps constraints`: the files for pip alone."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from ppcdeps.cli.options import json_option, narrative_options, repository_options
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.workflows.choice import RepositoryChoice


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WORKLOAD|ROOT...")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where the files are written, and an earlier run's pins are read (default: here).",
)
@click.option(
    "--python", "policy", type=click.Choice(["pip", "rpm"]), default="pip", help="Who installs pure Python."
)
@click.option(
    "--constraints",
    "constraints_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Pins to keep to, instead of those of the workload's release.",
)
@click.option("--upgrade", is_flag=True, help="Forget the pins of an earlier run.")
@click.option("--exclude-newer", metavar="DATE", help="Leave out what was uploaded after this date (2026-11-23).")
@click.option("--urls", is_flag=True, help="URLs in pylock.toml, instead of paths below wheels/.")
@click.option("--optional-as-pure", is_flag=True, help="Build nothing that can do without its compiled part.")
@json_option
@repository_options()
@narrative_options
def constraints(
    words: tuple[str, ...],
    folder: Path,
    policy: str,
    constraints_file: Path | None,
    upgrade: bool,
    exclude_newer: str | None,
    urls: bool,
    optional_as_pure: bool,
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> int:
    """Write the files for pip that WORKLOAD needs: constraints, hashed requirements, pylock.toml.

    The index and its credentials are those of pip's configuration.
    """
    from ppcdeps.model.plan_file import python_document
    from ppcdeps.model.python_plan import Provision
    from ppcdeps.planning.pythonside import python_side
    from ppcdeps.planning.workloads import curated_constraints
    from ppcdeps.python.gaps import planned_python
    from ppcdeps.python.index import Index
    from ppcdeps.python.lock import LockPolicy
    from ppcdeps.python.lockfiles import FilePlaces, spelled_out
    from ppcdeps.python.pipconfig import read_pip_config
    from ppcdeps.python.routing import PythonPolicy
    from ppcdeps.workflows.request import plan_request

    newest = _moment(exclude_newer)
    request = plan_request(words, choice, reporter)
    found = request.repositories
    pins = constraints_file or curated_constraints(request.workload)
    solution = request.solve_run(reporter)
    with Index(
        read_pip_config(),
        found.cache,
        offline=choice.offline,
        exclude_newer=newest,
        refresh=choice.refresh,
        reporter=reporter,
    ) as index:
        side = python_side(
            solution,
            index,
            reporter,
            policy=PythonPolicy(policy),
            lock_policy=LockPolicy(optional_as_pure=optional_as_pure),
            constraints=pins,
            former=None if upgrade else folder,
            places=FilePlaces.URL if urls else FilePlaces.PATH,
            command=f"ppcdeps constraints {shlex.join(words)}",
        )
    written = side.files.write(folder)
    if as_json:
        import json

        click.echo(json.dumps(python_document(planned_python(side.lock, side.bridge)), indent=2, sort_keys=True))
    else:
        for path in written:
            click.echo(path)
    if not side.lock.having(Provision.WHEEL, Provision.SDIST):
        reporter.warn("nothing is left for pip to install: as far as this metadata tells, RPMs provide it all")
    for note in side.lock.notes:
        reporter.note(note)
    for line in spelled_out(side.lock):
        reporter.note(f"to be built: {line}")
    reporter.note(f"based on {found.basis.line()}")
    if side.bridge:
        reporter.note(
            f"RPM packages require {len(side.routing.bridged)} capabilities of what pip installs: see the plan"
        )
    return 0


def _moment(text: str | None) -> datetime | None:
    from ppcdeps.model.errors import UsageError

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--exclude-newer {text}: not a date", hint="write it like 2026-11-23") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
