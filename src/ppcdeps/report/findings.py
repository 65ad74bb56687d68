"""What a check found, as text and as JSON."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from ppcdeps.checking.findings import Finding, Report, Severity
from ppcdeps.report.text import as_json, text_of, wrapped

_TITLES = {
    Severity.ERROR: ("Error", "Errors"),
    Severity.WARNING: ("Warning", "Warnings"),
    Severity.ADVICE: ("Advice", "Advice"),
}


def render_report(report: Report) -> str:
    """The findings by severity, each with what fixes it, then what was looked at and what could not be seen.

    Texts are wrapped; lines to copy are not.
    """
    lines = [f"check {report.check}: {report.subject}"]
    for severity, titles in _TITLES.items():
        found = [one for one in report.findings if one.severity is severity]
        if found:
            lines += ["", titles[len(found) > 1]]
        for number, one in enumerate(found):
            lines += [""] * (number > 0)
            lines += _finding(one)
    if report.skipped:
        lines += ["", "Not seen"]
        lines += [line for one in report.skipped for line in wrapped(f"{one.what}: {one.why}", "  ", more="  ")]
    return text_of([*lines, "", *wrapped(f"{_verdict(report)}. {_examined(report)}".rstrip(), "", more="  ")])


def dump_report(report: Report) -> str:
    """The report as JSON text, keys sorted."""
    # Names of files may have bytes that are no text in any encoding.
    return as_json(report_document(report), ascii_only=True)


def report_document(report: Report) -> dict[str, Any]:
    """The report as JSON has it: the value's fields, and the number of findings of each severity."""
    counts = {severity.value: report.count(severity) for severity in Severity}
    return {"schema": 1, "clean": report.is_clean, "counts": counts, **dataclasses.asdict(report)}


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  {finding.where}  [{finding.rule}]"
    yield from wrapped(finding.message, "    ", more="  ")
    for line in finding.detail:
        yield from wrapped(line, "      ", more="  ")
    if finding.fixed_in:
        yield f"    fixed in: {finding.fixed_in}"
    if finding.fix:
        yield "    to fix it:"
        yield from (f"      {line}" for line in finding.fix)


def _verdict(report: Report) -> str:
    counted = []
    for severity, noun in ((Severity.ERROR, "error"), (Severity.WARNING, "warning")):
        count = report.count(severity)
        if count:
            counted.append(f"{count} {noun}{'s' * (count > 1)}")
    advice = report.count(Severity.ADVICE)
    if advice:
        pieces = f"{advice} piece{'s' * (advice > 1)} of advice"
        counted.append(pieces if counted else f"Nothing is broken; {pieces}")
    return ", ".join(counted) or "Nothing found"


def _examined(report: Report) -> str:
    counted = ", ".join(f"{one.what} {one.count}" for one in report.examined)
    return f"Looked at: {counted}." if counted else ""
