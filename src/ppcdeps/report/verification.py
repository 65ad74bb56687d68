"""Verifications as text and as JSON."""

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ppcdeps.model.gap import Gap, RouteKind
from ppcdeps.model.plan_file import gap_document
from ppcdeps.model.verification import Check, CheckOutcome, Verification
from ppcdeps.model.wording import first_of
from ppcdeps.report.enabling import enabling_words
from ppcdeps.report.text import as_json, columns, text_of

_MOST = 30
_SHOWN_LOG = 12


def render_verification(found: Verification, plan_again: Callable[..., str] | None = None) -> str:
    """The verdict with what it rests on: gaps, the installation, what was run, and how.

    ``plan_again`` writes out the command that makes the plan with further options.
    """
    gaps = found.gaps
    lines = [f"{found.workload} on {found.target} ({found.arch}), with {found.repository}", ""]
    lines.append(f"Gaps: {len(gaps.closed)} closed, {len(gaps.remaining)} remain, {len(gaps.new)} new")
    rows = [("closed", each.gap.name, _route(each.gap), _few(each.by)) for each in gaps.closed[:_MOST]]
    rows += [("remains", gap.name, _route(gap), _why(gap, plan_again)) for gap in gaps.remaining]
    rows += [("new", gap.name, _route(gap), _why(gap, plan_again)) for gap in gaps.new]
    lines += columns(rows)
    if len(gaps.closed) > _MOST:
        lines.append(f"  and {len(gaps.closed) - _MOST} more closed (--json has them all)")
    lines += ["", *columns(list(_checks(found)))]
    for title, check in _titled(found):
        if check.outcome is CheckOutcome.FAILED and check.log:
            lines += ["", f"{title}{f' {check.subject}' if check.subject else ''}: {check.detail}"]
            if check.command:
                lines.append(f"  $ {shlex.join(check.command)}")
            lines += [f"  {line}" for line in check.log[-_SHOWN_LOG:]]
    lines += ["", *(f"warning: {warning}" for warning in found.warnings), _verdict(found)]
    return text_of(lines)


def dump_verification(found: Verification) -> str:
    """The verification as JSON text."""
    return as_json(verification_document(found))


def verification_document(found: Verification) -> dict[str, Any]:
    """The verification in JSON's own kinds."""
    return {
        "schema": 1,
        "workload": found.workload,
        "target": found.target,
        "arch": found.arch,
        "repository": found.repository,
        "closed": found.is_closed,
        "rests_on": {"programs_ran": found.ran, "undone": list(found.undone)},
        "gaps": {
            "closed": [{"gap": gap_document(each.gap), "by": list(each.by)} for each in found.gaps.closed],
            "remaining": [gap_document(gap) for gap in found.gaps.remaining],
            "new": [gap_document(gap) for gap in found.gaps.new],
        },
        "provenance": _document(found.provenance) if found.provenance is not None else None,
        "repoclosure": _document(found.repoclosure),
        "installation": _document(found.installation),
        "python": _document(found.python),
        "imports": _document(found.imports),
        "smoke_tests": [_document(check) for check in found.smoke_tests],
        "warnings": list(found.warnings),
    }


def _document(check: Check) -> dict[str, Any]:
    return {
        "outcome": check.outcome,
        "subject": check.subject,
        "detail": check.detail,
        "command": list(check.command),
        "log": list(check.log),
        "seconds": round(check.seconds, 1),
    }


def _titled(found: Verification) -> Iterable[tuple[str, Check]]:
    if found.provenance is not None:
        yield "provenance", found.provenance
    yield "dnf repoclosure", found.repoclosure
    yield "dnf install", found.installation
    yield "pip install", found.python
    yield "imports", found.imports
    for check in found.smoke_tests:
        yield "smoke test", check


def _checks(found: Verification) -> Iterable[Sequence[str]]:
    for title, check in _titled(found):
        detail = f"{check.subject}: {check.detail}" if check.subject else check.detail
        took = f" ({check.seconds:.0f} s)" if check.seconds >= 1 else ""
        yield title, check.outcome.value, f"{detail}{took}"


def _verdict(found: Verification) -> str:
    rests = {
        "native": "the packages were installed and run on this machine, which is of the target's architecture",
        "emulated": "the packages were installed and run under emulation (qemu-user)",
    }
    if found.installation.outcome is CheckOutcome.FAILED:
        how = "the packages cannot be installed together"
    else:
        how = rests.get(found.ran, "nothing was installed or run, so this rests on the plan alone")
    if found.undone:
        how = f"{how}: {'; '.join(found.undone)}"
    return f"{'Closed' if found.is_closed else 'Not closed'}: {how}."


def _route(gap: Gap) -> str:
    return str(gap.route.kind)


def _why(gap: Gap, plan_again: Callable[..., str] | None) -> str:
    if gap.route.kind is RouteKind.ENABLE and plan_again is not None:
        return plan_again(*enabling_words(gap.route.subject))
    return gap.route.help or gap.route.reason or gap.detail or str(gap.cause)


def _few(names: Sequence[str]) -> str:
    return f"by {first_of(names, 3)}" if names else "no longer needed"
