"""The Python packages of a solved workload."""

from ppcdeps.planning.solution import PYPI, Solution
from ppcdeps.python.rpmpackages import PythonPackage, distributions_of
from ppcdeps.rpm.loading import Role


def python_packages(solution: Solution) -> tuple[PythonPackage, ...]:
    """The packages of the closure, as routing sees them.

    A native package whose source builds more than Python (libguestfs) counts as the target's: it is rebuilt
    with the rest, and its Python part is on no index. So does one of the user's own.
    """
    universe = solution.universe
    chosen = [each for each in solution.run.closure.chosen if universe.part_of(each) is not None]
    mixed = _mixed_sources(solution) | universe.own
    found = [
        as_python(
            solution, each, on_target=universe.role_of(each) is Role.TARGET or universe.source_of(each) in mixed
        )
        for each in chosen
    ]
    return tuple(sorted(found, key=lambda package: package.nevra))


def as_python(solution: Solution, package: int, *, on_target: bool) -> PythonPackage:
    """A package of the solution, as routing sees it."""
    universe = solution.universe
    return PythonPackage(
        nevra=universe.label(package),
        name=universe.name_of(package),
        on_target=on_target,
        provides=universe.provides_of(package),
        requires=tuple(map(universe.text_of, universe.requirements_of(package))),
    )


def concerns_python(solution: Solution) -> bool:
    """Whether anything that the closure does not find in the target's repositories may be Python's."""
    universe = solution.universe
    if any(root.startswith(PYPI) for root in solution.workload.roots):
        return True
    for package in solution.run.closure.chosen:
        if universe.role_of(package) is not Role.TARGET and "python" in universe.label(package):
            return True
    return False


def native_python_advice(solution: Solution) -> tuple[str, ...]:
    """What to know of native Python gaps where all Python stays RPMs."""
    universe, python = solution.universe, solution.target.python
    sources = {
        universe.source_of(i)
        for i in solution.run.closure.chosen
        if universe.is_standin(i)
        and distributions_of(as_python(solution, i, on_target=False), python.tag, python.beside)
    } - _mixed_sources(solution)
    if not sources:
        return ()
    return (
        f"which native Python packages are gaps ({', '.join(sorted(sources))}) is what RPMs require of each other; "
        "distributions of the index may require others: with --python pip the gaps can differ, and both are true",
    )


def _mixed_sources(solution: Solution) -> set[str]:
    """The sources that are to be rebuilt for more than Python."""
    universe = solution.universe
    return {
        universe.source_of(each)
        for each in solution.run.closure.chosen
        if universe.is_standin(each) and not universe.name_of(each).startswith("python")
    }
