"""The page of a plan: what it says, and that nothing of a plan gets out of its text."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest
from htmlpages import Page, check_stays_text, check_whole
from pageplans import APP, FULL, HOSTILE, LIB, PLAN, TOOL, hostile, unfilled

from ppcdeps.model.gap import Phase, Route, RouteKind
from ppcdeps.model.plan import Enabling, Plan
from ppcdeps.recipebook.book import load_book, recipe_digest
from ppcdeps.report.page.comparison import ChangeView, comparison_view
from ppcdeps.report.page.graph import GraphView, graph_of
from ppcdeps.report.page.rendering import is_web, render_comparison_page, render_plan_page
from ppcdeps.report.page.requirers import PlanRequirers
from ppcdeps.report.page.view import GapView, age_of, plan_view

NOW = 1_700_000_000 + 3 * 24 * 3600
EMPTY = Plan("w", "t", "ppc64le", ("app",), (), (), ())


def gap(name: str) -> GapView:
    return next(one for one in plan_view(PLAN, NOW).gaps if one.name == name)


def test_the_verdict_counts_what_is_to_be_done_and_says_what_is_blocked() -> None:
    view = plan_view(PLAN, NOW)
    assert view.verdict_kind == "blocked"
    assert view.verdict == (
        "No way is known for 1 gap; of the rest, 4 sources are to be built, 2 Python distributions come from the "
        "index (1 of them to be built) and 2 sources of noarch packages can be reused."
    )
    assert plan_view(EMPTY, NOW).verdict == "Nothing is missing: the repositories of t have everything that w needs."
    unblocked = replace(PLAN, gaps=tuple(one for one in PLAN.gaps if one.route.kind is not RouteKind.BLOCKED))
    assert plan_view(unblocked, NOW).verdict.endswith("of noarch packages can be reused and nothing is blocked.")


def test_the_verdict_counts_each_gap_once_where_enabling_a_repository_closes_some() -> None:
    enabled = replace(
        PLAN,
        gaps=tuple(
            replace(one, route=Route(RouteKind.ENABLE, ("extra",)), alternative=one.route)
            if one.name in ("speedups", "tool")
            else one
            for one in PLAN.gaps
            if one.route.kind is not RouteKind.BLOCKED
        ),
    )
    assert plan_view(enabled, NOW).verdict == (
        "It can run there once 2 sources are built: 1 Python distribution comes from the index, 2 sources of noarch "
        "packages can be reused, 2 gaps close by enabling a repository and nothing is blocked."
    )


def test_numbers_costs_and_the_age_of_the_metadata() -> None:
    view = plan_view(PLAN, NOW)
    assert [(fact.value, fact.label) for fact in view.numbers] == [
        ("5", "packages in the closure"),
        ("1", "are there"),
        ("2", "are noarch, used as they are"),
        ("4", "sources to build"),
        ("1", "come with pip"),
        ("1", "are blocked"),
    ]
    assert [(fact.value, fact.label) for fact in view.costs] == [
        ("2", "waves of builds"),
        ("2 min", "cross, 1 of 4 known"),
        ("1 h 40 min", "emulated, 1 of 4 known"),
    ]
    assert "No run is recorded of tool, maker, speedups, or of what is like it." in view.cost_notes
    assert view.metadata == "2023-11-14 (3 days old)"
    assert [one.age for one in view.repositories] == ["3 days old", ""]


def test_a_gap_has_its_chain_from_the_workload() -> None:
    assert [(link.by, link.requirement, link.brings) for link in gap("lib").chain] == [
        ("cloud", "app", APP),
        (APP, "lib >= 2", LIB),
    ]
    assert [(link.by, link.requirement) for link in gap("maker").chain] == [
        ("cloud", "app"),
        (APP, "/usr/bin/tool"),
        (TOOL, "must be built"),
        ("the build of tool", "maker"),
    ]
    assert [(link.by, link.brings) for link in gap("speedups").chain][1:] == [(APP, "web"), ("web", "speedups")]
    assert [link.brings for link in gap("firmware").chain][-2:] == ["the build of lib", "firmware(x)"]


def test_a_gap_says_what_it_holds_back_directly_or_not() -> None:
    assert gap("maker").held == (APP, TOOL)
    assert gap("lib").held == (APP, TOOL)
    assert gap("speedups").held == (APP, "web")
    assert (gap("app").held, gap("app").held_count) == ((), 0)


def test_a_gap_has_its_wave_what_is_built_first_and_its_commands() -> None:
    tool = gap("tool")
    assert (tool.wave, tool.builds_first) == (2, ("maker",))
    assert gap("lib").blocked_by == ("firmware",)
    assert "ppcdeps build PLAN --only tool" in [one.command for one in tool.commands]
    assert next(one.command for one in gap("web").commands) == "ppcdeps constraints cloud"
    assert [(one.value, one.label) for one in gap("lib").minutes] == [("2 min", "cross"), ("1 h 40 min", "emulated")]


def test_a_gap_says_what_was_tried_and_what_its_build_requires() -> None:
    tried = "/usr/bin/tool: no package of base provides it"
    assert gap("tool").tried == (tried, "extra, not enabled: did not answer")
    assert gap("tool").build_requires == ("make",)
    assert gap("web").tried == ()
    read = replace(PLAN.repositories[1], problem="")
    both = (Enabling(("extra", "more"), ("tool",)), Enabling(("extra",), ("lib",)))
    view = plan_view(replace(PLAN, repositories=(read,), enablings=both), NOW)
    assert {one.name: one.tried[-1] for one in view.gaps if one.name in ("tool", "lib", "maker")} == {
        "tool": "extra, not enabled: closes it together with more",
        "lib": "extra, not enabled: closes it",
        "maker": "extra, not enabled: does not close it",
    }


def test_gaps_that_need_a_person_or_a_build_come_first() -> None:
    routes = [one.route for one in plan_view(PLAN, NOW).gaps]
    assert routes == ["blocked", "recipe", "rebuild", "rebuild", "build-sdist", "reuse", "reuse", "pip-wheel"]


def test_a_recipe_is_shown_with_its_edits_and_that_it_changed() -> None:
    recipe = next(one for one in load_book() if one.edits and one.patches)
    digest = recipe_digest(recipe)
    route = with_recipe(PLAN, "lib", recipe.folder.name, digest)
    shown = plan_view(route, NOW, recipes={recipe.folder.name: (recipe, digest)})
    found = next(one for one in shown.gaps if one.name == "lib").recipe
    assert found is not None
    assert len(found.edits) == len(recipe.edits)
    assert [file for file, _, _ in found.patches] == [patch.file for patch in recipe.patches]
    assert not found.changed
    text = render_plan_page(shown)
    assert "is another one now" not in text
    changed = plan_view(route, NOW, recipes={recipe.folder.name: (recipe, "other")})
    assert "is another one now" in render_plan_page(changed)


def with_recipe(plan: Plan, name: str, recipe: str, digest: str) -> Plan:
    """The plan in which a gap is closed by this recipe."""
    gaps = tuple(
        replace(one, route=replace(one.route, subject=(recipe,), digest=digest)) if one.name == name else one
        for one in plan.gaps
    )
    return replace(plan, gaps=gaps)


def test_the_graph_has_the_chains_to_what_needs_work_with_waves_as_columns() -> None:
    graph = graph_of(PLAN, PlanRequirers(PLAN))
    nodes = {node.name: node for node in graph.nodes}
    # data is reused, and leads to nothing that needs work.
    assert nodes.keys() == {"cloud", "app", "web", "lib", "tool", "maker", "speedups", "firmware"}
    columns = {column.title: column.x for column in graph.columns if column.title}
    assert nodes["tool"].x == columns["Wave 2"]
    assert {nodes[name].x for name in ("maker", "lib", "speedups")} == {columns["Wave 1"]}
    assert nodes["firmware"].x == columns["Without a build"]
    assert nodes["cloud"].x < nodes["app"].x < nodes["web"].x < columns["Wave 1"]
    assert [graph_name(graph, one) for one in nodes["speedups"].chain] == ["cloud", "app", "web", "speedups"]
    before = [edge for edge in graph.edges if edge.kind == "before"]
    assert [(graph_name(graph, edge.begin), graph_name(graph, edge.end)) for edge in before] == [("maker", "tool")]


def test_what_is_built_before_is_drawn_in_the_same_order_by_every_run() -> None:
    names = ("firmware", "lib", "maker", "speedups", "tool")
    pairs = [(one, other) for one in names for other in names if one < other]
    needs = {name: tuple(one for one, other in pairs if other == name) for name in names}
    graph = graph_of(plan := replace(PLAN, needs=needs), PlanRequirers(plan))
    before = [edge for edge in graph.edges if edge.kind == "before"]
    # Not that of a set, which is another by each run's seed.
    assert [(graph_name(graph, edge.begin), graph_name(graph, edge.end)) for edge in before] == pairs


def graph_name(graph: GraphView, identifier: str) -> str:
    return next(node.name for node in graph.nodes if node.id == identifier)


def test_the_graph_says_how_many_gaps_it_has_no_room_for() -> None:
    graph = graph_of(PLAN, PlanRequirers(PLAN), most=5)
    assert len(graph.nodes) == 5
    assert graph.more == 2, "maker and speedups"
    assert "+ 2 more, for which there is no room" in render_plan_page(replace(plan_view(PLAN, NOW), graph=graph))
    assert graph_of(EMPTY, PlanRequirers(EMPTY)).nodes == ()


def test_the_order_of_a_plan_changes_nothing() -> None:
    turned = replace(
        PLAN,
        closure=tuple(replace(one, required_by=one.required_by[::-1]) for one in PLAN.closure),
    )
    assert graph_of(turned, PlanRequirers(turned)) == graph_of(PLAN, PlanRequirers(PLAN))


def test_a_page_is_whole_and_requests_nothing() -> None:
    check_whole(render_plan_page(plan_view(PLAN, NOW)))


def test_the_policy_allows_its_own_script_and_style_alone() -> None:
    page = Page(render_plan_page(plan_view(PLAN, NOW)))
    (policy,) = (a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.content[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_hostile_plan_has_text_in_every_field() -> None:
    # An epoch and what is optional are no text; the options of the request are given by `hostile`.
    no_text = {("Nevra", "epoch"), ("PlannedDistribution", "optional"), ("RequestRecord", "options")}
    assert unfilled(FULL) == no_text


@pytest.mark.parametrize("plan", [PLAN, FULL], ids=["plan", "full"])
def test_hostile_text_in_every_field_stays_text(plan: Plan) -> None:
    check_stays_text(*(render_plan_page(plan_view(one, NOW, plan_file="p")) for one in (plan, hostile(plan))))


def test_links_of_recipes_lead_to_the_web_alone() -> None:
    assert is_web("https://example.org/x")
    assert not is_web("javascript:alert(1)")
    assert not is_web("data:text/html,x")
    assert not is_web(" https://example.org")


def test_ages_in_words() -> None:
    day = 24 * 3600
    assert [age_of(day * days) for days in (0.5, 1, 59, 60, 800)] == [
        "of today",
        "1 day old",
        "59 days old",
        "2 months old",
        "2 years old",
    ]


def test_phases_are_those_of_the_plan() -> None:
    assert set(plan_view(PLAN, NOW).phases) == {str(phase) for phase in Phase}
    assert re.search(r'data-phase="build"', render_plan_page(plan_view(PLAN, NOW)))


BUILT = replace(
    PLAN,
    closure=tuple(
        replace(one, side="target", repo="built", nevra=replace(one.nevra, release="2"))
        if one.nevra.name == "lib"
        else one
        for one in PLAN.closure
        if one.nevra.name != "data"
    ),
    gaps=tuple(one for one in PLAN.gaps if one.name not in ("lib", "firmware", "data")),
)
"""The plan with lib built and there, and without data."""


def rows_of(before: Plan, after: Plan) -> dict[tuple[str, str], ChangeView]:
    view = comparison_view(before, after, NOW, names=("a", "b"))
    return {(table.id, row.name): row for table in view.tables for row in table.rows}


def test_a_comparison_says_what_came_went_and_moved_and_why() -> None:
    rows = rows_of(PLAN, BUILT)
    assert (rows["gaps", "lib"].change, rows["gaps", "lib"].why) == ("closed", "lib-2-2.ppc64le (built) is there now")
    assert rows["gaps", "data"].why == "nothing requires it any more"
    assert (rows["packages", "lib"].change, rows["packages", "lib"].why) == ("moved", "upgraded, from base to built")
    assert (rows["packages", "data"].change, rows["packages", "data"].why) == ("went", f"was needed by {APP}")
    assert [link.brings for link in rows["packages", "data"].chain] == [APP, "data-4-1.noarch"]
    back = rows_of(BUILT, PLAN)
    assert (back["gaps", "lib"].change, back["gaps", "lib"].why) == (
        "new",
        "lib-2-2.ppc64le (built) was there before",
    )
    assert back["gaps", "data"].why == "nothing required it before"
    assert back["packages", "data"].change == "came"


def test_a_comparison_counts_in_a_sentence() -> None:
    assert comparison_view(PLAN, BUILT, NOW, names=("a", "b")).verdict == (
        "3 gaps are closed, 1 package went and 1 package moved."
    )
    assert comparison_view(PLAN, PLAN, NOW, names=("a", "b")).verdict == "The plans are the same."
    newer = replace(PLAN, repositories=(replace(PLAN.repositories[0], revision="8"), PLAN.repositories[1]))
    assert "the answer is the same" in comparison_view(PLAN, newer, NOW, names=("a", "b")).verdict


def test_hostile_text_in_a_comparison_stays_text() -> None:
    clean = render_comparison_page(comparison_view(PLAN, BUILT, NOW, names=("a", "b")))
    view = comparison_view(hostile(PLAN), hostile(BUILT), NOW, names=(HOSTILE, HOSTILE))
    check_stays_text(clean, render_comparison_page(view))
