"""All packages of a universe with their requirements as numbers, and what breaks when providers are missing.

A package of which a plain requirement has no provider that is not broken itself is broken, whatever a solver may try.
What is left after that is installable, unless a boolean requirement or a conflict is in the way: a solver says.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ppcdeps.model.capability import Capability, Rich, parse_requirement
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.universe import Universe


class RequirementGraph:
    """Who requires what, and who provides it, of the packages given; all are libsolv's ids.

    It grows: most packages of a distribution are proven installable without a look at what they require.
    ``considered`` are all that count as providers (default: the packages given). Boolean requirements other
    than `or` are left out: they cannot be answered by looking at providers alone.
    """

    def __init__(
        self, universe: Universe, packages: Iterable[int], considered: Collection[int] | None = None
    ) -> None:
        packages = list(packages)
        self._universe = universe
        self.considered = frozenset(packages if considered is None else considered)
        self._is_plain: dict[int, bool] = {libsolv().SOLVABLE_PREREQMARKER: False}
        self.requirements: dict[int, list[int]] = {}
        """The plain requirements of each package."""
        self.requirers: dict[int, list[int]] = {}
        """The packages that have a requirement."""
        self.providers: dict[int, list[int]] = {}
        """The considered packages that satisfy a requirement."""
        self.provides: dict[int, list[int]] = {}
        """The requirements that a package satisfies."""
        self.extend(packages)

    def extend(self, packages: Iterable[int]) -> None:
        """Read the requirements of further packages."""
        pool, requires = self._universe.pool, libsolv().SOLVABLE_REQUIRES
        self._universe.index.widen()
        for package in packages:
            if package in self.requirements:
                continue
            mine = self.requirements[package] = []
            for dep in dict.fromkeys(pool.id2solvable(package).lookup_idarray(requires)):
                if dep not in self._is_plain:
                    self._is_plain[dep] = _is_plain(pool, dep)
                if self._is_plain[dep]:
                    mine.append(dep)
                    if dep not in self.requirers:
                        self._add(dep)
                    self.requirers[dep].append(package)

    def extend_to_all_that_matters(self, packages: Iterable[int], usable: Collection[int]) -> set[int]:
        """Read those packages, and all that would meet what no usable package does; returns all of these."""
        waiting = sorted(packages)
        found = set(waiting)
        usable = frozenset(usable)
        for package in waiting:
            self.extend((package,))
            for dep in self.requirements[package]:
                providers = self.providers[dep]
                if usable.isdisjoint(providers):
                    new = [each for each in providers if each not in found]
                    found.update(new)
                    waiting += new
        return found

    def broken(self, allowed: Collection[int]) -> set[int]:
        """The packages of ``allowed`` whose plain requirements cannot be met from ``allowed`` alone."""
        return Support(self, allowed).broken

    def _add(self, dep: int) -> None:
        self.requirers[dep] = []
        self.providers[dep] = [s.id for s in self._universe.pool.whatprovides(dep) if s.id in self.considered]
        for provider in self.providers[dep]:
            self.provides.setdefault(provider, []).append(dep)


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


def _is_plain(pool: Any, dep: int) -> bool:
    """Whether each of the packages that libsolv says provide a requirement satisfies it, and no other does."""
    # What is more than a name has a number below 0.
    text = pool.dep2str(dep) if dep < 0 else ""
    if not text.startswith("("):
        return True
    try:
        parsed = parse_requirement(text)
    except ValueError:
        return False
    return (
        isinstance(parsed, Rich)
        and parsed.operator == "or"
        and all(isinstance(each, Capability) for each in parsed.operands)
    )
