"""The files for pip: constraints, hashed requirements and pylock.toml of a workload's Python."""

from datetime import datetime
from pathlib import Path

from ppcdeps.model.reporter import Reporter
from ppcdeps.planning.pythonside import PythonSide, python_side
from ppcdeps.python.lock import LockPolicy
from ppcdeps.python.lockfiles import FilePlaces
from ppcdeps.python.routing import PythonPolicy
from ppcdeps.workflows.index import open_index
from ppcdeps.workflows.plans import solve
from ppcdeps.workflows.request import PlanRequest


def constraints(
    request: PlanRequest,
    reporter: Reporter,
    *,
    former: Path | None = None,
    exclude_newer: datetime | None = None,
    optional_as_pure: bool = False,
    urls: bool = False,
    command: str = "",
) -> PythonSide:
    """What RPMs provide to Python, what pip installs, and the files for pip (``files.write(folder)``).

    ``former`` is the folder of an earlier
    run's files, whose versions are kept where they fit; ``exclude_newer`` leaves out what was uploaded later;
    ``optional_as_pure`` builds nothing that can do without its compiled part; ``urls`` puts URLs in pylock.toml, in
    place of paths below wheels/; ``command`` is the command that the files name as their origin.

    Raises ConfigError where no set of versions fits, RepositoryError where the index cannot be read, and what
    `ppcdeps.workflows.plans.solve` raises.
    """
    resolved = request.resolved
    if unpinned := request.unpinned():
        reporter.warn(f"Python's versions are those of {unpinned}: name the file with --constraints")
    solution = solve(request, reporter)
    with open_index(
        resolved.cache,
        reporter,
        offline=resolved.offline,
        refresh=resolved.refresh,
        exclude_newer=exclude_newer,
        wheels=request.wheels,
    ) as index:
        return python_side(
            solution,
            index,
            reporter,
            policy=PythonPolicy(request.python),
            lock_policy=LockPolicy(optional_as_pure=optional_as_pure),
            constraints=request.pins(),
            former=former,
            places=FilePlaces.URL if urls else FilePlaces.PATH,
            command=command,
        )
