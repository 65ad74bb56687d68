"""What holds for all tests: one Hypothesis profile, the order of files, and the roots that tests share."""

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import debianroots
import pytest
from hypothesis import HealthCheck, settings

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.debiansources import SourceArchive, UnavailableError
from ppcdeps.engines.job import BuildMode, Buildroot

PROJECT = Path(__file__).parent.parent

# No deadline: how long an example takes depends on what else the machine does. The examples follow from the test
# alone, so that a run says something of the tree and not of the dice; `--hypothesis-profile=default` throws them.
settings.register_profile(
    "ppcdeps",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ppcdeps")

LONGEST_FIRST = (
    "e2e/test_build.py",
    "integration/test_python_lock.py",
    "integration/test_check_node.py",
    "e2e/test_build_slurm.py",
    "e2e/test_build_faults.py",
    "integration/test_engines.py",
    "hostile/test_contained.py",
    "e2e/test_demo.py",
    "e2e/test_lock_builds.py",
    "integration/test_libvirt_patch.py",
    "integration/test_verify.py",
    "unit/rpm/test_properties.py",
    "unit/rpm/test_specs.py",
    "integration/test_debian_recipes.py",
    "integration/test_buildroot_command.py",
    "integration/test_engines_probing.py",
    "integration/test_against_dnf.py",
    "e2e/test_plan.py",
    "e2e/test_lock.py",
    "hostile/test_defects.py",
    "hostile/test_ceilings.py",
    "hostile/test_doors.py",
    "hostile/test_arguments_and_names.py",
)
"""The files that take longest. Files are handed to the workers in the order of collection: a long one that starts
last would run on alone. The second takes no buildroot, which the first makes meanwhile.
"""


def pytest_configure() -> None:
    """Let the programs that tests start be interrupted, even where the tests run in the background.

    A shell starts a background job with SIGINT ignored, and every process below inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others stay as they are."""
    order = {PROJECT / "tests" / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="session", autouse=True)
def no_power_failures() -> Iterator[None]:
    """Spare the disk: tests kill programs, and what those wrote survives that without being flushed to the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds pyproject.toml."""
    return PROJECT


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common. Who makes something in it takes a lock."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def debian_cache(run_folder: Path) -> Cache:
    """The cache of the Debian buildroots that all tests share (tests/support/debianroots.py). Skipped without the
    tools.
    """
    if reason := debianroots.lacks():
        pytest.skip(f"no Debian root can be made: {reason}")
    return debianroots.shared_cache(run_folder / "debian-roots")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> SourceArchive:
    """The source packages of this machine's apt. Skipped where it names none."""
    try:
        return SourceArchive(tmp_path_factory.mktemp("archive"))
    except UnavailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def debian_root(debian_cache: Cache) -> Buildroot:
    """The buildroot debian-12 in the emulated mode (native on ppc64le), made once a run."""
    mode = BuildMode.NATIVE if os.uname().machine == "ppc64le" else BuildMode.EMULATED
    return debianroots.made(debian_cache, "debian-12", mode)


@pytest.fixture(scope="session")
def debian_cross_root(debian_cache: Cache) -> Buildroot:
    """The buildroot debian-12-cross, made once a run."""
    if os.uname().machine == "ppc64le":
        pytest.skip("nothing is cross-compiled on the target's own machine")
    return debianroots.made(debian_cache, "debian-12-cross")


@pytest.fixture
def only_fork_bomb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No other test lets a fork bomb go at the same time: two can take all processes that the machine has."""
    with (tmp_path_factory.getbasetemp().parent / "fork-bomb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
