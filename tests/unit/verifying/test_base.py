"""The root that a verification installs on: of a target's buildroot, shipped or of the user's own."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.definitions import shipped_definitions
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Silence
from ppcdeps.verifying.verification import base_of


def test_a_buildroot_of_ones_own_is_known_by_its_folder(tmp_path: Path) -> None:
    target = replace(load_target("centos-stream-9"), buildroot="mine")
    cache = Cache.open(tmp_path / "cache")
    with pytest.raises(UsageError, match='there is no buildroot "mine"'):
        base_of(target, cache, Silence())
    shutil.copytree(shipped_definitions() / "centos-stream-9", tmp_path / "roots/mine")
    # One of RPMs is no base: the packages bring everything.
    assert base_of(target, cache, Silence(), [tmp_path / "roots"]) is None
