"""What was looked at before a gap got its route: who provides what is required, recipes, what a build requires."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ppcdeps.model.capability import capabilities_in, requirement_of
from ppcdeps.model.gap import Gap, GapKind, RouteKind
from ppcdeps.planning.solution import Solution
from ppcdeps.recipebook.book import is_for, is_named
from ppcdeps.rpm.loading import Role

_MOST_REQUIREMENTS = 8
_MOST_LINES = 24


def with_tried(solution: Solution, gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """The gaps with what was tried for each, and with all BuildRequires of the RPMs that are to be built."""
    return tuple(_with_tried(solution, gap) if gap.kind is GapKind.RPM else _with_rpms(solution, gap) for gap in gaps)


def _with_rpms(solution: Solution, gap: Gap) -> Gap:
    """A gap that pip closes, with where its distribution could have come from as an RPM."""
    name = gap.route.subject[0].partition("==")[0]
    lines = candidates(solution, f"python{solution.target.python.tag}dist({name})")
    return replace(gap, tried=(*(f"as an RPM, {line}" for line in lines), *gap.tried))


def _with_tried(solution: Solution, gap: Gap) -> Gap:
    requirements = sorted({requirer.requirement for requirer in gap.required_by})
    lines = [line for each in requirements[:_MOST_REQUIREMENTS] for line in candidates(solution, each)]
    lines = list(dict.fromkeys(lines))
    more = [f"and {len(lines) - _MOST_LINES} more lines of this kind"] if len(lines) > _MOST_LINES else []
    if len(requirements) > _MOST_REQUIREMENTS:
        more.append(f"and {len(requirements) - _MOST_REQUIREMENTS} more requirements")
    is_built = gap.source is not None and gap.route_without_enabling.kind in (RouteKind.RECIPE, RouteKind.REBUILD)
    return replace(
        gap,
        tried=(*lines[:_MOST_LINES], *more, *_recipes(solution, gap)),
        build_requires=_build_requires(solution, gap.source) if is_built and gap.source is not None else (),
    )


def candidates(solution: Solution, requirement: str) -> Iterator[str]:
    """For each capability of a requirement: where it could come from, and why that does not do or what it takes."""
    universe = solution.universe
    targets = ", ".join(part.metadata.config.id for part in universe.parts if part.role is Role.TARGET)
    for capability in capabilities_in(requirement_of(requirement)):
        text = str(capability)
        providers = universe.providers_of(text)
        if requirement != text and not providers:
            yield f"{text}, in {requirement}: nothing provides it"
            continue
        if not [i for i in providers if universe.role_of(i) is Role.TARGET]:
            others = [i for i in universe.providers_of(capability.name) if universe.role_of(i) is Role.TARGET]
            if others and capability.relation:
                yield f"{text}: {', '.join(map(universe.label, others))} ({targets}) is not that version"
            else:
                yield f"{text}: no package of {targets} provides it"
        here = [i for i in providers if universe.role_of(i) is Role.TARGET]
        yield from (f"{text}: {_provider(solution, provider)}" for provider in here or providers)


def own_file(solution: Solution, package: int) -> str:
    """The spec or source RPM of the user's own that a package comes from; nothing for others."""
    source = solution.universe.source_of(package)
    return next((own.file for own in solution.own if own.name == source), "")


def _provider(solution: Solution, package: int) -> str:
    """A provider with its repository, and what it takes to use it."""
    universe = solution.universe
    part = universe.part_of(package)
    nevra, where = universe.label(package), part.metadata.config.id if part else ""
    if own := own_file(solution, package):
        return f"{nevra} provides it, your own package of {own}"
    if universe.is_assumed(package):
        return f"{nevra} is assumed of the source package {universe.source_of(package)}: needs a build"
    match part.role if part else None:
        case Role.REFERENCE:
            return f"{nevra} ({where}) provides it, noarch: usable as it is"
        case Role.STANDIN:
            published = f"{nevra.removesuffix(universe.arch)}{solution.target.reference_arch}"
            return f"{published} ({where}) provides it, native: needs a rebuild"
        case _:
            return f"{nevra} ({where}) provides it"


def _recipes(solution: Solution, gap: Gap) -> Iterator[str]:
    """Recipes of the source that are not the one that is used, and why not; that there is none."""
    adaptation = solution.adaptation
    if gap.source is None or gap.route.kind is RouteKind.REUSE or adaptation.is_own(gap.source):
        return
    used = adaptation.recipe_of(gap.source)
    named = [recipe for recipe in adaptation.book if is_named(recipe, gap.source)]
    for recipe in named:
        if used is None or recipe.folder != used.folder:
            fits = is_for(recipe, gap.source, solution.target)
            yield f"recipe {recipe.folder.name}: for {f'version {recipe.versions}' if fits else 'other targets'}"
    if not named:
        yield f"no recipe is for {gap.source}"


def _build_requires(solution: Solution, source: str) -> tuple[str, ...]:
    """All that a source's build requires, with what its recipe adds and without what that drops, sorted."""
    universe, needs = solution.universe, solution.adaptation.needs(source)
    found: set[str] = set(needs.added) if needs is not None else set()
    package = solution.adaptation.environments.source_package(source)
    if package is not None and (needs is None or not needs.instead):
        texts = map(universe.text_of, universe.requirements_of(package))
        dropped = needs.dropped if needs is not None else ()
        found.update(text for text in texts if text.partition(" ")[0] not in dropped)
    return tuple(sorted(text for text in found if not text.startswith("rpmlib(")))
