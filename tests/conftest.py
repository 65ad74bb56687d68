"""Fixtures that every test may ask for."""

import os
import signal
from pathlib import Path

import debianroots
import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import BuildMode, Buildroot

PROJECT = Path(__file__).parent.parent


def pytest_configure() -> None:
    """Let the programs that tests start be interrupted, even where the tests run in the background.

    A shell starts a background job with SIGINT ignored, and every process below inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds pyproject.toml."""
    return PROJECT


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
