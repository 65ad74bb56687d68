"""The program with a cache and a home of its own, and repositories to point it at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mirror import Mirror, serving
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra


@pytest.fixture
def ppcdeps(tmp_path: Path) -> Program:
    folder = tmp_path / "user"
    folder.mkdir()
    return Program(folder, {})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one package."""
    return write_repository(tmp_path / "repository", [Package(Nevra.parse("app-1-1.noarch"), "app-1-1.src.rpm")])


@pytest.fixture
def mirror(repository: Path) -> Iterator[Mirror]:
    """A server of the repository."""
    with serving(repository) as mirror:
        yield mirror
