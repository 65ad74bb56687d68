"""Rules on distributions: which copy of each is imported, and whether that is what the others require."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.fixes import pin_for, pip_install, pip_uninstall, reinstall
from ppcdeps.checking.env.installed import Installed
from ppcdeps.checking.env.searchpath import PathOrigin
from ppcdeps.checking.findings import Finding, Severity
from ppcdeps.checking.rules import finding
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.python.constraintsfile import Constraint, Constraints
from ppcdeps.python.names import normalize
from ppcdeps.python.requirements import parsed_requirement

if TYPE_CHECKING:
    from packaging.requirements import Requirement


@dataclass(frozen=True, slots=True)
class HeldRequirement:
    """A requirement that holds here, and the imported copy that has it."""

    by: Installed
    requirement: "Requirement"

    @property
    def key(self) -> str:
        """The normalized name of what is required."""
        return normalize(self.requirement.name)

    @property
    def shown(self) -> str:
        """The requirement for messages, without its marker."""
        extras = f"[{','.join(sorted(self.requirement.extras))}]" if self.requirement.extras else ""
        return f"{self.requirement.name}{extras}{self.requirement.specifier}"

    def accepts(self, version: str) -> bool:
        """Whether a copy of that version satisfies it; a version that cannot be compared does for any."""
        return _holds(self.requirement.specifier, version)


def copy_findings(environment: Environment, constraints: Constraints) -> Iterator[Finding]:
    """What is wrong with the distributions and between them."""
    wants, faults = wants_of(environment)
    yield from faults
    by_key: dict[str, list[HeldRequirement]] = {}
    for want in wants:
        by_key.setdefault(want.key, []).append(want)
    for key, copies in environment.by_key.items():
        yield from _several(environment, copies, by_key.get(key, []), constraints.by_name.get(key))
    for key, asked in sorted(by_key.items()):
        yield from _unsatisfied(environment, asked, environment.by_key.get(key, ()), constraints.by_name.get(key))
    for key, copy in environment.imported.items():
        yield from _against_python(environment, copy)
        if key in constraints.by_name:
            yield from _against_constraint(environment, copy, constraints.by_name[key])
    for copy in environment.copies:
        for fault in copy.faults:
            yield finding(fault.rule, f"{copy.shown}: {fault.message}", fault.where, fix=_afresh(environment, copy))


def wants_of(environment: Environment) -> tuple[list[HeldRequirement], list[Finding]]:
    """All requirements of imported copies that hold in the environment, requested extras included.

    Beside them, findings on requirements that cannot be read.
    """
    from packaging.requirements import Requirement

    faults: list[Finding] = []
    parsed: dict[str, list[Requirement]] = {}
    for key, copy in environment.imported.items():
        parsed[key] = []
        if len(copy.requires) > CEILINGS.wheel_requirements:
            message = f"{copy.shown}: it has {beyond('wheel_requirements', 'more than')}; the others were not read"
            faults.append(finding("env-broken-metadata", message, copy.metadata, severity=Severity.WARNING))
        for text in copy.requires[: CEILINGS.wheel_requirements]:
            if len(text) > CEILINGS.wheel_requirement:
                message = f"{copy.shown}: a requirement {beyond('wheel_requirement')}"
                faults.append(finding("env-broken-metadata", message, copy.metadata, severity=Severity.WARNING))
                continue
            try:
                requirement = parsed_requirement(text)
                # Some markers can be parsed and not evaluated.
                environment.target.holds(requirement.marker)
            except (ValueError, RecursionError) as fault:
                reason = str(fault).partition("\n")[0]
                message = f"{copy.shown}: its requirement {text!r} cannot be read ({reason})"
                # Older tools read some that newer ones refuse.
                faults.append(finding("env-broken-metadata", message, copy.metadata, severity=Severity.WARNING))
                continue
            parsed[key].append(requirement)
    found: dict[tuple[str, str], HeldRequirement] = {}
    waiting = [(key, "") for key in parsed]
    seen = set(waiting)
    while waiting:
        key, extra = waiting.pop()
        for requirement in parsed[key]:
            if not environment.target.holds(requirement.marker, (extra,) if extra else ()):
                continue
            want = HeldRequirement(environment.imported[key], requirement)
            found.setdefault((key, str(requirement)), want)
            for asked in ((want.key, one) for one in requirement.extras):
                if want.key in parsed and asked not in seen:
                    seen.add(asked)
                    waiting.append(asked)
    return [found[place] for place in sorted(found)], faults


def _several(
    environment: Environment,
    copies: tuple[Installed, ...],
    wants: list[HeldRequirement],
    constraint: Constraint | None,
) -> Iterator[Finding]:
    """Several copies of one distribution: in one folder, or in several."""
    folders: dict[str, list[Installed]] = {}
    for copy in copies:
        folders.setdefault(copy.entry.real, []).append(copy)
    for together in folders.values():
        versions = sorted({copy.version for copy in together})
        if len(versions) > 1:
            yield _twice(environment, together, versions)
    firsts = [together[0] for together in folders.values()]
    if len(firsts) > 1 and not _is_overlaid_on_purpose(firsts):
        yield _shadowed(environment, firsts, wants, constraint)


def _is_overlaid_on_purpose(copies: list[Installed]) -> bool:
    """A virtual environment's own copy before one of the installation that it was made to see."""
    return copies[0].entry.origin is not PathOrigin.BASE and all(
        one.entry.origin is PathOrigin.BASE for one in copies[1:]
    )


