import os
import signal
from pathlib import Path

import pytest
from universes import case_of, open_universe, write_case

from ppcdeps.auditing import installable
from ppcdeps.auditing.installable import installable_together, not_installable
from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.rpm.universe import Universe

WORLD: dict[str, dict[str, object]] = {
    "plain-1-1.ppc64le": {"requires": ["lib"]},
    "lib-1-1.ppc64le": {},
    "lacking-1-1.ppc64le": {"requires": ["nothing"]},
    "other-1-1.ppc64le": {"conflicts": ["lib"]},
    "both-1-1.ppc64le": {"requires": ["lib", "other"]},
    "if-1-1.ppc64le": {"requires": ["(nothing if lib)", "lib"]},
    "unless-1-1.ppc64le": {"requires": ["(nothing if absent)"]},
}
REFUSED = {"lacking", "both", "if"}


@pytest.fixture
def universe(tmp_path: Path) -> Universe:
    case = case_of([], target=WORLD)
    return open_universe(case, write_case(case, tmp_path / "r"), Cache.open(tmp_path / "cache"))


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that are started from now on: others of this test run are none of them."""
    started: list[int] = []
    fork = os.fork

    def noted() -> int:
        if child := fork():
            started.append(child)
        return child

    monkeypatch.setattr(os, "fork", noted)
    return started


def _are_gone(children: list[int]) -> bool:
    for child in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, os.WNOHANG)
    return bool(children)


def _ids(universe: Universe) -> list[int]:
    return [i for part in universe.parts for i in part.ids]


def test_conflicts_and_boolean_requirements_count(universe: Universe) -> None:
    refused = not_installable(universe, _ids(universe), ())
    assert {universe.name_of(i) for i in refused} == REFUSED


def test_forbidden_packages_are_not_used(universe: Universe) -> None:
    lib = next(i for i in _ids(universe) if universe.name_of(i) == "lib")
    refused = not_installable(universe, set(_ids(universe)) - {lib}, [lib])
    assert {universe.name_of(i) for i in refused} == {"plain", *REFUSED}


def test_what_is_installed_together_is_proven_and_only_that(
    universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {universe.name_of(i): i for i in _ids(universe)}
    done: list[int] = []
    proven = installable_together(universe, [names[each] for each in ("plain", "lacking", "both")], (), done.append)
    assert proven == {names["plain"], names["lib"]}
    assert sum(done) == 3
    assert installable_together(universe, _ids(universe), [names["lib"]]).isdisjoint({names["plain"], names["both"]})
    # What conflicts with others of its run may be left out.
    monkeypatch.setattr(installable, "_TOGETHER", 2)
    found = {universe.name_of(i) for i in installable_together(universe, _ids(universe), ())}
    assert {"lib", "unless"} <= found <= {"plain", "lib", "unless", "other"}


def test_several_processes_find_the_same_and_report_every_candidate(
    universe: Universe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installable, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    done: list[int] = []
    refused = not_installable(universe, _ids(universe), (), done.append)
    assert {universe.name_of(i) for i in refused} == REFUSED
    assert sum(done) == len(WORLD)


def test_a_process_that_ends_early_is_an_error_and_leaves_no_other(
    universe: Universe, monkeypatch: pytest.MonkeyPatch, children: list[int]
) -> None:
    monkeypatch.setattr(installable, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(installable, "_refused", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(EnvironmentLacksError, match="ended before its time"):
        not_installable(universe, _ids(universe), ())
    assert _are_gone(children)


def test_an_interruption_ends_the_processes(
    universe: Universe, monkeypatch: pytest.MonkeyPatch, children: list[int]
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(installable, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    with pytest.raises(KeyboardInterrupt):
        not_installable(universe, _ids(universe), (), interrupt)
    assert _are_gone(children)
