"""Two plans compared."""

from pathlib import Path

from ppcdeps.base.plan_file import load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.report.difference import PlanDifference, difference


def diff_plans(before: Path, after: Path, reporter: Reporter) -> PlanDifference:
    """What differs between the plans in two files. Raises ConfigError for a file that is not a plan."""
    found = difference(load_plan(before), load_plan(after))
    requested = {name: f"{old} and {new}" for name, old, new in found.request}
    if "workload" in requested or "target" in requested:
        differing = "; ".join(f"{name} {both}" for name, both in requested.items())
        reporter.warn(f"the plans are not of the same request: {differing}")
    return found