def _twice(environment: Environment, together: list[Installed], versions: list[str]) -> Finding:
    first = together[0]
    pip = [one for one in together if not environment.owner(one)]
    fix = [
        *(pip_uninstall(environment, first.name) for _ in together),
        pip_install(environment, f"{first.name}=={versions[-1]}"),
    ]
    return finding(
        "env-metadata-twice",
        f"{first.name} has metadata of {' and '.join(versions)} in one folder",
        first.entry.path,
        detail=[_described(environment, one) for one in together],
        fix=fix if len(pip) == len(together) else (),
    )


def _shadowed(
    environment: Environment, copies: list[Installed], wants: list[HeldRequirement], constraint: Constraint | None
) -> Finding:
    first, *others = copies
    owners = {one.metadata: environment.owner(one) for one in copies}
    same = len({one.version for one in copies}) == 1
    hides_rpm = not owners[first.metadata] and any((owners[one.metadata] or "").startswith("RPM") for one in others)
    fitting = [one for one in copies if _fits(one, wants, constraint)]
    if not constraint and not any(want.requirement.specifier for want in wants):
        verdict = ""
    elif first in fitting:
        verdict = ", which is what the others require"
    elif fitting:
        verdict = f", although the others require what {fitting[0].version} is"
    else:
        verdict = ", and none of them is what the others require"
    message = f"{first.name} is in {len(copies)} folders; imported is {first.version}"
    if not same:
        message += f", not {' or '.join(sorted({one.version for one in others} - {first.version}))}{verdict}"
    return finding(
        "env-rpm-shadowed" if hides_rpm else "env-shadowed",
        message,
        first.metadata,
        severity=Severity.ADVICE if same else None,
        detail=[
            f"imported: {_described(environment, first)}",
            *(f"hidden: {_described(environment, one)}" for one in others),
            *(f"required: {want.shown} by {want.by.shown}" for want in wants if want.requirement.specifier),
        ],
        fix=_one_left(environment, copies, fitting, wants, constraint),
    )


def _one_left(
    environment: Environment,
    copies: list[Installed],
    fitting: list[Installed],
    wants: list[HeldRequirement],
    constraint: Constraint | None,
) -> list[str]:
    """Commands after which one copy is left, one that fits; the system's where that does."""
    name = copies[0].name
    loose = [one for one in copies if not environment.owner(one)]
    if any(environment.owner(one) for one in fitting) or (len(loose) < len(copies) and not wants and not constraint):
        return [pip_uninstall(environment, name) for _ in loose]
    if fitting:
        wanted = f"{name}=={fitting[0].version}"
    else:
        wanted = pin_for(name, [want.requirement.specifier for want in wants], constraint.pin if constraint else "")
    if len(loose) == 1 and fitting[:1] == [copies[0]]:
        # What is hidden is the system's, and does no harm but to be taken for what runs.
        return []
    install = [pip_install(environment, wanted)] if wanted else []
    return [*(pip_uninstall(environment, name) for _ in loose), *install]


