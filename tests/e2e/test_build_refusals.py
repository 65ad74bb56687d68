"""What cannot be built is told in one line, with the documented exit code, and nothing is lost."""

import json
import os
from pathlib import Path

import pytest
from buildworld import BuildWorld, Thing
from debianroots import beside, lacks
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import Buildroot

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks() or "-")


@pytest.fixture
def world(tmp_path: Path, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot) -> BuildWorld:
    """A world with a plan for one library."""
    folder = tmp_path / "world"
    folder.mkdir()
    program = Program(folder, {"PPCDEPS_CACHE": str(beside(debian_cache, tmp_path / "cache"))}, patience=600)
    made = BuildWorld(program, debian_cross_root.path.parent / "repository")
    made.make(Thing("one"))
    made.plan("one")
    return made


def refused(world: BuildWorld, *options: str, code: int, **variables: str) -> str:
    """The one line that a build of the plan ends with; nothing was published."""
    fault = world.program(*world.build_command("--work", "run", *options), code=code, **variables).fault
    assert not (world.folder / "repository-one" / "repodata").exists()
    return fault


def test_a_plan_that_is_not_there_or_of_another_schema(world: BuildWorld) -> None:
    assert "cannot read the plan none.json" in world.program("build", "none.json", code=3).fault
    plan = world.folder / "plan.json"
    plan.write_text(plan.read_text().replace('"schema": 3', '"schema": 99'))
    fault = refused(world, code=3)
    assert "is a plan of schema 99, and schema 3 is read here; make it anew with `ppcdeps plan one " in fault


def test_a_plan_from_older_metadata(world: BuildWorld) -> None:
    world.make(Thing("one"), Thing("another"))
    fault = refused(world, code=3)
    assert "the plan rests on other metadata than there is now: reference changed; plan again with" in fault


def test_a_plan_of_another_target(world: BuildWorld) -> None:
    fault = world.program("build", "plan.json", "--work", "run", "--target", "centos-stream-9", code=3).fault
    assert "the plan is for the target debian-12, and this is centos-stream-9; name its target" in fault


def test_a_recipe_that_was_changed_since_the_plan(world: BuildWorld) -> None:
    recipe = world.folder / "recipes" / "one" / "recipe.toml"
    recipe.write_text(recipe.read_text() + "\n# changed\n")
    run = world.program(*world.build_command("--work", "run"), code=3)
    assert "the recipe one was changed since the plan was made" in run.err
    assert "plan again with `ppcdeps plan one " in run.err


def test_what_the_plan_does_not_build(world: BuildWorld) -> None:
    assert "does not build two; it builds one" in refused(world, "--only", "two", code=2)


def test_a_source_that_is_nowhere_and_one_that_is_another(world: BuildWorld) -> None:
    command = ("build", "plan.json", *world.place, "--work", "run", "--offline")
    run = world.program(*command, code=10)
    assert "one: failed" in run.err
    assert "one-1.0.tar.gz" in run.out
    (tarball,) = (world.folder / "sources").iterdir()
    tarball.write_bytes(tarball.read_bytes() + b"x")
    run = world.program(*world.build_command("--work", "run"), code=10)
    assert "is not the source that is meant: its SHA-256 is" in run.out


def test_an_engine_that_is_none_or_is_not_here(world: BuildWorld, tmp_path: Path) -> None:
    assert 'there is no engine "podmann"' in refused(world, "--engine", "podmann", code=2)
    # A path with what ppcdeps itself needs, and no engine.
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if program.name not in {"podman", "docker", "bwrap"} and not (tools / program.name).exists():
                (tools / program.name).symlink_to(program)
    fault = refused(world, code=20, PATH=str(tools))
    assert "no container engine works here" in fault
    for engine in ("podman", "docker", "bwrap"):
        assert f"{engine}: " in fault


def test_a_buildroot_that_nobody_knows(world: BuildWorld) -> None:
    fault = refused(world, "--buildroot", "debian-13", code=2)
    assert "debian-13" in fault
    assert "debian-12" in fault


def test_a_repository_folder_of_somebody_else(world: BuildWorld) -> None:
    thesis = world.folder / "repository-one" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("x")
    fault = refused(world, code=3)
    assert "repository-one" in fault
    assert [path.name for path in thesis.parent.iterdir()] == ["thesis.tex"]
    assert not (world.folder / "run").exists()


def test_there_is_nothing_to_resume(world: BuildWorld) -> None:
    assert "there is no run here to resume" in world.program("build", "--resume", code=2).fault


def test_the_results_are_told_as_json_too(world: BuildWorld) -> None:
    told = json.loads(world.program(*world.build_command("--work", "run", "--json")).out)
    assert [(one["name"], one["outcome"], one["packages"]) for one in told["results"]] == [
        ("one", "built", ["one-1.0-1.deb12.ppc64le"])
    ]
    assert told["published"] == 1
