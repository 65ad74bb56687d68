"""Builds from a lock: in a network namespace without interfaces, on another cache, and the same packages again."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from debianroots import beside, emulates, lacks
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.demo.world import DemoWorld, make_world
from ppcdeps.engines.job import Buildroot
from ppcdeps.model.reporter import Silence
from ppcdeps.rpm.comparison import contents_of, differences

pytestmark = [
    pytest.mark.skipif(bool(lacks()), reason=lacks() or "-"),
    pytest.mark.skipif(shutil.which("dnf") is None, reason="needs dnf"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a namespace without network, and scriptlets, take root"),
    pytest.mark.skipif(not emulates(), reason="needs the emulation of ppc64le"),
]
PIP = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


@dataclass(frozen=True)
class Locked:
    """A world that was built and locked, and a user elsewhere who has its files alone."""

    world: DemoWorld
    lock: Path
    there: Path
    cache: Path
    online: Path
    """The cache that was built with."""

    def offline(self, *arguments: str | Path, code: int = 0) -> str:
        """Run the program without any network interface. Returns what it wrote on both streams."""
        program = Program(self.there, {"PPCDEPS_CACHE": str(self.cache), "PIP_CONFIG_FILE": "/dev/null"})
        done = subprocess.run(
            ["unshare", "--net", *program.command(*arguments)],
            cwd=self.there,
            env=program.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
        )
        assert "Traceback" not in done.stdout, done.stdout
        assert done.returncode == code, done.stdout
        return done.stdout


def locked(home: Path, cache: Path, other: Path, *fetch_options: str) -> Locked:
    """Build and lock the demo's world in one folder, fetch its files, and lay out what a user copies elsewhere."""
    world = make_world(home / "world", Cache(cache), Silence())
    program = Program(world.folder, {**PIP, "PPCDEPS_CACHE": str(cache)}, patience=1800)
    place = ("--target", "target.toml", "--recipes", "recipes")
    program("plan", "workload.toml", *place, "-o", "plan.json", code=1)
    root = ("--buildroot", "debian-12-cross", "--sources", "sources")
    program("build", "plan.json", *root)
    program("lock", "plan.json", *root)
    there = home / "there"
    program("fetch", "ppcdeps.lock", "--to", there / "files", "--sources", "sources", *fetch_options)
    for name in ("plan.json", "target.toml", "workload.toml", "constraints.txt"):
        shutil.copy(world.folder / name, there / name)
    shutil.copytree(world.recipes, there / "recipes")
    return Locked(world, world.folder / "ppcdeps.lock", there, other, cache)


@pytest.fixture(scope="module")
def rebuilt(
    tmp_path_factory: pytest.TempPathFactory,
    debian_cache: Cache,
    debian_root: Buildroot,
    debian_cross_root: Buildroot,
) -> Locked:
    home = tmp_path_factory.mktemp("lock-builds")
    cache, other = (beside(debian_cache, home / name) for name in ("cache", "other-cache"))
    # The roots are those that all tests share, and are not brought: to make them anew is for the long test.
    return locked(home, cache, other, "--no-buildroots")


LOCKED = ("--locked", "files/ppcdeps.lock")


def read_plan(file: Path) -> dict[str, Any]:
    """A plan, but for what of an index was looked at: the lock's folder has only what the plan takes."""
    plan: dict[str, Any] = json.loads(file.read_text())
    for gap in plan["gaps"]:
        if gap["kind"] == "python":
            del gap["tried"]
    return plan


def check_offline(here: Locked) -> None:
    """Plan, build and verify without network, and compare all with what was built before."""
    recipes = ("--target", "target.toml", "--recipes", "recipes")
    said = here.offline("plan", "workload.toml", *recipes, *LOCKED, "-o", "again.json", code=1)
    assert "is not the plan that" not in said
    before, again = (read_plan(here.there / name) for name in ("plan.json", "again.json"))
    assert again == before
    # In the buildroot and the mode of the lock, though the target names another.
    said = here.offline("build", "plan.json", *LOCKED)
    assert "in debian-12-cross (cross)" in said
    assert "built in" in said
    assert "packages are the same, byte for byte" in said
    assert "Closed: the packages were installed and run under emulation" in here.offline(
        "verify", "plan.json", *LOCKED
    )
    first = {path.name: path for path in here.world.repository.glob("packages/**/*.rpm")}
    second = {path.name: path for path in (here.there / here.world.repository.name).glob("packages/**/*.rpm")}
    assert first.keys() == second.keys()
    assert {
        name: differences(contents_of(first[name]), contents_of(second[name])) for name in first
    } == dict.fromkeys(first, ())
    assert {name: path.read_bytes() for name, path in first.items()} == {
        name: path.read_bytes() for name, path in second.items()
    }


def test_a_world_is_rebuilt_from_its_lock_without_network_on_another_cache(rebuilt: Locked) -> None:
    check_offline(rebuilt)


