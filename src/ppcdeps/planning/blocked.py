"""What would open a blocked gap, said with that gap: which file, repository or change, and what to type."""

import re
import shlex
from collections.abc import Iterable

from ppcdeps.model.capability import Capability, requirement_of
from ppcdeps.model.gap import Requirer
from ppcdeps.planning.solution import Solution
from ppcdeps.recipebook.book import recipe_for
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.own import OwnSource

SRPM = ".src.rpm"
_INNER = re.compile(r"(?:pkgconfig|cmake)\((?P<name>[^()]+)\)")
_KIND = re.compile(r"-(?:devel|libs|static|tools|utils|doc)$")
_ISA = re.compile(r"\((?:ppc|x86)-64\)$")


def help_for_source(solution: Solution, source: str) -> str:
    """What to do where no source repository has a source package."""
    universe, target = solution.universe, solution.target
    standins = universe.standins_of(source)
    files = sorted({universe.source_package_of(i) for i in standins} - {""})
    file = f"{files[-1] if files else source}{SRPM}"
    recipe = None
    if standins:
        recipe = recipe_for(solution.adaptation.book, source, universe.nevra(standins[0]).version, target)
    used = f"; the recipe {recipe.folder.name} is then used" if recipe is not None else ""
    return (
        f"put {file} into a folder (`dnf download --source {source}` on {target.reference_arch}) and add "
        f"--srpms FOLDER; or name a source repository that has it, --source ID,URL{used}"
    )


def help_for_requirement(
    solution: Solution, requirement: str, requirers: Iterable[Requirer], others: Iterable[int] = ()
) -> str:
    """What to do where nothing provides a requirement. ``others`` are packages that have it in other versions."""
    universe, target = solution.universe, solution.target
    by = {requirer.by for requirer in requirers}
    own = [one for one in solution.own if any(_is_of(one, each) for each in by)]
    where = ", ".join(one.file for one in own)
    change = f"if it is called another way here, change {where}, or put it under an %if; else " if own else ""
    name = _name_of(requirement)
    kin = next(iter(others), None)
    if kin is None:
        kin = _named_alike(solution, name)
    if kin is not None:
        source = universe.source_of(kin)
        what = f"add the source RPM or spec of {source}, which {universe.label(kin)} is built from, to this command"
        what += f" (`dnf download --source {source}`)"
    else:
        what = f"add the source RPM or spec of what builds {name} to this command (./SOURCE{SRPM})"
    return (
        f"{change}{what}; or name a repository that has it: --repofrompath ID,URL for {target.arch}, "
        f"--reference ID,URL for {target.reference_arch}"
    )


def help_for_excluded(own: OwnSource) -> str:
    """What to change in an own spec whose tags leave the architecture out."""
    evaluation = own.evaluation
    by_exclude = evaluation.arch in evaluation.exclude_arch
    tag, change = ("ExcludeArch", "take it out of") if by_exclude else ("ExclusiveArch", "add it to")
    where = own.file
    if own.file.endswith(SRPM):
        where = f"the spec in it (`rpm2cpio {shlex.quote(own.file)} | cpio -id`)"
    return f"if it should build for {evaluation.arch}, {change} {tag} in {where}, and plan that spec"


def help_for_conflict(solution: Solution, package: int, other: int) -> str:
    """What to do where two packages cannot be installed together."""
    universe = solution.universe
    options = []
    for each in (package, other):
        part = universe.part_of(each)
        if part is not None and universe.source_of(each) not in universe.own:
            options.append(f"--setopt={part.metadata.config.id}.excludepkgs={universe.name_of(each)}")
    exclude = f", or exclude one: {' or '.join(options)}" if options else ""
    return f"leave one of them out of the roots{exclude}"


def _named_alike(solution: Solution, name: str) -> int | None:
    """A package that is called as what is missing, but for its kind: json-c for pkgconfig(json-c), json-c-devel."""
    found = _INNER.fullmatch(name)
    stem = found["name"] if found else _KIND.sub("", name.rpartition("/")[2])
    universe = solution.universe
    for candidate in (stem, f"lib{stem}", stem.removeprefix("lib")):
        for role in (Role.TARGET, Role.REFERENCE, Role.STANDIN):
            packages = [] if candidate == name else universe.named(candidate, role)
            if packages:
                return packages[0]
    return None


def _is_of(own: OwnSource, requirer: str) -> bool:
    """Whether a requirer, as a plan names it, is the build or a package of an own source."""
    return requirer.startswith(str(own.evaluation.source)) or any(str(p.nevra) == requirer for p in own.packages)


def _name_of(requirement: str) -> str:
    parsed = requirement_of(requirement)
    return _ISA.sub("", parsed.name) if isinstance(parsed, Capability) else requirement
