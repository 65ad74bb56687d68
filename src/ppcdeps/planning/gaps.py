"""Gaps of a solved workload: what is missing, who asks for it, why, and by which route it comes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ppcdeps.model.capability import Capability, parse_requirement
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.planning.facts import ExcludedSource, RecordedRun, load_excluded_sources, load_recorded_runs
from ppcdeps.planning.solution import Solution, Stage
from ppcdeps.recipebook.book import recipe_digest
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.problems import Clash
from ppcdeps.rpm.requirers import Requirers

_PYTHON_EXTENSION = "python-extension"
"""What recorded runs call the build of any sdist with compiled code."""


def gaps_of(solution: Solution, python: Sequence[Gap] = (), answered: Collection[str] = ()) -> tuple[Gap, ...]:
    """All gaps, those of the run time first, each group in the order of its names.

    ``python`` are the gaps that pip closes, or a build from an sdist does; ``answered`` are the sources and
    requirements that they close, which are no gaps of their own then.
    """
    finder = _Finder(solution, {fact.source: fact for fact in load_excluded_sources()}, frozenset(answered))
    for gap in python:
        finder.gaps[gap.kind, gap.name] = gap
    runs = load_recorded_runs()
    return tuple(_timed(gap, runs) for gap in finder.found())


def _timed(gap: Gap, runs: Sequence[RecordedRun]) -> Gap:
    """The gap with the times that building it took, where it must be built and such runs are recorded."""
    built_as = _PYTHON_EXTENSION if gap.route.kind is RouteKind.BUILD_SDIST else gap.source
    if gap.route.kind not in (RouteKind.RECIPE, RouteKind.REBUILD, RouteKind.BUILD_SDIST):
        return gap
    minutes = tuple(sorted((run.mode, run.minutes) for run in runs if run.source == built_as))
    return replace(gap, route=replace(gap.route, minutes=minutes)) if minutes else gap


@dataclass(slots=True)
class _Finder:
    """Goes through the stages of a solution; what an earlier stage lacks is not told again by a later one."""

    solution: Solution
    excluded: Mapping[str, ExcludedSource]
    answered: frozenset[str] = frozenset()
    gaps: dict[tuple[GapKind, str], Gap] = field(default_factory=dict)

    def found(self) -> tuple[Gap, ...]:
        self._look_at(self.solution.run, Phase.RUN)
        for stage in self.solution.builds.values():
            if stage is not None:
                self._look_at(stage, Phase.BUILD)
        order = {Phase.RUN: 0, Phase.BUILD: 1}
        return tuple(sorted(self.gaps.values(), key=lambda gap: (order[gap.phase], gap.name)))

    def _look_at(self, stage: Stage, phase: Phase) -> None:
        new = _Missing.in_stage(self.solution, stage).without({*self.answered, *(name for _, name in self.gaps)})
        if not new:
            return
        requirers = self.solution.requirers(stage)
        for source, packages in new.rebuilt.items():
            self._add(self._native(source, packages, requirers, stage, phase))
        for source, packages in new.reused.items():
            self._add(self._reused(source, packages, requirers, stage, phase))
        for package in new.unknown:
            self._add(self._unknown(package, requirers, stage, phase))
        for clash in new.clashes:
            self._add(self._clash(clash, phase))

    def _add(self, gap: Gap) -> None:
        self.gaps.setdefault((gap.kind, gap.name), gap)

    def _native(self, source: str, packages: Sequence[int], requirers: Requirers, stage: Stage, phase: Phase) -> Gap:
        cause, detail = self._cause_of(source, packages, requirers)
        return Gap(
            name=source,
            kind=GapKind.RPM,
            cause=cause,
            phase=phase,
            wanted=self._nevras(packages),
            required_by=self._requirers_of(packages, requirers, stage),
            route=self._route_of(source),
            source=source,
            detail=detail,
        )

    def _route_of(self, source: str) -> Route:
        recipe = self.solution.adaptation.recipe_of(source)
        if recipe is not None:
            subject = (recipe.folder.name,)
            return Route(RouteKind.RECIPE, subject, reason=recipe.summary, digest=recipe_digest(recipe))
        evaluated = self.solution.adaptation.evaluated(source)
        if evaluated is not None:
            return Route(RouteKind.REBUILD, (str(evaluated.target.source),), reason=f"source RPM {evaluated.file}")
        package = self.solution.search.dropper.buildroots.source_package(source)
        if package is None:
            return Route(
                RouteKind.BLOCKED,
                reason=f"no source repository has the source package {source}",
                help="name a repository that has it (--source ID,URL)",
            )
        part = self.solution.universe.part_of(package)
        where = part.metadata.config.id if part else ""
        return Route(RouteKind.REBUILD, (self.solution.universe.nevra(package),), reason=f"source package in {where}")

    def _reused(self, source: str, packages: Sequence[int], requirers: Requirers, stage: Stage, phase: Phase) -> Gap:
        universe = self.solution.universe
        older = [old for i in packages for old in universe.named(universe.pool.id2solvable(i).name, Role.TARGET)]
        repositories = sorted({part.metadata.config.id for i in packages if (part := universe.part_of(i))})
        return Gap(
            name=source,
            kind=GapKind.RPM,
            cause=Cause.TOO_OLD if older else Cause.ABSENT,
            phase=phase,
            wanted=self._nevras(packages),
            required_by=self._requirers_of(packages, requirers, stage),
            route=Route(RouteKind.REUSE, self._nevras(packages), reason=f"noarch in {', '.join(repositories)}"),
            source=source,
            detail=f"{', '.join(self._nevras(older))} is there" if older else "",
        )

    def _unknown(self, package: int, requirers: Requirers, stage: Stage, phase: Phase) -> Gap:
        requirement = self.solution.universe.placeholders[package]
        others = self._other_versions(requirement)
        detail = f"{', '.join(self._nevras(others))} does not satisfy it" if others else ""
        return Gap(
            name=requirement,
            kind=GapKind.RPM,
            cause=Cause.TOO_OLD if others else Cause.UNKNOWN,
            phase=phase,
            wanted=(requirement,),
            required_by=self._requirers_of([package], requirers, stage),
            route=Route(
                RouteKind.BLOCKED,
                reason=f"nothing provides {requirement}",
                help="name a repository that has it: --repofrompath for ppc64le, --reference for x86_64",
            ),
            detail=detail,
        )

    def _clash(self, clash: Clash, phase: Phase) -> Gap:
        universe = self.solution.universe
        pair = (universe.nevra(clash.package), universe.nevra(clash.other))
        return Gap(
            name=" and ".join(pair),
            kind=GapKind.RPM,
            cause=Cause.CONFLICT,
            phase=phase,
            wanted=pair,
            required_by=(),
            route=Route(
                RouteKind.BLOCKED,
                reason="each is available, both together are not",
                help="leave one of them out of the roots, or exclude a package with --setopt=REPO.excludepkgs=NAME",
            ),
            detail=clash.text,
        )

    def _cause_of(self, source: str, packages: Sequence[int], requirers: Requirers) -> tuple[Cause, str]:
        universe = self.solution.universe
        evaluated = self.solution.adaptation.evaluated(source)
        if evaluated is not None:
            asked = sorted({str(universe.pool.id2solvable(i).name) for i in packages})
            told = next((why for name in asked if (why := evaluated.target.why_missing(name))), None)
            if told is not None:
                return told
        fact = self.excluded.get(source)
        if fact is not None and fact.applies_to(self.solution.target):
            return Cause.EXCLUDED, fact.reason
        built = universe.built_for_target(source)
        names = {universe.pool.id2solvable(i).name: i for i in packages}
        lacking = sorted(name for name in names if not universe.named(name, Role.TARGET))
        if lacking and built:
            others = sorted({str(universe.pool.id2solvable(i).name) for i in built})
            return Cause.NOT_BUILT, f"ppc64le has of it only {_listed(others)}"
        if lacking:
            return Cause.ABSENT, "no target repository has a package of this source"
        for name, package in sorted(names.items()):
            there = universe.named(name, Role.TARGET)
            for edge in requirers.on.get(package, ()):
                if edge.requirement.startswith("("):
                    continue
                if not set(universe.providers_of(edge.requirement)).intersection(there):
                    return Cause.TOO_OLD, f"{', '.join(self._nevras(there))} does not satisfy {edge.requirement}"
        there = [i for name in names for i in universe.named(name, Role.TARGET)]
        return Cause.CONFLICT, f"{_listed(self._nevras(there))} cannot be installed with the rest"

    def _other_versions(self, requirement: str) -> list[int]:
        """Packages that provide the name that is asked for, in a version that does not satisfy it."""
        try:
            parsed = parse_requirement(requirement)
        except ValueError:
            return []
        if not isinstance(parsed, Capability) or not parsed.relation:
            return []
        return self.solution.universe.providers_of(parsed.name)

    def _requirers_of(self, packages: Iterable[int], requirers: Requirers, stage: Stage) -> tuple[Requirer, ...]:
        """Who asks for the packages, from outside of the group; from inside where nobody else does."""
        group = set(packages)
        edges = [edge for i in sorted(group) for edge in requirers.on.get(i, ())]
        outside = [edge for edge in edges if edge.by not in group] or edges
        universe = self.solution.universe
        told = {
            Requirer(e.requirement, stage.requested_by if e.by == stage.request.id else universe.nevra(e.by))
            for e in outside
        }
        return tuple(sorted(told, key=lambda requirer: (requirer.by, requirer.requirement)))

    def _nevras(self, packages: Iterable[int]) -> tuple[str, ...]:
        return tuple(sorted({self.solution.universe.nevra(i) for i in packages}))


@dataclass(frozen=True, slots=True)
class _Missing:
    """What one stage takes from elsewhere than the target's repositories, grouped by source."""

    rebuilt: dict[str, list[int]]
    reused: dict[str, list[int]]
    unknown: dict[int, str]
    clashes: list[Clash]

    @classmethod
    def in_stage(cls, solution: Solution, stage: Stage) -> "_Missing":
        universe = solution.universe
        rebuilt: dict[str, list[int]] = {}
        reused: dict[str, list[int]] = {}
        for package in stage.closure.chosen:
            part = universe.part_of(package)
            if part is not None and part.role is Role.STANDIN:
                rebuilt.setdefault(universe.source_of(package), []).append(package)
            elif part is not None and part.role is Role.REFERENCE:
                reused.setdefault(universe.source_of(package), []).append(package)
        unknown = {package: universe.placeholders[package] for package in stage.closure.unknown}
        return cls(rebuilt, reused, unknown, list(stage.closure.clashes))

    def without(self, known: Collection[str]) -> "_Missing":
        """What is left when gaps of these names are known already."""
        return _Missing(
            {source: packages for source, packages in self.rebuilt.items() if source not in known},
            {source: packages for source, packages in self.reused.items() if source not in known},
            {package: name for package, name in self.unknown.items() if name not in known},
            self.clashes,
        )

    def __bool__(self) -> bool:
        return bool(self.rebuilt or self.reused or self.unknown or self.clashes)


def _listed(names: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
