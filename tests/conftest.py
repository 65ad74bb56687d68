"""Fixtures that every test may ask for."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


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
