"""What may be named as a root, beside what `dnf install` takes from the same repository."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from againstdnf import SYSTEM_PYTHON, Ours, ask_dnf, configs_of
from rpmmd import Package, write_repository
from universes import case_of, run_case

from ppcdeps.base.cache import Cache
from ppcdeps.model import names
from ppcdeps.model.errors import UsageError
from ppcdeps.model.nevra import Nevra
from ppcdeps.planning.subjects import subject_of_dnf
from ppcdeps.planning.workloads import workload_of_roots

PACKAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "foo-1-1.ppc64le": {},
    "foo-2-1.ppc64le": {},
    "foo-libs-2:2-1.ppc64le": {},
    "foo-doc-2-1.noarch": {},
    "foo-1bar-7-1.noarch": {},
    "gcc-c++-3-1.ppc64le": {},
    "a.b-1-1.noarch": {},
    "python3-x-3.0~rc1-2.el9_5.noarch": {"provides": ("python3dist(x) = 3", "python3dist(x[y]) = 3")},
    "new-1-1.noarch": {"obsoletes": ("old < 2",)},
    "old-1-1.noarch": {},
    "prov-1-1.noarch": {"provides": ("virt(x) = 3",)},
}  # fmt: skip
ROOTS = (
    "foo", "foo-1", "foo-1-1", "foo-1-1.ppc64le", "foo.ppc64le", "foo-doc.noarch", "foo-libs-2:2-1", "foo-2-1",
    "foo-2-1.ppc64le",
    "foo-libs-2-1.ppc64le", "foo-0:2-1.ppc64le", "foo-1:2-1.ppc64le", "gcc-c++",
    "gcc-c++.ppc64le", "a.b", "a.b.noarch",
    "foo*", "foo-?ibs", "foo-[ld]*", "foo-1*", "foo-2-*", "*-doc", "*.noarch", "*", "foo-*.ppc64le", "*-2-1.*",
    "foo >= 2", "foo = 1", "virt(x)", "virt(x) >= 3", "virt(*)", "python3dist(x)",
    "python3dist(*)",
    "python3-x-3.0~rc1-2.el9_5.noarch", "python3-x-3.0~rc1", "new", "old", "ol?",
    "foo-libs-2:2-*", "foo-[0-9]-1.ppc64le", "foo-libs-[1-3]:2-1.*", "foo-[0-9]*", "foo-1bar", "foo-1bar-7",
    "gcc-c++-3-1", "gcc-c*", "*c++*", "a.b-1-1.noarch", "a.*", "foo-*-2-1", "*:2-1", "foo-1bar-7-1.noarch",
    "python3-x = 3.0~rc1", "prov", "vir*", "foo-libs = 2:2-1", "foo <= 1",
    "foo-3", "foo.noarch", "foo-1-1.x86_64", "foo-2-2", "nothing*", "virt(z*)", "foo-[x]*",
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ours, Mapping[str, Any]]:
    if shutil.which("dnf") is None or not SYSTEM_PYTHON.exists():
        pytest.skip("needs dnf (packages dnf and python3-dnf)")
    folder = tmp_path_factory.mktemp("roots")
    packages = [Package(Nevra.parse(nevra), relations=more) for nevra, more in PACKAGES.items()]
    url = write_repository(folder / "repo", packages).as_uri()
    said = ask_dnf(folder / "dnf", {"r": url}, ROOTS)
    return Ours(configs_of({"r": url}), Cache.open(folder / "cache")), said


@pytest.mark.parametrize("root", ROOTS)
def test_a_root_means_the_packages_that_dnf_installs(root: str, world: tuple[Ours, Mapping[str, Any]]) -> None:
    ours, said = world
    assert names.root(root) == root
    universe, _, closure, _ = ours.request(root)
    assert (not closure.unknown and not closure.clashes) is said[root]["installable"], said[root]["problems"]
    if said[root]["installable"]:
        assert sorted(universe.label(each) for each in closure.chosen) == said[root]["packages"]


def test_dnf_takes_what_stands_for_a_release_that_is_not_there(world: tuple[Ours, Mapping[str, Any]]) -> None:
    said = world[1]
    assert not said["foo-2-2"]["installable"]
    subject = subject_of_dnf("foo-2-2", [Nevra.parse(package) for package in said["foo-2-1.ppc64le"]["packages"]])
    assert subject == "foo-2-1.ppc64le"
    assert said[subject]["packages"] == ["foo-2-1.ppc64le"]


def test_brackets_in_a_capability_are_extras(world: tuple[Ours, Mapping[str, Any]]) -> None:
    # dnf takes them for a pattern, and finds nothing.
    universe, _, closure, _ = world[0].request("python3dist(x[y])")
    assert [universe.label(each) for each in closure.chosen] == ["python3-x-3.0~rc1-2.el9_5.noarch"]


def test_what_only_the_reference_has_is_meant_too(tmp_path: Path) -> None:
    case = case_of(
        ["qemu-*", "lib-2-3.el9.ppc64le", "tool.ppc64le"],
        target={"qemu-img-9-1.ppc64le": {}, "lib-2-9.el9_1.ppc64le": {}},
        reference={
            "qemu-img-9-1.x86_64": {},
            "qemu-kvm-9-1.x86_64": {},
            "qemu-docs-9-1.noarch": {},
            "lib-2-3.el9.x86_64": {},
            "tool-1-1.x86_64": {},
        },
    )
    said = run_case(case, tmp_path).said
    # Any build of the version will do: a rebuild has another release.
    assert said["closure"] == [
        "lib-2-9.el9_1.ppc64le",
        "qemu-img-9-1.ppc64le",
        "reference: qemu-docs-9-1.noarch",
        "standin: qemu-kvm-9-1.ppc64le",
        "standin: tool-1-1.ppc64le",
    ]
    assert said["sources"] == ["qemu-kvm", "tool"]


@pytest.mark.parametrize(
    ("root", "hint"),
    [
        ("foo>=2", "in quotes: 'foo >= 2'"),
        ("foo==2.0", "in quotes: 'foo = 2.0'"),
        ("@core", "`dnf group info core`"),
        ("@Virtualization Host", "`dnf group info 'Virtualization Host'`"),
        ("https://h.example/foo.rpm", "--repofrompath"),
        ("foo-1-1.src", "give the .src.rpm"),
        ("@^minimal-environment", "`dnf group info minimal-environment`"),
        ("@php:8.2", "--module php:8.2"),
        ("@php:8.2/devel", "--module php:8.2:"),
        ("/usr/bin/q*", "`dnf repoquery --file '/usr/bin/q*'`"),
        ("pypi:flask=2", "pypi:NAME"),
        ("pypi:--index-url", "pypi:NAME"),
        ("pypi:a;b", "pypi:NAME"),
    ],
)
def test_other_forms_are_refused_with_a_hint_at_the_right_one(root: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        workload_of_roots([root])
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "root",
    [
        "pypi:flask", "pypi:flask>=2.2", "pypi:nova==33.0.2", "pypi:oslo.db[mysql]", "pypi:a[b,c] >=1, <2",
        "pypi:a===1", "pypi:a==2.*", "pypi:a~=1.4",
    ],
)  # fmt: skip
def test_a_distribution_has_extras_and_versions(root: str) -> None:
    assert workload_of_roots([root]).roots == (root,)
