"""Solver problems as data: read from TOML, written as real repositories, answered by the real resolver."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rpmmd import RELATIONS, Package, modules_yaml, write_repository

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sync import ensure, fetch_repositories
from ppcdeps.model.capability import parse_requirement
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.rpm import opening
from ppcdeps.rpm.closure import Closure, ClosureSearch
from ppcdeps.rpm.dropped import Grounds, RequirementDropper
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.problems import PackageClash
from ppcdeps.rpm.requests import request_packages
from ppcdeps.rpm.sources import BuildEnvironments
from ppcdeps.rpm.universe import Universe

ARCH, REFERENCE_ARCH = "ppc64le", "x86_64"
_SIDES = ("target", "reference", "source")
_OPTIONS = ("priority", "cost", "excludepkgs", "includepkgs", "module_hotfixes")
_PACKAGE_KEYS = {*RELATIONS, "files", "from", "pre"}
_KEYS = {"name", "roots", "weak", "build", "streams", "facts", "expect", "repositories", "modules", *_SIDES}
_EXPECTED = {"closure", "sources", "unknown", "dropped", "clashes", "build", "problems"}


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository of a case: its packages in an order, its options, its modules."""

    id: str
    side: Side
    packages: tuple[Package, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    modules: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A small universe, what is asked of it, and the answer.

    ``facts`` maps a source to the requirements that only its x86 build is known to have. ``expect`` has the keys
    closure, sources, unknown, dropped, clashes, problems, and build (the same of each source's build).
    """

    name: str
    repositories: tuple[Repository, ...]
    roots: tuple[str, ...]
    expect: Mapping[str, Any] = field(default_factory=dict)
    weak: bool = False
    streams: tuple[str, ...] = ()
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def reversed(self) -> "Case":
        """The same question over repositories, and packages in them, in the opposite order."""
        return replace(
            self,
            repositories=tuple(replace(one, packages=one.packages[::-1]) for one in reversed(self.repositories)),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a case in words, and what gave it."""

    said: Mapping[str, Any]
    universe: Universe
    search: ClosureSearch
    closure: Closure


def read_cases(path: Path) -> list[Case]:
    """All cases of a TOML file. Raises ValueError for what a case cannot have."""
    content = tomllib.loads(path.read_text())
    return [_case(one) for one in content["case"]]


def case_of(roots: Sequence[str], **raw: Any) -> Case:
    """A case from Python data of the same form as in TOML, without what is expected of it."""
    return _case({"name": "case", "roots": list(roots), "expect": {}, **raw})


def _case(raw: Mapping[str, Any]) -> Case:
    _only(raw, _KEYS, raw["name"])
    _only(raw["expect"], _EXPECTED, raw["name"])
    given: dict[str, Mapping[str, Any]] = {
        side: {"side": side, "packages": raw[side]} for side in _SIDES if side in raw
    }
    for name, one in raw.get("repositories", {}).items():
        given[name] = {"side": name, "packages": raw.get(name, {}), **one}
    repositories = tuple(_repository(name, one, raw.get("modules", {})) for name, one in given.items())
    facts = {source: tuple(found) for source, found in raw.get("facts", {}).items()}
    return Case(
        raw["name"],
        repositories,
        tuple(raw["roots"]),
        raw["expect"],
        raw.get("weak", False),
        tuple(raw.get("streams", ())),
        facts,
    )


def _repository(name: str, raw: Mapping[str, Any], modules: Mapping[str, Any]) -> Repository:
    _only(raw, {"side", "packages", *_OPTIONS}, name)
    side = Side(raw["side"])
    options = {
        key: tuple(value) if isinstance(value, list) else value for key, value in raw.items() if key in _OPTIONS
    }
    packages = tuple(_package(nevra, one) for nevra, one in raw["packages"].items())
    text = ""
    if name in modules:
        arch = REFERENCE_ARCH if side is Side.REFERENCE else ARCH
        text = modules_yaml(modules[name]["streams"], arch, modules[name].get("defaults"))
    return Repository(name, side, packages, options, text)


def _package(nevra: str, raw: Mapping[str, Any]) -> Package:
    _only(raw, _PACKAGE_KEYS, nevra)
    relations = {key: tuple(value) for key, value in raw.items() if key in RELATIONS}
    return Package(
        Nevra.parse(nevra), raw.get("from", ""), tuple(raw.get("files", ())), relations, tuple(raw.get("pre", ()))
    )


def _only(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = set(table).difference(known)
    if unknown:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")


def write_case(case: Case, folder: Path) -> list[RepoConfig]:
    """Write the repositories of a case below the folder. Returns their configurations."""
    return [
        RepoConfig(
            one.id,
            one.side,
            baseurl=(write_repository(folder / one.id, one.packages, one.modules).as_uri(),),
            **one.options,
        )
        for one in case.repositories
    ]


def open_universe(case: Case, configs: Sequence[RepoConfig], cache: Cache) -> Universe:
    """The universe of the repositories, as a plan would open it."""

    def more(metadata: Sequence[RepoMetadata]) -> Sequence[RepoMetadata]:
        return ensure(metadata, ("filelists",), cache, Silence())

    return opening.open_universe(
        fetch_repositories(configs, cache, Silence()),
        ARCH,
        REFERENCE_ARCH,
        cache,
        more,
        module_streams=case.streams,
        platform_id="platform:el9",
    )


def search_in(universe: Universe, case: Case) -> ClosureSearch:
    """A search that knows the facts of the case."""

    def known(source: str) -> Grounds | None:
        facts = case.facts.get(source)
        if facts is None:
            return None
        return lambda requirement: "known" if str(parse_requirement(requirement)).partition(" ")[0] in facts else None

    return ClosureSearch(universe, RequirementDropper(universe, BuildEnvironments(universe), known), case.weak)


def run_case(case: Case, folder: Path, cache: Cache | None = None) -> Outcome:
    """Answer the case over repositories written below the folder."""
    cache = cache or Cache.open(folder / "cache")
    universe = open_universe(case, write_case(case, folder), cache)
    search = search_in(universe, case)
    closure = search.closure([request_packages(universe, "root", case.roots)])
    said = _said(universe, closure)
    said["problems"] = list(universe.module_problems)
    built: dict[str, Any] = {}
    if "build" in case.expect:
        built = _builds(universe, search, closure)
        said["build"] = built
    said["dropped"] = sorted(
        f"{one.source}: {one.requirement}" for one in search.dropper.dropped_requirements.values()
    )
    return Outcome(said, universe, search, closure)


def _builds(universe: Universe, search: ClosureSearch, closure: Closure) -> dict[str, Any]:
    """The builds of all sources, those that they take in turn included."""
    built: dict[str, Any] = {}
    waiting, free = list(closure.sources), set(closure.sources)
    while waiting:
        source = waiting.pop(0)
        request = search.dropper.environments.request(source)
        if request is None:
            built[source] = "no source package"
            continue
        environment = search.closure([request], free)
        built[source] = _said(universe, environment)
        waiting += environment.sources
        free |= set(environment.sources)
    return built


def _said(universe: Universe, closure: Closure) -> dict[str, Any]:
    chosen = [_named(universe, i) for i in closure.chosen if i not in universe.placeholders]
    return {
        "closure": sorted(chosen),
        "sources": list(closure.sources),
        "unknown": sorted(universe.label(i) for i in closure.unknown),
        "clashes": sorted(_clash(universe, one) for one in closure.clashes),
    }


def _named(universe: Universe, package: int) -> str:
    role = universe.role_of(package)
    prefix = "" if role is Role.TARGET else f"{role}: "
    return prefix + universe.label(package)


def _clash(universe: Universe, clash: PackageClash) -> str:
    return f"{universe.label(clash.package)} {clash.kind} {universe.label(clash.other)}"
