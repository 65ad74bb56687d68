"""docs/targets.md and docs/workloads.md have the keys that the readers take, no others, with their defaults."""

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from ppcdeps.base.toml import Table
from ppcdeps.metadata.repofile import SIDE_OPTION, known_options
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.repository import RepoConfig
from ppcdeps.planning.workloads import load_workload

TARGET = """
name = "mine"
title = "Mine"
releasever = "9"
arch = "ppc64le"
reference_arch = "x86_64"
cpu_baseline = "POWER9"
[python]
version = "3.9.25"
glibc = "2.34"
[[pythons]]
version = "3.11.1"
package = "python3.11"
[openstack]
[releases.8.python]
version = "3.6.8"
glibc = "2.28"
[[repositories]]
id = "base"
side = "target"
baseurl = "https://repo.example/"
"""
WORKLOAD = 'name = "mine"\ntitle = "Mine"\nroots = ["bash"]\n[openstack]\n'
TYPES = {"text", "boolean", "number", "table", "array of texts", "array of tables", "number or text", "text or table"}


def documented(path: Path, after: str) -> dict[str, dict[str, tuple[str, str, str]]]:
    """By heading, the keys of its table with type, default and meaning."""
    found: dict[str, dict[str, tuple[str, str, str]]] = {}
    for section in re.split(r"^### ", path.read_text().partition(after)[2].partition("\n## ")[0], flags=re.MULTILINE)[
        1:
    ]:
        heading = section.partition("\n")[0].replace("`", "")
        rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]*) \| ([^|]*)\| (.*)\|$", section, re.MULTILINE)
        if rows:
            found[heading] = {key: (kind, default.strip(), meaning.strip()) for key, kind, default, meaning in rows}
    return found


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The keys that readers take, by the heading that a document has for the table."""
    keys: dict[str, set[str]] = {}
    finish = Table.finish

    def recording(table: Table, known: Iterable[str] = ()) -> None:
        where = re.sub(r"\]\] .*", "]]", table.where) or "Top level"
        where = re.sub(r"^\[releases\] \[.*?\].*", "[releases.VERSION.python]", where)
        keys.setdefault(where, set()).update(table._read, known)
        finish(table, known)

    monkeypatch.setattr(Table, "finish", recording)
    return keys


@pytest.mark.parametrize(
    ("document", "text", "load"),
    [("targets", TARGET, load_target), ("workloads", WORKLOAD, load_workload)],
)
def test_the_documented_keys_are_those_that_are_read(
    document: str,
    text: str,
    load: Callable[[str], object],
    taken: dict[str, set[str]],
    tmp_path: Path,
    project_root: Path,
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    load(str(file))
    found = documented(project_root / "docs" / f"{document}.md", f"## A {document[:-1]} file of your own")
    if document == "targets":
        # Its keys are those of [python], where they are documented.
        assert taken["[releases.VERSION.python]"] == {"python"} | taken["[python]"]
        taken["[releases.VERSION.python]"] = {"python"}
    assert {heading: set(keys) for heading, keys in found.items()} == taken
    for keys in found.values():
        assert {kind for kind, _, _ in keys.values()} <= TYPES


def test_a_key_without_default_is_one_that_has_to_be_there(tmp_path: Path, project_root: Path) -> None:
    from ppcdeps.model.errors import ConfigError

    for document, load in (("targets", load_target), ("workloads", load_workload)):
        found = documented(project_root / "docs" / f"{document}.md", f"## A {document[:-1]} file of your own")
        needed = {key for key, (kind, default, _) in found["Top level"].items() if not default and kind != "table"}
        file = tmp_path / f"{document}.toml"
        file.write_text("[python]\n" if document == "targets" else "")
        with pytest.raises(ConfigError) as caught:
            load(str(file))
        missing = {fault.split('"')[1] for fault in caught.value.faults if fault.startswith('"')}
        assert missing - {"roots"} == needed - {"roots"}


def test_the_documented_defaults_of_repositories_are_their_own(project_root: Path) -> None:
    keys = documented(project_root / "docs" / "targets.md", "## A target file of your own")["[[repositories]]"]
    own = {field.name: field.default for field in fields(RepoConfig)}
    switches = {field.name for field in fields(RepoConfig) if "bool" in str(field.type)}
    for key, (kind, default, _) in keys.items():
        if default.startswith("`"):
            assert ast.literal_eval(default.strip("`").capitalize()) == own[key], key
        elif default in ("none", "empty"):
            assert own[key] in (None, (), ""), key
        assert (kind == "boolean") == (key in switches), key


def test_the_options_of_repo_files_are_documented(project_root: Path) -> None:
    path = project_root / "docs" / "targets.md"
    keys = documented(path, "## A target file of your own")["[[repositories]]"]
    section = path.read_text().partition("## `.repo` files")[2]
    more = set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))
    assert known_options() == (set(keys) - {"id", "optional"}) | more
    assert SIDE_OPTION in more
