"""The closure of requests, with an irreducible set of sources to rebuild and of requirements nothing satisfies."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import field

from ppcdeps.model.capability import Capability, Requirement, parse_requirement, requirement_of
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.additions import (
    add_placeholder,
    declare_from_source,
    extend_placeholder,
    ignore_dependency,
)
from ppcdeps.rpm.dropped import RequirementDropper
from ppcdeps.rpm.indispensable import indispensable_sources
from ppcdeps.rpm.paths import needs_filelists
from ppcdeps.rpm.problems import (
    Lacking,
    PackageClash,
    Statement,
    UninstallableProviders,
    hypothetical_leaves,
    missing_leaves,
    statements_of,
)
from ppcdeps.rpm.requests import Request
from ppcdeps.rpm.solving import SolverResult, solve_requests
from ppcdeps.rpm.universe import Universe

_ROUNDS = 200
"""More than any real request needs; ends the search if a relaxation should ever change nothing."""


@dataclass(frozen=True, slots=True)
class Closure:
    """The packages that satisfy the requests together.

    ``sources`` are those whose stand-ins are used and that were not free, ``unknown`` the placeholder providers
    used, ``clashes`` what had to be ignored so that all else that is missing could be found.
    """

    chosen: tuple[int, ...]
    sources: tuple[str, ...]
    unknown: tuple[int, ...]
    clashes: tuple[PackageClash, ...]


@dataclass(slots=True)
class ClosureSearch:
    """Searches closures in one universe.

    Its placeholders, dropped requirements and ignored clashes stay for the next search.
    """

    universe: Universe
    dropper: RequirementDropper
    weak: bool = False
    ignored: list[PackageClash] = field(default_factory=list)
    _of_filelists: dict[int, bool] = field(default_factory=dict)
    """Of the target's packages: whether they name a path that only filelists have."""

    def closure(self, requests: Sequence[Request], free: Collection[str] = ()) -> Closure:
        """The closure of all requests together with as few rebuilds as can be.

        Stand-ins of ``free`` sources cost nothing: these are built anyway. The result is irreducible: without
        any one of its sources, or placeholders, nothing satisfies the requests.
        """
        found = self._relaxed(requests)
        while self._needs_filelists(found) and self.universe.paths.look_up():
            found = self._relaxed(requests)
        # A dropped requirement may make sources needless, so the search starts anew after each. The coarse reduction
        # comes first: it costs one run of the solver, the fine one a run for each source.
        while True:
            found = self._coarsely_reduced(requests, found, free)
            if not self._drop_requirements(found):
                break
            found = self._relaxed(requests)
        found = self._reduced(requests, found, free)
        while self._drop_requirements(found):
            found = self._reduced(requests, self._relaxed(requests), free)
        there = set(found.chosen)
        return Closure(
            found.chosen,
            tuple(sorted(self._sources(found, free))),
            tuple(sorted(self._placeholders(found))),
            tuple(clash for clash in self.ignored if there.issuperset((clash.package, clash.other))),
        )

    def refuted(self, requests: Sequence[Request], source: str) -> SolverResult:
        """The solver's result with a source's stand-ins forbidden: its problems say why they are needed."""
        forbidden = self.universe.standins_of(source)
        return solve_requests(self.universe, requests, without=forbidden, weak=self.weak, placeholders=())

    def _relaxed(self, requests: Sequence[Request]) -> SolverResult:
        """A solution, with placeholders added and clashes ignored as long as there is none without."""
        for _ in range(_ROUNDS):
            for duplicates in (False, True):
                result = solve_requests(self.universe, requests, duplicates=duplicates, weak=self.weak)
                if result.solved:
                    return result
            if self.universe.paths.look_up():
                continue
            statements = statements_of(result)
            if self._add_placeholders(statements):
                continue
            clash = next((s for s in statements if isinstance(s, PackageClash) and s not in self.ignored), None)
            if clash is None:
                break
            self._ignore(clash)
        # Such as a dependency on a version that none is: nothing can stand in for what provides it.
        raise RepositoryError(
            f"no closure was found for {', '.join(request.title for request in requests)}: "
            + "; ".join(str(problem) for problem in result.problems),
            hint="what the packages say of each other is contradictory or malformed: ask the repository's owner",
        )

    def _add_placeholders(self, statements: Iterable[Statement]) -> bool:
        """Add providers of what nothing provides; returns whether there were any to add.

        Boolean requirements are looked into whichever rule has them: libsolv does not say which part is missing.
        """
        known = set(self.universe.placeholders.values())
        requirements = {
            statement.requirement
            for statement in statements
            if isinstance(statement, Lacking)
            or (isinstance(statement, UninstallableProviders) and statement.requirement.startswith("("))
        }
        missing: dict[str, bool] = {}
        for text in requirements:
            supposed = hypothetical_leaves(text, self._is_provided)
            for leaf in missing_leaves(text, self._is_provided):
                if leaf not in known:
                    missing[leaf] = missing.get(leaf, True) and leaf in supposed
        for requirement, is_supposed in sorted(missing.items()):
            if is_supposed and extend_placeholder(self.universe, requirement):
                continue
            if not declare_from_source(self.universe, requirement):
                add_placeholder(self.universe, requirement)
        return bool(missing)

    def _is_provided(self, requirement: Requirement) -> bool:
        return bool(self.universe.providers_of(str(requirement)))

    def _ignore(self, clash: PackageClash) -> None:
        if not self._is_of_the_placeholders_version(clash):
            self.ignored.append(clash)
        if clash.kind == "same-name":
            self.universe.multiversion += [clash.package, clash.other]
        else:
            ignore_dependency(self.universe, clash.package, clash.dependency)

    def _is_of_the_placeholders_version(self, clash: PackageClash) -> bool:
        """Whether a package conflicts with a placeholder's version alone: what that stands for may have another."""
        wanted = self.universe.placeholders.get(clash.other)
        if wanted is None:
            return False
        required, excluded = requirement_of(wanted), requirement_of(clash.dependency)
        if not isinstance(required, Capability) or not isinstance(excluded, Capability):
            return False
        return (required.relation, excluded.relation) in _VERSIONS_LEFT

    def _needs_filelists(self, result: SolverResult) -> bool:
        """Whether the owners of further paths could change the result."""
        universe = self.universe
        if universe.paths.is_answered:
            return False
        if any(universe.is_standin(i) or i in universe.placeholders for i in result.chosen):
            return True
        return any(map(self._names_unlisted_path, result.chosen))

    def _names_unlisted_path(self, package: int) -> bool:
        universe, known = self.universe, self._of_filelists.get(package)
        if known is None:
            deps = (*universe.requirements_of(package), *universe.conflicts_of(package))
            known = any(map(needs_filelists, map(universe.text_of, deps)))
            self._of_filelists[package] = known
        return known

    def _drop_requirements(self, result: SolverResult) -> bool:
        """Whether anything was dropped: on grounds that cost nothing first, then by build environments."""
        chosen = result.chosen
        return self.dropper.drop_from(chosen, by_build=False) or self.dropper.drop_from(chosen, by_build=True)

    def _sources(self, result: SolverResult, free: Collection[str]) -> set[str]:
        used = {self.universe.source_of(i) for i in result.chosen if self.universe.is_standin(i)}
        return used.difference(free)

    def _placeholders(self, result: SolverResult) -> set[int]:
        return {i for i in result.chosen if i in self.universe.placeholders}

    def _coarsely_reduced(
        self, requests: Sequence[Request], found: SolverResult, free: Collection[str]
    ) -> SolverResult:
        """Try at once without all sources that only replace packages which the target has too."""
        sources = self._sources(found, free)
        replaceable = {source for source in sources if self.universe.built_for_target(source)}
        lacking = {
            self.universe.source_of(i)
            for i in found.chosen
            if self.universe.is_standin(i) and not self.universe.has_name(i)
        }
        doubtful = replaceable - lacking
        if not doubtful:
            return found
        fewer = solve_requests(self.universe, requests, {*free, *(sources - doubtful)}, weak=self.weak)
        return fewer if fewer.solved else found

    def _reduced(self, requests: Sequence[Request], found: SolverResult, free: Collection[str]) -> SolverResult:
        """Forbid placeholders and sources, one after the other, as long as the requests can be satisfied."""
        for placeholder in sorted(self._placeholders(found), key=lambda i: _strength(self.universe.placeholders[i])):
            placeholders = self._placeholders(found)
            if placeholder not in placeholders:
                continue
            fewer = solve_requests(
                self.universe,
                requests,
                duplicates=True,
                placeholders=placeholders - {placeholder},
                weak=self.weak,
            )
            found = fewer if fewer.solved else found
        placeholders = self._placeholders(found)
        doubtful = self._sources(found, free)
        if len(doubtful) > 1:
            # One run of the solver costs less than finding that it is not needed.
            doubtful -= indispensable_sources(self.universe, requests, doubtful, free, placeholders)
        for source in sorted(doubtful):
            sources = self._sources(found, free)
            if source not in sources:
                continue
            fewer = solve_requests(
                self.universe, requests, {*free, *sources} - {source}, placeholders=placeholders, weak=self.weak
            )
            found = fewer if fewer.solved else found
        return found


_VERSIONS_LEFT = {
    (required, excluded)
    for required, left in (("", "< <= = > >="), (">", "< <= ="), (">=", "< <= ="), ("<", "> >= ="), ("<=", "> >= ="))
    for excluded in left.split()
}
"""Relations of a requirement and of a conflict of the same name that leave versions, whichever they speak of."""
_STRICTER = ("", "<", ">", "<=", ">=", "=")


def _strength(requirement: str) -> tuple[int, int, str]:
    """Orders requirements so that what satisfies a later one is likelier to satisfy an earlier one as well."""
    try:
        parsed = parse_requirement(requirement)
    except ValueError:
        return 0, 0, requirement
    if isinstance(parsed, Capability):
        return _STRICTER.index(parsed.relation), len(parsed.evr), requirement
    return len(_STRICTER), 0, requirement
