"""Manual pages."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from ppcdeps.cli.main import COMMANDS
from ppcdeps.cli.manual import EXIT_CODES, pages, write_manual
from ppcdeps.model.errors import PpcdepsError


def test_every_command_has_a_page(tmp_path: Path) -> None:
    names = {path.name for path in write_manual(tmp_path / "man")}
    assert names >= {"ppcdeps.1", "ppcdeps-snapshot-save.1", *(f"ppcdeps-{name}.1" for name in COMMANDS)}


def test_a_page_has_what_the_help_has() -> None:
    page = dict(pages())["ppcdeps-sync"]
    assert page.startswith('.TH "PPCDEPS\\-SYNC" 1 ')
    assert ".B \\-\\-enablerepo ID\n" in page
    assert "Every repository is checked for news" in page


def test_every_exit_code_of_an_error_is_documented() -> None:
    kinds: list[type[PpcdepsError]] = [PpcdepsError, *PpcdepsError.__subclasses__()]
    assert len(kinds) > 5
    assert {str(kind.exit_code) for kind in kinds} <= set(map(str, map(int, EXIT_CODES)))


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_groff_has_nothing_to_say_against_a_page() -> None:
    for name, page in pages():
        done = subprocess.run(
            ["groff", "-man", "-ww", "-z", "-Tutf8"], input=page, capture_output=True, text=True, check=True
        )
        assert done.stderr == "", name


def test_the_pages_that_the_wheel_installs_are_those_of_the_commands(project_root: Path) -> None:
    kept = {path.stem: path.read_text("utf-8") for path in (project_root / "man").iterdir()}
    assert kept == dict(pages()), "write them anew: python -m ppcdeps.cli.manual man"


def test_the_wheel_installs_them_where_man_looks(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"] == {"man": "share/man/man1"}
