"""The Debian buildroots that tests share, made once: they take 45 seconds each.

They lie in a cache of their own, `$PPCDEPS_TEST_CACHE` where that is set (kept between runs, and shared by workers),
else in a folder of this session. End-to-end tests give that folder as `PPCDEPS_CACHE` or link its `buildroots`.
"""

import contextlib
import functools
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.engines.emulation import ensure_emulation
from ppcdeps.engines.engine import Engine, engines_home
from ppcdeps.engines.job import BuildMode, Buildroot, Ending, Job, Limits
from ppcdeps.engines.probe import choose_engine
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.reporter import Silence


def lacks() -> str:
    """Why no Debian root can be made on this machine; empty where one can."""
    missing = [name for name in ("mmdebstrap", "rpmbuild", "createrepo_c") if shutil.which(name) is None]
    return f"no {', '.join(missing)}" if missing else ""


def shared_cache(session: Path) -> Cache:
    """The cache that holds the roots; `session` is the folder of the test session."""
    named = os.environ.get("PPCDEPS_TEST_CACHE")
    return Cache.open(Path(named) if named else session)


def made(cache: Cache, name: str, mode: BuildMode | None = None, packages: Sequence[str] = ()) -> Buildroot:
    """A buildroot in that cache, made if needed. Raises PpcdepsError as `Buildroots.create` does."""
    return Buildroots(cache).create(name, mode=mode, packages=packages)


def beside(cache: Cache, folder: Path) -> Path:
    """A new cache in `folder` that has the buildroots of another, and nothing that was built in them."""
    new = Cache.open(folder)
    (new.root / "buildroots").symlink_to(cache.root / "buildroots")
    return folder


def emulates() -> bool:
    """Whether this machine runs ppc64le programs in a root, after having it registered where that is possible."""
    try:
        return ensure_emulation("ppc64le", Silence()).works
    except EnvironmentLacksError:
        return False


@dataclass(frozen=True)
class Done:
    """What a program in a room said, and its exit code."""

    code: int
    output: str


@functools.cache
def engine_for(arch: str, home: Path) -> Engine:
    """An engine that runs programs of that architecture: bwrap, which starts quickest, or another that works."""
    home.mkdir(parents=True, exist_ok=True)
    for wanted in ("bwrap", None):
        with contextlib.suppress(EnvironmentLacksError):
            return choose_engine(None, wanted, home=home)
    pytest.skip(f"no engine runs programs of {arch} here")


def run_in(buildroot: Buildroot, workspace: Path, *command: str) -> Done:
    """Run a program in a throw-away copy of a root, without network. `workspace` is /build inside."""
    engine = engine_for(buildroot.arch, engines_home(buildroot.path.parents[3]))
    said = bytearray()
    job = Job(f"test-{uuid.uuid4().hex[:12]}", command, workspace, limits=Limits(seconds=600))
    ended = engine.run(buildroot, job, said.extend)
    assert ended.ending is Ending.EXITED, said.decode(errors="replace")
    return Done(ended.code, said.decode(errors="replace"))


def rpmbuild(buildroot: Buildroot, workspace: Path, spec: str) -> Done:
    """Build a spec of `workspace`/SPECS there, with build requirements checked."""
    command = ["rpmbuild", "-bb", "--target", buildroot.target, "--define", "_topdir /build", f"/build/SPECS/{spec}"]
    return run_in(buildroot, workspace, *command)
