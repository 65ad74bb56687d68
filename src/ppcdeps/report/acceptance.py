"""The outcome of a node's acceptance test: as a table, as JSON, and as JUnit's XML."""

import dataclasses
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from ppcdeps.checking.findings import Finding
from ppcdeps.checking.node.results import NodeReport, Outcome, Step
from ppcdeps.model.visible import visible
from ppcdeps.report.text import as_json, columns, text_of, wrapped

_NOTE = 70


def render_acceptance(report: NodeReport) -> str:
    """One table with a row for each step, then each failure with its evidence and what explains it."""
    lines = [f"check node: {report.host} in the cloud {report.cloud}, with {report.image}", ""]
    rows = [("PART", "STEP", "OUTCOME", "SECONDS", "")]
    for one in report.steps:
        seconds = "" if one.outcome is Outcome.SKIPPED else f"{one.seconds:.1f}"
        rows.append((one.part, one.name, one.outcome, seconds.rjust(7), _short(one.note)))
    lines += columns(rows, "")
    for one in report.steps:
        if one.outcome is Outcome.FAILED:
            lines += ["", *_failure(one)]
    counts = ", ".join(f"{report.count(outcome)} {outcome}" for outcome in Outcome)
    verdict = "accepted" if report.has_passed else "not accepted"
    return text_of([*lines, "", f"{report.host} is {verdict}: {counts}. Run {report.run}."])


def dump_acceptance(report: NodeReport) -> str:
    """The report as JSON text, keys sorted."""
    counts = {outcome.value: report.count(outcome) for outcome in Outcome}
    document: dict[str, Any] = {"schema": 1, "passed": report.has_passed, "counts": counts}
    return as_json({**document, **dataclasses.asdict(report)}, ascii_only=True)


def junit_of(report: NodeReport) -> str:
    """The report as the XML that CI systems read: a test suite for each part, a test case for each step."""
    root = ET.Element("testsuites", name=f"ppcdeps check node {visible(report.host)}")
    for part in dict.fromkeys(one.part for one in report.steps):
        steps = [one for one in report.steps if one.part is part]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=part.value,
            tests=str(len(steps)),
            failures=str(sum(one.outcome is Outcome.FAILED for one in steps)),
            skipped=str(sum(one.outcome is Outcome.SKIPPED for one in steps)),
            errors="0",
            time=f"{sum(one.seconds for one in steps):.1f}",
        )
        for one in steps:
            case = ET.SubElement(
                suite, "testcase", classname=f"node.{part.value}", name=one.name, time=f"{one.seconds:.1f}"
            )
            if one.outcome is Outcome.FAILED:
                failure = ET.SubElement(case, "failure", message=visible(one.note))
                failure.text = "\n".join(visible(line) for line in _failure(one))
            elif one.outcome is Outcome.SKIPPED:
                ET.SubElement(case, "skipped", message=visible(one.note))
            elif one.note:
                ET.SubElement(case, "system-out").text = visible(one.note)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _failure(one: Step) -> Iterator[str]:
    yield f"{one.part}: {one.name}"
    yield from wrapped(one.note or "failed", "  ", more="  ")
    yield from (f"    {line}" for line in one.evidence)
    for explanation in one.explanations:
        yield from _explanation(explanation)


def _explanation(found: Finding) -> Iterator[str]:
    yield from wrapped(f"[{found.rule}] {found.message}", "  ", more="  ")
    if found.fix:
        yield "    to fix it:"
        yield from (f"      {line}" for line in found.fix)


def _short(text: str) -> str:
    return text if len(text) <= _NOTE else f"{text[: _NOTE - 3]}..."
