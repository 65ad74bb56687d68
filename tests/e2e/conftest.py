"""The program with a cache and a home of its own, and repositories to point it at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import slurmcluster
from mirror import Mirror, serving
from program import Program
from rpmmd import Package, write_repository
from slurmcluster import SlurmCluster

from ppcdeps.base.cache import Cache
from ppcdeps.model.nevra import Nevra


@pytest.fixture
def ppcdeps(tmp_path: Path) -> Program:
    folder = tmp_path / "user"
    folder.mkdir()
    return Program(folder, {})


@pytest.fixture(scope="session")
def warm_cache(run_folder: Path) -> Path:
    """A cache that knows the embedded snapshot already, made once a run: copied, it spares a test the reading."""
    cache = Cache.open(run_folder / "warm")
    with cache.lock("warm"):
        if not (run_folder / "warm-cache").exists():
            (run_folder / "warming").mkdir()
            program = Program(run_folder / "warming", {})
            program("plan", "zsh", "--no-output", "--python", "rpm")
            program.cache.rename(run_folder / "warm-cache")
    return run_folder / "warm-cache"


@pytest.fixture(scope="session")
def slurm_programs(run_folder: Path) -> Path:
    """The folder with Slurm's programs, made once a run. Skipped where it cannot be had or run."""
    if reason := slurmcluster.lacks():
        pytest.skip(reason)
    cache, folder = Cache.open(run_folder / "slurm"), run_folder / "slurm-programs"
    with cache.lock("unpack"):
        if not folder.exists():
            try:
                slurmcluster.unpack(run_folder / "unpacked")
            except RuntimeError as fault:
                pytest.skip(str(fault))
            (run_folder / "unpacked").rename(folder)
    return folder


@pytest.fixture(scope="module")
def cluster(slurm_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A Slurm of two nodes with one core each."""
    with slurmcluster.running(SlurmCluster(slurm_programs, tmp_path_factory.mktemp("slurm") / "cluster")) as cluster:
        yield cluster


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one package."""
    return write_repository(tmp_path / "repository", [Package(Nevra.parse("app-1-1.noarch"), "app-1-1.src.rpm")])


@pytest.fixture
def mirror(repository: Path) -> Iterator[Mirror]:
    """A server of the repository."""
    with serving(repository) as mirror:
        yield mirror
