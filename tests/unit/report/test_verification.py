"""The verdict on a plan, in text and JSON."""

import json
from dataclasses import replace

from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.verification import Check, CheckOutcome, ClosedGap, GapReview, Verification
from ppcdeps.report.verification import dump_verification, render_verification

GAP = Gap("yajl", GapKind.RPM, Cause.ABSENT, Phase.RUN, ("yajl",), (), Route(RouteKind.RECIPE, ("yajl",), "by hand"))
OK = Check(CheckOutcome.OK, "3 packages installed")
CLOSED = Verification(
    "w", "t", "ppc64le", "file:///r/", GapReview((ClosedGap(GAP, ("yajl-2-1.ppc64le",)),)), OK, OK, OK, OK,
    ran="emulated",
)  # fmt: skip


def test_closed_says_by_what_and_that_it_rests_on_emulation() -> None:
    text = render_verification(CLOSED)
    assert "Gaps: 1 closed, 0 remain, 0 new" in text
    assert "by yajl-2-1.ppc64le" in text
    assert text.endswith("Closed: the packages were installed and run under emulation (qemu-user).\n")
    assert CLOSED.is_closed


def test_any_check_that_failed_keeps_the_gap_open() -> None:
    bad = Check(CheckOutcome.FAILED, "dnf ended with 1", command=("dnf", "install"), log=("nothing provides libx",))
    for found in (
        replace(CLOSED, repoclosure=bad),
        replace(CLOSED, installation=bad),
        replace(CLOSED, python=bad),
        replace(CLOSED, imports=bad),
    ):
        assert not found.is_closed
    found = replace(CLOSED, smoke_tests=(OK, replace(bad, subject="yajl")))
    assert not found.is_closed
    text = render_verification(found)
    assert "nothing provides libx" in text
    assert "$ dnf install" in text
    assert "Not closed" in text


def test_gaps_that_remain_or_are_new_keep_it_open_whatever_was_installed() -> None:
    for review in (GapReview(remaining=(GAP,)), GapReview(new=(GAP,))):
        assert not replace(CLOSED, gaps=review).is_closed
        assert "Not closed" in render_verification(replace(CLOSED, gaps=review))


def test_what_was_left_undone_is_said_in_the_verdict() -> None:
    skipped = Check(CheckOutcome.SKIPPED, "--no-install was given", needed=True)
    found = replace(CLOSED, installation=skipped, repoclosure=skipped, python=skipped, imports=skipped, ran="")
    text = render_verification(found)
    assert "Closed: nothing was installed or run, so this rests on the plan alone: --no-install was given." in text
    assert found.undone == ("--no-install was given",)


def test_json_has_the_verdict_and_what_it_rests_on() -> None:
    document = json.loads(dump_verification(CLOSED))
    assert document["closed"] is True
    assert document["rests_on"] == {"programs_ran": "emulated", "undone": []}
    assert document["gaps"]["closed"][0]["by"] == ["yajl-2-1.ppc64le"]
    assert document["installation"]["outcome"] == "ok"
