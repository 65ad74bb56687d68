"""The page of an audit: what it says, that it stays small, and that nothing of an audit gets out of its text."""

from collections import Counter
from dataclasses import replace
from typing import Any

from htmlpages import Page, check_stays_text, check_whole
from pageaudits import AUDIT, NOTHING
from pageplans import HOSTILE, hostile, unfilled

from ppcdeps.auditing.audit import Audit, AuditedPackage, AuditedSource, State, Step
from ppcdeps.model.commands import command_line
from ppcdeps.model.gap import Cause
from ppcdeps.report.audit_difference import audit_difference, audit_difference_document, render_audit_difference
from ppcdeps.report.page.audit import MOST_PACKAGES, MOST_SOURCES, AuditedPackageView, audit_view
from ppcdeps.report.page.audit_comparison import audit_comparison_view
from ppcdeps.report.page.comparison import ChangeView
from ppcdeps.report.page.rendering import render_audit_page, render_comparison_page

NOW = 1_700_000_000 + 3 * 24 * 3600
VIEW = audit_view(AUDIT, NOW, command=command_line)


def row(name: str) -> AuditedPackageView:
    return next(one for one in VIEW.packages if one.nevra.startswith(f"{name}-"))


def test_the_verdict_and_the_numbers_count_the_packages() -> None:
    assert VIEW.verdict == (
        "3 of 9 packages can be installed without a build; 4 more wait for builds of 2 sources; "
        "1 cannot be installed even if every source were built; 1 is in the reference only."
    )
    assert VIEW.verdict_kind == "work"
    assert [(fact.value, fact.kind) for fact in VIEW.numbers] == [
        ("9", ""),
        ("2", "there"),
        ("1", "reuse"),
        ("1", "enable"),
        ("3", "build"),
        ("1", "blocked"),
        ("1", ""),
    ]
    assert round(sum(length for _, _, length, _ in VIEW.shares)) == 100
    whole = replace(AUDIT, packages=AUDIT.packages[5:7], sources=(), cycles=(), enabling=(), workloads=(), steps=())
    assert audit_view(whole, NOW).verdict == "Every package can be installed without a build."
    replaced = replace(AUDIT.packages[4], state=State.REPLACED)
    view = audit_view(replace(whole, packages=(*whole.packages, replaced)), NOW)
    assert view.verdict == "Every package can be installed without a build, or is replaced by one that can."
    view = audit_view(replace(AUDIT, packages=(*AUDIT.packages, replaced)), NOW)
    assert view.verdict.startswith(
        "3 of 10 packages can be installed without a build; 1 is replaced by others that can; 4 more wait"
    )
    counts = [int(fact.value) for fact in view.numbers]
    assert sum(counts[1:]) == counts[0]
    blocked = replace(AUDIT, packages=AUDIT.packages[4:6])
    assert audit_view(blocked, NOW).verdict_kind == "blocked"
    check_whole(render_audit_page(audit_view(whole, NOW)))


def test_a_source_opens_to_what_it_holds_back_and_whether_it_can_be_built() -> None:
    tool, lib, old = VIEW.sources
    assert [one.name for one in tool.opens.listed] == ["tool", "tool"]
    assert [one.name for one in tool.holds.listed] == ["app", "libx", "tool", "tool"]
    assert (tool.held_share, tool.alone_share) == (100, 50)
    assert [(one.name, one.id) for one in tool.build_needs] == [("lib", lib.id)]
    assert [one.build for one in (tool, lib, old)] == ["waits", "waits", "blocked"]
    assert [one.command for one in tool.commands] == ["ppcdeps plan tool", "ppcdeps recipes show tool"]
    assert old.commands == ()


def test_a_package_opens_to_its_unmet_requirements_and_the_chains_to_the_sources() -> None:
    app = row("app")
    (unmet,) = app.unmet
    assert unmet.texts == ("libx", "libx(X)")
    assert [(one.name, one.id) for one in unmet.met_by.listed] == [("libx-1-1.ppc64le", row("libx").id)]
    # That to lib is the requirement itself.
    ((source, chain),) = app.chains
    assert source == "tool"
    assert [(link.requirement, link.brings) for link in chain] == [
        ("libx", "libx-1-1.ppc64le"),
        ("tool", "tool-2-1.ppc64le"),
    ]
    assert (row("lost").reason, row("egl").reason) == (NOTHING, "x86 only")


