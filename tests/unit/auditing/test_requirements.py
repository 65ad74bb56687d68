from pathlib import Path

from universes import case_of, open_universe, write_case

from ppcdeps.auditing.requirements import RequirementGraph, Support
from ppcdeps.base.cache import Cache
from ppcdeps.rpm.universe import Universe


def _opened(tmp_path: Path, **packages: dict[str, dict[str, object]]) -> tuple[Universe, dict[str, int]]:
    case = case_of([], **packages)
    universe = open_universe(case, write_case(case, tmp_path / "r"), Cache.open(tmp_path / "cache"))
    names = {universe.name_of(i): i for part in universe.parts for i in part.ids}
    return universe, names


WORLD: dict[str, dict[str, object]] = {
    "app-1-1.ppc64le": {"requires": ["lib >= 2"]},
    "lib-1-1.ppc64le": {},
    "suite-1-1.ppc64le": {"requires": ["app"]},
    "egg-1-1.ppc64le": {"requires": ["hen"]},
    "hen-1-1.ppc64le": {"requires": ["egg", "lib"]},
    "either-1-1.ppc64le": {"requires": ["(nothing or lib)"]},
    "neither-1-1.ppc64le": {"requires": ["(nothing or app or none)"]},
    "both-1-1.ppc64le": {"requires": ["(lib and (nothing or none))"]},
    "self-1-1.ppc64le": {"requires": ["self = 1"]},
}


def test_what_requires_something_broken_is_broken_and_cycles_are_not(tmp_path: Path) -> None:
    universe, names = _opened(tmp_path, target=WORLD)
    graph = RequirementGraph(universe, set(names.values()))
    assert graph.broken(set(names.values())) == {names[each] for each in ("app", "suite", "neither")}


def test_boolean_requirements_other_than_or_are_left_to_the_solver(tmp_path: Path) -> None:
    universe, names = _opened(tmp_path, target=WORLD)
    graph = RequirementGraph(universe, set(names.values()))
    (dep,) = graph.requirements[names["either"]]
    assert graph.providers[dep] == [names["lib"]]
    assert graph.requirements[names["both"]] == []


def test_without_a_package_all_that_needs_it_breaks_and_nothing_is_changed(tmp_path: Path) -> None:
    universe, names = _opened(tmp_path, target=WORLD)
    support = Support(RequirementGraph(universe, set(names.values())), set(names.values()))
    before = set(support.broken)
    assert support.without([names["lib"]]) == {names[each] for each in ("lib", "hen", "egg", "either")}
    assert support.without([names["lib"]]) == {names[each] for each in ("lib", "hen", "egg", "either")}
    assert support.broken == before


def test_only_allowed_packages_provide(tmp_path: Path) -> None:
    universe, names = _opened(
        tmp_path,
        target={"tool-1-1.ppc64le": {"requires": ["helper"]}},
        reference={"helper-1-1.noarch": {}},
    )
    graph = RequirementGraph(universe, set(names.values()))
    assert graph.broken({names["tool"]}) == {names["tool"]}
    assert graph.broken(set(names.values())) == set()


def test_all_that_matters_is_what_is_unmet_and_what_would_meet_it(tmp_path: Path) -> None:
    universe, names = _opened(tmp_path, target=WORLD)
    considered = set(names.values())
    graph = RequirementGraph(universe, (), considered)
    assert graph.extend_to_all_that_matters([names["hen"]], [names["lib"]]) == {names["hen"], names["egg"]}
    assert graph.requirements.keys() == {names["hen"], names["egg"]}
    # What is not read is taken as it is: lib is allowed, and nothing has been asked of it.
    assert graph.broken(considered) == set()
    assert graph.broken(considered - {names["lib"]}) == {names["hen"], names["egg"]}


def test_what_is_marked_breaks_its_requirers(tmp_path: Path) -> None:
    universe, names = _opened(tmp_path, target=WORLD)
    support = Support(RequirementGraph(universe, set(names.values())), set(names.values()))
    support.mark([names["egg"]])
    assert {names["egg"], names["hen"]} <= support.broken
