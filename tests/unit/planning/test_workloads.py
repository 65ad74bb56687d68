import functools
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import el9
import el10
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ppcdeps.metadata.targets import list_targets, load_target
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.workload import Workload
from ppcdeps.planning.advice import load_advice
from ppcdeps.planning.workloads import (
    absent_constraints,
    curated_constraints,
    list_workloads,
    load_workload,
    together,
    workload_of_roots,
)


@functools.cache
def names_in(primary: Path) -> set[str]:
    """The package names of a repository, read without ppcdeps."""
    with primary.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as stream:
        return {
            element.text or ""
            for _, element in ElementTree.iterparse(stream)
            if element.tag == "{http://linux.duke.edu/metadata/common}name"
        }


def test_the_shipped_workloads_are_those_that_are_promised() -> None:
    assert set(list_workloads()) == {
        "nova-compute", "neutron-openvswitch-agent", "cinder-volume", "libvirt-kvm", "ceph-client",
    }  # fmt: skip


@pytest.mark.parametrize("name", list_workloads())
def test_every_shipped_workload_is_whole(name: str) -> None:
    workload = load_workload(name)
    assert workload.name == name
    assert workload.origin == f"{name}.toml"
    assert workload.title and workload.roots
    assert set(workload.advice) <= {rule.id for rule in load_advice()}


@pytest.mark.parametrize("distribution", [el9, el10], ids=["el9", "el10"])
@pytest.mark.parametrize("name", list_workloads())
def test_the_roots_of_every_workload_are_packages_of_the_reference(name: str, distribution: ModuleType) -> None:
    known = set().union(*(names_in(distribution.primary(each)) for each in distribution.REFERENCE))
    assert set(load_workload(name).roots) <= known


def test_every_release_has_its_constraints() -> None:
    assert load_workload("nova-compute").release == "yoga"
    assert load_workload("nova-compute").constraints == "upper-constraints-yoga.txt"
    assert load_workload("nova-compute", "caracal").constraints == "upper-constraints-2024.1.txt"
    known = load_workload("nova-compute").releases
    # Older ones have no constraints with ppcdeps: the reference's versions count.
    newer = known[known.index("yoga") :]
    for release in known:
        assert bool(load_workload("nova-compute", release).constraints) == (release in newer)


@pytest.mark.parametrize("name", ["nova-compute", "neutron-openvswitch-agent", "cinder-volume"])
def test_openstack_workloads_know_every_release_of_every_target(name: str) -> None:
    releases = {release for target in list_targets() for release in load_target(target).openstack_releases}
    assert releases <= set(load_workload(name).releases)


@pytest.mark.parametrize("release", ["yoga", "zed", "antelope", "caracal", "epoxy", "flamingo", "gazpacho"])
def test_openstacks_constraints_of_a_release_come_with_ppcdeps(release: str) -> None:
    workload = load_workload("nova-compute", release)
    assert absent_constraints(workload) is None
    file = curated_constraints(workload)
    assert file is not None
    assert 500 < sum("===" in line for line in file.read_text().splitlines()) < 700


def test_constraints_that_did_not_come_with_ppcdeps_are_named_and_no_fault() -> None:
    workload = load_workload("nova-compute", "bobcat")
    assert absent_constraints(workload) == "upper-constraints-2023.2.txt"
    assert curated_constraints(workload) is None


def test_a_file_of_the_users_that_is_not_there_is_a_fault() -> None:
    workload = Workload("mine", "Mine", ("bash",), constraints="pins.txt")
    assert absent_constraints(workload) is None
    with pytest.raises(ConfigError, match=r"there is no pins\.txt, which .* names for the pins of mine"):
        curated_constraints(workload)


def test_a_workload_without_releases_leaves_the_release_aside() -> None:
    workload = load_workload("libvirt-kvm", "yoga")
    assert (workload.release, workload.constraints) == (None, None)


@pytest.mark.parametrize(
    ("name", "release", "message"),
    [
        ("nova-compte", None, 'unknown workload "nova-compte"; did you mean "nova-compute"?'),
        ("zz", None, 'unknown workload "zz"; known: ceph-client, cinder-volume, libvirt-kvm, '),
        ("nova-compute", "epoxi", 'nova-compute has no OpenStack release "epoxi"; did you mean "epoxy"?'),
        ("nova-compute", "zzz", 'nova-compute has no OpenStack release "zzz"; known: kilo, liberty, '),
    ],
)
def test_what_is_unknown_offers_what_there_is(name: str, release: str | None, message: str) -> None:
    with pytest.raises(UsageError) as told:
        load_workload(name, release)
    assert str(told.value).removeprefix("workload ").startswith(message)


