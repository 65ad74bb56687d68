"""Plans as text."""

from dataclasses import replace

from pageplans import PLAN

from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.model.python_plan import PythonFallback
from ppcdeps.report.page.view import plan_view
from ppcdeps.report.text import render_plan

EMPTY = Plan("w", "t", "ppc64le", ("app",), (), (), ())


def test_the_summary_says_why_all_of_python_stays_rpms_and_what_would_avoid_it() -> None:
    fallback = PythonFallback(
        "width is 0.2.6 in the RPM python3-width-0.2.6-6.noarch, and cmd 2.5 requires >=0.2.10", "cmd==2.4"
    )
    text = render_plan(Plan("w", "t", "ppc64le", ("app",), (), (), (), python_fallback=fallback))
    summary = " ".join(text.partition("Metadata this rests on")[0].split())
    assert f"All of Python stays RPMs: {fallback.reason}." in summary
    assert "To avoid it: cmd==2.4." in summary
    assert "stays RPMs" not in render_plan(EMPTY)


def test_nothing_is_promised_where_no_way_out_is_known() -> None:
    plan = Plan("w", "t", "ppc64le", ("app",), (), (), (), python_fallback=PythonFallback("no index answered"))
    text = render_plan(plan)
    assert "All of Python stays RPMs: no index answered." in text
    assert "To avoid it" not in text


def test_text_and_page_count_the_same_distributions_of_the_index() -> None:
    blocked = replace(PLAN.gaps[-1], name="lost", route=Route(RouteKind.BLOCKED))
    plan = replace(PLAN, gaps=(*PLAN.gaps, blocked))
    assert "2 Python distributions come from the index, in place of" in render_plan(plan)
    assert "2 Python distributions come from the index (1 of them to be built)" in plan_view(plan, 0.0).verdict


def test_what_is_reused_is_not_missing_where_a_repository_that_is_not_enabled_has_it() -> None:
    reuse = Route(RouteKind.REUSE, ("rom-1-1.noarch",), reason="noarch in reference")
    enable = Route(RouteKind.ENABLE, ("extra",), reason="extra has rom-2-1.noarch", help="--enablerepo extra")
    rom = Nevra.parse("rom-1-1.noarch")
    gap = Gap("rom", GapKind.RPM, Cause.ABSENT, Phase.RUN, (rom,), (), enable, "rom", "", alternative=reuse)
    text = render_plan(replace(EMPTY, gaps=(gap,)))
    assert "Missing" not in text
    assert "Reused as they are: 1 noarch package of 1 source\n  rom\n" in text
