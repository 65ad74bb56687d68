"""The cause of each failed build of the corpus, in whatever order the rules are."""

import random
from pathlib import Path

import pytest
from failurelogs import CHECKS, LOGS

from ppcdeps.building.run.failures import cause_of, load_failures

END = "error: Bad exit status from /var/tmp/rpm-tmp.Xy1 (%build)\n"


def written(folder: Path, text: str) -> Path:
    log = folder / "build.log"
    log.write_text(f"Executing(%build): /bin/sh -e /var/tmp/rpm-tmp.Xy1\nchecking for gcc... gcc\n{text}", "utf-8")
    return log


def test_the_corpus_is_large() -> None:
    assert len(LOGS) + len(CHECKS) >= 60


@pytest.mark.parametrize("name", LOGS)
def test_the_cause_is_found_whatever_the_order_of_the_rules(name: str, tmp_path: Path) -> None:
    cause, text = LOGS[name]
    log = written(tmp_path, text + END)
    rules = list(load_failures())
    found = cause_of(log, tuple(rules))
    assert found is not None
    assert found.cause == cause
    assert (
        found.help
        and found.help != "see the log"
        and "{" not in found.help.replace("{text", "").replace("%{nil}", "")
    )
    for seed in range(5):
        random.Random(seed).shuffle(rules)
        assert cause_of(log, tuple(rules)) == found
    assert cause_of(log, tuple(reversed(load_failures()))) == found


@pytest.mark.parametrize("name", CHECKS)
def test_failed_tests_are_the_cause_of_a_failed_check(name: str, tmp_path: Path) -> None:
    noise = (
        "x.c:1:10: fatal error: cpuid.h: No such file or directory\n"
        "gcc: error: unrecognized command-line option '-mavx'\n"
    )
    section = "Executing(%check): /bin/sh -e /var/tmp/rpm-tmp.Xy2\n"
    end = "error: Bad exit status from /var/tmp/rpm-tmp.Xy2 (%check)\n"
    found = cause_of(written(tmp_path, f"{noise}{section}{CHECKS[name]}{end}"), load_failures())
    assert found is not None
    assert found.cause == "its tests failed"


@pytest.mark.parametrize(
    "harmless",
    [
        "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)",
        "checking for cpuid.h... no",
        "Program sphinx-build found: NO",
        "checking whether the C compiler accepts -mavx2... no",
        "-- Performing Test HAVE_SSE2 - Failed",
        "cc -DARCH=ppc64le -c x.c -o unknown.o",
        "warning: unsupported locale setting",
        "checking build system type... powerpc64le-unknown-linux-gnu",
    ],
)
def test_what_configure_says_in_passing_is_no_cause(harmless: str, tmp_path: Path) -> None:
    found = cause_of(written(tmp_path, f"{harmless}\n{END}"), load_failures())
    assert found is not None
    assert found.cause == "its %build failed"
