"""What puts an environment in order, as text and as JSON, with the findings that call for it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ppcdeps.checking.env.repair import Addition, Repair
from ppcdeps.checking.env.repair_steps import RepairStep
from ppcdeps.checking.findings import Finding, Report
from ppcdeps.report.findings import render_report, report_document
from ppcdeps.report.text import as_json, text_of, wrapped

_KEPT_FIX = ("env-rpmdb-", "env-known-", "env-wrong-machine", "env-wrong-abi", "env-symbol-", "env-missing-library")
"""Findings whose own commands the repair does not replace: they are not about which version is there."""
_MOST_OWNED = 10
"""Packages that are as they are to be, and are named; of the rest there is a count."""


def render_repair(report: Report, repair: Repair, steps: tuple[RepairStep, ...]) -> str:
    """The findings without the commands that those of the repair replace, then what goes, comes and stays, and the
    commands in their order.
    """
    lines: list[str] = ["", f"To put it in order, as {repair.origin} says"]
    if repair.is_in_order:
        lines.append("  Nothing is to be done.")
    lines += _titled(
        "uninstall", (f"{one.copy.shown} in {one.copy.entry.path}: {one.why}" for one in repair.removals)
    )
    lines += _titled("by hand", (f"{one.copy.metadata}: {one.by_hand}" for one in repair.removals if one.by_hand))
    lines += _titled("install", map(_addition, repair.additions))
    lines += _titled(
        "not for pip: a package of the system is to bring it",
        (f"{one.wanted}: {one.owner} has {one.version or 'it, and is not installed'}" for one in _wanting(repair)),
    )
    lines += _titled("put back, because pip changed files of it", (f"RPM {one}" for one in repair.put_back))
    lines += _titled(
        "left behind by an interrupted pip", (f"{place}: nothing is imported from it" for place in repair.remains)
    )
    lines += _titled("left as it is", (f"{one.copy.shown}: {one.why}" for one in repair.kept))
    lines += _titled("packages of the system own, and pip must leave alone", _owned(repair))
    lines += _titled("open after that", repair.open)
    if steps:
        # Not indented: the end of a document within a command has to stand at the beginning of its line.
        lines += ["", "Commands, in this order, inside the root"]
        for step in steps:
            lines += ["", f"# {step.purpose}"]
            lines += [line for command in step.commands for line in command.split("\n")]
    counted = (
        ("requirements that hold", repair.satisfied),
        ("to install", repair.additions),
        ("copies to uninstall", repair.removals),
    )
    lines += ["", f"Counted: {', '.join(f'{what} {len(each)}' for what, each in counted)}."]
    return render_report(replace(report, findings=_without_fixes(report))) + text_of(lines)


def dump_repair(report: Report, repair: Repair, steps: tuple[RepairStep, ...]) -> str:
    """The report as JSON text, with a key ``repair``; keys sorted."""
    document = report_document(replace(report, findings=_without_fixes(report)))
    return as_json({**document, "repair": repair_document(repair, steps)}, ascii_only=True)


def repair_document(repair: Repair, steps: tuple[RepairStep, ...]) -> dict[str, Any]:
    """The repair as JSON has it."""
    return {
        "requirements": repair.origin,
        "in_order": repair.is_in_order,
        "satisfied": list(repair.satisfied),
        "uninstall": [
            {
                "name": one.copy.name,
                "version": one.copy.version,
                "folder": one.copy.entry.path,
                "why": one.why,
                "by_hand": one.by_hand,
            }
            for one in repair.removals
        ],
        "install": [
            {
                "name": one.required.spelling,
                "version": one.required.version,
                "requirement": one.text,
                "where": one.required.where,
                "replaces": one.replaced.version if one.replaced else "",
                "why": one.why,
            }
            for one in repair.additions
        ],
        "owned": [
            {"name": one.name, "version": one.version, "owner": one.owner, "wanted": one.wanted}
            for one in repair.owned
        ],
        "kept": [{"name": one.copy.name, "version": one.copy.version, "why": one.why} for one in repair.kept],
        "put_back": list(repair.put_back),
        "remains": list(repair.remains),
        "open": list(repair.open),
        "steps": [{"purpose": one.purpose, "commands": list(one.commands)} for one in steps],
    }


def _without_fixes(report: Report) -> tuple[Finding, ...]:
    return tuple(one if one.rule.startswith(_KEPT_FIX) else replace(one, fix=()) for one in report.findings)


def _titled(title: str, entries: Iterator[str] | tuple[str, ...] | list[str]) -> list[str]:
    lines = [line for one in entries for line in wrapped(one, "    ", more="  ")]
    return [f"  {title}", *lines] if lines else []


def _addition(one: Addition) -> str:
    return f"{one.text}: {one.why} ({one.required.where})"


def _wanting(repair: Repair) -> Iterator[Any]:
    return (one for one in repair.owned if one.wanted)


def _owned(repair: Repair) -> list[str]:
    at_rest = [one for one in repair.owned if not one.wanted]
    lines = [f"{one.name} {one.version}: {one.owner}" for one in at_rest[:_MOST_OWNED]]
    rest = len(at_rest) - len(lines)
    return [*lines, f"and {rest} more"] if rest else lines
