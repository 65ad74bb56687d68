"""What ppcdeps finds installable, and what it finds missing, held against dnf over the same repositories."""

import random
import subprocess
from pathlib import Path
from types import ModuleType

import el9
import el10
import pytest
from againstdnf import Ours, ask_dnf, compare, configs_of, dnf_lacks, named_by, names_of, told
from universes import Case, open_universe, read_cases, write_case

from ppcdeps.base.cache import Cache
from ppcdeps.model.repository import RepoConfig, Side

SEED = 20240229
DISTRIBUTIONS = pytest.mark.parametrize(
    ("distribution", "releasever"), [(el9, "9"), (el10, "10")], ids=["el9", "el10"]
)


LACKS = dnf_lacks()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS or "dnf is there")


@DISTRIBUTIONS
def test_installable_says_the_same_as_in_dnf(distribution: ModuleType, releasever: str, tmp_path: Path) -> None:
    urls = distribution.urls(distribution.TARGET)
    ours = Ours(configs_of(urls), Cache.open(tmp_path / "cache"))
    reference = open_universe(
        Case("x86", (), ()),
        [
            RepoConfig(name, Side.REFERENCE, baseurl=(url,))
            for name, url in distribution.urls(distribution.REFERENCE).items()
        ],
        Cache.open(tmp_path / "cache"),
    )
    known = names_of(ours.universe)
    chance = random.Random(SEED)
    drawn = chance.sample(sorted(known | names_of(reference)), 200)
    # What dnf refuses is the interesting half, and too rare to be drawn often.
    answers = ask_dnf(tmp_path / "all", urls, sorted(known), releasever)
    refused = [name for name, said in answers.items() if not said["installable"]]
    drawn += chance.sample(refused, min(60, len(refused)))

    said = ask_dnf(tmp_path / "drawn", urls, drawn, releasever)
    assert {one["installable"] for one in said.values()} == {True, False}
    assert [line for name in drawn for line in compare(ours, name, said[name])] == []


@DISTRIBUTIONS
def test_noarch_packages_of_the_reference_install_as_in_dnf(
    distribution: ModuleType, releasever: str, tmp_path: Path
) -> None:
    urls = distribution.urls((*distribution.TARGET, "reference-rdo"))
    ours = Ours(configs_of(urls), Cache.open(tmp_path / "cache"))
    part = next(part for part in ours.universe.parts if part.metadata.config.id == "reference-rdo")
    drawn = random.Random(SEED).sample(sorted({str(s.name) for s in part.repo.solvables_iter()}), 40)
    drawn += ["openstack-nova-compute", "openstack-cinder", "openstack-neutron-openvswitch"]

    said = ask_dnf(tmp_path / "drawn", urls, drawn, releasever)
    assert {one["installable"] for one in said.values()} == {True, False}
    assert [line for name in drawn for line in compare(ours, name, said[name])] == []


@DISTRIBUTIONS
def test_a_rebuild_is_needed_where_dnf_cannot_install_from_both_sides(
    distribution: ModuleType, releasever: str, tmp_path: Path
) -> None:
    target, reference = distribution.urls(distribution.TARGET), distribution.urls(distribution.REFERENCE)
    configs = [
        *configs_of(target),
        *(RepoConfig(name, Side.REFERENCE, baseurl=(url,)) for name, url in reference.items()),
    ]
    ours = Ours(configs, Cache.open(tmp_path / "cache"))
    drawn = random.Random(SEED).sample(sorted(names_of(ours.universe)), 30)
    part = next(part for part in ours.universe.parts if part.metadata.config.id == "reference-rdo")
    drawn += random.Random(SEED).sample(sorted({str(s.name) for s in part.repo.solvables_iter()}), 10)

    said = ask_dnf(tmp_path / "drawn", {**target, **reference}, drawn, releasever)
    assert {one["installable"] for one in said.values()} == {True, False}
    for name in drawn:
        _, _, closure, _ = ours.request(name)
        without_builds = not (closure.sources or closure.unknown or closure.clashes)
        assert without_builds == said[name]["installable"], (name, closure.sources, said[name]["problems"])


@pytest.mark.parametrize("name", ["qemu-img", "cockpit-machines", "rls", "bind-dyndb-ldap", "no-such-package"])
def test_the_command_line_of_dnf_says_the_same(name: str, tmp_path: Path) -> None:
    urls = el9.urls(el9.TARGET)
    universe, request, closure, _ = Ours(configs_of(urls), Cache.open(tmp_path / "cache")).request(name)
    command = ["dnf", "--forcearch", "ppc64le", "--releasever", "9", "--installroot", str(tmp_path / "root")]
    command += ["--setopt=reposdir=/dev/null", f"--setopt=cachedir={tmp_path / 'dnf'}", "--setopt=plugins=False"]
    command += ["--setopt=module_platform_id=platform:el9", "--setopt=install_weak_deps=False", "--nogpgcheck"]
    command += [f"--repofrompath={one},{url}" for one, url in urls.items()]
    done = subprocess.run(
        [*command, "--assumeno", "install", name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path)},
    )
    # With --assumeno even what is installable ends with 1 and this line.
    assert ("Operation aborted." in done.stderr) == (not closure.unknown and not closure.clashes), done.stderr
    lines = [line.strip().removeprefix("- ") for line in done.stderr.splitlines()]
    here = told(universe, request, closure)
    assert [pair for pair in named_by(lines) if pair not in here] == []


_KERNELS = [
    case
    for case in read_cases(Path(__file__).parents[1] / "cases" / "conflicts.toml")
    if "kernel" in case.name and all(each.side is Side.TARGET for each in case.repositories)
]


@pytest.mark.parametrize("case", _KERNELS, ids=lambda case: case.name)
def test_kernels_are_beside_each_other_where_dnf_has_them_so(case: Case, tmp_path: Path) -> None:
    configs = write_case(case, tmp_path / "case")
    urls = {each.id: each.baseurl[0] for each in configs}
    said = ask_dnf(tmp_path / "dnf", urls, case.roots, without={"all": []})["all"]
    assert said["installable"] == ("clashes" not in case.expect), said["problems"]
    if said["installable"]:
        assert said["packages"] == sorted(case.expect["closure"])
