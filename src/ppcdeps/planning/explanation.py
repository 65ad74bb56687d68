"""Why a package, a source or a requirement is in a plan: the chain from the root, and what was tried."""

from collections.abc import Iterator
from difflib import get_close_matches

from ppcdeps.model.capability import Capability, capabilities_in, parse_requirement, requirement_of
from ppcdeps.model.errors import UsageError
from ppcdeps.model.gap import Gap
from ppcdeps.model.values import dataclass
from ppcdeps.planning.explained import Explanation, Link
from ppcdeps.planning.gaps import gaps_of
from ppcdeps.planning.solution import Solution, SolvedRequest
from ppcdeps.planning.tried import candidates, own_file
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.problems import Lacking, PackageClash, UninstallableProviders, statements_of
from ppcdeps.rpm.requirers import Edge, Requirers


def explain(solution: Solution, name: str, gaps: tuple[Gap, ...] | None = None) -> Explanation:
    """Why a name is in the solution: a package, a NEVRA, a source, a capability, a path, or a root.

    ``gaps`` are those of the plan, if it was made with what pip takes over. Raises UsageError, with the closest
    names, where nothing of the name is in the closure or a build environment.
    """
    found = find_explanation(solution, name, gaps)
    if found is None:
        message, hint = _not_found(solution, name)
        raise UsageError(message, hint=hint)
    return found


def find_explanation(solution: Solution, name: str, gaps: tuple[Gap, ...] | None = None) -> Explanation | None:
    """The same, None where nothing of the name is in the closure or a build environment."""
    if gaps is None:
        gaps = gaps_of(solution)
    for solved in (solution.run, *(build for build in solution.builds.values() if build is not None)):
        found = _found_in(solution, solved, name)
        if found is not None:
            return _Explainer(solution, solved, gaps).explanation(name, found)
    return None


def _found_in(solution: Solution, solved: SolvedRequest, name: str) -> int | None:
    """The package of a closure that a name means: by name, NEVRA, source, or by what it provides."""
    universe = solution.universe
    chosen = sorted(solved.closure.chosen, key=universe.label)
    named: dict[str, int] = {}
    for package in chosen:
        named.setdefault(universe.label(package), package)
        if package not in universe.placeholders:
            nevra = universe.nevra(package)
            named.setdefault(nevra.name, package)
            named.setdefault(f"{nevra.name}-{nevra.evr}", package)
    if name in named:
        return named[name]
    of_source = [i for i in chosen if i not in universe.placeholders and universe.source_of(i) == name]
    if of_source:
        requirers = solution.requirers(solved)

        def order(package: int) -> tuple[bool, int, str]:
            # A source that has to be rebuilt is asked for as that, though the target has others of its packages.
            return not universe.is_standin(package), len(requirers.chain_to(package)), universe.label(package)

        return min(of_source, key=order)
    try:
        capabilities = list(capabilities_in(parse_requirement(name)))
    except ValueError:
        return None
    for capability in capabilities:
        providers = set(
            universe.owners_of(capability.name) if capability.is_path else universe.providers_of(str(capability))
        )
        met = [i for i in chosen if i in providers or universe.placeholders.get(i) == str(capability)]
        if met:
            return met[0]
    return next(
        (i for i in chosen if i in universe.placeholders and _name_of(universe.placeholders[i]) == name), None
    )


def _name_of(requirement: str) -> str:
    parsed = requirement_of(requirement)
    return parsed.name if isinstance(parsed, Capability) else requirement


def _not_found(solution: Solution, name: str) -> tuple[str, str | None]:
    universe = solution.universe
    known = {universe.name_of(i) for i in solution.run.closure.chosen if i not in universe.placeholders}
    close = get_close_matches(name, sorted(known), 3, 0.6)
    hint = f"did you mean {' or '.join(close)}?" if close else "`ppcdeps plan WORKLOAD --json` lists the closure"
    elsewhere = next((universe.named(name, role) for role in Role if universe.named(name, role)), [])
    if elsewhere:
        package = universe.label(elsewhere[0])
        said = f"{package} exists, but {solution.workload.name} on {solution.target.name} does not need it"
        return said + _why_dropped(solution, name), None
    hidden = universe.unbuildable_providers(name)
    if hidden:
        published = f"{universe.label(hidden[0]).removesuffix(universe.arch)}{solution.target.reference_arch}"
        return f"{published} is in the reference, and no rebuild gives it: {universe.not_rebuilt[hidden[0]]}", None
    return f"nothing in the plan of {solution.workload.name} is named, or provides, {name}", hint


