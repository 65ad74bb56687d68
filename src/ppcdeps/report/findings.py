"""What a check found, as text and as JSON."""

import dataclasses
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from ppcdeps.checking.findings import Finding, Report, Severity
from ppcdeps.report.text import as_json

_WIDTH = 110
_TITLES = {
    Severity.ERROR: ("Error", "Errors"),
    Severity.WARNING: ("Warning", "Warnings"),
    Severity.ADVICE: ("Advice", "Advice"),
}


def render_report(report: Report) -> str:
    """The findings by severity, each with what fixes it, then what was looked at and what could not be seen.

    Texts are wrapped; lines to copy are not.
    """
    lines = [f"check {report.check}: {_visible(report.subject)}"]
    for severity, titles in _TITLES.items():
        found = [one for one in report.findings if one.severity is severity]
        if found:
            lines += ["", titles[len(found) > 1]]
        for number, one in enumerate(found):
            lines += [""] * (number > 0)
            lines += _finding(one)
    if report.skipped:
        lines += ["", "Not seen"]
        lines += [line for one in report.skipped for line in _wrapped(f"{one.what}: {one.why}", "  ")]
    return "\n".join([*lines, "", *_wrapped(f"{_verdict(report)}. {_examined(report)}".rstrip(), ""), ""])


def dump_report(report: Report) -> str:
    """The report as JSON text, keys sorted."""
    # Names of files may have bytes that are no text in any encoding.
    return as_json(report_document(report), ascii_only=True)


def report_document(report: Report) -> dict[str, Any]:
    """The report as JSON has it: the value's fields, and the number of findings of each severity."""
    counts = {severity.value: report.count(severity) for severity in Severity}
    return {"schema": 1, "clean": report.is_clean, "counts": counts, **dataclasses.asdict(report)}


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  {_visible(finding.where)}  [{finding.rule}]"
    yield from _wrapped(finding.message, "    ")
    for line in finding.detail:
        yield from _wrapped(line, "      ")
    if finding.fixed_in:
        yield f"    fixed in: {_visible(finding.fixed_in)}"
    if finding.fix:
        yield "    to fix it:"
        yield from (f"      {_visible(line)}" for line in finding.fix)


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


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(
        _visible(text),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _visible(text: str) -> str:
    """Text that any terminal and any encoding takes: names of files may hold line ends and bytes that are no text."""
    return "".join(
        char if char.isprintable() and not 0xD800 <= ord(char) <= 0xDFFF else char.encode("unicode_escape").decode()
        for char in text
    )
