"""What `build --json` and `verify --json` print, on the page of their plan."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from htmlpages import check_stays_text
from pageplans import HOSTILE, PLAN
from pageresults import printed_results

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.verification import Check, CheckOutcome, ClosedGap, GapReview, Verification
from ppcdeps.report.page.rendering import render_plan_page
from ppcdeps.report.page.results import BuildRunView, VerificationView, read_build_run, read_verification
from ppcdeps.report.page.view import PlanView, plan_view, with_results
from ppcdeps.report.verification import dump_verification

FILE = Path("run.json")
RESULT: dict[str, object] = {
    "outcome": "built", "seconds": 1.0, "packages": [], "cause": None, "help": None, "log": None, "tail": [],
    "files": [], "inspection": None,
}  # fmt: skip
RUN = {
    "schema": 1,
    "workload": "cloud",
    "target": "el9",
    "mode": "cross",
    "buildroot": "debian",
    "engine": "podman",
    "repository": "repository-cloud",
    "published": 2,
    "results": [
        {
            "name": "lib",
            "outcome": "built",
            "seconds": 61.5,
            "packages": ["lib-2-1.ppc64le"],
            "cause": None,
            "help": None,
            "log": "build-cloud/lib.log",
            "tail": ["the last line"],
            "files": [{"file": "lib-2-1.ppc64le.rpm", "sha256": "ab" * 32, "bytes": 2_000_000}],
            "inspection": {"findings": [f"a path of the build{HOSTILE}"]},
        },
        {
            "name": "tool",
            "outcome": "failed",
            "seconds": 3.0,
            "packages": [],
            "cause": f"no space left{HOSTILE}",
            "help": "free some",
            "log": None,
            "tail": [HOSTILE],
            "files": [],
            "inspection": None,
        },
    ],
}


def page(build: object = None, verification: Verification | None = None) -> str:
    run = read_build_run(json.dumps(build).encode(), FILE) if build else None
    found = read_verification(dump_verification(verification).encode(), FILE) if verification else None
    return render_plan_page(with_results(plan_view(PLAN, 0.0), run, found))


def test_builds_are_shown_with_times_sizes_digests_and_the_end_of_the_log() -> None:
    text = page(RUN)
    shown_texts = ("Cross builds in debian with podman", "1 failed, 1 built", "62 s", "2.0 MB", "ab" * 32)
    for shown in (*shown_texts, "the last line", "free some", "To look at", "a path of the build"):
        assert shown in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert 'href="#build"' in text


def test_a_verification_is_shown_with_every_check() -> None:
    ok = Check(CheckOutcome.OK, "2 packages", seconds=4.0)
    failed = Check(CheckOutcome.FAILED, "it broke", log=(f"line {HOSTILE}",))
    review = GapReview((ClosedGap(PLAN.gaps[2], ("lib-2-2.ppc64le",)),), PLAN.gaps[3:4])
    text = page(verification=Verification("cloud", "el9", "ppc64le", "r", review, ok, ok, ok, ok, (failed,)))
    assert "not closed</span>" in text
    assert "1 gap closed, 1 remain, 0 new" in text
    assert re.search(r'Remaining: <a href="#gap-\d">tool</a>', text)
    assert "it broke" in text
    assert "<img" not in text


def test_the_verdict_of_a_run_until_closed_is_shown_too() -> None:
    ok = Check(CheckOutcome.OK, "2 packages", seconds=4.0)
    verdict = json.loads(dump_verification(Verification("cloud", "el9", "ppc64le", "r", GapReview(), ok, ok, ok, ok)))
    run = read_build_run(json.dumps({**RUN, "verification": verdict}).encode(), FILE)
    assert run.verification is not None
    assert run.verification.is_closed
    assert [one.title for one in run.verification.checks] == [
        "dnf repoclosure",
        "dnf install",
        "pip install",
        "imports",
    ]
    with pytest.raises(ConfigError, match=r"run.json is not what build --json prints: .*verification"):
        read_build_run(json.dumps({**RUN, "verification": 1}).encode(), FILE)


def test_what_build_and_verify_print_is_read_whole() -> None:
    build, verify = printed_results(PLAN)
    document = json.loads(build)
    document["mode"] = None  # machines built in several
    document["left_out"]["gaps"] = ["data"]
    document["results"][0]["job"] = {"id": "7", "node": "power-3", "mode": "native", "queued": 1.0, "memory": None}
    run, verdict = read_build_run(json.dumps(document).encode(), FILE), read_verification(verify.encode(), FILE)
    assert [one.title for one in verdict.checks][:2] == ["provenance", "dnf repoclosure"]
    text = render_plan_page(with_results(plan_view(PLAN, 0.0), run, verdict))
    for shown in (
        "<p>Builds in debian-12-cross",
        "Built on power-3.",
        "rpcgen is missing",
        "needs tool",
        "62 min",
    ):
        assert shown in text
    assert re.search(r'enabling a repository closes it: <a href="#gap-\d">data</a>', text)


def test_hostile_text_in_every_field_of_results_stays_text() -> None:
    def run(document: Any) -> BuildRunView:
        return read_build_run(json.dumps(document).encode(), FILE)

    def verdict(document: Any) -> VerificationView:
        return read_verification(json.dumps(document).encode(), FILE)

    build, verify = (json.loads(text) for text in printed_results(PLAN))
    view = plan_view(PLAN, 0.0)
    clean = render_plan_page(with_results(view, run(build), verdict(verify)))
    attack(build, run)
    attack(verify, verdict)
    check_stays_text(clean, render_plan_page(with_results(view, run(build), verdict(verify))))


def attack(document: Any, read: Callable[[Any], object]) -> None:
    """Put hostile text after each text of a document that can be read with it there: closed words cannot."""

    def spread(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)):
            one = value[key]
            if isinstance(one, str):
                value[key] = one + HOSTILE
                try:
                    read(document)
                except ConfigError:
                    value[key] = one
            elif isinstance(one, dict | list):
                spread(one)

    spread(document)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "it is not JSON: "),
        (b"[]", "the document is not an object"),
        (b"{}", "[a-z_.]+ is missing"),
        (b'{"mode": 1}', "[a-z_.]+ is missing"),
    ],
)
def test_what_neither_printed_is_one_error_that_names_the_command(content: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"run.json is not what build --json prints: {said}"):
        read_build_run(content, FILE)
    with pytest.raises(ConfigError, match=rf"run.json is not what verify --json prints: {said}"):
        read_verification(content, FILE)


@pytest.mark.parametrize(("size", "said"), [(-10, "is less than 0"), (10**400, r"is beyond 1e\+15")])
def test_a_size_that_no_file_has_is_refused_with_its_place(size: int, said: str) -> None:
    document = json.loads(json.dumps(RUN))
    document["results"][0]["files"][0]["bytes"] = size
    with pytest.raises(ConfigError, match=rf"results\[0\].files\[0\].bytes {said}"):
        read_build_run(json.dumps(document).encode(), FILE)


UNBLOCKED = replace(PLAN, gaps=tuple(one for one in PLAN.gaps if one.route.kind is not RouteKind.BLOCKED))
OK = Check(CheckOutcome.OK, "2 packages", seconds=4.0)


def shown(outcomes: dict[str, str], verification: Verification | None = None) -> PlanView:
    """The page of a plan without blocked gaps, whose builds ended so."""
    results = [{**RESULT, "name": name, "outcome": outcome} for name, outcome in outcomes.items()]
    run = read_build_run(json.dumps({**RUN, "results": results}).encode(), FILE) if results else None
    found = read_verification(dump_verification(verification).encode(), FILE) if verification else None
    return with_results(plan_view(UNBLOCKED, 0.0), run, found)


def verified(ran: str = "emulated", remaining: int = 0, failed: tuple[Check, ...] = ()) -> Verification:
    review = GapReview((), UNBLOCKED.gaps[:remaining])
    return Verification("cloud", "el9", "ppc64le", "r", review, OK, OK, OK, OK, failed, ran)


DONE = {step: "built" for wave in PLAN.waves for step in wave}
NEXT = ("build all of it", "the files for pip", "prove that it is closed")


@pytest.mark.parametrize(
    ("outcomes", "verification", "verdict", "kind", "left"),
    [
        (DONE, verified(), "Closed: with what was built, nothing that cloud needs is missing.", "done", NEXT[1:2]),
        (
            {},
            verified(""),
            "Closed: with what was built, nothing that cloud needs is missing; nothing was installed or run to "
            "prove it.",
            "done",
            NEXT[1:],
        ),
        (
            DONE,
            verified(remaining=2, failed=(Check(CheckOutcome.FAILED, "it broke"),)),
            "Not closed: 2 gaps remain and 1 check failed.",
            "blocked",
            NEXT,
        ),
        (
            DONE,
            None,
            "All that has to be built is built: whether that closes the gaps is to be verified.",
            "work",
            NEXT[1:],
        ),
        (
            {**DONE, "tool": "skipped", "maker": "failed"},
            None,
            f"Of {len(DONE)} builds, 1 failed and 1 skipped.",
            "blocked",
            NEXT,
        ),
        ({"lib": "built"}, None, plan_view(UNBLOCKED, 0.0).verdict, "work", NEXT),
    ],
)
def test_the_verdict_and_what_to_do_next_are_by_the_results(
    outcomes: dict[str, str], verification: Verification | None, verdict: str, kind: str, left: tuple[str, ...]
) -> None:
    view = shown(outcomes, verification)
    assert (view.verdict, view.verdict_kind) == (verdict, kind)
    assert tuple(one.title for one in view.commands) == left


def test_what_cannot_be_built_stays_blocked_once_the_rest_is_built() -> None:
    results = [{**RESULT, "name": name} for name in DONE]
    run = read_build_run(json.dumps({**RUN, "results": results}).encode(), FILE)
    view = with_results(plan_view(PLAN, 0.0), run, None)
    assert (view.verdict.partition(":")[0], view.verdict_kind) == ("All that can be built is built", "blocked")


@pytest.mark.parametrize("read", [read_build_run, read_verification])
def test_results_of_another_schema_are_refused(read: Callable[[bytes, Path], object]) -> None:
    with pytest.raises(ConfigError, match=r"it is of schema 99, and schema 1 is read here"):
        read(json.dumps({**RUN, "schema": 99}).encode(), FILE)


def test_an_embedded_verdict_of_another_schema_is_refused() -> None:
    verdict = {**json.loads(printed_results(PLAN)[1]), "schema": 99}
    with pytest.raises(ConfigError, match=r"build --json prints: verification is of schema 99, and schema 1 is read"):
        read_build_run(json.dumps({**RUN, "verification": verdict}).encode(), FILE)