def _fits(copy: Installed, wants: list[HeldRequirement], constraint: Constraint | None) -> bool:
    allowed = constraint is None or _holds(constraint.specifier, copy.version)
    return allowed and all(want.accepts(copy.version) for want in wants)


def _unsatisfied(
    environment: Environment,
    asked: list[HeldRequirement],
    copies: tuple[Installed, ...],
    constraint: Constraint | None,
) -> Iterator[Finding]:
    """What is required and not there, or there in another version."""
    pin = constraint.pin if constraint else ""
    name = asked[0].requirement.name
    requirement = pin_for(name, [want.requirement.specifier for want in asked], pin)
    urls = sorted({want.requirement.url for want in asked if want.requirement.url})
    if urls and not pin:
        requirement = f"{name} @ {urls[0]}"
    if not copies:
        severity = weight_of(environment, asked)
        place = environment.module_place(asked[0].key.replace("-", "_"))
        by = [_by(want) for want in asked]
        if place is not None:
            message = f"{name} is required, and has no metadata: its module is there, its version is not known"
            severity = severity or Severity.WARNING
            by.append(f"the module: {place[0]}/{place[1]}")
        else:
            message = f"{name} is required and is not there"
        fix = [pip_install(environment, requirement)] if requirement else []
        by += _contradiction(asked)
        yield finding("env-missing-requirement", message, name, severity=severity, detail=by, fix=fix)
        return
    first = copies[0]
    refused = [want for want in asked if not want.accepts(first.version)]
    if not refused:
        return
    by = [_by(want) for want in refused] if len(refused) > 1 else [f"required in {refused[0].by.metadata}"]
    hidden = [one for one in copies[1:] if all(want.accepts(one.version) for want in asked)]
    fix = [pip_install(environment, requirement)] if requirement else []
    if hidden:
        by.append(f"hidden behind it: {_described(environment, hidden[0])}")
        fix = [pip_uninstall(environment, name)] if not environment.owner(first) else fix
    owner = environment.owner(first)
    whose = f", of {owner}," if owner else ""
    if len(refused) == 1:
        who = f"{refused[0].by.shown} requires {refused[0].shown}"
    else:
        who = f"{len(refused)} distributions require another version of it"
    yield finding(
        "env-wrong-version",
        f"{first.shown}{whose} is imported, and {who}",
        first.metadata,
        severity=weight_of(environment, refused) if owner else None,
        detail=[*by, *_contradiction(asked)],
        fix=[*fix, *_commands_back(environment, refused, first)],
    )


def _by(want: HeldRequirement) -> str:
    return f"{want.shown} by {want.by.shown} ({want.by.metadata})"


def weight_of(environment: Environment, wants: list[HeldRequirement]) -> Severity | None:
    """How bad it is that these are not satisfied; None is as bad as the rule says.

    A packager decides again what a distribution requires. rpm's generator makes Requires of the metadata's
    requirements; where it was at work and one is not among them, the packager has taken it away. Debian's packagers
    make much of it optional.
    """
    found = Severity.ADVICE
    for want in wants:
        owner = environment.owner(want.by)
        if owner is None:
            return None
        if owner.startswith("RPM ") and environment.rpm is not None:
            asked = environment.rpm.python_requires.get(owner.removeprefix("RPM "))
            if asked is None:
                found = Severity.WARNING
            elif want.key in asked:
                return None
    return found


