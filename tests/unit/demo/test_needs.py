"""What the demo needs of a machine is said at once, with one command that installs what is a package."""

import os
from pathlib import Path

import pytest
from reporters import Recorder

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.cli.main import main
from ppcdeps.demo.needs import PROGRAMS, Lack, lacking, require
from ppcdeps.engines import emulation
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.exitcodes import ExitCode


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any program, and without emulation."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PPCDEPS_CACHE", str(tmp_path / "cache"))
    absent = emulation.Emulation("ppc64le", emulation.EmulationState.ABSENT, fix="install it")
    monkeypatch.setattr("ppcdeps.demo.needs.ensure_emulation", lambda *_: absent)
    return tmp_path


def lacks_on(folder: Path, **options: object) -> list[Lack]:
    cache = Cache.open(folder / "cache")
    places = (Buildroots(cache), folder / "home", folder / "archive", Recorder())
    return list(lacking(*places, **options))  # type: ignore[arg-type]


def test_everything_that_is_not_there_is_named_at_once(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache.open(bare / "cache")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(Cache, "open", lambda *_: cache)
    found = lacks_on(bare, mode="accelerated")
    packages = {name for lack in found for name in lack.package.split()}
    assert packages == {
        "mmdebstrap", "rpm", "createrepo-c", "dnf", "qemu-user-static", "bubblewrap",
        "gcc-powerpc64le-linux-gnu", "g++-powerpc64le-linux-gnu",
    }  # fmt: skip
    said = " ".join(map(str, found))
    assert "root: to install into a root" in said and "apt-get, which has the sources" in said


def test_a_demo_that_is_made_needs_no_mirror_and_no_sources(bare: Path) -> None:
    assert not any("apt-get" in lack.what for lack in lacks_on(bare, is_made=True))


def test_the_command_says_one_list_and_one_install_command(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("demo", "--to", str(bare / "demo"), "-q")) == ExitCode.ENVIRONMENT_LACKS
    first, *rest = capsys.readouterr().err.splitlines()
    count = 8 + (os.geteuid() != 0)
    assert first == (
        f"ppcdeps: error: the demo lacks {count} things on this machine; install what is a package: apt-get install "
        "--no-install-recommends bubblewrap createrepo-c dnf mmdebstrap qemu-user-static rpm"
    )
    assert len(rest) == count
    assert [line.split(",")[0].strip() for line in rest if "(package" in line][:4] == list(PROGRAMS)
    assert any("the Python index of pip's configuration" in line for line in rest)
    assert not (bare / "demo").exists()


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"}, ""),
        (
            {"ID": "debian", "VERSION_CODENAME": "trixie", "PRETTY_NAME": "Debian GNU/Linux 13 (trixie)"},
            "this machine is Debian GNU/Linux 13 (trixie); the demo's roots are Debian 12 (bookworm) on ppc64el: it "
            "has no other release",
        ),
        (
            {"ID": "ubuntu", "VERSION_CODENAME": "noble", "PRETTY_NAME": "Ubuntu 24.04 LTS"},
            "this machine is Ubuntu 24.04 LTS; the demo's roots are Debian 12 (bookworm) on ppc64el: it has no other "
            "release",
        ),
    ],
)
def test_roots_of_another_release_than_the_machines_are_said_to_be(
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    release: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr("ppcdeps.demo.needs.os_release", lambda: release)
    assert main(("demo", "--to", str(bare / "demo"))) == ExitCode.ENVIRONMENT_LACKS
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("this machine is")] == ([said] if said else [])


def test_one_that_is_no_package_has_no_install_command() -> None:
    with pytest.raises(EnvironmentLacksError) as caught:
        require([Lack("root: run it with sudo")])
    assert str(caught.value) == "the demo lacks something on this machine\n  root: run it with sudo"
    require([])