def test_the_lock_says_how_its_packages_were_built(rebuilt: Locked) -> None:
    lock = json.loads(rebuilt.lock.read_text())
    builds = {one["source"]: one for one in lock["builds"]}
    assert set(builds) == {"yajl", "numactl", "python3-wrapt", "python3-msgpack"}
    assert {one["mode"] for one in builds.values()} == {"cross"}
    assert all(one["epoch"] > 1_000_000_000 for one in builds.values())
    cross = next(one for one in lock["buildroots"] if one["name"] == "debian-12-cross")
    assert cross["gcc"].startswith("12.")
    assert cross["rpm"].startswith("4.18")
    assert [(one["recipe"], one["origin"]) for one in lock["recipes"]] == [("yajl", "recipes")]
    assert all(one["path"].startswith("pool/") for one in lock["root_packages"])


def test_other_options_of_build_go_with_a_lock(rebuilt: Locked) -> None:
    build = ("build", "plan.json", *LOCKED)
    only = rebuilt.offline(*build, "--only", "yajl", "--repository", "only", "--work", "only-work")
    assert "Built as locked: 1 of 1 packages are the same, byte for byte" in only
    again = rebuilt.offline("build", "--resume", "--work", "only-work")
    assert "Built as locked: 1 of 1 packages are the same, byte for byte" in again
    closed = rebuilt.offline(*build, "--until-closed", "--repository", "closed", "--work", "closed-work")
    assert "Built as locked: 6 of 6 packages are the same, byte for byte" in closed
    assert "Closed: the packages were installed and run under emulation" in closed


def test_a_pipelines_rendered_sources_are_built_with_a_lock(rebuilt: Locked) -> None:
    program = Program(rebuilt.world.folder, {**PIP, "PPCDEPS_CACHE": str(rebuilt.online)}, patience=1800)
    place = ("--sources", "sources", "--buildroot", "debian-12-cross")
    program("export", "plan.json", "make", "-o", rebuilt.there / "pipe" / "Makefile", *place)
    rendered = ("--rendered", "pipe/ppcdeps-power-demo/rendered")
    said = rebuilt.offline(
        "build", "plan.json", *LOCKED, *rendered, "--repository", "rendered", "--work", "rendered-work"
    )
    assert "Built as locked: 6 of 6 packages are the same, byte for byte" in said


@pytest.mark.long
def test_what_was_built_is_verified_from_another_folder(rebuilt: Locked) -> None:
    elsewhere = replace(rebuilt, there=rebuilt.there.parent / "elsewhere")
    elsewhere.there.mkdir()
    lock = ("--locked", "../there/files/ppcdeps.lock")
    rebuilt.offline("build", "plan.json", *LOCKED, "--repository", "built", "--work", "built-work")
    said = elsewhere.offline("verify", "../there/plan.json", *lock, "--repository", "../there/built")
    assert "Closed: the packages were installed and run under emulation" in said


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (
            ("--mirror", "http://mirror.invalid"),
            2,
            "--locked takes buildroots from the lock's folder: not with --mirror",
        ),
        (("--refresh",), 2, "--refresh reads repositories elsewhere, and --locked the folder of "),
        (("--on", "copr", "--project", "a/b"), 2, "COPR builds with today's packages of its own repositories"),
        (("--buildroot", "debian-12-cross", "--mode", "emulated"), 2, "debian-12-cross has no build mode emulated"),
        (("--only", "nothing"), 2, "does not build nothing; it builds msgpack, numactl, wrapt, yajl"),
    ],
)
def test_what_does_not_go_with_a_lock_is_one_line(
    rebuilt: Locked, options: tuple[str, ...], code: int, words: str
) -> None:
    said = rebuilt.offline("build", "plan.json", *LOCKED, *options, "--work", "no", "--repository", "none", code=code)
    (fault,) = [line for line in said.splitlines() if line.startswith("ppcdeps: error: ")]
    assert words in fault
    assert not (rebuilt.there / "none").exists()


def test_recipes_sources_and_buildroots_move_by_their_names(rebuilt: Locked, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    shutil.copytree(rebuilt.world.folder, folder, symlinks=True)
    program = Program(folder, {**PIP, "PPCDEPS_CACHE": str(rebuilt.online)}, patience=600)
    update = ("lock", "plan.json", "--buildroot", "debian-12-cross", "--sources", "sources", "--update")
    for name in ("yajl", "debian-12-cross", "yajl_2.1.0.orig.tar.gz", "debtcollector"):
        assert "Nothing moved" in program(*update, name).out
    fault = program(*update, "rpm", code=2).fault
    assert "rpm is a package of the buildroot debian-12" in fault
    recipe = folder / "recipes" / "yajl" / "recipe.toml"
    recipe.write_text(f"# Changed.\n{recipe.read_text()}")
    moved = json.loads(program(*update, "yajl", "--json").out)["moved"]
    assert [(one["kind"], one["name"]) for one in moved] == [("recipe", "yajl")]
    # The plan is the new recipe's, and builds by it.
    assert "yajl-2.1.0" in program("build", "plan.json", *update[2:6], "--only", "yajl").out


@pytest.mark.long
def test_the_demos_world_is_rebuilt_with_its_buildroots_from_the_folder_alone(
    tmp_path: Path, debian_cache: Cache, debian_root: Buildroot, debian_cross_root: Buildroot
) -> None:
    cache = beside(debian_cache, tmp_path / "cache")
    check_offline(locked(tmp_path, cache, tmp_path / "empty-cache"))