def test_only_what_is_not_usable_has_a_row() -> None:
    assert [one.state for one in VIEW.packages] == [
        *[State.MISSING] * 3,
        State.HELD_BACK,
        State.BLOCKED,
        State.NOT_REBUILT,
    ]
    assert (VIEW.usable, VIEW.more_packages) == (3, 0)


def test_reasons_repositories_and_cycles_are_listed() -> None:
    assert [(one.text, one.packages.count) for one in VIEW.reasons] == [(NOTHING, 1)]
    assert [(one.text, one.packages.count, one.problem) for one in VIEW.enabling] == [
        ("extras", 2, ""),
        ("silent", 0, "did not answer"),
    ]
    assert [[one.name for one in cycle] for cycle in VIEW.cycles] == [["lib", "tool"]]


def test_groups_that_lack_packages_have_rows_to_which_their_sources_lead() -> None:
    assert [(one.name, one.count, one.waiting.count, one.blocked.count) for one in VIEW.groups] == [
        ("desk", 4, 2, 1),
        ("gone", 1, 0, 1),
    ]
    assert VIEW.all_groups == 3
    tool, lib, old = VIEW.sources
    assert [(one.name, one.id) for one in tool.groups.listed] == [("desk", VIEW.groups[0].id)]
    assert (lib.groups, old.groups.count) == (tool.groups, 0)


def test_a_page_is_whole_and_requests_nothing() -> None:
    text = render_audit_page(VIEW)
    check_whole(text)
    assert "ppcdeps audit --why NAME" in text
    assert "To know more" not in render_audit_page(audit_view(AUDIT, NOW)), "there is no command to write out"


def test_hostile_text_in_every_field_stays_text() -> None:
    full = replace(AUDIT, only=("a*",))
    # The request is in the commands, which the caller writes out.
    assert unfilled(full) == {("Audit", "request")}
    clean, attacked = (render_audit_page(audit_view(one, NOW, command=command_line)) for one in (full, hostile(full)))
    check_stays_text(clean, attacked)


def test_an_audit_whose_last_step_opens_nothing_has_a_page() -> None:
    (step,) = audit_view(replace(AUDIT, steps=(Step(("tool",), 0, 0),)), NOW).steps
    assert (step.before_share, step.share) == (0, 0)


