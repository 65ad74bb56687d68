"""Runs of libsolv's solver over a universe, with some of its packages forbidden."""

from collections.abc import Collection, Sequence
from typing import Any

from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.requests import Request
from ppcdeps.rpm.universe import Universe

INSTALLONLY = (
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
)
"""What packages provide that dnf installs beside others of their name: the default of its option installonlypkgs."""


@dataclass(frozen=True, slots=True)
class SolverResult:
    """The packages that the solver chose, or the problems that left nothing to choose.

    The solver is held on to because its problems die with it: reading them afterwards crashes.
    """

    chosen: tuple[int, ...]
    solver: Any
    problems: tuple[Any, ...]

    @property
    def solved(self) -> bool:
        """Whether all requests are satisfied."""
        return not self.problems


def solve_requests(
    universe: Universe,
    requests: Sequence[Request],
    sources: Collection[str] | None = None,
    *,
    duplicates: bool = False,
    without: Collection[int] = (),
    placeholders: Collection[int] | None = None,
    weak: bool = False,
) -> SolverResult:
    """One run of the solver for all requests together.

    ``sources`` are those whose stand-ins may be used (None: all, and those that duplicate a package of the target
    only if ``duplicates`` says so), ``without`` further packages that may not be, ``placeholders`` the placeholder
    providers that may be (None: all); ``weak`` follows weak dependencies.
    """
    solv = libsolv()
    forbidden = [*_forbidden(universe, sources, duplicates), *without]
    if placeholders is not None:
        forbidden += [placeholder for placeholder in universe.placeholders if placeholder not in placeholders]
    universe.index.narrow(forbidden)
    one = solv.Job.SOLVER_SOLVABLE
    jobs = [universe.pool.Job(solv.Job.SOLVER_INSTALL | one, request.id) for request in requests]
    jobs += [universe.pool.Job(solv.Job.SOLVER_MULTIVERSION | one, each) for each in universe.multiversion]
    beside = solv.Job.SOLVER_MULTIVERSION | solv.Job.SOLVER_SOLVABLE_PROVIDES
    jobs += [universe.pool.Job(beside, universe.pool.str2id(provide)) for provide in INSTALLONLY]
    solver = universe.pool.Solver()
    solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 0 if weak else 1)
    problems = solver.solve(jobs)
    if problems:
        return SolverResult((), solver, tuple(problems))
    own = {request.id for request in requests}
    return SolverResult(tuple(s.id for s in solver.transaction().newsolvables() if s.id not in own), solver, ())


def _forbidden(universe: Universe, sources: Collection[str] | None, duplicates: bool) -> Collection[int]:
    """The stand-ins that must not be used."""
    if sources is None:
        return () if duplicates else universe.duplicates
    allowed = {i for source in sources for i in universe.standins_of(source)}
    return universe.standins.difference(allowed)
