"""Fixtures that every test may ask for."""

import os
import signal
from pathlib import Path

import debianroots
import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.target import Target

PROJECT = Path(__file__).parent.parent


def pytest_configure() -> None:
    """Let the programs that tests start be interrupted, even where the tests run in the background.

    A shell starts a background job with SIGINT ignored, and every process below inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _shared_folder() -> Path:
    """The folder of shared development data: $PPCDEPS_SHARED, else `../shared` beside the project."""
    named = os.environ.get("PPCDEPS_SHARED")
    return Path(named).resolve() if named else PROJECT.parent / "shared"


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The shared folder itself, which holds `data/`. The test is skipped where it is not on this machine."""
    folder = _shared_folder()
    if not (folder / "data" / "el9").is_dir():
        pytest.skip(f"no shared data in {folder}: set PPCDEPS_SHARED to the folder that holds data/el9")
    return folder


@pytest.fixture(scope="session")
def shared_data(shared_folder: Path) -> Path:
    """The real package metadata: `el9/`, `small/`, `openstack/`, `libvirt/` (see its PROVENANCE.md)."""
    return shared_folder / "data"


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds pyproject.toml."""
    return PROJECT


@pytest.fixture(scope="session")
def el9_target_file() -> Path:
    """The target file of the shared data. Its variable `shared` is the shared folder."""
    return PROJECT / "tests" / "data" / "targets" / "el9-shared.toml"


@pytest.fixture(scope="session")
def el9_target(el9_target_file: Path, shared_folder: Path) -> Target:
    """CentOS Stream 9 on ppc64le with RDO Yoga as the shared data has it."""
    return load_target(str(el9_target_file), variables={"shared": str(shared_folder)})


@pytest.fixture(scope="session")
def debian_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """The cache of the Debian buildroots that all tests share (tests/support/debianroots.py). Skipped without the
    tools.
    """
    if reason := debianroots.lacks():
        pytest.skip(f"no Debian root can be made: {reason}")
    return debianroots.shared_cache(tmp_path_factory.getbasetemp() / "debian-roots")


@pytest.fixture(scope="session")
def debian_root(debian_cache: Cache) -> Buildroot:
    """The buildroot debian-12 in the emulated way (native on ppc64le), made once a session."""
    mode = BuildMode.NATIVE if os.uname().machine == "ppc64le" else BuildMode.EMULATED
    return debianroots.made(debian_cache, "debian-12", mode)


@pytest.fixture(scope="session")
def debian_cross_root(debian_cache: Cache) -> Buildroot:
    """The buildroot debian-12-cross, made once a session."""
    if os.uname().machine == "ppc64le":
        pytest.skip("nothing is cross-compiled on the target's own machine")
    return debianroots.made(debian_cache, "debian-12-cross")
