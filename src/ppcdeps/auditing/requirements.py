"""All packages of a universe with their requirements as numbers, and what breaks when providers are missing.

A package of which a plain requirement has no provider that is not broken itself is broken, whatever a solver may try.
What is left after that is installable, unless a boolean requirement or a conflict is in the way: a solver says.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.universe import Universe


class RequirementGraph:
    """Who requires what, and who provides it, of the packages given; all are libsolv's ids.

    Boolean requirements are left out: not all of them can be answered by looking at providers alone.
    """

    def __init__(self, universe: Universe, packages: Collection[int]) -> None:
        pool, requires = universe.pool, libsolv().SOLVABLE_REQUIRES
        universe.index.widen()
        known = frozenset(packages)
        self.requirements: dict[int, list[int]] = {}
        """The plain requirements of each package."""
        self.boolean: set[int] = set()
        """The packages that have other requirements, too."""
        self.requirers: dict[int, list[int]] = {}
        """The packages that have a requirement."""
        self.providers: dict[int, list[int]] = {}
        """The packages, of those given, that satisfy a requirement."""
        self.provides: dict[int, list[int]] = {}
        """The requirements that a package satisfies."""
        is_plain: dict[int, bool] = {}
        for package in packages:
            mine = []
            for dep in dict.fromkeys(pool.id2solvable(package).lookup_idarray(requires)):
                if dep not in is_plain:
                    is_plain[dep] = dep != libsolv().SOLVABLE_PREREQMARKER and not _is_boolean(pool, dep)
                if is_plain[dep]:
                    mine.append(dep)
                    self.requirers.setdefault(dep, []).append(package)
                elif dep != libsolv().SOLVABLE_PREREQMARKER:
                    self.boolean.add(package)
            self.requirements[package] = mine
        for dep in self.requirers:
            found = [s.id for s in pool.whatprovides(dep) if s.id in known]
            self.providers[dep] = found
            for provider in found:
                self.provides.setdefault(provider, []).append(dep)

    def broken(self, allowed: Collection[int]) -> set[int]:
        """The packages of ``allowed`` whose plain requirements cannot be met from ``allowed`` alone."""
        return Support(self, allowed).broken


class Support:
    """How many packages support each requirement at the moment, of a set of packages that may be used."""

    def __init__(self, graph: RequirementGraph, allowed: Collection[int]) -> None:
        self.graph = graph
        self.allowed = frozenset(allowed)
        self.broken: set[int] = set()
        self._left = {
            dep: sum(1 for each in providers if each in self.allowed) for dep, providers in graph.providers.items()
        }
        unmet = [dep for dep, count in self._left.items() if not count]
        waiting = [each for dep in unmet for each in graph.requirers[dep] if each in self.allowed]
        for package in waiting:
            self._break(package, waiting, self.broken, self._left)

    def without(self, packages: Iterable[int]) -> set[int]:
        """The packages that would be broken, too, without the given ones, these included; changes nothing."""
        broken: set[int] = set()
        left = _Changed(self._left)
        waiting = [each for each in packages if each in self.allowed]
        for package in waiting:
            if package not in self.broken:
                self._break(package, waiting, broken, left)
        return broken

    def mark(self, packages: Iterable[int]) -> None:
        """Take packages as broken that something else than a plain requirement breaks, and what follows from them."""
        waiting = [each for each in packages if each in self.allowed]
        for package in waiting:
            self._break(package, waiting, self.broken, self._left)

    def _break(self, package: int, waiting: list[int], broken: set[int], left: "dict[int, int]") -> None:
        if package in broken:
            return
        broken.add(package)
        for dep in self.graph.provides.get(package, ()):
            count = left[dep] = left[dep] - 1
            if not count:
                waiting += [
                    each for each in self.graph.requirers[dep] if each in self.allowed and each not in self.broken
                ]


class _Changed(dict[int, int]):
    """Counts that differ from others, which stay as they are."""

    def __init__(self, others: Mapping[int, int]) -> None:
        super().__init__()
        self._others = others

    def __missing__(self, key: int) -> int:
        return self._others[key]


def unmet(graph: RequirementGraph, package: int, usable: Collection[int]) -> Iterator[int]:
    """The plain requirements of a package that none of the usable packages satisfies."""
    for dep in graph.requirements[package]:
        if not any(each in usable for each in graph.providers[dep]):
            yield dep


def _is_boolean(pool: Any, dep: int) -> bool:
    # What is more than a name has a number below 0.
    return dep < 0 and pool.dep2str(dep).startswith("(")
