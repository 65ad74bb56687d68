"""What `build --json` and `verify --json` print, on the page of their plan."""

import json
from pathlib import Path

import pytest
from pageplans import HOSTILE, PLAN

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.verification import Check, CheckOutcome, ClosedGap, GapReview, Verification
from ppcdeps.report.page.rendering import render_plan_page
from ppcdeps.report.page.results import read_build_run, read_verification
from ppcdeps.report.page.view import plan_view
from ppcdeps.report.verification import dump_verification

FILE = Path("run.json")
RUN = {
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
        },
    ],
}


def page(build: object = None, verification: Verification | None = None) -> str:
    run = read_build_run(json.dumps(build).encode(), FILE) if build else None
    found = read_verification(dump_verification(verification).encode(), FILE) if verification else None
    return render_plan_page(plan_view(PLAN, 0.0), run, found)


def test_builds_are_shown_with_times_sizes_digests_and_the_end_of_the_log() -> None:
    text = page(RUN)
    for shown in ("cross builds in debian with podman", "62 s", "2.0 MB", "ab" * 32, "the last line", "free some"):
        assert shown in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert 'href="#build"' in text


def test_a_verification_is_shown_with_every_check() -> None:
    ok = Check(CheckOutcome.OK, "2 packages", seconds=4.0)
    failed = Check(CheckOutcome.FAILED, "it broke", log=(f"line {HOSTILE}",))
    review = GapReview((ClosedGap(PLAN.gaps[2], ("lib-2-2.ppc64le",)),), PLAN.gaps[3:4])
    text = page(verification=Verification("cloud", "el9", "ppc64le", "r", review, ok, ok, ok, ok, (failed,)))
    assert "Verified: not closed" in text
    assert "1 gaps closed, 1 remain, 0 new" in text
    assert "it broke" in text
    assert "<img" not in text


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"mode": 1}'])
def test_what_neither_printed_is_one_error_that_names_the_command(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"run.json is not what build --json prints: "):
        read_build_run(content, FILE)
    with pytest.raises(ConfigError, match=r"run.json is not what verify --json prints: "):
        read_verification(content, FILE)
