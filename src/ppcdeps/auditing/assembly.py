"""A target's distribution audited: its universe examined, and what was found in values that outlive the solver."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, cmp_to_key

from ppcdeps.auditing.audit import (
    USABLE,
    Audit,
    AuditedPackage,
    AuditedRepository,
    AuditedSource,
    AuditedWorkload,
    State,
    Unmet,
    is_chosen,
)
from ppcdeps.auditing.examination import Examination, blocking, examine, names_of, unmet_of
from ppcdeps.auditing.ranking import alone, steps_of, together
from ppcdeps.model.gap import Cause
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import Target
from ppcdeps.model.wording import first_of
from ppcdeps.model.workload import Workload
from ppcdeps.planning.adaptation import Adaptation
from ppcdeps.planning.curated import (
    ExcludedSource,
    load_arch_packages,
    load_arch_requirements,
    load_excluded_sources,
)
from ppcdeps.planning.order import order_of
from ppcdeps.planning.solution import PYPI
from ppcdeps.recipebook.book import is_named
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.closure import ClosureSearch
from ppcdeps.rpm.loading import Part, Role
from ppcdeps.rpm.requests import Request, request_packages
from ppcdeps.rpm.universe import Universe

_MOST_SHOWN = 4


def audit_of(
    search: ClosureSearch,
    adaptation: Adaptation,
    target: Target,
    reporter: Reporter,
    *,
    only: Sequence[str] = (),
    workloads: Iterable[Workload] = (),
) -> Audit:
    """Every package of a target and its reference: usable, or what it waits for; and what each build would open.

    ``only`` are globs of names of packages or sources: what they choose is shown and counted, and which workloads
    wait for the same sources. ``workloads`` are looked at as if they were packages. Raises RepositoryError for
    damaged metadata, EnvironmentLacksError.
    """
    universe = search.universe
    # What only the build for the reference's architecture requires is not required of a rebuild.
    search.dropper.drop_from(sorted(_with_requirements_of_one_build(universe, adaptation)), by_build=False)
    universe.paths.look_up()
    asked = {
        workload.name: request_packages(
            universe, workload.name, [root for root in workload.roots if not root.startswith(PYPI)]
        )
        for workload in workloads
    }
    names = names_of(universe)
    builds = _build_requests(search, names)
    requests = {each.id for each in (*asked.values(), *builds.values()) if each is not None}
    found = examine(universe, names, reporter, requests)
    return _Assembly(search, adaptation, target, names, found, tuple(only)).audit(asked, builds)


def _with_requirements_of_one_build(universe: Universe, adaptation: Adaptation) -> set[int]:
    """The stand-ins that may require what only the build for the reference's architecture does.

    These are few of many, and the grounds are costly to look for: facts and recipes speak of their sources, or they
    require a library that neither the target nor a noarch package has.
    """
    pool, requires = universe.pool, libsolv().SOLVABLE_REQUIRES
    spoken_of = {fact.source for fact in load_arch_requirements()} | {fact.source for fact in load_arch_packages()}
    recipes = [recipe for recipe in adaptation.book if recipe.dropped_requires]
    spoken_of |= {
        source
        for part in universe.parts
        if part.role is Role.STANDIN
        for source in part.sources
        if any(is_named(recipe, source) for recipe in recipes)
    }
    found = {standin for source in spoken_of for standin in universe.standins_of(source)}
    lacking: dict[int, bool] = {}
    universe.index.widen()
    for standin in universe.standins - found:
        for dep in pool.id2solvable(standin).lookup_idarray(requires):
            if dep not in lacking:
                lacking[dep] = ".so" in pool.dep2str(dep) and all(
                    s.id in universe.standins for s in pool.whatprovides(dep)
                )
            if lacking[dep]:
                found.add(standin)
                break
    return found


def usable_names(universe: Universe, reporter: Reporter) -> dict[str, bool]:
    """The packages of a universe by side and name, and whether one of the name is installable without any build."""
    names = names_of(universe)
    found = examine(universe, names, reporter, builds=False)
    usable: dict[str, bool] = {}
    for part in universe.parts:
        if part.role in (Role.TARGET, Role.REFERENCE):
            for i in part.ids:
                if i in names:
                    usable[names[i]] = usable.get(names[i], False) or i in found.usable
    return usable


def _build_requests(search: ClosureSearch, names: Mapping[int, str]) -> dict[str, Request | None]:
    """What the builds of sources need to be installed, of those that would give a package that the target lacks."""
    universe, environments = search.universe, search.dropper.environments
    there = _names_in(universe, Role.TARGET, names)
    wanted = {
        source
        for part in universe.parts
        if part.role is Role.STANDIN
        for source, positions in part.sources.items()
        if any(names.get(part.start + position, "") not in there for position in positions)
    }
    return {source: environments.request(source) for source in sorted(wanted)}


def _names_in(universe: Universe, role: Role, names: Mapping[int, str]) -> set[str]:
    """The names of the considered packages that have a role, and the empty one, which all others are given."""
    return {names.get(i, "") for part in universe.parts if part.role is role for i in part.ids} | {""}


@dataclass
class _Assembly:
    search: ClosureSearch
    adaptation: Adaptation
    target: Target
    names: Mapping[int, str]
    found: Examination
    only: tuple[str, ...]

    @property
    def universe(self) -> Universe:
        return self.search.universe

    def audit(self, asked: Mapping[str, Request], builds: Mapping[str, Request | None]) -> Audit:
        reasons = blocking(self.universe, self.found)
        everything = sorted(self._packages(reasons), key=lambda each: (each.nevra, each.side))
        packages = tuple(each for each in everything if self._is_wanted(each.name, each.source))
        workloads = [self._workload(name, request, reasons) for name, request in sorted(asked.items())]
        waiting = [each.needs for each in packages if each.needs]
        sources = self._sources(everything, waiting, workloads, builds, reasons)
        cycles = order_of({each.name: each.build_needs for each in sources}).cycles
        shown = {source for each in packages for source in (each.source, *each.needs)}
        complete = self._reference_sources().difference(each.name for each in sources)
        if self.only:
            complete &= {each.source for each in packages}
        reused = complete & {
            each.source
            for each in everything
            if each.side == "reference" and each.state not in (State.REPLACED, State.NOT_REBUILT)
        }
        if self.only:
            sources = [each for each in sources if each.name in shown]
            workloads = [each for each in workloads if shown.intersection(each.needs)]
        return Audit(
            target=self.target.title or self.target.name,
            arch=self.target.arch,
            only=self.only,
            packages=packages,
            sources=tuple(sorted(sources, key=lambda each: (-each.holds_back, -each.alone, each.name))),
            built=len(complete - reused),
            reused=len(reused),
            steps=steps_of(waiting),
            cycles=tuple(sorted(one.members for one in cycles if not self.only or shown.intersection(one.members))),
            workloads=tuple(workloads),
            repositories=tuple(self._repositories()),
        )

    def _reference_sources(self) -> set[str]:
        roles = (Role.STANDIN, Role.REFERENCE)
        return {source for part in self.universe.parts if part.role in roles for source in part.sources}

    def _is_wanted(self, name: str, source: str) -> bool:
        return is_chosen(self.only, name, source)

    def _packages(self, reasons: Mapping[int, str]) -> Iterable[AuditedPackage]:
        """Every package of the target, and of the reference the newest of each name that the target lacks."""
        universe, names = self.universe, self.names
        seen = _names_in(universe, Role.TARGET, names)
        for part in universe.parts:
            if part.role is Role.TARGET:
                for package in part.ids:
                    if package in names:
                        yield from self._package(package, part, names[package], reasons)
        newest: dict[str, tuple[int, Part]] = {}
        for part in universe.parts:
            if part.role in (Role.REFERENCE, Role.STANDIN):
                for package in part.ids:
                    name = names.get(package, "")
                    if name not in seen and (name not in newest or self._is_better(package, newest[name][0])):
                        newest[name] = package, part
        for name, (package, part) in newest.items():
            yield from self._package(package, part, name, reasons)
        # Of several that no rebuild gives, any will do.
        lost = {universe.name_of(i): i for i in sorted(universe.not_rebuilt)}
        for name, package in lost.items():
            if name not in seen and name not in newest:
                lost_of = universe.part_of(package)
                assert lost_of is not None
                yield from self._package(package, lost_of, name, reasons)

    def _is_better(self, one: int, other: int) -> bool:
        """Whether dnf would rather install one of two packages of a name."""
        one_usable, other_usable = one in self.found.usable, other in self.found.usable
        if one_usable is not other_usable:
            return one_usable
        return self.universe.compare_versions(one, other) > 0

    def _package(self, package: int, part: Part, name: str, reasons: Mapping[int, str]) -> Iterable[AuditedPackage]:
        universe = self.universe
        source = universe.source_of(package)
        state = self._state(package, part.role)
        reason = universe.not_rebuilt.get(package) or reasons.get(package, "")
        if state not in USABLE and (replaced_by := self._usable_in_place_of(package, name)):
            state, reason = State.REPLACED, f"{replaced_by} obsoletes it, and dnf installs that in its place"
        unmet: tuple[Unmet, ...] = ()
        if package in self.found.graph.requirements and package not in self.found.usable:
            unmet = tuple(self._unmet(package))
            if state is State.HELD_BACK and not unmet:
                reason = "something else than a plain requirement of its own is in the way of what is there"
        yield AuditedPackage(
            nevra=str(universe.nevra(package)),
            name=name,
            side=part.metadata.config.side,
            repository=part.metadata.config.id,
            source=source,
            state=state,
            needs=() if state in USABLE else self.found.needs.get(package, ()),
            unmet=unmet,
            reason=reason,
        )

    def _state(self, package: int, role: Role) -> State:
        found = self.found
        if package in self.universe.not_rebuilt:
            return State.NOT_REBUILT
        if package in found.by_target:
            return State.INSTALLABLE
        if package in found.usable:
            return State.INSTALLABLE_WITH_NOARCH if role is Role.TARGET else State.NOARCH
        if package not in found.buildable:
            return State.BLOCKED
        return State.MISSING if role is Role.STANDIN else State.HELD_BACK

    def _usable_in_place_of(self, package: int, name: str) -> str:
        """The newest usable package that obsoletes one, or nothing."""
        if name not in self._obsoleted:
            return ""
        universe = self.universe
        found = [each for each in universe.obsoleting(universe.nevra(package)) if each in self.found.usable]
        return universe.label(max(found, key=cmp_to_key(universe.compare_versions))) if found else ""

    @cached_property
    def _obsoleted(self) -> set[str]:
        """The names that usable packages obsolete, in whichever version."""
        pool, usable = self.universe.pool, self.found.usable
        deps = {each.id for each in pool.Dataiterator(libsolv().SOLVABLE_OBSOLETES) if each.solvid in usable}
        return {pool.dep2str(dep).partition(" ")[0] for dep in deps}

    def _unmet(self, package: int) -> Iterable[Unmet]:
        universe, found = self.universe, self.found
        for dep in unmet_of(found, package):
            met_by = sorted({universe.label(i) for i in found.graph.providers[dep] if i in found.buildable})
            yield Unmet(universe.pool.dep2str(dep), tuple(met_by))

    def _workload(self, name: str, request: Request, reasons: Mapping[int, str]) -> AuditedWorkload:
        if request.id in self.found.usable:
            return AuditedWorkload(name, State.INSTALLABLE)
        if request.id not in self.found.buildable:
            return AuditedWorkload(name, State.BLOCKED, reason=_of_request(reasons[request.id], name))
        return AuditedWorkload(name, State.HELD_BACK, self.found.needs[request.id])

    def _sources(
        self,
        packages: Iterable[AuditedPackage],
        needs: Sequence[tuple[str, ...]],
        workloads: Sequence[AuditedWorkload],
        builds: Mapping[str, Request | None],
        reasons: Mapping[int, str],
    ) -> list[AuditedSource]:
        """The sources of which the target lacks packages, and those that anything waits for.

        ``packages`` are all that there are, ``needs`` what those wait for that are counted.
        """
        by_itself, in_all = alone(needs), together(needs)
        missing: dict[str, list[str]] = {}
        for each in packages:
            if each.state in (State.MISSING, State.BLOCKED) and each.side == "reference":
                missing.setdefault(each.source, []).append(each.name)
        native = {source for source in missing if source in self.found.standins}
        excluded = {fact.source: fact for fact in load_excluded_sources() if fact.applies_to(self.target)}
        found = []
        for source in sorted(native | in_all.keys() | {name for w in workloads for name in w.needs}):
            cause, detail = self._cause(source, missing.get(source, ()), excluded)
            build_needs, blocked = self._build(source, builds, reasons)
            recipe = self.adaptation.recipe_of(source)
            found.append(
                AuditedSource(
                    name=source,
                    cause=cause,
                    detail=detail,
                    missing=tuple(sorted(set(missing.get(source, ())))),
                    alone=by_itself[source],
                    holds_back=in_all[source],
                    workloads=tuple(each.name for each in workloads if source in each.needs),
                    build_needs=build_needs,
                    build_blocked=blocked,
                    recipe=recipe.folder.name if recipe is not None else "",
                )
            )
        return found

    def _cause(
        self, source: str, missing: Collection[str], excluded: Mapping[str, ExcludedSource]
    ) -> tuple[Cause, str]:
        universe = self.universe
        if source in excluded:
            return Cause.EXCLUDED, excluded[source].reason
        built = sorted({universe.name_of(i) for i in universe.built_for_target(source)})
        if not built:
            return Cause.ABSENT, "no target repository has a package of this source"
        if missing:
            return Cause.NOT_BUILT, f"{universe.arch} has of it only {first_of(built, _MOST_SHOWN)}"
        there = max(universe.built_for_target(source), key=cmp_to_key(universe.compare_versions))
        newer = max(self.found.standins.get(source, (there,)), key=cmp_to_key(universe.compare_versions))
        if universe.compare_versions(there, newer) < 0:
            return Cause.TOO_OLD, f"the target has {universe.label(there)}, the reference {universe.label(newer)}"
        return Cause.NOT_INSTALLABLE, f"what the target has of it is not what is required: {universe.label(there)}"

    def _build(
        self, source: str, builds: Mapping[str, Request | None], reasons: Mapping[int, str]
    ) -> tuple[tuple[str, ...], str]:
        """The sources that a source's build needs, without itself, and why it cannot be built at all."""
        if source not in builds:
            return (), ""
        request = builds[source]
        if request is None:
            return (), f"no source repository has the source package {source}"
        if request.id not in self.found.buildable:
            return (), _of_request(reasons[request.id], "its build")
        return tuple(each for each in self.found.needs.get(request.id, ()) if each != source), ""

    def _repositories(self) -> Iterable[AuditedRepository]:
        seen = set()
        for part in self.universe.parts:
            metadata = part.metadata
            config = metadata.config
            if config.id not in seen:
                seen.add(config.id)
                counts = [p for p in self.universe.parts if p.metadata.config.id == config.id]
                yield AuditedRepository(
                    config.id,
                    config.side,
                    metadata.revision,
                    metadata.date,
                    sum(map(self.universe.considered_count, counts)),
                )


def _of_request(reason: str, name: str) -> str:
    """A reason in which a package that was made for a request has the name that a person knows it by."""
    words = reason.split(" needed by @")
    return f"{words[0]} needed by {name}" if len(words) == 2 else reason