def test_all_faults_of_a_workload_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        """
name = "mine"
titel = "Mine"
roots = ["a b c", "pypi:-x", "(a or"]

[openstack]
default = "yoga"
releases = ["zed"]

[constraints]
caracal = "x.txt"
"""
    )
    with pytest.raises(ConfigError) as told:
        load_workload(str(file))
    assert told.value.faults == (
        '"title" is missing',
        "\"roots\": not a requirement (name, or name, relation and version): 'a b c'",
        '"roots": not the name of a Python distribution: "-x"',
        '"roots": the boolean dependency (a or ends too early',
        '[openstack]: "default" is "yoga", which "releases" does not name',
        '[constraints] has a file for "caracal", which is not among the releases',
        'unknown key "titel", did you mean "title"?',
    )


def test_advice_of_which_there_is_no_rule_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\ntitle = "Mine"\nroots = ["bash"]\nadvice = ["no-kvn", "check"]\n')
    with pytest.raises(ConfigError) as told:
        load_workload(str(file))
    assert told.value.faults == ('"advice" has no rule "no-kvn"; did you mean "no-kvm"?',)


def test_a_file_of_the_users_is_a_workload(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\ntitle = "Mine"\nroots = "httpd"\n')
    workload = load_workload(str(file))
    assert (workload.name, workload.roots, workload.origin) == ("mine", ("httpd",), str(file))


@pytest.mark.parametrize(
    ("roots", "name"),
    [
        (["httpd"], "httpd"),
        (["httpd", "php"], "httpd+php"),
        ([" httpd "], "httpd"),
    ],
)
def test_plain_names_make_a_plain_name(roots: list[str], name: str) -> None:
    assert workload_of_roots(roots).name == name


@pytest.mark.parametrize(
    "root",
    [
        "libfoo.so.1()(64bit)",
        "foo >= 2",
        "/usr/bin/virsh",
        "pypi:numpy",
        "(a or b)",
        "x" * 300,
        "perl(Test::More)",
    ],
)
def test_any_root_makes_a_name_that_is_safe_in_a_path(root: str) -> None:
    workload = workload_of_roots([root])
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,59}", workload.name)
    assert workload.roots == (root,)


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1), min_size=1, max_size=4))
def test_names_of_roots_are_safe_and_differ_as_the_roots_do(roots: list[str]) -> None:
    try:
        first = workload_of_roots(roots).name
        other = workload_of_roots([*roots, "another"]).name
    except UsageError:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,59}", first)
    assert first != other


@pytest.mark.parametrize(
    ("roots", "message"),
    [
        ([], "there is nothing to plan; give a workload or a root"),
        ([" "], "an empty text is not a root; "),
        (["a\nb"], 'a root has no control characters: "a\\nb"; '),
        (["foo >="], "not a requirement (name, or name, relation and version): 'foo >='; "),
        (["pypi:"], 'not the name of a Python distribution: ""; '),
    ],
)
def test_what_is_no_root_is_refused(roots: list[str], message: str) -> None:
    with pytest.raises(UsageError) as told:
        workload_of_roots(roots)
    assert str(told.value).startswith(message)


def written(folder: Path, text: str, name: str = "app.toml") -> str:
    (folder / name).write_text(
        f'name = "{name.removesuffix(".toml")}"\ntitle = "An application"\nroots = ["pypi:app"]\n{text}'
    )
    return str(folder / name)


def test_a_workload_without_openstack_has_pins_that_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("app==1\n")
    workload = load_workload(written(tmp_path, 'constraints = "pins.txt"\n'))
    assert (workload.release, workload.releases) == (None, ())
    assert curated_constraints(workload) == tmp_path / "pins.txt"


