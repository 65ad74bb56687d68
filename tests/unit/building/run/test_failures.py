"""Why builds fail, told from lines that real tools print."""

from pathlib import Path

import pytest
from failurelogs import CHECKS
from failurelogs import LOGS as CORPUS

from ppcdeps.base.datafiles import shipped_file
from ppcdeps.building.run.failures import cause_of, load_failures, tail_of

LOGS = {
    "the disk is full": "cc1: error: cannot write /tmp/x.s: No space left on device",
    "out of memory": "gcc: fatal error: Killed signal terminated program cc1plus",
    "the header libaio.h is missing": "block/linux-aio.c:20:10: fatal error: libaio.h: No such file or directory",
    "the BuildRequires glib2-devel >= 2.56 is not installed": "\tglib2-devel >= 2.56 is needed by libvirt-9-1.src",
    "it compiles with -msse4.2, which is for x86": (
        "powerpc64le-linux-gnu-gcc: error: unrecognized command-line option '-msse4.2'"
    ),
    "it uses x86 intrinsics (emmintrin.h)": (
        '/usr/lib/gcc/powerpc64le-linux-gnu/12/include/emmintrin.h:55:2: error: #error "Please read comment above."'
    ),
    "its config.guess or config.sub is too old to know powerpc64le": ("./config.guess: unable to guess system type"),
    "it does not know the architecture": "configure: error: unsupported CPU",
    "pkg-config does not find gnutls": "Package 'gnutls', required by 'virtual:world', not found",
    "the Python module setuptools_scm is missing in the build root": (
        "ModuleNotFoundError: No module named 'setuptools_scm'"
    ),
    "the library numa is missing, or not there for ppc64le": "/usr/bin/ld: cannot find -lnuma: No such file",
    "the program rpcgen is missing": "meson.build:742:2: ERROR: Program 'rpcgen' not found",
    "its tests failed": "error: Bad exit status from /var/tmp/rpm-tmp.WsAP4z (%check)",
    "it installs files that no %files section names": "error: Installed (but unpackaged) file(s) found:",
    "%files names /usr/bin/yajl, which is not installed": "error: File not found: /usr/bin/yajl",
    "it wants the network, which a build does not have": "curl: (6) Could not resolve host: example.org",
    "a patch does not apply": "Hunk #2 FAILED at 118.",
    "its %build failed": "error: Bad exit status from /var/tmp/rpm-tmp.b2kZQ1 (%build)",
}


@pytest.mark.parametrize("cause", LOGS)
def test_the_log_shows_the_cause(cause: str, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text(f"checking for gcc... gcc\n{LOGS[cause]}\nRPM build errors:\n")
    found = cause_of(log, load_failures())
    assert found is not None
    assert found.cause == cause
    assert found.line == LOGS[cause].strip()
    assert found.help
    assert "{" not in found.help


def test_every_known_failure_is_found_in_some_log() -> None:
    lines = [
        line
        for text in (*LOGS.values(), *CHECKS.values(), *(text for _, text in CORPUS.values()))
        for line in text.split("\n")
    ]
    assert [known.cause for known in load_failures() if not any(map(known.pattern.search, lines))] == []


def test_a_log_that_says_nothing_known_has_no_cause(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(b"\xff\xfe all went well\n" * 3)
    assert cause_of(log, load_failures()) is None
    assert len(tail_of(log, 2)) == 2
    assert cause_of(tmp_path / "none.log", load_failures()) is None


def test_the_real_cause_wins_over_the_section_that_failed(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text(
        "x.c:1:10: fatal error: zlib.h: No such file or directory\n"
        "error: Bad exit status from /var/tmp/rpm-tmp.1 (%build)\n"
    )
    found = cause_of(log, load_failures())
    assert found is not None
    assert found.cause == "the header zlib.h is missing"


def test_the_rules_are_shipped() -> None:
    assert shipped_file("rules", "build-failures").is_file()
