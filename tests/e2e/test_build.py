"""From a plan to a signed repository that installs, with everything real: roots, sources, builds, dnf and pip.

The packages run in a Debian root by emulation; they were cross-compiled, and one of them emulated as well.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from debianroots import beside, emulates, lacks
from htmlpages import check_whole
from program import Program
from slurmcluster import SlurmCluster

from ppcdeps.base.cache import Cache
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.demo.world import DemoWorld, make_world
from ppcdeps.engines.job import Buildroot
from ppcdeps.model.reporter import Silence
from ppcdeps.rpm.header import read_header

pytestmark = [
    pytest.mark.skipif(bool(lacks()), reason=lacks() or "-"),
    pytest.mark.skipif(os.geteuid() != 0, reason="installing into a root takes root"),
]

PACKAGES = ("yajl", "numactl")
PYTHON = ("msgpack", "wrapt")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e-build")


@pytest.fixture(scope="module")
def cache(home: Path, debian_cache: Cache, debian_root: Buildroot, debian_cross_root: Buildroot) -> Cache:
    return Cache(beside(debian_cache, home / "cache"))


@pytest.fixture(scope="module")
def world(home: Path, cache: Cache) -> DemoWorld:
    if not emulates():
        pytest.skip("programs of ppc64le do not run here")
    return make_world(home / "world", cache, Silence(), packages=PACKAGES, python=PYTHON)


@pytest.fixture(scope="module")
def key(home: Path) -> Iterator[str]:
    """The address of a throw-away key without a passphrase, in a gpg home of its own."""
    place = home / "gnupg"
    place.mkdir(mode=0o700)
    command = ["gpg", "--homedir", str(place), "--batch", "--passphrase", "", "--quick-generate-key"]
    subprocess.run([*command, "Builder <builder@example.org>", "rsa2048", "sign", "never"], check=True)
    yield "builder@example.org"
    subprocess.run(["gpgconf", "--homedir", str(place), "--kill", "all"], check=False)


@pytest.fixture(scope="module")
def ppcdeps(world: DemoWorld, home: Path, cache: Cache) -> Program:
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    variables = {**pip, "PPCDEPS_CACHE": str(cache.directory), "GNUPGHOME": str(home / "gnupg")}
    return Program(world.folder, variables, patience=1800)


PLACE = ("--target", "target.toml", "--recipes", "recipes")
BUILD = ("build", "plan.json", *PLACE, "--sources", "sources", "--work", "run")
SIGNED = ("--buildroot", "debian-12-cross", "--repository", "signed")


@pytest.fixture(scope="module")
def plan(ppcdeps: Program, world: DemoWorld) -> dict[str, object]:
    ppcdeps("plan", world.workload_file, *PLACE, "-o", "plan.json", code=1)
    found: dict[str, object] = json.loads((world.folder / "plan.json").read_text())
    return found


@pytest.fixture(scope="module")
def built(ppcdeps: Program, plan: dict[str, object], key: str) -> dict[str, dict[str, object]]:
    """The results of the build by name, as --json tells them."""
    run = ppcdeps(*BUILD, *SIGNED, "-j", "2", "--sign-with", key, "--json")
    (ppcdeps.folder / "build.json").write_text(run.out, "utf-8")
    return {result["name"]: result for result in json.loads(run.out)["results"]}


def test_what_is_missing_is_built_for_power(built: dict[str, dict[str, object]], plan: dict[str, object]) -> None:
    assert {result["outcome"] for result in built.values()} == {"built"}
    waves = plan["waves"]
    assert isinstance(waves, list)
    assert set(built) == {name for wave in waves for name in wave}
    packages = [package for result in built.values() for package in result["packages"]]  # type: ignore[attr-defined]
    assert {package.rpartition(".")[2] for package in packages} == {"ppc64le"}
    names = {package.rsplit("-", 2)[0] for package in packages}
    assert names >= {"yajl", "python3-msgpack", "python3-wrapt"}


def test_what_was_built_ran_under_emulation(world: DemoWorld, built: dict[str, dict[str, object]]) -> None:
    logs = world.folder / "run" / "logs"
    assert "yajl 20100" in (logs / "yajl.log").read_text()
    assert "imported msgpack._cmsgpack" in (logs / "msgpack.log").read_text()


def test_packages_and_metadata_are_signed(world: DemoWorld, built: dict[str, dict[str, object]]) -> None:
    folder = world.folder / "signed"
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.key
    assert all(package.key for package in manifest.packages)
    assert (folder / "repodata" / "repomd.xml.asc").is_file()


def test_the_second_build_builds_nothing(ppcdeps: Program, built: dict[str, dict[str, object]], key: str) -> None:
    run = ppcdeps(*BUILD, *SIGNED, "--sign-with", key, "--json")
    again = {result["name"]: result for result in json.loads(run.out)["results"]}
    assert {result["outcome"] for result in again.values()} == {"unchanged"}
    assert {name: result["key"] for name, result in again.items()} == {
        name: result["key"] for name, result in built.items()
    }


@pytest.fixture(scope="module")
def verdict(ppcdeps: Program, world: DemoWorld, built: dict[str, dict[str, object]]) -> Any:
    """What is verified of the build, as --json tells it."""
    arguments = ("verify", "plan.json", *PLACE, "--workload", world.workload_file, "--repository", "signed")
    run = ppcdeps(*arguments, "--json")
    (ppcdeps.folder / "verify.json").write_text(run.out, "utf-8")
    return json.loads(run.out)


def test_the_gap_is_closed(verdict: Any) -> None:
    assert verdict["closed"] is True
    assert not verdict["gaps"]["remaining"]
    assert not verdict["gaps"]["new"]
    for part in ("repoclosure", "installation", "imports"):
        assert verdict[part]["outcome"] == "ok", verdict[part]


def test_the_page_of_the_plan_shows_how_it_went(
    ppcdeps: Program, built: dict[str, dict[str, object]], verdict: Any
) -> None:
    ppcdeps("report", "plan.json", "--build", "build.json", "--verify", "verify.json", "-o", "page.html")
    text = (ppcdeps.folder / "page.html").read_text("utf-8")
    check_whole(text)
    for result in built.values():
        for file in result["files"]:  # type: ignore[attr-defined]
            assert file["bytes"] > 0
            assert file["file"] in text
            assert file["sha256"] in text
    for part in ("repoclosure", "installation", "imports"):
        assert verdict[part]["detail"] in text
    assert f"{len(built)} built" in text
    assert "programs ran emulated" in text


def test_until_closed_verifies_what_was_built_and_builds_no_more(
    ppcdeps: Program, world: DemoWorld, built: dict[str, dict[str, object]], key: str
) -> None:
    loop = ("--until-closed", "--workload", str(world.workload_file), "--sign-with", key)
    told = json.loads(ppcdeps(*BUILD, *SIGNED, *loop, "--json").out)
    assert told["verification"]["closed"] is True
    assert {result["outcome"] for result in told["results"]} == {"unchanged"}


def test_emulated_and_cross_builds_give_packages_that_require_and_provide_the_same(
    ppcdeps: Program, world: DemoWorld, built: dict[str, dict[str, object]]
) -> None:
    emulated = ("--buildroot", "debian-12", "--mode", "emulated", "--repository", "emulated", "--only", "wrapt")
    run = ppcdeps("build", "plan.json", *PLACE, "--sources", "sources", "--work", "run-2", *emulated, "--json")
    (result,) = json.loads(run.out)["results"]
    assert result["outcome"] == "built"
    headers = []
    for name in ("signed", "emulated"):
        (path,) = (world.folder / name / "packages").rglob("python3-wrapt-*.rpm")
        headers.append(read_header(path))
    cross, native = headers
    assert cross.requires == native.requires
    assert cross.provides == native.provides
    assert cross.files == native.files


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_builds_the_exported_plan_in_parallel(
    ppcdeps: Program, world: DemoWorld, plan: dict[str, object], home: Path
) -> None:
    """In another folder, with another umask. No repository of sources is read, and nothing built before is taken."""
    place = world.folder / "with a space"
    options = (
        "--sources",
        "sources",
        "--buildroot",
        "debian-12-cross",
        "--no-install",
        "-o",
        "with a space/Makefile",
    )
    told = json.loads(ppcdeps("export", "plan.json", "make", *options, "--json").out)
    assert {step["id"] for step in told["steps"]} == {
        *(f"build-{name}" for name in ("yajl", "numactl", "msgpack", "wrapt")),
        *("publish", "verify"),
    }
    place = place.rename(home / "another place")
    hidden = [world.sources.rename(world.folder / "away"), world.srpms.rename(world.folder / "away-too")]

    def make(*words: str) -> str:
        command = ["make", "-j2", f"PPCDEPS={sys.executable} -m ppcdeps", *words]
        done = subprocess.run(
            command, cwd=place, env=ppcdeps.environment(), umask=0o027, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        assert make("publish").count("  built  ") == 4
    finally:
        for path, name in zip(hidden, (world.sources, world.srpms), strict=True):
            path.rename(name)
    built = sorted((place / "ppcdeps-power-demo" / "store").rglob("*"))
    again = make()
    assert "  built  " not in again
    assert sorted((place / "ppcdeps-power-demo" / "store").rglob("*")) == built
    manifest = read_manifest(place / "repository-power-demo")
    assert manifest is not None
    assert len(manifest.packages) == 6


def test_slurm_builds_in_order_on_two_nodes_what_is_built_here(
    ppcdeps: Program,
    world: DemoWorld,
    built: dict[str, dict[str, object]],
    home: Path,
    debian_cache: Cache,
    cluster: SlurmCluster,
) -> None:
    """From an empty store; yajl is made to need one of the others."""
    recipe = shutil.copytree(world.recipes, world.folder / "ordered") / "yajl" / "recipe.toml"
    recipe.write_text(f'{recipe.read_text()}\n[build]\nrequires = ["numactl-devel"]\n')
    place = ("--target", "target.toml", "--recipes", "ordered")
    ppcdeps("plan", world.workload_file, *place, "-o", "ordered.json", code=1)
    variables = {"PPCDEPS_CACHE": str(beside(debian_cache, home / "slurm-cache")), "PATH": cluster.path}
    by_slurm = replace(ppcdeps, variables={**ppcdeps.variables, **variables})
    arguments = ("build", "ordered.json", *place, "--sources", "sources", "--work", "run-slurm", "--on", "slurm")
    options = ("--buildroot", "debian-12-cross", "--engine", "bwrap", "--repository", "by-slurm", "--json")
    results = {result["name"]: result for result in json.loads(by_slurm(*arguments, *options).out)["results"]}
    assert {name: result["outcome"] for name, result in results.items()} == dict.fromkeys(built, "built")
    assert {result["job"]["node"] for result in results.values()} == {"node1", "node2"}
    jobs = cluster.jobs()
    yajl, numactl = (jobs[results[name]["job"]["id"]] for name in ("yajl", "numactl"))
    assert yajl["start"] >= numactl["end"]
    assert _files(world.folder / "by-slurm") == _files(world.folder / "signed")
    # That they install is asked of the same packages above.
    verify = ("verify", "ordered.json", *place, "--workload", world.workload_file, "--repository", "by-slurm")
    assert json.loads(by_slurm(*verify, "--no-install", "--json").out)["closed"] is True


def test_slurm_runs_the_exported_script(
    ppcdeps: Program, world: DemoWorld, plan: dict[str, object], cluster: SlurmCluster
) -> None:
    options = ("--sources", "sources", "--buildroot", "debian-12-cross", "--engine", "bwrap", "--no-install")
    ppcdeps("export", "plan.json", "slurm", *options, "-o", "by script/submit.sh")
    place = world.folder / "by script"
    by_slurm = replace(ppcdeps, variables={**ppcdeps.variables, "PATH": cluster.path})
    jobs = cluster.run_script(place, by_slurm.environment(), place / "ppcdeps-power-demo" / "work")
    builds = {name: job for name, job in jobs.items() if name.startswith("build-")}
    assert set(builds) == {f"build-{name}" for name in ("yajl", "numactl", "msgpack", "wrapt")}
    assert {job["node"] for job in builds.values()} == {"node1", "node2"}
    assert jobs["publish"]["start"] >= max(job["end"] for job in builds.values())
    manifest = read_manifest(place / "repository-power-demo")
    assert manifest is not None
    assert len(manifest.packages) == 6


def _files(repository: Path) -> dict[str, str]:
    """What rpm says of the packages of a repository by file name: their files, with modes and digests."""
    form = "[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME} %{FILEDIGESTS} %{FILELINKTOS}\n]"
    packages = sorted((repository / "packages").rglob("*.rpm"))
    command = ["rpm", "--query", "--nosignature", "--queryformat", form, "--package"]
    return {path.name: subprocess.check_output([*command, path], text=True) for path in packages}
