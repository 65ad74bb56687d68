"""How long builds take: as recorded runs of the same package, or of its kind and about its size."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ppcdeps.model.gap import Gap, RouteKind
from ppcdeps.model.values import dataclass
from ppcdeps.planning.curated import COMPILED, RecordedRun, load_recorded_runs

if TYPE_CHECKING:
    from ppcdeps.python.lock import PythonLock

_REACH = 4
"""How many times larger, or smaller, than those of recorded runs a source may be."""
_LANGUAGES = {"cffi": "C", "assembler": "C"}
"""What an sdist is said to be built from, as the kind that it counts to."""
_COMPILERS = {"gcc": "C", "clang": "C", "gcc-c++": "C++", "Cython": "Cython", "rust": "Rust", "cargo": "Rust"}
_OTHERS = frozenset({"golang", "ocaml", "ghc", "java-devel", "maven-local", "gcc-gfortran", "nodejs-devel"})
"""Compilers that no recorded run used."""


@dataclass(frozen=True, slots=True)
class Built:
    """What is to be built: ``kind`` is one of ``curated.COMPILED`` or empty, ``size`` in bytes, 0 where unknown."""

    kind: str = ""
    size: int = 0


def kind_of_sdist(languages: Iterable[str]) -> str:
    """What decides how long a build takes, of what an sdist is built from; empty where that is not known."""
    return _costliest(_LANGUAGES.get(each, each) for each in languages)


def kind_of_source(build_requires: Iterable[str]) -> str:
    """The same of a source package, by the names of its BuildRequires."""
    required = {each.partition(" ")[0].removeprefix("python3-") for each in build_requires}
    return _costliest(_COMPILERS.get(each, each) for each in required & {*_COMPILERS, *_OTHERS})


def _costliest(kinds: Iterable[str]) -> str:
    found = set(kinds)
    return max(found, key=COMPILED.index, default="") if found <= {*COMPILED} else ""


def timed_sdists(gaps: Iterable[Gap], lock: "PythonLock") -> tuple[Gap, ...]:
    """The gaps of a lock; those that are built from an sdist with their times."""
    return tuple(_timed_sdist(gap, lock, load_recorded_runs()) for gap in gaps)


def _timed_sdist(gap: Gap, lock: "PythonLock", runs: Sequence[RecordedRun]) -> Gap:
    if gap.route.kind is not RouteKind.BUILD_SDIST:
        return gap
    name = gap.route.subject[0].partition("==")[0]
    locked = lock.by_name(name)
    files = locked.files if locked is not None else ()
    built = Built(kind_of_sdist(locked.builds_from), files[0].size or 0) if locked is not None and files else Built()
    of_sdists = [run for run in runs if run.distribution]
    return _timed(gap, [run for run in of_sdists if run.distribution == name], of_sdists, built)


def timed_source(gap: Gap, runs: Iterable[RecordedRun], built: Built) -> Gap:
    """The gap of a source package with its times, where it is to be built."""
    if gap.route.kind not in (RouteKind.RECIPE, RouteKind.REBUILD) or gap.source is None:
        return gap
    of_sources = [run for run in runs if run.source]
    return _timed(gap, [run for run in of_sources if gap.source in (run.source, *run.also)], of_sources, built)


def _timed(gap: Gap, own: Sequence[RecordedRun], runs: Sequence[RecordedRun], built: Built) -> Gap:
    """The times of its own runs, of several versions those of the last; where there are none, those of runs of its
    kind and about its size.
    """
    minutes: Mapping[str, float] = {run.mode: run.minutes for run in own}
    by = ""
    if not own and built.kind and built.size:
        alike = [run for run in runs if run.kind == built.kind]
        found = {mode: about for mode in {run.mode for run in alike} if (about := _about(built.size, alike, mode))}
        minutes = {mode: round(about, 2) for mode, (about, _) in found.items()}
        names = sorted({f"{run.distribution or run.source} {run.version}" for _, by in found.values() for run in by})
        by = f"{built.kind}, {_shown(built.size)}, by {' and '.join(names)}"
    if not minutes:
        return gap
    return replace(gap, route=replace(gap.route, minutes=tuple(sorted(minutes.items())), timed_by=by))


def _about(size: int, runs: Iterable[RecordedRun], mode: str) -> tuple[float, tuple[RecordedRun, ...]] | None:
    """The minutes that a source of so many bytes may take, and the runs that say so; None where none is like it.

    Between two runs it is read off the line through both; a larger source takes more in proportion, and a smaller
    one no less: much of a small build is its start.
    """
    of_mode = sorted((run for run in runs if run.mode == mode), key=lambda run: run.size)
    if not of_mode:
        return None
    least, most = of_mode[0], of_mode[-1]
    if size <= least.size:
        return (least.minutes, (least,)) if size * _REACH >= least.size else None
    if size >= most.size:
        return (most.minutes * size / most.size, (most,)) if size <= most.size * _REACH else None
    below, above = next((one, other) for one, other in pairwise(of_mode) if one.size <= size < other.size)
    share = (size - below.size) / (above.size - below.size)
    return below.minutes + share * (above.minutes - below.minutes), (below, above)


def _shown(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
