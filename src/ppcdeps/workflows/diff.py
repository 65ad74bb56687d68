"""Plans and audits, told apart by what is in their files, and two of a kind compared."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from ppcdeps.auditing.audit import Audit
from ppcdeps.auditing.audit_file import is_audit, load_audit, read_json
from ppcdeps.model.documents import read_document
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.report.audit_difference import AuditDifference, audit_difference
from ppcdeps.report.difference import PlanDifference, difference
from ppcdeps.workflows.requested import load_requested, located


def load_answer(file: Path) -> Plan | Audit:
    """The plan or the audit in a file, whose request names paths as they are seen from the current folder.

    Raises ConfigError for a file that is neither.
    """
    read = cache(read_document)  # once, as it may be a pipe
    if not is_audit(file, read):
        return load_requested(file, read)
    found = load_audit(file, read)
    return replace(found, request=located(found.request, file.parent)) if found.request is not None else found


def load_pair(before: Path, after: Path) -> tuple[Plan, Plan] | tuple[Audit, Audit]:
    """The plans or the audits in two files. Raises ConfigError for a file that is neither, and for one of each."""
    read = cache(read_document)
    first, second = is_audit(before, read), is_audit(after, read)
    if first and second:
        return load_audit(before, read), load_audit(after, read)
    if first or second:
        audit, other = (before, after) if first else (after, before)
        read_json(other, read)
        raise ConfigError(f"{audit} is an audit, and {other} is none", hint="compare two plans, or two audits")
    return load_plan(before, read), load_plan(after, read)


def diff(before: Path, after: Path, reporter: Reporter) -> PlanDifference | AuditDifference:
    """What differs between the plans or the audits in two files. Raises ConfigError as `load_pair` does."""
    one, other = load_pair(before, after)
    if isinstance(one, Audit) and isinstance(other, Audit):
        warn_of_audits(one, other, reporter)
        return audit_difference(one, other)
    assert isinstance(one, Plan) and isinstance(other, Plan)
    found = difference(one, other)
    requested = {name: f"{old} and {new}" for name, old, new in found.request}
    if "workload" in requested or "target" in requested:
        differing = "; ".join(f"{name} {both}" for name, both in requested.items())
        reporter.warn(f"the plans are not of the same request: {differing}")
    return found


def warn_of_audits(one: Audit, other: Audit, reporter: Reporter) -> None:
    """Warn where two audits that are compared are of other targets or packages."""
    if one.target != other.target:
        reporter.warn(f"the audits are not of the same target: {one.target} and {other.target}")
    if one.only != other.only:
        reporter.warn("the audits are not of the same packages: --only was not the same")
    if bool(one.groups) is not bool(other.groups):
        reporter.warn("package groups are not compared: one of the audits has none")
