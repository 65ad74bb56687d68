"""Gaps of a solved workload: what is missing, who requires it, why it is missing, and the route by which it comes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ppcdeps.model.capability import Capability, Requirement, parse_requirement, requirement_of
from ppcdeps.model.commands import command_line
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass
from ppcdeps.model.wording import first_of
from ppcdeps.planning.blocked import (
    help_for_conflict,
    help_for_excluded,
    help_for_requirement,
    help_for_source,
)
from ppcdeps.planning.buildtimes import Built, kind_of_source, timed_source
from ppcdeps.planning.curated import ExcludedSource, load_excluded_sources, load_recorded_runs
from ppcdeps.planning.solution import Solution, SolvedRequest
from ppcdeps.recipebook.book import recipe_digest
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.own import OwnSource
from ppcdeps.rpm.problems import Lacking, PackageClash, UninstallableProviders, missing_leaves, statements_of
from ppcdeps.rpm.requests import Request
from ppcdeps.rpm.requirers import Edge
from ppcdeps.rpm.solving import solve_requests


def gaps_of(
    solution: Solution,
    python: Sequence[Gap] = (),
    closed: Collection[str] = (),
    replaced: Collection[str] = (),
) -> tuple[Gap, ...]:
    """All gaps, those of the run time first, each group in the order of its names.

    ``python`` are the gaps that pip closes, or a build from an sdist does; ``closed`` are the sources and
    requirements that they close, which are not gaps of their own then, and ``replaced`` the packages in whose place
    they come. What the run time lacks is not repeated for
    a build, and what one build lacks not for another.
    """
    excluded = {fact.source: fact for fact in load_excluded_sources()}
    builds = [(build, Phase.BUILD) for build in solution.builds.values() if build is not None]
    gaps: dict[tuple[GapKind, str], Gap] = {(gap.kind, gap.name): gap for gap in python}
    for solved, phase in ((solution.run, Phase.RUN), *builds):
        known = {*closed, *(name for _, name in gaps)}
        for gap in _Finder(solution, solved, phase, excluded, replaced).found(known):
            gaps.setdefault((gap.kind, gap.name), gap)
    ordered = sorted(gaps.values(), key=lambda gap: (gap.phase is Phase.BUILD, gap.name))
    return tuple(timed_source(gap, load_recorded_runs(), _built(solution, gap)) for gap in ordered)


def requirers_among(solution: Solution, solved: SolvedRequest, edges: Iterable[Edge]) -> tuple[Requirer, ...]:
    """The requirements behind edges of a closure, once each and sorted by who has them."""
    found = {(solution.requirer(solved, edge.by), edge.requirement) for edge in edges}
    return tuple(Requirer(requirement, by) for by, requirement in sorted(found))


def _built(solution: Solution, gap: Gap) -> Built:
    """What the source of a gap is, as its source package in a repository says."""
    if gap.source is None or gap.route.kind not in (RouteKind.RECIPE, RouteKind.REBUILD):
        return Built()
    universe = solution.universe
    package = solution.search.dropper.environments.source_package(gap.source)
    if package is None:
        return Built()
    required = [universe.text_of(dep) for dep in universe.requirements_of(package)]
    return Built(kind_of_source(required), universe.size_of(package))


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds what one solved request takes from elsewhere than the target's repositories."""

    solution: Solution
    solved: SolvedRequest
    phase: Phase
    excluded: Mapping[str, ExcludedSource]
    replaced: Collection[str] = ()

    def found(self, known: Collection[str]) -> Iterator[Gap]:
        """Its gaps, without those of the ``known`` names."""
        for source, packages in self._by_source(Role.STANDIN).items():
            if source not in known:
                yield self._native(source, packages)
        for source, packages in self._by_source(Role.REFERENCE).items():
            if source not in known:
                yield self._reused(source, packages)
        for placeholder in self.solved.closure.unknown:
            if self.solution.universe.placeholders[placeholder] not in known:
                yield self._unknown(placeholder)
        for clash in self.solved.closure.clashes:
            # Packages of one own source need not be installed together: all are asked for, to know what each needs.
            if not self._within_own_source(clash):
                yield self._conflict(clash)

    def _within_own_source(self, clash: PackageClash) -> bool:
        universe = self.solution.universe
        one, other = (universe.source_of(each) for each in (clash.package, clash.other))
        return one == other and one in universe.own

    def _by_source(self, role: Role) -> Mapping[str, list[int]]:
        universe = self.solution.universe
        found: dict[str, list[int]] = {}
        for package in self.solved.closure.chosen:
            if self.replaced and self.phase is Phase.RUN and universe.label(package) in self.replaced:
                continue
            if universe.role_of(package) is role or (role is Role.STANDIN and universe.is_assumed(package)):
                found.setdefault(universe.source_of(package), []).append(package)
        return found

    def _native(self, source: str, packages: Sequence[int]) -> Gap:
        own = next((each for each in self.solution.own if each.name == source), None)
        if own is not None:
            return self._own(own, packages)
        cause, detail = self._cause_of(source, packages)
        if any(map(self.solution.universe.is_assumed, packages)):
            detail += "; that it gives what is wanted is taken from its name: a source repository does not say"
        return self._gap(source, cause, self._nevras(packages), packages, self._route_of(source), source, detail)

    def _own(self, own: OwnSource, packages: Sequence[int]) -> Gap:
        """The gap that a package of the user's own is until it is built; blocked where its tags forbid the build."""
        evaluation = own.evaluation
        subject = (str(evaluation.source),)
        cause, detail = Cause.ABSENT, f"your own package, of {own.file}"
        route = Route(RouteKind.REBUILD, subject, reason=own.file)
        if evaluation.excluded:
            cause, detail = Cause.EXCLUDED, f"{own.file} says {evaluation.excluded}"
            route = Route(RouteKind.BLOCKED, reason=detail, help=help_for_excluded(own))
        return self._gap(own.name, cause, self._nevras(packages), packages, route, own.name, detail)

    def _gap(
        self,
        name: str,
        cause: Cause,
        wanted: tuple[Nevra | str, ...],
        packages: Iterable[int],
        route: Route,
        source: str | None,
        detail: str,
    ) -> Gap:
        return Gap(name, GapKind.RPM, cause, self.phase, wanted, self._requirers_of(packages), route, source, detail)

    def _route_of(self, source: str) -> Route:
        recipe = self.solution.adaptation.recipe_of(source)
        evaluated = self.solution.adaptation.evaluated(source)
        if recipe is not None and evaluated is not None and evaluated.faults:
            broken = "; ".join(evaluated.faults)
            return Route(
                RouteKind.BLOCKED,
                reason=f"recipe {recipe.folder.name} does not do what it promises on {evaluated.file}: {broken}",
                help=f"change the recipe in a folder of your own (--recipes), and try it: "
                f"{command_line('recipes', 'lint', '--srpm', str(evaluated.file), '--recipes', 'FOLDER')}",
            )
        if recipe is not None:
            subject = (recipe.folder.name,)
            return Route(RouteKind.RECIPE, subject, reason=recipe.summary, digest=recipe_digest(recipe))
        if evaluated is not None:
            return Route(RouteKind.REBUILD, (str(evaluated.target.source),), reason=f"source RPM {evaluated.file}")
        package = self.solution.search.dropper.environments.source_package(source)
        if package is None:
            return Route(
                RouteKind.BLOCKED,
                reason=f"no source repository has the source package {source}",
                help=help_for_source(self.solution, source),
            )
        reason = f"source package in {', '.join(self._repositories([package]))}"
        return Route(RouteKind.REBUILD, (self.solution.universe.label(package),), reason=reason)

    def _reused(self, source: str, packages: Sequence[int]) -> Gap:
        universe = self.solution.universe
        older = [old for i in packages for old in universe.named(universe.name_of(i), Role.TARGET)]
        wanted = self._nevras(packages)
        reason = f"noarch in {', '.join(self._repositories(packages))}"
        route = Route(RouteKind.REUSE, tuple(map(str, wanted)), reason=reason)
        cause, detail = self._why_reused(packages) if older else (Cause.ABSENT, "")
        return self._gap(source, cause, wanted, packages, route, source, detail)

    def _why_reused(self, packages: Iterable[int]) -> tuple[Cause, str]:
        """Why noarch packages of the reference are used, of which the target has others of their names."""
        universe = self.solution.universe
        names = {universe.name_of(i): i for i in packages if universe.named(universe.name_of(i), Role.TARGET)}
        return self._of_another_version(names) or self._not_installable(names)

    def _unknown(self, placeholder: int) -> Gap:
        requirement = self.solution.universe.placeholders[placeholder]
        others = self._other_versions(requirement)
        route = Route(
            RouteKind.BLOCKED,
            reason=f"nothing provides {requirement}",
            help=help_for_requirement(self.solution, requirement, self._requirers_of([placeholder]), others),
        )
        cause = self._age(requirement, others) if others else Cause.UNKNOWN
        detail = f"{self._labels(others)} does not satisfy it" if others else self._published(requirement)
        return self._gap(requirement, cause, (requirement,), [placeholder], route, None, detail)

    def _published(self, requirement: str) -> str:
        """Which package of the reference would satisfy a requirement if a rebuild gave it, and why none does."""
        universe, target = self.solution.universe, self.solution.target
        found = universe.unbuildable_providers(requirement)
        if not found:
            return ""
        published = f"{universe.label(found[0]).removesuffix(universe.arch)}{target.reference_arch}"
        return f"{published} has it, and no rebuild gives it: {universe.not_rebuilt[found[0]]}"

    def _conflict(self, clash: PackageClash) -> Gap:
        universe = self.solution.universe
        # A placeholder provider is no package: what it stands for is what conflicts.
        pair = tuple(universe.placeholders.get(i) or universe.nevra(i) for i in (clash.package, clash.other))
        text = clash.text.replace(f" provided by {universe.pool.id2solvable(clash.other)}", "")
        together = all(isinstance(each, Nevra) for each in pair)
        route = Route(
            RouteKind.BLOCKED,
            reason="each is available, both together are not" if together else text,
            help=help_for_conflict(self.solution, clash.package, clash.other),
        )
        return self._gap(
            " and ".join(map(str, pair)), Cause.CONFLICT, pair, (), route, None, clash.text if together else text
        )

    def _cause_of(self, source: str, packages: Sequence[int]) -> tuple[Cause, str]:
        """Why the target has no package to satisfy what the source's stand-ins satisfy, and the evidence."""
        universe = self.solution.universe
        names = {universe.name_of(i): i for i in packages}
        # A spec that was evaluated for the target counts for more than what is known of its source.
        evaluated = self.solution.adaptation.evaluated(source)
        if evaluated is not None:
            found = next((why for name in sorted(names) if (why := evaluated.distributed.why_missing(name))), None)
            if found is not None:
                return found
        fact = self.excluded.get(source)
        if evaluated is None and fact is not None and fact.applies_to(self.solution.target):
            return Cause.EXCLUDED, fact.reason
        if any(not universe.named(name, Role.TARGET) for name in names):
            built = sorted({universe.name_of(i) for i in universe.built_for_target(source)})
            if built:
                return Cause.NOT_BUILT, f"ppc64le has of it only {first_of(built, 4)}"
            return Cause.ABSENT, "no target repository has a package of this source"
        return self._of_another_version(names) or self._not_installable(names)

    def _of_another_version(self, names: Mapping[str, int]) -> tuple[Cause, str] | None:
        """The first requirement that the target's packages of these names do not satisfy."""
        universe = self.solution.universe
        requirers = self.solution.requirers_of_missing(self.solved)
        for name, package in sorted(names.items()):
            there = universe.named(name, Role.TARGET)
            for edge in requirers.on.get(package, ()):
                if edge.requirement.startswith("("):
                    continue  # its parts may speak of several packages: none of them is shown to be too old
                if not set(universe.providers_of(edge.requirement)).intersection(there):
                    cause = self._age(edge.requirement, there)
                    return cause, f"{self._labels(there)} does not satisfy {edge.requirement}"
        return None

    def _age(self, requirement: str, there: Sequence[int]) -> Cause:
        """Whether packages that have what is required in another version are too old, or all of them too new."""
        parsed = requirement_of(requirement)
        if isinstance(parsed, Capability) and parsed.relation in ("=", "<", "<="):
            beyond = ">=" if parsed.relation == "<" else ">"
            newer = set(self.solution.universe.providers_of(f"{parsed.name} {beyond} {parsed.evr}"))
            if newer.issuperset(there):
                return Cause.TOO_NEW
        return Cause.TOO_OLD

    def _not_installable(self, names: Iterable[str]) -> tuple[Cause, str]:
        """Why packages of the target that would do are not used: what they require, or a conflict with the rest."""
        universe = self.solution.universe
        there = sorted({i for name in names for i in universe.named(name, Role.TARGET)}, key=universe.label)
        for package in there:
            for requirement, needed_by in self._failing(package):
                if needed_by == package:
                    return Cause.NOT_INSTALLABLE, f"{universe.label(package)} is there and requires {requirement}"
                return Cause.NOT_INSTALLABLE, (
                    f"{universe.label(package)} is there, and what it requires leads to "
                    f"{universe.label(needed_by)}, which requires {requirement}"
                )
        return Cause.CONFLICT, f"{first_of(list(map(universe.label, there)), 4)} cannot be installed with the rest"

    def _failing(self, package: int) -> list[tuple[str, int]]:
        """What keeps a package of the target out: unsatisfied requirements, each with the package that has it.

        Those of the package itself come first. It is asked for alone first, of the target's packages and the
        reference's noarch ones, then with all that the closure has: a boolean requirement may hold only there.
        """
        universe, closure, weak = self.solution.universe, self.solved.closure, self.solution.search.weak
        wanted = Request(package, universe.label(package))
        sources = {universe.source_of(i) for i in closure.chosen if universe.is_standin(i)}
        found: dict[tuple[str, int], None] = {}
        for result in (
            solve_requests(universe, [wanted], (), placeholders=(), weak=weak),
            solve_requests(universe, [self.solved.request, wanted], sources, placeholders=closure.unknown, weak=weak),
        ):
            for statement in statements_of(result):
                if isinstance(statement, Lacking | UninstallableProviders):
                    leaves = missing_leaves(statement.requirement, self._is_at_hand)
                    found |= dict.fromkeys((leaf, statement.package) for leaf in leaves)
            if found:
                break
        return sorted(found, key=lambda each: (each[1] != package, universe.label(each[1]), each[0]))

    def _is_at_hand(self, requirement: Requirement) -> bool:
        """Whether a package that need not be built satisfies a requirement."""
        universe = self.solution.universe
        return any(not universe.is_standin(i) for i in universe.providers_of(str(requirement)))

    def _other_versions(self, requirement: str) -> Sequence[int]:
        """Packages that provide the required name, in a version that does not satisfy the requirement."""
        try:
            parsed = parse_requirement(requirement)
        except ValueError:
            return []
        if not isinstance(parsed, Capability) or not parsed.relation:
            return []
        return self.solution.universe.providers_of(parsed.name)

    def _requirers_of(self, packages: Iterable[int]) -> tuple[Requirer, ...]:
        """Who requires the packages, from outside of the group; from inside where there is no other."""
        group = set(packages)
        if not group:
            return ()
        requirers = self.solution.requirers_of_missing(self.solved)
        edges = [edge for i in sorted(group) for edge in requirers.on.get(i, ())]
        outside = [edge for edge in edges if edge.by not in group] or edges
        if group.issubset(self.solution.universe.placeholders):
            # Of another version is there what the others require.
            outside = [edge for edge in outside if not self._is_there(edge.requirement)] or outside
        return requirers_among(self.solution, self.solved, outside)

    def _is_there(self, requirement: str) -> bool:
        """Whether a package satisfies a plain requirement as it is."""
        return not requirement.startswith("(") and bool(self.solution.universe.providers_of(requirement))

    def _nevras(self, packages: Iterable[int]) -> tuple[Nevra, ...]:
        return tuple(sorted({self.solution.universe.nevra(i) for i in packages}, key=str))

    def _labels(self, packages: Iterable[int]) -> str:
        return ", ".join(sorted({self.solution.universe.label(i) for i in packages}))

    def _repositories(self, packages: Iterable[int]) -> list[str]:
        parts = (self.solution.universe.part_of(i) for i in packages)
        return sorted({part.metadata.config.id for part in parts if part is not None})
