"""What moves in a lock, and what must move with it: over repositories that rpmbuild and createrepo_c made."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from program import Program
from rpmmd import Package, write_repository
from rpms import Rpm
from smalltarget import small_target
from srpms import make_srpm

from ppcdeps.model.nevra import Nevra

pytestmark = [
    pytest.mark.skipif(shutil.which("createrepo_c") is None, reason="needs createrepo_c"),
    pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="needs rpmbuild"),
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bwrap, in which specs are evaluated"),
]
SPEC = """\
Name: gadget
Version: 1
Release: 1
Summary: A gadget
License: MIT
BuildRequires: compiler
%description
It is only there for x86_64.
%files
"""


def rpm(name: str, version: int, *requires: str, arch: str = "noarch") -> Rpm:
    tags = [f"Requires: {one}" for one in requires]
    return Rpm(name, str(version), arch=arch, tags=tags)


# By repository. The newer app wants the newer library in that version; likewise the compiler and its parts.
FIRST = {
    "base": (rpm("app", 1, "lib >= 1", "tool"), rpm("lib", 1), rpm("compiler", 1, "parts = 1"), rpm("parts", 1)),
    "extras": (rpm("tool", 1), rpm("spare", 1)),
}
SECOND = {
    "base": (rpm("app", 2, "lib >= 2", "tool"), rpm("lib", 2), rpm("compiler", 2, "parts = 2"), rpm("parts", 2)),
    "extras": (rpm("tool", 2), rpm("spare", 2)),
}


class Updates:
    """The repositories, and a plan of them that is locked."""

    def __init__(self, made: Path, folder: Path) -> None:
        self.made = made
        self.program = Program(folder, {"PIP_CONFIG_FILE": "/dev/null"})
        folder.mkdir()
        for name in ("base", "extras", "reference", "source"):
            shutil.copytree(made / "first" / name, folder / name)
        (folder / "target.toml").write_text(small_target("base", "extras", "reference", "source"))
        words = ("app", "gadget", "--target", "target.toml", "--python", "rpm")
        self.program("plan", *words, "-o", "plan.json", code=1)
        self.program("lock", "plan.json")
        for name in SECOND:
            shutil.rmtree(folder / name)
            shutil.copytree(made / "second" / name, folder / name)

    def versions(self) -> dict[str, str]:
        """The locked packages of the target."""
        lock = json.loads((self.program.folder / "ppcdeps.lock").read_text())
        nevras = (Nevra.parse(one["nevra"]) for one in lock["packages"])
        return {one.name: one.version for one in nevras if one.arch != "src"}

    def moved(self, *names: str) -> dict[str, str]:
        """What has another version after an update of these."""
        before = self.versions()
        options = [word for name in names for word in ("--update", name)]
        self.program("lock", "plan.json", *options)
        return {name: version for name, version in self.versions().items() if version != before[name]}


def index(folder: Path, packages: Iterable[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in packages:
        shutil.copy(one, folder)
    subprocess.run(["createrepo_c", "-q", str(folder)], check=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repositories before and after; the later ones have the former packages, too."""
    folder = tmp_path_factory.mktemp("updates")
    for name in SECOND:
        first, second = (
            [one.build(folder / "rpms" / one.name / one.version) for one in packages]
            for packages in (FIRST[name], SECOND[name])
        )
        index(folder / "first" / name, first)
        index(folder / "second" / name, (*first, *second))
    (folder / "gadget.spec").write_text(SPEC)
    index(folder / "first" / "source", [make_srpm(folder / "gadget.spec", folder / "srpm")])
    index(folder / "first" / "reference", [rpm("gadget", 1, arch="x86_64").build(folder / "gadget")])
    return folder


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Updates:
    return Updates(made, tmp_path / "user")


def test_a_package_of_the_closure_takes_what_it_needs_in_a_version_along(world: Updates) -> None:
    assert world.versions() == {"app": "1", "lib": "1", "tool": "1", "compiler": "1", "parts": "1"}
    assert world.moved("app") == {"app": "2", "lib": "2"}


def test_a_package_that_nothing_wants_newer_moves_alone(world: Updates) -> None:
    assert world.moved("lib") == {"lib": "2"}
    assert world.moved("tool") == {"tool": "2"}


def test_a_package_of_a_build_environment_takes_what_it_needs_in_a_version_along(world: Updates) -> None:
    assert world.moved("compiler") == {"compiler": "2", "parts": "2"}


