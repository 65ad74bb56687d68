"""Two plans, or two audits, compared."""

from pathlib import Path

from ppcdeps.auditing.audit import Audit
from ppcdeps.auditing.audit_file import is_audit, load_audit, read_json
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.report.audit_difference import AuditDifference, audit_difference
from ppcdeps.report.difference import PlanDifference, difference


def diff_plans(before: Path, after: Path, reporter: Reporter) -> PlanDifference:
    """What differs between the plans in two files. Raises ConfigError for a file that is not a plan."""
    found = difference(load_plan(before), load_plan(after))
    requested = {name: f"{old} and {new}" for name, old, new in found.request}
    if "workload" in requested or "target" in requested:
        differing = "; ".join(f"{name} {both}" for name, both in requested.items())
        reporter.warn(f"the plans are not of the same request: {differing}")
    return found


def are_audits(before: Path, after: Path) -> bool:
    """Whether both files are audits. Raises ConfigError, with what is wrong, where one of them is not."""
    first, second = is_audit(before), is_audit(after)
    if first is second:
        return first
    audit, other = (before, after) if first else (after, before)
    read_json(other)
    raise ConfigError(f"{audit} is an audit, and {other} is none", hint="compare two plans, or two audits")


def diff_audits(before: Path, after: Path, reporter: Reporter) -> AuditDifference:
    """What differs between the audits in two files. Raises ConfigError for a file that is not an audit."""
    one, other = load_audit(before), load_audit(after)
    warn_of_audits(one, other, reporter)
    return audit_difference(one, other)


def warn_of_audits(one: Audit, other: Audit, reporter: Reporter) -> None:
    """Warn where two audits that are compared are of other targets or packages."""
    if one.target != other.target:
        reporter.warn(f"the audits are not of the same target: {one.target} and {other.target}")
    if one.only != other.only:
        reporter.warn("the audits are not of the same packages: --only was not the same")
    if bool(one.groups) is not bool(other.groups):
        reporter.warn("package groups are not compared: one of the audits has none")
