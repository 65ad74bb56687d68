"""Faults in the use of names as findings: who uses what, where, who lacks it, and what fixes it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import PurePath

from ppcdeps.checking.api.check import ApiFault, ApiResult
from ppcdeps.checking.api.releases import History
from ppcdeps.checking.api.removed import PYTHON
from ppcdeps.checking.findings import Examined, Finding, Severity, Skipped
from ppcdeps.checking.rules import finding

_MOST_PLACES = 12


def findings_of(
    result: ApiResult,
    python: str,
    histories: Mapping[str, History] | None = None,
    folders: Mapping[str, PurePath] | None = None,
    fix: Callable[[str], str] = str,
) -> Iterator[Finding]:
    """One finding for each name that a distribution uses and does not find, at the first place; the other places
    are its detail.

    ``histories`` are by the dotted name of what is missing; ``folders`` say where a distribution's files lie, by its
    name, where the finding is to name whole paths. ``python`` is the target's version. ``fix`` makes a command of a
    requirement that fixes the fault; without it the requirement is shown as it is, for a constraints file.
    """

    def key(fault: ApiFault) -> tuple[str, str]:
        return fault.user, fault.missing.dotted

    for _, group in groupby(sorted(result.faults, key=lambda fault: (*key(fault), not fault.reached)), key):
        faults = list(group)
        history = (histories or {}).get(faults[0].missing.dotted)
        yield _finding(faults, python, history, (folders or {}).get(faults[0].user), fix)


def unread_of(result: ApiResult) -> Iterator[Skipped]:
    """The files that could not be read, one entry a distribution. Old code for Python 2 is among them as a rule."""
    for name, group in groupby(result.unread, lambda each: each[0]):
        files = list(group)
        more = f" and {len(files) - 1} more files" if len(files) > 1 else ""
        yield Skipped(f"{name}: {files[0][1]}{more}", files[0][2])


def examined_of(result: ApiResult) -> tuple[Examined, ...]:
    """What was looked at."""
    return (
        Examined("distributions", result.distributions),
        Examined("source files", result.files),
        Examined("uses of names", result.uses),
    )


def rule_of(fault: ApiFault) -> str:
    """The id of the rule that a fault falls under."""
    missing = fault.missing
    if missing.removed is not None:
        return "api-standard-library" if fault.provider == PYTHON else "api-removed-module"
    if missing.in_class:
        return "api-missing-member"
    return "api-missing-module" if missing.is_module else "api-missing-name"


def _finding(
    faults: list[ApiFault], python: str, history: History | None, folder: PurePath | None, fix: Callable[[str], str]
) -> Finding:
    first = faults[0]
    places = [f"{folder / fault.path if folder else fault.path}:{line}" for fault in faults for line in fault.lines]
    reached = any(fault.reached for fault in faults)
    detail = list(_detail(first, history))
    if len(places) > 1:
        others = places[1 : _MOST_PLACES + 1]
        more = len(places) - 1 - len(others)
        detail.append(f"also at {', '.join(others)}" + (f" and {more} more" if more else ""))
    if not reached:
        detail.append("nothing in the set imports that file: it matters only to code that does")
    fixed_in, pins = _fix_for(first, history)
    return finding(
        rule_of(first),
        _message(first, python),
        places[0],
        severity=None if reached else Severity.WARNING,
        detail=detail,
        fix=map(fix, pins),
        fixed_in=fixed_in,
    )


def _message(fault: ApiFault, python: str) -> str:
    missing = fault.missing
    by = f"{fault.user} {fault.user_version}"
    if fault.provider == PYTHON:
        return f"{missing.dotted} is not in Python {python}, and {by} uses it"
    whose = f"{fault.provider} {fault.provider_version}"
    if missing.removed is not None:
        return f"{missing.dotted} is not in {whose}, and {by} imports it"
    what = "module" if missing.is_module else "attribute" if missing.in_class else "name"
    place = f"class {missing.place}" if missing.in_class else missing.place
    return f"{missing.dotted} is not there: {place} of {whose} has no {what} {missing.name}, and {by} uses it"


def _detail(fault: ApiFault, history: History | None) -> Iterable[str]:
    missing = fault.missing
    if fault.wanted != missing.dotted:
        yield f"the line says {fault.wanted}"
    if missing.removed is not None:
        yield f"removed in {fault.provider} {missing.removed.removed_in}: {missing.removed.reason}"
    if history is None:
        return
    if history.introduced:
        yield f"{fault.provider} has it from {history.introduced} on"
    if history.until:
        yield f"{fault.provider} had it until {history.until}; {history.removed} removed it"
    if not history.introduced and not history.until:
        yield f"no release of {fault.provider} that could be looked at has it ({history.looked_at} looked at)"


def _fix_for(fault: ApiFault, history: History | None) -> tuple[str | None, list[str]]:
    missing = fault.missing
    if missing.removed is not None:
        return None, [] if fault.provider == PYTHON else [f"{fault.provider}<{missing.removed.removed_in}"]
    if history is None:
        return None, []
    pins = []
    if history.introduced:
        pins.append(f"{fault.provider}>={history.introduced}")
    if history.until:
        pins.append(f"{fault.provider}<{history.removed}")
    return history.introduced or None, pins
