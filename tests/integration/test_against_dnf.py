"""What ppcdeps finds installable, and what it finds missing, held against dnf over the same repositories."""

import json
import random
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import el9
import el10
import pytest
from universes import Case, open_universe, search_in

from ppcdeps.base.cache import Cache
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.rpm.closure import Closure, ClosureSearch
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.problems import Lacking, UninstallableProviders, statements_of
from ppcdeps.rpm.requests import Request, request_packages
from ppcdeps.rpm.requirers import Requirers
from ppcdeps.rpm.solving import solve_requests
from ppcdeps.rpm.universe import Universe

SEED = 20240229
SYSTEM_PYTHON = Path("/usr/bin/python3")
ORACLE = Path(__file__).parents[1] / "support" / "dnf_oracle.py"
DISTRIBUTIONS = pytest.mark.parametrize("distribution", [el9, el10], ids=["el9", "el10"])
NOTHING = "nothing provides "
NEEDED = " needed by "


def _dnf_lacks() -> str:
    """Why dnf cannot be asked, or nothing."""
    if shutil.which("dnf") is None or not SYSTEM_PYTHON.exists():
        return "needs dnf (packages dnf and python3-dnf)"
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import dnf"], capture_output=True, check=False)
    return "" if found.returncode == 0 else "needs dnf's Python modules (package python3-dnf)"


LACKS = _dnf_lacks()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS or "dnf is there")


class Ours:
    """Our answers over the repositories, each in a universe that no earlier answer has changed."""

    def __init__(self, configs: Sequence[RepoConfig], cache: Cache) -> None:
        self._configs = configs
        self._cache = cache
        self._case = Case("dnf", (), ())
        self._open()

    def request(self, name: str) -> tuple[Universe, Request, Closure, ClosureSearch]:
        if self.universe.placeholders or self._search.ignored:
            self._open()
        request = request_packages(self.universe, name, [name])
        return self.universe, request, self._search.closure([request]), self._search

    def _open(self) -> None:
        self.universe = open_universe(self._case, self._configs, self._cache)
        self._search = search_in(self.universe, self._case)


