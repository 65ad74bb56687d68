"""Which mirror the Debian roots are made from, by what this machine's apt has."""

from pathlib import Path

import pytest

from ppcdeps.building.buildroots.debian import sources_for
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions
from ppcdeps.model.errors import EnvironmentLacksError

MIRROR = "http://mirror.example/debian"


@pytest.fixture
def making() -> DebianMaking:
    found = load_definitions().named("debian-12").making
    assert isinstance(found, DebianMaking)
    return found


def machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, str]], id_: str, codename: str
) -> None:
    """A machine of that release, whose apt has these suites from these places."""
    program = folder / "apt-get"
    lines = "".join(f"{suite}\\t{suite}\\tmain\\t{uri}/\\n" for suite, uri in rows)
    program.write_text(f"#!/bin/sh\nprintf '{lines}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    release = {"ID": id_, "VERSION_CODENAME": codename}
    monkeypatch.setattr("ppcdeps.building.buildroots.debian.os_release", lambda: release)


def places(making: DebianMaking) -> list[list[str]]:
    return [line.split("] ")[-1].removeprefix("deb ").split() for line in sources_for(making)]


def test_a_machine_of_the_same_release_has_its_own_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, making: DebianMaking
) -> None:
    rows = [("bookworm", MIRROR), ("bookworm-updates", "http://other.example/debian")]
    machine(tmp_path, monkeypatch, rows, "debian", "bookworm")
    assert places(making) == [
        [MIRROR, "bookworm", "main"], ["http://other.example/debian", "bookworm-updates", "main"],
    ]  # fmt: skip


def test_a_machine_of_another_release_takes_the_archive_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, making: DebianMaking
) -> None:
    rows = [("trixie-security", "http://security.example/debian"), ("trixie", MIRROR), ("trixie-updates", MIRROR)]
    machine(tmp_path, monkeypatch, rows, "debian", "trixie")
    assert places(making) == [[MIRROR, "bookworm", "main"]]


def test_another_distribution_has_no_archive_of_debian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, making: DebianMaking
) -> None:
    machine(tmp_path, monkeypatch, [("noble", "http://ubuntu.example/ubuntu")], "ubuntu", "noble")
    with pytest.raises(EnvironmentLacksError, match="give one with --mirror URL"):
        sources_for(making)
