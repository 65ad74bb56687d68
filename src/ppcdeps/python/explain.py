"""A conflict explained so that a person can act on it: who requires what, what an RPM fixes, what would fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.values import dataclass
from ppcdeps.python.constraintsfile import Constraints
from ppcdeps.python.provider import FixedDistribution, TargetProvider, contains
from ppcdeps.python.requirements import PythonRequirement

_MOST_LINES = 6
_MOST_LINKS = 5
_MOST_REJECTED = 3


@dataclass(frozen=True, slots=True)
class VersionClash:
    """One distribution on which the requirements do not agree. ``lines`` say what has which requirement."""

    name: str
    wants: tuple[PythonRequirement, ...]
    lines: tuple[str, ...]


class ConflictError(ConfigError):
    """Nothing satisfies all requirements. ``clashes`` are the distributions it failed on, ``offer`` the nearest
    set of pins that does fit (empty where none was found); the message says both in a few lines.

    ``reason`` is the conflict in one phrase, ``ways_out`` are what would avoid it, each a phrase.
    """

    def __init__(
        self,
        clashes: Sequence[VersionClash],
        offer: Sequence[str] = (),
        *,
        hint: str | None = None,
        reason: str = "",
        ways_out: Sequence[str] = (),
    ) -> None:
        names = ", ".join(clash.name for clash in clashes)
        lines = [line for clash in clashes for line in clash.lines]
        if offer:
            lines.append(f"consistent instead: {' '.join(offer)}")
        super().__init__(f"no version of {names} satisfies every requirement", hint=hint, faults=tuple(lines))
        self.clashes = tuple(clashes)
        self.offer = tuple(offer)
        self.reason = reason or self.message
        self.ways_out = tuple(ways_out)


def reason_of(clashes: Iterable[VersionClash], fixed: Mapping[str, FixedDistribution]) -> str:
    """The conflict in one phrase: what an RPM fixes, and who requires another version of it.

    Empty where no RPM is behind the conflict.
    """
    refused = (
        (fixed[clash.name], want)
        for clash in clashes
        if clash.name in fixed
        for want in refused_by(clash, fixed[clash.name])[:1]
    )
    return "; ".join(
        f"{want.name} is {rpm.version} in the RPM {rpm.rpm}, and {want.by} requires {least_of(want)}"
        for rpm, want in refused
    )


def refused_by(clash: VersionClash, rpm: FixedDistribution) -> list[PythonRequirement]:
    """The requirements of a clash that the RPM's version does not satisfy."""
    from packaging.version import Version

    held = Version(rpm.version)
    return [want for want in _distinct(clash.wants) if not contains(want.specifier, held, None)]


def least_of(want: PythonRequirement) -> str:
    """A requirement as it is shown in a phrase: of a row of versions the lower bound alone, where it has one."""
    lower = [str(one) for one in want.specifier if one.operator in (">=", ">", "==", "===", "~=")]
    return ",".join(lower) or want.text


def clashes_of(
    causes: Iterable[Any],
    provider: TargetProvider,
    *,
    fixed: Mapping[str, FixedDistribution],
    constraints: Constraints,
    requirers: Mapping[str, Mapping[str, str]],
) -> list[VersionClash]:
    """The clashes behind resolvelib's causes. ``requirers``: by distribution, what requires it, and how."""
    by_name: dict[str, dict[PythonRequirement, None]] = {}
    for cause in causes:
        by_name.setdefault(cause.requirement.name, {})[cause.requirement] = None
    found = []
    for name, wants in by_name.items():
        lines = [f"{name} {want.text}: required by {chain_of(want.by, requirers)}" for want in _distinct(wants)]
        if len(lines) > _MOST_LINES:
            lines = [*lines[: _MOST_LINES - 1], f"{name}: and {len(lines) - _MOST_LINES + 1} more require it"]
        lines.extend(_given(name, wants, provider, fixed, constraints))
        found.append(VersionClash(name, tuple(wants), tuple(lines)))
    return found


