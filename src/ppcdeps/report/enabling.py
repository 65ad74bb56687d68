"""What enabling known repositories would change, as text: what it closes, what it replaces, what to type."""

import shlex
from collections.abc import Iterable, Sequence
from textwrap import wrap

from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Enabling, Plan, Replacement
from ppcdeps.model.visible import visible
from ppcdeps.model.wording import first_of

_WIDTH = 110
_LABEL = 14
_MOST_CHANGES = 4
_MOST_NAMES = 4


def render_enablings(plan: Plan, command: Sequence[str]) -> list[str]:
    """The lines that come first in a plan: of each set of repositories that closes gaps, those proposed first.

    ``command`` are the words of the command that made the plan; without any, the option to add is shown.
    """
    routes = {gap.route.subject for gap in plan.gaps if gap.route.kind is RouteKind.ENABLE}
    proposed = [one for one in plan.enablings if one.repositories in routes]
    lines: list[str] = []
    for one in plan.enablings:
        lines += ["", _title(one, len(plan.gaps)), *_field("closes", ", ".join(one.closes))]
        if one.opens:
            lines += _field("but lacks", ", ".join(one.opens))
        lines += _field("replaces", _replaced(one.replaces))
        if one in proposed:
            lines.append(_line("type", _to_type(command, one.repositories)))
        else:
            lines += _field("not proposed", _why_not(one, proposed))
    if len(proposed) > 1:
        together = sorted({name for one in proposed for name in one.repositories})
        lines += ["", "All that is proposed goes together", _line("type", _to_type(command, together))]
    return lines


def enabling_words(repositories: Iterable[str]) -> tuple[str, ...]:
    """The options of dnf and of ppcdeps that enable repositories."""
    return tuple(word for name in repositories for word in ("--enablerepo", name))


def _title(one: Enabling, gaps: int) -> str:
    names = " and ".join(one.repositories)
    what = "known and not enabled" if len(one.repositories) == 1 else "known and not enabled, together"
    return f"{names}, {what}, would close {f'{len(one.closes)} of {gaps} gaps' if gaps > 1 else 'the gap'}"


def _why_not(one: Enabling, proposed: Iterable[Enabling]) -> str:
    if one.apart_from:
        return f"it does not go together with {' and '.join(one.apart_from)}"
    if one.opens:
        return "what it lacks is no less, or could not be had"
    others = sorted({name for each in proposed if set(each.closes) & set(one.closes) for name in each.repositories})
    return f"{' and '.join(others)} closes as much" if others else "the gaps are closed without it"


def _replaced(replacements: Sequence[Replacement]) -> str:
    """The packages that the workload has, and how many others of the enabled repositories."""
    if not replacements:
        return "nothing of the enabled repositories"
    needed = [each for each in replacements if each.needed]
    others = len(replacements) - len(needed)
    if not needed:
        return f"nothing that the workload has; {others} other packages of the enabled repositories"
    changes: dict[str, list[str]] = {}
    for each in needed:
        new = each.by.evr if each.by.name == each.package.name else str(each.by)
        changes.setdefault(f"{each.package.evr} -> {new}", []).append(each.package.name)
    first = list(changes.items())[:_MOST_CHANGES]
    shown = "; ".join(f"{first_of(names, _MOST_NAMES)} {change}" for change, names in first)
    if len(changes) > _MOST_CHANGES:
        shown += f"; and {sum(map(len, list(changes.values())[_MOST_CHANGES:]))} more"
    return shown + (f"; and {others} that the workload does not have" if others else "")


def _to_type(command: Sequence[str], repositories: Iterable[str]) -> str:
    options = enabling_words(repositories)
    words = list(command)
    place = words.index("--") if "--" in words else len(words)
    return shlex.join([*words[:place], *options, *words[place:]])


def _field(label: str, text: str) -> list[str]:
    return wrap(
        visible(text),
        _WIDTH,
        initial_indent=f"  {label.ljust(_LABEL)}",
        subsequent_indent=" " * (_LABEL + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _line(label: str, text: str) -> str:
    """A field on one line, however long: it is there to be copied."""
    return f"  {label.ljust(_LABEL)}{text}"
