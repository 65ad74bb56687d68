"""Which packages of a universe are installable, proven by libsolv's solver: package by package, on all processors.

What one solution installs is installable, all of it: most packages need no run of their own.
"""

import os
import signal
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from ppcdeps.base.interruption import interruption_held
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.problems import Lacking, PackageClash, statements_of
from ppcdeps.rpm.solving import INSTALLONLY, SolverResult
from ppcdeps.rpm.universe import Universe

_WORTH_A_PROCESS = 400
"""Packages from which on further processes cost less than they save."""
_WORTH_A_PROCESS_TOGETHER = 2000
"""The same where a run is for many packages."""
_AT_ONCE = 64
"""Doubtful packages of one run. Larger ones meet more conflicts, which cost runs."""
_TOGETHER = 1024
"""Packages of one run that are likely installable."""

Advance = Callable[[int], None]
Search = Callable[[Any, Sequence[int], Advance], Iterable[int]]
"""Finds some packages of those given, in a pool."""


def installable_together(
    universe: Universe,
    candidates: Collection[int],
    forbidden: Collection[int],
    advance: Advance = lambda _: None,
) -> set[int]:
    """Packages that are installable without the forbidden ones: nearly all of the candidates that are, and others.

    This takes a thousandth of the runs of `not_installable`, and proves nothing of what it leaves out. ``advance``
    hears of every candidate that is done.
    """
    universe.index.narrow(forbidden)
    return _on_processors(universe.pool, _installed, sorted(candidates), _WORTH_A_PROCESS_TOGETHER, advance)


def not_installable(
    universe: Universe,
    candidates: Collection[int],
    forbidden: Collection[int],
    advance: Advance = lambda _: None,
) -> set[int]:
    """Those of the candidates that cannot be installed without the forbidden packages.

    ``advance`` hears of every candidate that is done. Raises EnvironmentLacksError where a process of the search ends
    before its time.
    """
    universe.index.narrow(forbidden)
    return _on_processors(universe.pool, _refused, sorted(candidates), _WORTH_A_PROCESS, advance)


def sources_for(
    universe: Universe, package: int, certain: Collection[str], standins: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    """Sources with whose builds a package is installable, none of which can be left out of them.

    There are other such sets where the package can be had in several ways. ``certain`` are in all of them;
    ``standins`` are the packages of each source.
    """
    of_source = {each: source for source, mine in standins.items() for each in mine}

    def solution(sources: Collection[str]) -> list[int]:
        universe.index.narrow([each for each, source in of_source.items() if source not in sources])
        return _solution(universe.pool, [package]) or _solution(universe.pool, [package], beside=True)

    found = {of_source[each] for each in solution(standins) if each in of_source}
    for source in sorted(found.difference(certain)):
        fewer = solution(found - {source}) if source in found else ()
        if fewer:
            found = {of_source[each] for each in fewer if each in of_source}
    return tuple(sorted(found))


def problems_of(universe: Universe, package: int) -> str:
    """Why a package cannot be installed, in libsolv's words, of all packages that there are."""
    universe.index.narrow(())
    solv = libsolv()
    solver = universe.pool.Solver()
    problems = solver.solve([universe.pool.Job(solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE, package)])
    result = SolverResult((), solver, tuple(problems))
    found = statements_of(result)
    for statement in found:
        if isinstance(statement, PackageClash):
            return statement.text
    for statement in found:
        if isinstance(statement, Lacking):
            return f"nothing provides {statement.requirement} needed by {universe.label(statement.package)}"
    return "; ".join(map(str, problems))


def _installed(pool: Any, candidates: Sequence[int], advance: Advance) -> set[int]:
    """What solutions for many of the candidates at once have."""
    proven: set[int] = set()
    for start in range(0, len(candidates), _TOGETHER):
        group = candidates[start : start + _TOGETHER]
        todo = [each for each in group if each not in proven]
        if todo:
            proven.update(_solution(pool, todo, weak=True))
        advance(len(group))
    return proven


def _refused(pool: Any, candidates: Sequence[int], advance: Advance) -> list[int]:
    """Those of the candidates that no solution has."""
    proven: set[int] = set()
    refused = []
    for start in range(0, len(candidates), _AT_ONCE):
        group = candidates[start : start + _AT_ONCE]
        todo = [each for each in group if each not in proven]
        if len(todo) > 1:
            proven.update(_solution(pool, todo, weak=True))
        for package in todo:
            if package in proven:
                continue
            found = _solution(pool, [package]) or _solution(pool, [package], beside=True)
            proven.update(found)
            if package not in proven:
                refused.append(package)
        advance(len(group))
    return refused


def _solution(pool: Any, packages: Iterable[int], *, weak: bool = False, beside: bool = False) -> list[int]:
    """What is installed together with the packages; nothing where that cannot be.

    ``weak`` leaves packages out that do not go with the others; ``beside`` lets packages be installed in several
    versions of which dnf keeps several.
    """
    solv = libsolv()
    how = solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE | (solv.Job.SOLVER_WEAK if weak else 0)
    jobs = [pool.Job(how, package) for package in packages]
    if beside:
        how = solv.Job.SOLVER_MULTIVERSION | solv.Job.SOLVER_SOLVABLE_PROVIDES
        jobs += [pool.Job(how, pool.str2id(provide)) for provide in INSTALLONLY]
    solver = pool.Solver()
    solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    if solver.solve(jobs):
        return []
    return [each for each in solver.raw_decisions() if each > 1]


def _on_processors(pool: Any, search: Search, candidates: Sequence[int], worth: int, advance: Advance) -> set[int]:
    """What a search finds among the candidates, of which so many are worth a process of their own.

    Neither libsolv nor Python lets threads run beside one another.
    """
    processes = min(len(os.sched_getaffinity(0)), len(candidates) // worth)
    if processes < 2:
        return set(search(pool, candidates, advance))
    readers: dict[int, int] = {}
    found: set[int] = set()
    try:
        with interruption_held():
            for number in range(processes):
                take, put = os.pipe()
                child = os.fork()
                if not child:
                    os.close(take)
                    # Neighbors are alike: each process gets some of everything.
                    _answer_and_end(pool, search, candidates[number::processes], put)
                os.close(put)
                readers[child] = take
        for child, take in list(readers.items()):
            found.update(_answer_from(take, advance))
            os.close(readers.pop(child))
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                raise EnvironmentLacksError(
                    "a process of the audit ended before its time", hint="the machine may be out of memory: try again"
                )
    finally:
        for child, take in readers.items():
            os.close(take)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return found


def _answer_and_end(pool: Any, search: Search, candidates: Sequence[int], put: int) -> NoReturn:
    """Write to the descriptor what a search finds, and end this process."""
    code = 1
    try:
        # The process that waits ends this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with os.fdopen(put, "wb", closefd=False) as pipe:
            # A number below 0 says how many are done.
            def told(count: int) -> None:
                pipe.write(array("q", [-count]).tobytes())
                pipe.flush()

            pipe.write(array("q", search(pool, candidates, told)).tobytes())
        code = 0
    finally:
        os._exit(code)


def _answer_from(take: int, advance: Advance) -> list[int]:
    """What a process found, read from the descriptor until it ends."""
    numbers: list[int] = []
    rest = b""
    width = array("q").itemsize
    while chunk := os.read(take, 1 << 16):
        rest += chunk
        whole = len(rest) // width * width
        for number in array("q", rest[:whole]):
            if number < 0:
                advance(-number)
            else:
                numbers.append(number)
        rest = rest[whole:]
    return numbers