def chain_of(by: str, requirers: Mapping[str, Mapping[str, str]]) -> str:
    """``a 1, which is required by b 2, which …``: from a distribution to the root that brought it in."""
    chain = [by]
    while len(chain) <= _MOST_LINKS:
        name = chain[-1].partition(" ")[0].partition("[")[0]
        # An extra requires its own plain distribution: that says nothing.
        others = [each for each in requirers.get(name, ()) if each.partition(" ")[0].partition("[")[0] != name]
        if not others or others[0] in chain:
            break
        chain.append(others[0])
    first, *rest = chain
    return first + "".join(f", which is required by {each}" for each in rest)


def _distinct(wants: Iterable[PythonRequirement]) -> list[PythonRequirement]:
    seen: dict[tuple[str, str], PythonRequirement] = {}
    for want in wants:
        own_extra = want.by.partition(" ")[0].partition("[")[0] == want.name
        if not own_extra:
            seen.setdefault((want.text, want.by), want)
    return list(seen.values())


def _given(
    name: str,
    wants: Iterable[PythonRequirement],
    provider: TargetProvider,
    fixed: Mapping[str, FixedDistribution],
    constraints: Constraints,
) -> list[str]:
    if name in fixed:
        return [f"{name} =={fixed[name].version}: fixed by the RPM {fixed[name].rpm}"]
    lines = []
    constraint = constraints.by_name.get(name)
    if constraint is not None:
        lines.append(f"{name} {constraint.url or constraint.specifier}: held by {constraint.where}")
    offer = provider.catalogue.offer(name)
    rejected = provider.rejected.get(name, {})
    passed_over = {**offer.unusable, **rejected}
    usable = [each for each in offer.releases if not each.yanked and each.text not in rejected]
    yanked = {each.text: each.yanked for each in offer.releases if each.yanked}
    where = f" on {offer.index}" if offer.index else ""
    if not offer.releases and not passed_over:
        lines.append(f"{name}: no configured index knows it")
    elif not offer.releases:
        version, reason = next(iter(passed_over.items()))
        lines.append(f"{name}: none of its {len(passed_over)} releases is for this target; {version} {reason}")
    else:
        if usable:
            newest, oldest, count = usable[0], usable[-1], len(usable)
            span = newest.text if count == 1 else f"{count} releases from {oldest.text} to {newest.text}"
            lines.append(f"{name}: {span} usable on this target{where}")
        else:
            lines.append(f"{name}: none of its releases{where} can be used")
        pin = constraint.pin if constraint is not None else ""
        if pin in passed_over:
            lines.append(f"{name} {pin} {passed_over[pin]}")
        if pin in yanked:
            lines.append(f"{name} {pin} was yanked: {yanked[pin]}")
        elif yanked and not usable:
            lines.append(_counted(name, "yanked", "was yanked: ", yanked))
        if rejected and not usable:
            lines.append(_counted(name, "with metadata that cannot be used", "", rejected))
        elif rejected:
            lines.extend(_would_fit(name, wants, rejected))
        if offer.unusable and not usable:
            lines.append(_counted(name, "not for this target", "", offer.unusable))
    return lines


def _counted(name: str, kind: str, verb: str, reasons: Mapping[str, str]) -> str:
    text, reason = next(iter(reasons.items()))
    example = f"{name} {text} {verb}{reason}".removesuffix(": *")
    if len(reasons) == 1:
        return example
    why = f" ({verb}{reason})" if reason and reason != "*" else ""
    return f"{name}: {len(reasons)} releases {kind}, such as {text}{why}"


def _would_fit(name: str, wants: Iterable[PythonRequirement], rejected: Mapping[str, str]) -> list[str]:
    """The releases that requirements allow, and that cannot be used, with the reason: the first few of them."""
    from packaging.version import Version

    found = []
    for text, reason in rejected.items():
        try:
            version = Version(text)
        except ValueError:
            continue
        if all(contains(want.specifier, version, None) for want in wants):
            found.append(f"{name} {text} {reason}")
    more = (
        [f"{name}: and {len(found) - _MOST_REJECTED} more that cannot be used"] if len(found) > _MOST_REJECTED else []
    )
    return [*found[:_MOST_REJECTED], *more]
