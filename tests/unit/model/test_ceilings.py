"""Ceilings, and the file that raises them."""

from pathlib import Path

import pytest

from ppcdeps.model.ceilings import Ceilings, beyond, key_of, read_ceilings
from ppcdeps.model.errors import ConfigError


def test_the_documents_name_every_ceiling(project_root: Path) -> None:
    text = (project_root / "docs" / "security.md").read_text("utf-8")
    assert [key for key in map(key_of, Ceilings.__annotations__) if f"| `{key}` |" not in text] == []


def test_a_file_raises_ceilings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ceilings.toml"
    file.write_text('[metadata]\nsize = "4G"\n[document]\ndepth = 7\n')
    monkeypatch.setenv("PPCDEPS_CEILINGS", str(file))
    found = read_ceilings()
    assert (found.metadata_size, found.document_depth) == (4 << 30, 7)
    assert found.package_size == Ceilings().package_size


@pytest.mark.parametrize(
    "text", ["[metadata]\nsize = 0\n", "[metadata]\nsise = 1\n", "x", '[metadata]\nsize = "much"\n']
)
def test_a_wrong_file_is_one_error(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ceilings.toml"
    file.write_text(text)
    monkeypatch.setenv("PPCDEPS_CEILINGS", str(file))
    with pytest.raises(ConfigError, match=r"ceilings\.toml"):
        read_ceilings()


def test_a_folder_that_may_not_be_entered_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PPCDEPS_CEILINGS", raising=False)
    # What root may enter all the same is too long a name.
    monkeypatch.setenv("XDG_CONFIG_HOME", f"/{'x' * 300}")
    with pytest.raises(ConfigError, match=r"cannot read the file of ceilings .*ceilings\.toml: File name too long"):
        read_ceilings()


def test_an_error_names_the_ceiling_and_how_to_raise_it() -> None:
    assert "the ceiling document.depth: raise document.depth in ceilings.toml" in beyond(
        "document_depth", "has more than"
    )
