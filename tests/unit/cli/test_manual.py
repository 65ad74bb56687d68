"""Manual pages."""

import shutil
import subprocess
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
