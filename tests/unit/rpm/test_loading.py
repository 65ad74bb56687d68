"""Conversions side by side: what they leave for the process that waits."""

import os
import threading
from pathlib import Path

import pytest
from universes import Case, Repository, case_of, open_universe, write_case

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.reporter import Silence
from ppcdeps.rpm import binding, loading, primary
from ppcdeps.rpm.universe import Universe

REPOSITORIES = 5


@pytest.fixture(autouse=True)
def _all_sizes_on_two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_WORTH_A_PROCESS", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def some_repositories() -> Case:
    """More repositories than processors, on all sides."""
    case = case_of(
        ["app"],
        target={"app-1-1.ppc64le": {"requires": ["libx.so.1()(64bit)"]}},
        reference={"libx-1-1.x86_64": {"provides": ["libx.so.1()(64bit)"], "from": "x-1-1.src.rpm"}},
        source={"x-1-1.src": {}},
    )
    more = tuple(
        Repository(f"more{number}", case.repositories[0].side, (case.repositories[0].packages[0],))
        for number in range(REPOSITORIES - len(case.repositories))
    )
    return Case(case.name, (*case.repositories, *more), case.roots)


def contents(universe: Universe) -> list[tuple[str, list[str]]]:
    return [(part.repo.name, [str(one) for one in part.repo.solvables_iter()]) for part in universe.parts]


def test_processes_convert_all_and_the_one_that_waits_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = some_repositories()
    configs = write_case(case, tmp_path / "repositories")
    side_by_side = contents(open_universe(case, configs, Cache.open(tmp_path / "side-by-side")))

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert contents(open_universe(case, configs, Cache.open(tmp_path / "alone"))) == side_by_side

    cache = Cache.open(tmp_path / "converted")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    metadata = fetch_repositories(configs, cache, Silence())
    with loading.converting(metadata, "ppc64le", "x86_64", cache):
        pass
    monkeypatch.setattr(primary, "cut_primary", None)
    assert contents(open_universe(case, configs, cache)) == side_by_side, "nothing is left to convert"


def test_what_no_process_can_convert_is_said_by_the_one_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = some_repositories()
    configs = write_case(case, tmp_path / "repositories")

    def refuse(*_: object) -> None:
        raise RepositoryError("primary.xml is damaged")

    monkeypatch.setattr(primary, "cut_primary", refuse)
    with pytest.raises(RepositoryError, match=r"primary\.xml is damaged"):
        open_universe(case, configs, Cache.open(tmp_path / "cache"))


def test_where_there_are_no_more_processes_one_does_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = some_repositories()
    configs = write_case(case, tmp_path / "repositories")
    expected = contents(open_universe(case, configs, Cache.open(tmp_path / "one")))

    def no_more() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", no_more)
    assert contents(open_universe(case, configs, Cache.open(tmp_path / "other"))) == expected


def test_no_process_outlives_what_fails_meanwhile(tmp_path: Path) -> None:
    configs = write_case(some_repositories(), tmp_path / "repositories")
    cache = Cache.open(tmp_path / "cache")
    metadata = fetch_repositories(configs, cache, Silence())

    def children() -> set[str]:
        return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())

    before = children()
    with pytest.raises(RuntimeError), loading.converting(metadata, "ppc64le", "x86_64", cache):
        raise RuntimeError
    assert children() <= before


def test_calls_without_pythons_lock_give_what_the_binding_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, cache = some_repositories(), Cache.open(tmp_path / "cache")
    configs = write_case(case, tmp_path / "repositories")
    open_universe(case, configs, cache)
    assert binding._functions() is not None, "this binding shows its functions"

    def known() -> tuple[list[tuple[str, list[str]]], list[int]]:
        universe = open_universe(case, configs, cache)
        return contents(universe), list(universe.providers_of("libx.so.1()(64bit)"))

    unlocked = known()
    assert unlocked[1]
    monkeypatch.setattr(binding, "_functions", lambda: None)
    assert known() == unlocked


@pytest.mark.parametrize("unlocked", [True, False])
def test_what_is_not_a_solv_file_is_not_read(unlocked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not unlocked:
        monkeypatch.setattr(binding, "_functions", lambda: None)
    repository = binding.new_pool("ppc64le").add_repo("damaged")
    (tmp_path / "damaged.solv").write_bytes(b"SOLV, or not")
    assert not binding.read_solv(repository, str(tmp_path / "damaged.solv"))
    assert not binding.read_solv(repository, str(tmp_path / "absent.solv"))