def _commands_back(environment: Environment, refused: list[HeldRequirement], copy: Installed) -> list[str]:
    """Where one requirer alone refuses, and hides a copy of the system's that would accept: how to uncover that."""
    if len(refused) > 1 or environment.owner(refused[0].by):
        return []
    from packaging.requirements import InvalidRequirement

    for hidden in environment.by_key[refused[0].by.key][1:]:
        owner = environment.owner(hidden)
        if owner is None:
            continue
        try:
            wanted = [parsed_requirement(text) for text in hidden.requires[: CEILINGS.wheel_requirements]]
        except (InvalidRequirement, RecursionError):
            continue
        if all(_holds(one.specifier, copy.version) for one in wanted if normalize(one.name) == copy.key):
            back = pip_uninstall(environment, hidden.name)
            return [f"# or, to go back to {hidden.shown} of the {owner}:", back]
    return []


def _contradiction(asked: list[HeldRequirement]) -> list[str]:
    """A note on requirements that no version can satisfy, as far as the versions that they name tell."""
    pin = pin_for("x", [want.requirement.specifier for want in asked])
    bounded = [want for want in asked if want.requirement.specifier]
    if (
        pin.startswith("x==")
        or len(bounded) < 2
        or not any(
            one.operator in (">=", "==", "~=", "===") for want in bounded for one in want.requirement.specifier
        )
    ):
        return []
    return ["no version that these requirements name satisfies all of them: one that requires it has to change"]


def _against_python(environment: Environment, copy: Installed) -> Iterator[Finding]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if not copy.requires_python:
        return
    try:
        wanted = SpecifierSet(copy.requires_python)
    except InvalidSpecifier:
        message = f"{copy.shown}: its Requires-Python {copy.requires_python!r} cannot be read"
        yield finding("env-broken-metadata", message, copy.metadata)
        return
    version = environment.python.version
    # Where only 3.9 is known, any 3.9 may be meant.
    possible = [version] if version.count(".") > 1 else [f"{version}.0", f"{version}.99"]
    if not any(wanted.contains(one, prereleases=True) for one in possible):
        yield finding(
            "env-requires-python",
            f"{copy.shown} is for Python {copy.requires_python}, and this is {version}",
            copy.metadata,
            fix=[pip_install(environment, f"{copy.name}!={copy.version}", "--upgrade")],
        )


def _against_constraint(environment: Environment, copy: Installed, constraint: Constraint) -> Iterator[Finding]:
    if constraint.url or _holds(constraint.specifier, copy.version):
        return
    detail = []
    base, plus, _ = copy.version.partition("+")
    if plus and constraint.pin == base:
        detail.append(f"`===` compares texts: write =={base}, which a version with a local part satisfies")
    owner = environment.owner(copy)
    if owner:
        detail.append(f"it belongs to {owner}: what pip installs is another copy")
    wanted = f"{copy.name}=={constraint.pin}" if constraint.pin else f"{copy.name}{constraint.specifier}"
    hidden = [one for one in environment.by_key[copy.key][1:] if _holds(constraint.specifier, one.version)]
    if hidden:
        detail.append(f"hidden behind it: {_described(environment, hidden[0])}")
    uncovers = hidden and not owner
    yield finding(
        "env-constraint",
        f"{copy.shown} is imported, and {constraint.where} wants {constraint.specifier}",
        copy.metadata,
        detail=detail,
        fix=[pip_uninstall(environment, copy.name) if uncovers else pip_install(environment, wanted)],
    )


def _afresh(environment: Environment, copy: Installed) -> list[str]:
    if copy.metadata.rpartition("/")[2].startswith("~"):
        return [f"rm -r {shlex.quote(copy.metadata)}"]
    return [reinstall(environment, copy)]


def _described(environment: Environment, copy: Installed) -> str:
    by = environment.owner(copy) or (f"installed by {copy.installer}" if copy.installer else "")
    return f"{copy.version} in {copy.entry.path}" + (f", {by}" if by else "")


def _holds(specifier: object, version: str) -> bool:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    assert isinstance(specifier, SpecifierSet)
    try:
        Version(version)
    except ValueError:
        # Broken metadata is a finding of its own; as texts, versions can still be compared.
        return all(one.version == version for one in specifier if one.operator == "===")
    return specifier.contains(version, prereleases=True)