def _ask_dnf(folder: Path, repositories: Mapping[str, str], names: Sequence[str]) -> dict[str, Any]:
    asked = {"root": str(folder), "arch": "ppc64le", "repositories": repositories, "names": names}
    done = subprocess.run(
        [SYSTEM_PYTHON, ORACLE], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _configs(urls: Mapping[str, str]) -> list[RepoConfig]:
    return [RepoConfig(name, Side.TARGET, baseurl=(url,)) for name, url in urls.items()]


def _names(universe: Universe) -> set[str]:
    return {
        str(s.name) for part in universe.parts if part.role is not Role.SOURCE for s in part.repo.solvables_iter()
    }


def _compare(ours: Ours, name: str, said: Mapping[str, Any]) -> list[str]:
    """What differs for a name, in words."""
    universe, request, closure, _ = ours.request(name)
    installable = not closure.unknown and not closure.clashes
    if installable != said["installable"]:
        lacking = [universe.label(i) for i in closure.unknown]
        return [f"{name}: installable is {installable} here; lacking {lacking}; dnf: {said['problems']}"]
    if installable:
        chosen = sorted(universe.label(i) for i in closure.chosen)
        return [] if chosen == said["packages"] else [f"{name}: {set(chosen) ^ set(said['packages'])}"]
    told = _told(universe, request, closure)
    return [
        f"{name}: not told: {NOTHING}{r}{NEEDED}{by}" for r, by in _named_by(said["problems"]) if (r, by) not in told
    ]


def _told(universe: Universe, request: Request, closure: Closure) -> set[tuple[str, str]]:
    """Each requirement that nobody satisfies, with its package.

    Those of the answer, and those of the other ways that were refused: dnf names what is missing on any of them.
    """
    requirers = Requirers(universe, closure.chosen, [request.id])
    told = {(edge.requirement, universe.label(edge.by)) for i in closure.unknown for edge in requirers.on.get(i, ())}
    refused = solve_requests(universe, [request], duplicates=True, placeholders=())
    for statement in statements_of(refused):
        # With its imagined provider forbidden, a requirement counts as one whose providers cannot be installed.
        if isinstance(statement, Lacking | UninstallableProviders) and not universe.providers_of(
            statement.requirement
        ):
            told.add((statement.requirement, universe.label(statement.package)))
    return told


def _named_by(problems: Sequence[str]) -> list[tuple[str, str]]:
    """Requirement and package of each "nothing provides" of dnf's."""
    found = []
    for problem in problems:
        if problem.startswith(NOTHING):
            requirement, _, package = problem.removeprefix(NOTHING).partition(NEEDED)
            found.append((requirement, package.split()[0]))
    return found


@DISTRIBUTIONS
def test_installable_says_the_same_as_in_dnf(distribution: ModuleType, tmp_path: Path) -> None:
    urls = distribution.urls(distribution.TARGET)
    ours = Ours(_configs(urls), Cache.open(tmp_path / "cache"))
    reference = open_universe(
        Case("x86", (), ()),
        [
            RepoConfig(name, Side.REFERENCE, baseurl=(url,))
            for name, url in distribution.urls(distribution.REFERENCE).items()
        ],
        Cache.open(tmp_path / "cache"),
    )
    known = _names(ours.universe)
    chance = random.Random(SEED)
    drawn = chance.sample(sorted(known | _names(reference)), 200)
    # What dnf refuses is the interesting half, and too rare to be drawn often.
    refused = [
        name for name, said in _ask_dnf(tmp_path / "all", urls, sorted(known)).items() if not said["installable"]
    ]
    drawn += chance.sample(refused, min(60, len(refused)))

    said = _ask_dnf(tmp_path / "drawn", urls, drawn)
    assert {one["installable"] for one in said.values()} == {True, False}
    assert [line for name in drawn for line in _compare(ours, name, said[name])] == []


@DISTRIBUTIONS
def test_noarch_packages_of_the_reference_install_as_in_dnf(distribution: ModuleType, tmp_path: Path) -> None:
    urls = distribution.urls((*distribution.TARGET, "reference-rdo"))
    ours = Ours(_configs(urls), Cache.open(tmp_path / "cache"))
    part = next(part for part in ours.universe.parts if part.metadata.config.id == "reference-rdo")
    drawn = random.Random(SEED).sample(sorted({str(s.name) for s in part.repo.solvables_iter()}), 40)
    drawn += ["openstack-nova-compute", "openstack-cinder", "openstack-neutron-openvswitch"]

    said = _ask_dnf(tmp_path / "drawn", urls, drawn)
    assert {one["installable"] for one in said.values()} == {True, False}
    assert [line for name in drawn for line in _compare(ours, name, said[name])] == []


@DISTRIBUTIONS
def test_a_rebuild_is_needed_where_dnf_cannot_install_from_both_sides(
    distribution: ModuleType, tmp_path: Path
) -> None:
    target, reference = distribution.urls(distribution.TARGET), distribution.urls(distribution.REFERENCE)
    configs = [
        *_configs(target),
        *(RepoConfig(name, Side.REFERENCE, baseurl=(url,)) for name, url in reference.items()),
    ]
    ours = Ours(configs, Cache.open(tmp_path / "cache"))
    drawn = random.Random(SEED).sample(sorted(_names(ours.universe)), 30)
    part = next(part for part in ours.universe.parts if part.metadata.config.id == "reference-rdo")
    drawn += random.Random(SEED).sample(sorted({str(s.name) for s in part.repo.solvables_iter()}), 10)

    said = _ask_dnf(tmp_path / "drawn", {**target, **reference}, drawn)
    assert {one["installable"] for one in said.values()} == {True, False}
    for name in drawn:
        _, _, closure, _ = ours.request(name)
        without_builds = not (closure.sources or closure.unknown or closure.clashes)
        assert without_builds == said[name]["installable"], (name, closure.sources, said[name]["problems"])


@pytest.mark.parametrize("name", ["qemu-img", "cockpit-machines", "rls", "bind-dyndb-ldap", "no-such-package"])
def test_the_command_line_of_dnf_says_the_same(name: str, tmp_path: Path) -> None:
    urls = el9.urls(el9.TARGET)
    universe, request, closure, _ = Ours(_configs(urls), Cache.open(tmp_path / "cache")).request(name)
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
    told = _told(universe, request, closure)
    assert [pair for pair in _named_by(lines) if pair not in told] == []
