"""The demo's folder: made once, and found again by later runs."""

from itertools import chain
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.demo.needs import Lack, lacking, other_release, require
from ppcdeps.demo.world import PYTHON, SOURCES, DemoWorld, check_place, find_world, make_world
from ppcdeps.engines.engine import engines_home
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.model.reporter import Reporter
from ppcdeps.workflows.index import open_index


def demo_world(
    folder: Path,
    cache: Cache,
    reporter: Reporter,
    *,
    mode: str = "cross",
    engine: str | None = None,
    mirror: str | None = None,
) -> DemoWorld:
    """The demo in this folder, made now where it is not there yet.

    Raises EnvironmentLacksError with everything that this machine lacks for a demo in this build mode, before
    anything takes minutes, and what `ppcdeps.demo.world.make_world` raises.
    """
    found = find_world(folder)
    roots = Buildroots(cache, reporter=reporter)
    if found is None:
        check_place(folder.absolute())
        if other := other_release(roots):
            reporter.note(other)
    needs = lacking(
        roots,
        engines_home(cache.directory),
        cache.root / SOURCES,
        reporter,
        mode=mode,
        engine=engine,
        mirror=mirror,
        is_made=found is not None,
    )
    require(chain(needs, _without_index(cache, reporter)))
    return found or make_world(folder, cache, reporter, engine=engine, mirror=mirror)


def _without_index(cache: Cache, reporter: Reporter) -> tuple[Lack, ...]:
    """That the Python index does not answer for what the demo has from there."""
    try:
        with open_index(cache, reporter) as index:
            index.project(PYTHON[0])
    except PpcdepsError as fault:
        return (Lack(f"the Python index of pip's configuration (PIP_INDEX_URL): {fault.line}"),)
    return ()