def large(packages: int, sources: int) -> Audit:
    """An audit in which so many packages wait for so many sources."""
    names = [f"source-{number:05}" for number in range(sources)]
    return replace(
        AUDIT,
        packages=tuple(
            AuditedPackage(
                f"package-{number:05}-1.2.3-4.el9.ppc64le", f"package-{number:05}", "target", "base", "x",
                State.HELD_BACK, tuple(names[(number + step) % sources] for step in range(10)),
            )
            for number in range(packages)
        ),
        sources=tuple(AuditedSource(name, Cause.ABSENT, "", (name,), 0, packages * 10 // sources) for name in names),
    )  # fmt: skip


def test_a_large_audit_has_rows_for_the_first_and_says_how_many_more_there_are() -> None:
    view = audit_view(large(20_000, 900), NOW)
    assert (len(view.packages), view.more_packages) == (MOST_PACKAGES, 20_000 - MOST_PACKAGES)
    assert (len(view.sources), view.more_sources) == (MOST_SOURCES, 900 - MOST_SOURCES)
    text = render_audit_page(view)
    assert f"There is no room for {20_000 - MOST_PACKAGES} more" in text
    assert len(text) < 3_000_000
    page = Page(text)
    assert page.open == []
    # A link leads to a row that is there.
    identifiers = {attributes.get("id") for _, attributes in page.tags}
    assert all((attributes["href"] or "")[1:] in identifiers for tag, attributes in page.tags if tag == "a")


def test_states_of_which_few_packages_are_have_their_rows_in_a_large_audit() -> None:
    packages = large(3000, 10).packages
    audit = replace(AUDIT, packages=(*(replace(each, state=State.MISSING) for each in packages), *AUDIT.packages))
    view = audit_view(audit, NOW)
    assert (len(view.packages), view.more_packages) == (MOST_PACKAGES, 3006 - MOST_PACKAGES)
    assert [one.nevra for one in view.packages[-3:]] == ["app-1-1.noarch", "lost-1-1.ppc64le", "egl-1-1.ppc64le"]


def later() -> Audit:
    """The audit with tool built: app waits for lib alone, egl went, new came, and there is no longer installable."""
    changed = {
        "app": replace(AUDIT.packages[0], needs=("lib",)),
        "there": replace(AUDIT.packages[5], state=State.BLOCKED, reason="nothing provides x"),
        "tool": replace(AUDIT.packages[7], side="target", repository="built", state=State.INSTALLABLE, needs=()),
    }
    packages = tuple(changed.get(each.name, each) for each in AUDIT.packages if each.name != "egl")
    new = AuditedPackage("new-1-1.noarch", "new", "target", "base", "new", State.HELD_BACK, ("lib",))
    desk, gone, whole = AUDIT.groups
    groups = (
        replace(desk, waiting=("app",), needs=("lib",)),
        replace(gone, blocked=()),
        replace(whole, blocked=("there",)),
        replace(whole, id="fresh"),
    )
    return replace(AUDIT, packages=(*packages, new), sources=AUDIT.sources[1:], groups=groups)


def rows_of(before: Audit, after: Audit) -> dict[tuple[str, str], ChangeView]:
    view = audit_comparison_view(before, after, NOW, names=("may", "june"))
    return {(table.id, row.name): row for table in view.tables for row in table.rows}


def test_a_comparison_says_what_became_installable_and_what_is_no_longer_and_why() -> None:
    rows = rows_of(AUDIT, later())
    assert {key: (row.change, row.why) for key, row in rows.items()} == {
        ("packages", "there"): ("no longer", "nothing provides x"),
        ("packages", "tool"): ("installable now", "waited for tool"),
        ("packages", "new"): ("new", "waits for lib"),
        ("packages", "egl"): ("gone", "neither the target nor the reference has it any more"),
        ("packages", "app"): ("moved", "waits for lib"),
        ("sources", "tool"): ("no longer", "nothing of it is missing any more"),
        ("groups", "desk"): ("moved", "usable or no longer in it: tool"),
        ("groups", "fresh"): ("new", "no repository has it in the first audit"),
        ("groups", "gone"): ("whole now", "usable or no longer in it: lost"),
        ("groups", "whole"): ("no longer", "not usable, or new in it: there"),
    }
    assert [link.brings for link in rows["packages", "app"].chain] == ["libx-1-1.ppc64le"]
    assert rows["packages", "app"].before == "held-back, 1-1.noarch"
    back = rows_of(later(), AUDIT)
    assert (back["packages", "egl"].change, back["sources", "tool"].change) == ("new", "missing now")
    assert (back["packages", "tool"].change, back["packages", "tool"].why) == ("no longer", "waits for tool")


def test_a_comparison_of_audits_counts_in_a_sentence() -> None:
    assert audit_comparison_view(AUDIT, later(), NOW, names=("a", "b")).verdict == (
        "1 package became installable, 1 package is no longer installable, 1 new package is not installable, "
        "1 package that was not installable went, 1 package waits for other builds, 1 source is missing no longer "
        "and 4 package groups changed."
    )
    same = audit_comparison_view(AUDIT, AUDIT, NOW, names=("a", "b"))
    assert (same.verdict, same.verdict_kind, same.tables) == ("The audits are the same.", "done", ())
    newer = replace(AUDIT, repositories=AUDIT.repositories[1:])
    assert "Only the repositories differ" in audit_comparison_view(AUDIT, newer, NOW, names=("a", "b")).verdict


def test_whatever_an_audit_says_otherwise_is_a_difference() -> None:
    tool, lib, old = AUDIT.sources
    lost = replace(AUDIT.packages[4], reason="nothing provides luck needed by lost-1-1.ppc64le")
    cloud, other = AUDIT.workloads
    extras, silent = AUDIT.enabling

    def with_tool(**changes: Any) -> Audit:
        return replace(AUDIT, sources=(replace(tool, **changes), lib, old))

    for changed, table, name, verdict in (
        (with_tool(cause=Cause.ABSENT), "sources", "tool", "1 source is not as before."),
        (with_tool(recipe=""), "sources", "tool", "1 source is not as before."),
        (with_tool(build_needs=()), "sources", "tool", "1 source is not as before."),
        (with_tool(build_blocked="no source"), "sources", "tool", "1 source is not as before."),
        (with_tool(workloads=()), "sources", "tool", "1 source is not as before."),
        (
            replace(AUDIT, packages=(*AUDIT.packages[:4], lost, *AUDIT.packages[5:])),
            "packages",
            "lost",
            "1 package is blocked otherwise.",
        ),
        (replace(AUDIT, workloads=(cloud,)), "workloads", "other", "1 workload is not as before."),
        (
            replace(AUDIT, workloads=(replace(cloud, needs=("lib",)), other)),
            "workloads",
            "cloud",
            "1 workload is not as before.",
        ),
        (
            replace(AUDIT, enabling=(replace(extras, opens=("app",)), silent)),
            "enabling",
            "extras",
            "1 repository that is not enabled changed.",
        ),
        (
            replace(AUDIT, enabling=(extras, replace(silent, problem=""))),
            "enabling",
            "silent",
            "1 repository that is not enabled changed.",
        ),
        (replace(AUDIT, enabling=(extras,)), "enabling", "silent", "1 repository that is not enabled changed."),
    ):
        found = audit_difference(AUDIT, changed)
        assert found
        assert f" {name}" in render_audit_difference(found)
        assert not audit_difference_document(found)["same"]
        assert (table, name) in rows_of(AUDIT, changed)
        assert audit_comparison_view(AUDIT, changed, NOW, names=("a", "b")).verdict == verdict
    twice = replace(AUDIT, packages=(*AUDIT.packages, AUDIT.packages[5]))
    assert audit_difference(AUDIT, twice)
    assert "how many versions" in audit_comparison_view(AUDIT, twice, NOW, names=("a", "b")).verdict


def test_why_a_repository_cannot_be_read_is_no_difference() -> None:
    extras, silent = AUDIT.enabling
    before, after = (
        replace(AUDIT, enabling=(extras, replace(silent, problem=f"not in the snapshot {name}")))
        for name in ("el9", "el10")
    )
    assert not audit_difference(before, after)


def test_a_source_is_said_as_it_was_and_as_it_is() -> None:
    tool, *others = AUDIT.sources
    changed = replace(AUDIT, sources=(replace(tool, cause=Cause.ABSENT, recipe=""), *others))
    text = render_audit_difference(audit_difference(AUDIT, changed))
    assert "not as before: 1\n  ! tool: cause: excluded -> absent; recipe: tool -> none\n" in text
    row = rows_of(AUDIT, changed)["sources", "tool"]
    assert (row.before, row.after, row.why) == (
        "cause: excluded; recipe: tool",
        "cause: absent; recipe: none",
        "another cause and recipe",
    )


def test_a_source_that_neither_side_has_any_more_is_not_said_to_be_built() -> None:
    old = replace(AUDIT, sources=(*AUDIT.sources, AuditedSource("past", Cause.ABSENT, "no package", ("past",))))
    row = rows_of(old, AUDIT)["sources", "past"]
    assert (row.change, row.why) == ("gone", "neither the target nor the reference has it any more")
    found = audit_difference(old, AUDIT)
    assert [one.name for one in found.sources_gone] == ["past"]
    assert found.sources_built == ()
    assert "Sources that neither side has any more: 1\n  - past (absent, " in render_audit_difference(found)


def test_of_a_source_that_no_glob_chose_it_is_not_said_that_it_went() -> None:
    """Its packages are in neither audit: only the chosen one waited for it."""
    app, (tool, lib, _) = AUDIT.packages[0], AUDIT.sources
    before = replace(AUDIT, only=("app", "too*"), packages=(app,), sources=(lib, tool))
    after = replace(before, packages=(replace(app, needs=()),), sources=())
    found = audit_difference(before, after)
    assert [one.name for one in found.sources_built] == ["lib"]
    assert [one.name for one in found.sources_gone] == ["tool"], "its packages would be chosen"
    rows = rows_of(before, after)
    assert {name: rows["sources", name].why for name in ("lib", "tool")} == {
        "lib": "nothing that was chosen waits for it any more",
        "tool": "neither the target nor the reference has it any more",
    }


def test_a_source_whose_packages_the_target_has_of_another_one_is_not_said_to_have_gone() -> None:
    tool = replace(AUDIT.packages[7], side="target", source="tool-ng", state=State.INSTALLABLE, needs=())
    after = replace(AUDIT, packages=(*AUDIT.packages[:7], tool), sources=AUDIT.sources[1:])
    found = audit_difference(AUDIT, after)
    assert ([one.name for one in found.sources_built], found.sources_gone) == (["tool"], ())


def test_of_what_no_glob_chose_it_is_not_said_that_nobody_has_it() -> None:
    chosen = replace(AUDIT, only=("there*",), packages=AUDIT.packages[5:6], sources=(), groups=AUDIT.groups[2:])
    for before, after in ((AUDIT, chosen), (chosen, AUDIT)):
        rows = rows_of(before, after)
        for key in (("packages", "data"), ("groups", "desk")):
            assert rows[key].why == "only one of the audits has it"
    assert rows_of(AUDIT, chosen)["packages", "there2"].why == "neither the target nor the reference has it any more"


def test_groups_are_not_compared_where_one_audit_has_none() -> None:
    found = audit_difference(AUDIT, later())
    assert [(old and old.id, new and new.id) for old, new in found.groups] == [
        ("desk", "desk"),
        (None, "fresh"),
        ("gone", "gone"),
        ("whole", "whole"),
    ]
    text = render_audit_difference(found)
    assert "  ! desk: 2 of 4 wait for lib, tool; no build gives 1 of 4 -> 1 of 4 waits for lib; no build" in text
    assert "  + fresh: whole, 1 package\n" in text
    assert audit_difference_document(found)["groups"][1]["before"] is None
    assert audit_difference(replace(AUDIT, groups=()), AUDIT).groups == ()
    assert not audit_difference(AUDIT, replace(AUDIT, groups=()))


def test_hostile_text_in_a_comparison_of_audits_stays_text() -> None:
    clean = render_comparison_page(audit_comparison_view(AUDIT, later(), NOW, names=("a", "b")))
    check_whole(clean)
    view = audit_comparison_view(hostile(AUDIT), hostile(later()), NOW, names=(HOSTILE, HOSTILE))
    check_stays_text(clean, render_comparison_page(view))


def test_a_comparison_of_large_audits_has_rows_for_the_first() -> None:
    (packages, sources) = audit_comparison_view(large(0, 500), large(3000, 900), NOW, names=("a", "b")).tables
    assert (len(packages.rows), packages.more) == (MOST_PACKAGES, 3000 - MOST_PACKAGES)
    assert (len(sources.rows), sources.more) == (400, 0)


def test_all_kinds_of_changes_have_rows_in_a_comparison_of_large_audits() -> None:
    def with_state(state: State) -> Audit:
        return replace(AUDIT, packages=tuple(replace(one, state=state) for one in large(3000, 10).packages))

    went = [AuditedPackage(f"old-{n}-1.noarch", f"old-{n}", "target", "b", "o", State.BLOCKED) for n in range(5)]
    before, after = with_state(State.INSTALLABLE), with_state(State.BLOCKED)
    opened = replace(after, packages=(*before.packages[:2000], *after.packages[2000:]))
    closed = replace(before, packages=(*after.packages[:2000], *before.packages[2000:], *went))
    (packages,) = audit_comparison_view(closed, opened, NOW, names=("a", "b")).tables
    counts = Counter(row.change for row in packages.rows)
    assert counts == {"installable now": 598, "no longer": 597, "gone": 5}
    assert packages.more == 3005 - MOST_PACKAGES
