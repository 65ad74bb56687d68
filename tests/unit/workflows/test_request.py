"""What a plan is requested of: what Python's versions follow."""

import os
from pathlib import Path
from typing import cast

import pytest

from ppcdeps.model.errors import ConfigError
from ppcdeps.planning.workloads import load_workload
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.request import PlanRequest, pins_content, program_state


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("yoga", None),
        ("bobcat", "the reference's RPMs, as upper-constraints-2023.2.txt did not come with ppcdeps"),
        ("wallaby", "the reference's RPMs, as nova-compute has no constraints of wallaby"),
    ],
)
def test_without_constraints_of_the_release_the_plan_says_what_counts(release: str, said: str | None) -> None:
    request = PlanRequest(load_workload("nova-compute", release), (), cast(ResolvedTarget, None))
    assert request.unpinned() == said


def test_a_workload_without_releases_has_no_constraints_to_miss() -> None:
    assert PlanRequest(load_workload("libvirt-kvm"), (), cast(ResolvedTarget, None)).unpinned() is None


def request_with(pins: Path | None) -> PlanRequest:
    return PlanRequest(load_workload("nova-compute", "bobcat"), (), cast(ResolvedTarget, None), constraints=pins)


def test_a_file_that_is_given_is_what_versions_follow(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    request = request_with(pins)
    assert (request.pins(), request.pinned_by(), request.unpinned()) == (pins, "pins.txt (--constraints)", None)


def test_a_plan_is_another_one_once_a_file_that_its_pins_include_has_changed(tmp_path: Path) -> None:
    pins, more = tmp_path / "pins.txt", tmp_path / "more.txt"
    pins.write_text("-c more.txt\n")
    more.write_text("flask==1\n")
    before = pins_content(pins)
    assert pins_content(pins) == before
    more.write_text("flask==2\n")
    assert pins_content(pins) != before


def test_pins_that_cannot_be_read_twice_or_at_all_are_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="are not a file; save them to one"):
        pins_content(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="cannot read"):
        pins_content(tmp_path / "none.txt")


@pytest.mark.parametrize("name", ["recipe.toml", "patches/one.patch", "name.spec.j2", "files/script"])
def test_a_plan_is_another_one_once_a_file_of_a_recipe_has_changed(name: str, tmp_path: Path) -> None:
    package, file = tmp_path / "src" / "ppcdeps", tmp_path / "recipes" / "own" / name
    package.mkdir(parents=True)
    file.parent.mkdir(parents=True)
    file.write_text("as it was")
    before = program_state(package)
    assert program_state(package) == before
    file.write_text("another")
    assert program_state(package) != before


def test_a_link_to_nothing_beside_a_recipe_does_not_stop_a_plan(tmp_path: Path) -> None:
    """An editor's lock is one."""
    (tmp_path / "src" / "ppcdeps").mkdir(parents=True)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / ".#recipe.toml").symlink_to("somebody@machine.1")
    assert ".#recipe.toml" in program_state(tmp_path / "src" / "ppcdeps")
