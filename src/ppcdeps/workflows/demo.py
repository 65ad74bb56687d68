"""The demo's folder: made once, and found again by later runs."""

from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.demo.world import ARCH, DemoWorld, find_world, make_world
from ppcdeps.model.reporter import Reporter
from ppcdeps.verifying.verification import require_installation


def demo_world(
    folder: Path, cache: Cache, reporter: Reporter, *, engine: str | None = None, mirror: str | None = None
) -> DemoWorld:
    """The demo in this folder, made now where it is not there yet.

    Raises EnvironmentLacksError where this machine cannot install packages for ppc64le or lacks a tool, and what
    `ppcdeps.demo.world.make_world` raises.
    """
    # Before anything takes minutes.
    require_installation(ARCH, reporter)
    return find_world(folder) or make_world(folder, cache, reporter, engine=engine, mirror=mirror)