def _why_dropped(solution: Solution, name: str) -> str:
    """Which x86 build requires what has this name, and why a build for the target does not; empty where none does."""
    dropped = solution.search.dropper.dropped_requirements.values()
    found = next((each for each in dropped if name in (each.requirement, _name_of(each.requirement))), None)
    return f": only the x86 build of {found.source} requires {found.requirement} ({found.grounds})" if found else ""


@dataclass(frozen=True, slots=True)
class _Explainer:
    solution: Solution
    solved: SolvedRequest
    gaps: tuple[Gap, ...]

    def explanation(self, name: str, package: int) -> Explanation:
        universe = self.solution.universe
        requirers = self.solution.requirers(self.solved)
        gap = self._gap_of(package)
        edges = requirers.chain_to(package)
        return Explanation(
            name=name,
            subject=universe.label(package),
            status=self._status(package),
            chain=(*self._chain_to_build(), *(self._link(edge) for edge in edges)),
            gap=gap,
            tried=tuple(self._tried(package, requirers)) if gap is not None else (),
        )

    def _link(self, edge: Edge) -> Link:
        by = self.solution.requirer(self.solved, edge.by)
        return Link(by, edge.requirement, self.solution.universe.label(edge.met_by))

    def _chain_to_build(self) -> Iterator[Link]:
        """How the roots lead to the build that the package is needed for."""
        if self.solved is self.solution.run:
            return
        source = next(source for source, build in self.solution.builds.items() if build is self.solved)
        outer = explain(self.solution, source, self.gaps)
        yield from outer.chain
        yield Link(outer.subject, "must be built", self.solved.requested_by)

    def _gap_of(self, package: int) -> Gap | None:
        universe = self.solution.universe
        name = universe.placeholders.get(package)
        if name is None:
            part = universe.part_of(package)
            if (part is None or part.role is Role.TARGET) and not universe.is_assumed(package):
                return None
            name = universe.source_of(package)
        return next((gap for gap in self.gaps if gap.name == name), None)

    def _status(self, package: int) -> str:
        universe = self.solution.universe
        part = universe.part_of(package)
        if universe.is_assumed(package):
            return f"assumed of the source package {universe.source_of(package)} by its name: stands for its build"
        if part is None:
            return "nothing provides it"
        where = part.metadata.config.id
        own = own_file(self.solution, package)
        if own:
            return f"your own package, to be built from {own}"
        match part.role:
            case Role.TARGET:
                return f"in {where}, for {universe.arch} or noarch: no gap"
            case Role.REFERENCE:
                return f"noarch in {where}, in no target repository: reused as it is"
            case _:
                return f"native in {where} only: stands for a rebuild of {universe.source_of(package)}"

    def _tried(self, package: int, requirers: Requirers) -> Iterator[str]:
        for requirement in sorted({edge.requirement for edge in requirers.on.get(package, ())}):
            yield from candidates(self.solution, requirement)
        universe = self.solution.universe
        if universe.is_standin(package) and not own_file(self.solution, package):
            yield from self._without(universe.source_of(package))

    def _without(self, source: str) -> Iterator[str]:
        """What the solver says when the source's stand-ins are forbidden."""
        universe = self.solution.universe
        attempt = self.solution.search.refuted([self.solved.request], source)
        for statement in statements_of(attempt):
            match statement:
                case Lacking(requirement, package):
                    yield f"without {source}: nothing provides {requirement} needed by {universe.label(package)}"
                case UninstallableProviders(requirement, package) if self._only_from(requirement, source):
                    yield f"without {source}: nothing provides {requirement} needed by {universe.label(package)}"
                case PackageClash(text=text):
                    yield f"without {source}: {text}"
                case _:
                    continue

    def _only_from(self, requirement: str, source: str) -> bool:
        """Whether something of the requirement comes from this source's stand-ins only, or from nowhere."""
        universe = self.solution.universe
        for capability in capabilities_in(requirement_of(requirement)):
            providers = universe.providers_of(str(capability))
            if all(universe.is_standin(i) and universe.source_of(i) == source for i in providers):
                return True
        return False