def test_one_constraints_file_serves_every_release(tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("app==1\n")
    text = 'constraints = "pins.txt"\n[openstack]\nreleases = ["yoga", "zed"]\ndefault = "yoga"\n'
    for release in (None, "zed"):
        assert curated_constraints(load_workload(written(tmp_path, text), release)) == tmp_path / "pins.txt"


def test_constraints_that_ppcdeps_ships_can_be_named_by_a_workload_without_releases(tmp_path: Path) -> None:
    found = curated_constraints(load_workload(written(tmp_path, 'constraints = "upper-constraints-yoga.txt"\n')))
    assert found is not None and found.name == "upper-constraints-yoga.txt"


@pytest.mark.parametrize("name", ["pins.txt", "../pins.txt"])
def test_pins_that_are_not_there_are_an_error_that_names_both_files(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f'constraints = "{name}"\n')
    with pytest.raises(ConfigError, match=f"there is no {name}, which {path} names"):
        curated_constraints(load_workload(path))


@pytest.mark.parametrize("value", ["1", "true", '["pins.txt"]', '""', f'"{"x" * 300}"'])
def test_constraints_of_another_kind_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="constraints"):
        load_workload(written(tmp_path, f"constraints = {value}\n"))


def test_workloads_with_different_pins_are_not_planned_together_unless_one_file_is_given(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text("app==1\n")
    workloads = [
        load_workload(written(tmp_path, f'constraints = "{name}.txt"\n', f"{name}.toml")) for name in ("one", "two")
    ]
    with pytest.raises(UsageError, match="one and two have different constraints files"):
        together(workloads)
    assert together(workloads, pinned=True).roots == ("pypi:app",)


LOCK = """\
lockfileVersion: 1
lockfileVendor: redhat
arches:
- arch: x86_64
  packages:
  - {url: 'https://cdn.example/zsh-5-1.x86_64.rpm'}
  - {url: 'https://cdn.example/ash-1-1.noarch.rpm'}
  - {url: 'https://cdn.example/glibc-2-1.x86_64.rpm'}
  - {url: 'https://cdn.example/glibc-2-1.i686.rpm'}
- arch: ppc64le
  packages:
  - {url: 'https://cdn.example/zsh-5-1.ppc64le.rpm'}
  - {url: 'https://cdn.example/librtas-1-1.ppc64le.rpm'}
- arch: s390x
"""


def test_a_lock_is_a_workload_of_the_packages_of_its_reference_side(tmp_path: Path) -> None:
    file = tmp_path / "site.rpms.lock.yaml"
    file.write_text(LOCK)
    workload = load_workload(str(file), arches=("x86_64", "ppc64le"))
    assert (workload.name, workload.title) == ("site.rpms", "site.rpms.lock.yaml (x86_64)")
    assert workload.roots == ("ash", "glibc", "zsh")
    assert workload.notes == (
        "left out of site.rpms.lock.yaml, as they are of other architectures: glibc.i686",
        "site.rpms.lock.yaml has a side for ppc64le, too: x86_64 alone has ash, glibc; ppc64le alone has librtas",
    )
    assert load_workload(str(file), arches=("aarch64", "ppc64le")).roots == ("librtas", "zsh")
    with pytest.raises(ConfigError, match="locks no packages for s390x or aarch64") as raised:
        load_workload(str(file), arches=("s390x", "aarch64"))
    assert raised.value.hint == "it locks packages for ppc64le, x86_64"


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (
            LOCK.replace(
                "- arch: ppc64le", "  module_metadata: [{url: 'https://cdn.example/modules.yaml'}]\n- arch: a"
            ),
            "x.yaml has packages of modules; it does not say which streams: enable them with --module",
        ),
        (
            "document: rpm-package-manifest\nversion: 0.2.2\ndata:\n"
            "  repositories: [{id: r, baseurl: 'https://cdn.example'}]\n  packages:\n    x86_64:\n"
            "    - {name: npm, repo_id: r, checksum: 'sha256:5a', size: 1, evr: 1-1, module: 'nodejs:18'}\n",
            "x.yaml has packages of modules, whose streams are not enabled by that: --module nodejs:18",
        ),
    ],
)
def test_the_modules_of_a_lock_are_said(lock: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(lock)
    assert said in load_workload(str(file)).notes


def test_a_lock_of_foreign_packages_alone_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rpms.lock.yaml"
    file.write_text(LOCK.replace(".x86_64.rpm", ".i686.rpm").replace(".noarch.rpm", ".i686.rpm"))
    with pytest.raises(ConfigError, match="has only packages of other architectures for x86_64"):
        load_workload(str(file))