def test_a_repository_moves_with_all_of_its_packages(world: Updates) -> None:
    assert world.moved("extras") == {"tool": "2"}


def test_all_moves(world: Updates) -> None:
    assert set(world.moved("all").values()) == {"2"}


def package(name: str, version: int, *requires: str, source: str = "", **relations: tuple[str, ...]) -> Package:
    nevra = Nevra.parse(f"{name}-{version}-1.noarch")
    return Package(nevra, source, (), {"requires": requires, **relations}, content=str(nevra).encode())


def library(version: int) -> Package:
    return package("lib", version, provides=(f"lib.so.{version}",))


def libc(version: int) -> Package:
    return package("libc", version, provides=("libc.so.6",))


# By what a case shows: the roots beside gadget, the packages, those that come later, what is to move, and what moves.
CASES: dict[str, tuple[str, list[Package], list[Package], str, set[str]]] = {
    "what requires the former library moves, and a library that does as it is does not": (
        "app also other",
        [package("app", 1, "lib.so.1", "libc.so.6"), package("also", 1, "lib.so.1"), library(1), libc(1),
         package("other", 1)],
        [package("app", 2, "lib.so.2", "libc.so.6"), package("also", 2, "lib.so.2"), library(2), libc(2),
         package("other", 2)],
        "app",
        {"app", "also", "lib"},
    ),
    "a requirement that only trying tells of is met, and what has nothing to do with it stays": (
        "app tool other",
        [package("app", 1), package("tool", 1), package("other", 1)],
        [package("app", 2, "(tool >= 2 with tool < 3)"), package("tool", 2), package("other", 2)],
        "app",
        {"app", "tool"},
    ),
    "a package of another name takes no locked one's place": (
        "app lib",
        [package("app", 1, "service"), library(1), package("second", 1, provides=("service",))],
        [package("app", 2, "service"), package("newer", 2, provides=("lib = 2",), obsoletes=("lib < 2",)),
         package("first", 2, provides=("service",))],
        "app",
        {"app"},
    ),
    "what is built of the same source moves in build environments, too": (
        "lib",
        [library(1), package("devel", 1, "lib = 1", source="lib"), package("compiler", 1, "devel")],
        [library(2), package("devel", 2, "lib = 2", source="lib"), package("compiler", 2, "devel")],
        "lib",
        {"lib", "devel"},
    ),
}  # fmt: skip


def locked(folder: Path, roots: str, packages: Iterable[Package]) -> Program:
    """The program in a folder with a plan of these packages, and its lock."""
    program = Program(folder, {"PIP_CONFIG_FILE": "/dev/null"})
    write_repository(folder / "base", packages)
    write_repository(
        folder / "source", [Package(Nevra.parse("gadget-1-1.src"), relations={"requires": ("compiler",)})]
    )
    write_repository(folder / "reference", [Package(Nevra.parse("gadget-1-1.x86_64"))])
    (folder / "target.toml").write_text(small_target("base", "reference", "source"))
    program("plan", *roots.split(), "gadget", "--target", "target.toml", "--python", "rpm", "-o", "plan.json", code=1)
    program("lock", "plan.json")
    return program


def packages_of(program: Program) -> dict[str, list[object]]:
    """The locked packages by name, each as the lock has it."""
    lock = json.loads((program.folder / "ppcdeps.lock").read_text())
    found: dict[str, list[object]] = {}
    for one in lock["packages"]:
        found.setdefault(Nevra.parse(one["nevra"]).name, []).append(one)
    return found


@pytest.mark.parametrize("title", CASES)
def test_as_little_moves_as_can(tmp_path: Path, title: str) -> None:
    roots, first, second, name, moving = CASES[title]
    if all(one.nevra.name != "compiler" for one in first):
        first = [*first, package("compiler", 1)]
    program = locked(tmp_path / "updated", roots, first)
    before = packages_of(program)
    shutil.rmtree(program.folder / "base")
    write_repository(program.folder / "base", [*first, *second])
    program("lock", "plan.json", "--update", name)
    after = packages_of(program)
    assert {each for each in before.keys() | after.keys() if before.get(each) != after.get(each)} == moving
    # As if nothing else had come.
    others = locked(tmp_path / "others", roots, [*first, *(one for one in second if one.nevra.name in moving)])
    assert after == packages_of(others)
