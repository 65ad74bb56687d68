from pathlib import Path

import pytest

from ppcdeps.building.buildroots.debian import _failure, copy_files
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError, RepositoryError

SOURCES = ("deb [signed-by=/k.gpg] http://mirror.example/debian bookworm main",)


def test_a_definitions_files_come_into_the_root(tmp_path: Path) -> None:
    origin, root = tmp_path / "files", tmp_path / "root"
    (origin / "usr/bin").mkdir(parents=True)
    (origin / "usr/bin/tool.j2").write_text("#!/bin/sh\necho {{ triplet }}\n")
    (origin / "etc").mkdir()
    (origin / "etc/blob").write_bytes(b"\xff\x00")
    root.mkdir()
    copy_files(origin, root, {"triplet": "x86_64-linux-gnu"})
    assert (root / "usr/bin/tool").read_text() == "#!/bin/sh\necho x86_64-linux-gnu\n"
    assert (root / "usr/bin/tool").stat().st_mode & 0o111
    assert (root / "etc/blob").read_bytes() == b"\xff\x00"
    assert not (root / "etc/blob").stat().st_mode & 0o111


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_in_the_root_does_not_lead_them_out(exists: bool, tmp_path: Path) -> None:
    origin, root, outside = tmp_path / "files", tmp_path / "root", tmp_path / "outside"
    (origin / "etc/deep").mkdir(parents=True)
    (origin / "etc/deep/file").write_text("x")
    root.mkdir()
    if exists:
        outside.mkdir()
    (root / "etc").symlink_to(outside)
    with pytest.raises(ConfigError, match="/etc/deep/file of the buildroot's definition would lie outside"):
        copy_files(origin, root, {})
    assert not outside.exists() or not any(outside.iterdir())


def test_a_template_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/x.j2").write_text("{{ nothing }}")
    (tmp_path / "root").mkdir()
    with pytest.raises(ConfigError, match=r"x\.j2 uses variables that are not declared:\n  \"nothing\""):
        copy_files(tmp_path / "files", tmp_path / "root", {})


@pytest.mark.parametrize(
    ("said", "kind", "part"),
    [
        (
            "tar: write: No space left on device\nE: mmdebstrap failed to run\n",
            EnvironmentLacksError,
            "no space left",
        ),
        ("E: Unable to locate package nonesuch\n", ConfigError, "the Debian mirror has no package nonesuch"),
        (
            "The following packages have unmet dependencies:\n foo : Depends: bar but it is not installable\n",
            ConfigError,
            "foo needs bar but it is not installable",
        ),
        (
            "Err:1 http://mirror.example/debian\nE: Failed to fetch http://mirror.example/x\n",
            RepositoryError,
            "cannot be read",
        ),
        (
            "W: GPG error: NO_PUBKEY 0E98404D386FA1D9\nE: The repository is not signed.\n",
            EnvironmentLacksError,
            "verified",
        ),
        (
            "dpkg-deb: building package 'usr-is-merged' in '/x/merged.deb'.\nErr:4 http://mirror.example/x\n"
            "E: Failed to fetch http://mirror.example/x  File has unexpected size\nE: mmdebstrap failed to run\n",
            RepositoryError,
            "/debian cannot be read: Failed to fetch http://mirror.example/x  File has unexpected size",
        ),
        (
            "I: main()\nE: fork failed\nE: mmdebstrap failed to run\n",
            EnvironmentLacksError,
            "mmdebstrap failed: fork failed",
        ),
        ("", EnvironmentLacksError, "it said nothing"),
    ],
)
def test_what_mmdebstrap_says_becomes_one_line(said: str, kind: type[PpcdepsError], part: str) -> None:
    fault = _failure(said, SOURCES, Path("/log"))
    assert type(fault) is kind
    assert part in str(fault)
    assert "\n" not in str(fault)
