"""How long builds take: their own recorded runs, then those of their kind and about their size."""

from pathlib import Path

import pytest

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.planning.buildtimes import Built, kind_of_sdist, kind_of_source, timed_sdists, timed_source
from ppcdeps.planning.curated import COMPILED, FOLDER, RecordedRun, load_recorded_runs
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.gaps import python_gaps
from ppcdeps.python.lock import LockedDistribution, LockedFile, PythonLock

REBUILD = Route(RouteKind.REBUILD, ("lib-1-1.src",))


def run(
    source: str, size: int, minutes: float, *, kind: str = "C", mode: str = "cross", also: str = ""
) -> RecordedRun:
    names = (also,) if also else ()
    return RecordedRun(source, "1", mode, minutes, "m", "o", kind, size, also=names)


def gap(source: str = "lib", route: Route = REBUILD) -> Gap:
    return Gap(source, GapKind.RPM, Cause.ABSENT, Phase.RUN, (source,), (), route, source)


def times(runs: list[RecordedRun], built: Built, route: Route = REBUILD) -> tuple[dict[str, float], str]:
    found = timed_source(gap(route=route), runs, built).route
    return dict(found.minutes), found.timed_by


def test_its_own_runs_come_first_whatever_their_size() -> None:
    runs = [run("other", 1000, 5), run("lib", 9, 2), run("lib", 9, 4, mode="emulated")]
    assert times(runs, Built("C", 1000)) == ({"cross": 2, "emulated": 4}, "")


def test_a_run_counts_for_other_packages_of_the_same_upstream_source() -> None:
    assert times([run("library", 9, 2, also="lib")], Built()) == ({"cross": 2}, "")


def test_between_two_runs_it_is_read_off_the_line_through_both() -> None:
    runs = [run("small", 1_000_000, 1), run("large", 3_000_000, 5)]
    assert times(runs, Built("C", 2_000_000)) == ({"cross": 3}, "C, 2.0 MB, by large 1 and small 1")


@pytest.mark.parametrize(
    ("size", "minutes"), [(500, 3), (1000, 3), (2000, 6), (4000, 12), (4001, None), (250, 3), (249, None)]
)
def test_what_is_larger_takes_more_and_what_is_smaller_no_less(size: int, minutes: float | None) -> None:
    found, by = times([run("other", 1000, 3)], Built("C", size))
    assert found == ({} if minutes is None else {"cross": minutes})
    assert bool(by) == bool(found)


def test_each_mode_has_its_own_runs() -> None:
    runs = [run("a", 1000, 1), run("b", 3000, 9, mode="emulated")]
    assert times(runs, Built("C", 1000)) == ({"cross": 1, "emulated": 9}, "C, 1 kB, by a 1 and b 1")


@pytest.mark.parametrize("built", [Built("Rust", 1000), Built("", 1000), Built("C", 0)])
def test_nothing_is_said_where_nothing_is_like_it(built: Built) -> None:
    assert times([run("other", 1000, 3)], built) == ({}, "")


def test_what_is_not_built_takes_no_time() -> None:
    assert times([run("lib", 9, 2)], Built("C", 9), Route(RouteKind.BLOCKED)) == ({}, "")


@pytest.mark.parametrize(
    ("languages", "kind"),
    [
        (("C",), "C"),
        (("Cython", "C"), "Cython"),
        (("C", "Rust"), "Rust"),
        (("cffi",), "C"),
        (("C", "Fortran"), ""),
        (("CMake",), ""),
        ((), ""),
    ],
)
def test_what_takes_longest_decides_the_kind_of_an_sdist(languages: tuple[str, ...], kind: str) -> None:
    assert kind_of_sdist(languages) == kind


@pytest.mark.parametrize(
    ("build_requires", "kind"),
    [
        (("gcc", "make", "zlib-devel >= 1.2"), "C"),
        (("gcc", "gcc-c++ >= 11"), "C++"),
        (("gcc", "rust >= 1.70", "cargo"), "Rust"),
        (("gcc", "python3-Cython"), "Cython"),
        (("gcc", "golang"), ""),
        (("make",), ""),
    ],
)
def test_the_compilers_among_the_build_requires_say_the_kind(build_requires: tuple[str, ...], kind: str) -> None:
    assert kind_of_source(build_requires) == kind


def sdist_route(pin: str, size: int | None, *builds_from: str) -> Route:
    """The route of a distribution of which a lock has an sdist of so many bytes."""
    name, _, version = pin.partition("==")
    file = LockedFile(f"{name}-{version}.tar.gz", "", "0" * 64, size)
    locked = LockedDistribution(name, version, Provision.BUILD, files=(file,), builds_from=builds_from)
    lock = PythonLock(TargetEnvironment.of(PythonEnvironment("3.9.25", (2, 34))), (locked,))
    (found,) = timed_sdists(python_gaps(lock), lock)
    return found.route


def test_an_sdist_has_the_times_of_its_own_runs_or_of_what_is_like_it() -> None:
    assert {mode for mode, _ in sdist_route("msgpack==1.0.3", None).minutes} == {"emulated", "accelerated", "cross"}
    assert sdist_route("msgpack==1.0.3", 128_000, "Cython").timed_by == ""
    small = sdist_route("simplejson==3.17.6", 83_000, "C")
    assert small.timed_by.startswith("C, 83 kB, by ")
    assert 0 < dict(small.minutes)["cross"] < 1


@pytest.mark.parametrize(
    ("pin", "size", "builds_from"),
    [
        ("numpy==1.26.4", 15_786_129, ("Cython", "C", "C++", "Fortran")),
        ("bcrypt==4.0.1", 25_498, ("Rust",)),
        ("simplejson==3.17.6", None, ("C",)),
    ],
)
def test_of_an_sdist_that_is_like_no_recorded_run_nothing_is_said(
    pin: str, size: int | None, builds_from: tuple[str, ...]
) -> None:
    """numpy takes many minutes, and bcrypt Rust: what a small extension in C took is neither's."""
    route = sdist_route(pin, size, *builds_from)
    assert (route.minutes, route.timed_by) == ((), "")


def test_a_recorded_run_has_one_of_the_kinds_and_a_size(tmp_path: Path) -> None:
    runs = load_recorded_runs()
    assert {one.kind for one in runs} <= {*COMPILED}
    assert all(one.size > 10_000 for one in runs)
    file = tmp_path / "rules.toml"
    text = shipped_file(FOLDER, "build-times").read_text(encoding="utf-8")
    file.write_text(text.replace('kind = "C"', 'kind = "B"').replace("size = ", "size = -"))
    with pytest.raises(ConfigError) as told:
        load_recorded_runs(file)
    faults = "\n".join(told.value.faults)
    assert '"kind" is one of C, Cython, C++, Rust, not "B"' in faults
    assert '"size"' in faults
