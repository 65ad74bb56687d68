"""From a plan to a signed repository that installs, with everything real: roots, sources, builds, dnf and pip.

The packages run in a Debian root by emulation; they were cross-compiled, and one of them emulated as well.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from debianroots import beside, emulates, lacks
from program import Program

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


def test_the_gap_is_closed(ppcdeps: Program, world: DemoWorld, built: dict[str, dict[str, object]]) -> None:
    arguments = ("verify", "plan.json", *PLACE, "--workload", world.workload_file, "--repository", "signed")
    verdict = json.loads(ppcdeps(*arguments, "--json").out)
    assert verdict["closed"] is True
    assert not verdict["gaps"]["remaining"]
    assert not verdict["gaps"]["new"]
    for part in ("repoclosure", "installation", "imports"):
        assert verdict[part]["outcome"] == "ok", verdict[part]


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
