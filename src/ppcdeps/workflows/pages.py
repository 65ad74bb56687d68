"""A plan, with the recipes that it names, an audit, and two of these compared, as a page for people."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ppcdeps.auditing.audit import Audit
from ppcdeps.base.named_files import read_named
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.visible import visible
from ppcdeps.report.page.audit import AuditView, audit_view
from ppcdeps.report.page.audit_comparison import audit_comparison_view
from ppcdeps.report.page.comparison import ComparisonView, comparison_view
from ppcdeps.report.page.rendering import render_audit_page, render_comparison_page, render_plan_page
from ppcdeps.report.page.results import read_build_run, read_verification
from ppcdeps.report.page.view import PlanView, plan_view, with_results


def view_of(
    plan: Plan,
    plan_file: str,
    reporter: Reporter,
    *,
    recipes: Sequence[Path] = (),
    command: Callable[..., str] = command_line,
    build: Path | None = None,
    verify: Path | None = None,
) -> PlanView:
    """What the page of a plan shows.

    ``plan_file`` is what the commands call the plan, ``recipes`` are folders of recipes beside those that it was
    requested with. Where recipes cannot be read, it is reported, and the page is without them. ``build`` and
    ``verify`` are files with what these commands printed for the plan with --json; the former may have a verdict,
    too. Raises ConfigError where they are not, or of another workload or target. Ages count from SOURCE_DATE_EPOCH,
    where that is set, else from now.
    """
    requested = tuple(map(Path, plan.request.values("recipes"))) if plan.request is not None else ()
    view = plan_view(
        plan,
        _now(),
        plan_file=plan_file,
        recipes=_recipes(plan, (*requested, *recipes), reporter),
        command=command,
    )
    run = read_build_run(read_named(build, "document_size"), build) if build is not None else None
    verdict = read_verification(read_named(verify, "document_size"), verify) if verify is not None else None
    embedded = run.verification if run is not None else None
    for file, read in ((build, run), (build, embedded), (verify, verdict)):
        if read is not None and (read.workload, read.target) != (plan.workload, plan.target):
            raise ConfigError(
                f"{file} is of {visible(read.workload)} on {visible(read.target)}, and the plan of "
                f"{visible(plan.workload)} on {visible(plan.target)}",
                hint="use what build and verify printed for this plan",
            )
    return with_results(view, run, verdict or embedded)


def comparison_of(before: Plan, after: Plan, names: tuple[str, str]) -> ComparisonView:
    """What the page of two plans shows. ``names`` are what it calls them."""
    return comparison_view(before, after, _now(), names=names)


def audit_view_of(audit: Audit, command: Callable[..., str] | None = None) -> AuditView:
    """What the page of an audit shows. ``command`` writes out a command of ppcdeps for the target of the audit."""
    return audit_view(audit, _now(), command=command)


def audit_comparison_of(before: Audit, after: Audit, names: tuple[str, str]) -> ComparisonView:
    """What the page of two audits shows. ``names`` are what it calls them."""
    return audit_comparison_view(before, after, _now(), names=names)


def page_of(view: PlanView | ComparisonView | AuditView) -> str:
    """The page as HTML: one file that needs no other, and requests nothing."""
    if isinstance(view, PlanView):
        return render_plan_page(view)
    return render_audit_page(view) if isinstance(view, AuditView) else render_comparison_page(view)


def _recipes(plan: Plan, folders: Sequence[Path], reporter: Reporter) -> dict[str, tuple[Recipe, str]]:
    """The recipes that the plan names, each with its digest."""
    routes = (gap.route_without_enabling for gap in plan.gaps)
    named = {route.subject[0] for route in routes if route.kind is RouteKind.RECIPE and route.subject}
    if not named:
        return {}
    from ppcdeps.recipebook.book import load_book, recipe_digest

    try:
        book = load_book(folders)
        return {one.folder.name: (one, recipe_digest(one)) for one in book if one.folder.name in named}
    except ConfigError as fault:
        reporter.warn(f"the page does not show what recipes change: {fault.line}")
        return {}


def _now() -> float:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 12 else time.time()
