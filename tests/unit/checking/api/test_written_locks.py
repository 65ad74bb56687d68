"""Lock files as uv 0.13, Poetry 2.5, PDM 2.29 and Pipenv 2026.10 wrote them of one project, at each door for files.

The project requires requests[socks], click, numpy (not with Pipenv), tomli before Python 3.11 and colorama on
Windows, on Python 3.9 and newer. Of the files of each release one is left, at hosts for examples.
"""

import shutil
from pathlib import Path

import pytest

from ppcdeps.checking.api.locks import read_lock
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import read_constraints
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.requirementfiles import read_requirement_file
from ppcdeps.workflows.request import pins_content

LOCKS = Path(__file__).parents[3] / "data" / "locks"
ON_PYTHON_3_9 = {
    "certifi": "2026.10.19.post1",
    "charset-normalizer": "3.5.3",
    "click": "8.1.8",
    "idna": "3.20",
    "numpy": "2.0.2",
    "pysocks": "1.7.1",
    "requests": "2.32.5",
    "tomli": "2.5.0",
    "urllib3": "2.6.3",
}
"""What `uv export` and `pdm export` say of Python 3.9 on Linux."""
ON_PYTHON_3_12 = {"click": "8.5.1", "numpy": "2.2.6", "requests": "2.34.2", "urllib3": "2.8.0"}
"""And what is another version on Python 3.12."""


def releases(name: str, python: str | None = None) -> dict[str, str]:
    return {each.name: each.version for each in read_lock(LOCKS / name, python=python).releases}


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pylock.toml"])
def test_all_tools_locks_of_a_project_say_the_same(name: str) -> None:
    assert releases(name) == ON_PYTHON_3_9


def test_a_lock_of_several_resolutions_is_read_for_the_target_that_is_named() -> None:
    expected = {one: version for one, version in (ON_PYTHON_3_9 | ON_PYTHON_3_12).items() if one != "tomli"}
    assert releases("uv.lock", "3.12.9") == expected


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pylock.toml", "Pipfile.lock"])
def test_what_is_for_development_is_named_as_not_looked_at(name: str) -> None:
    lock = read_lock(LOCKS / name)
    assert any("dev" in what for what, _ in lock.left_out)
    assert "iniconfig" not in {each.name for each in lock.releases}


def test_what_pipenv_locked_for_a_newer_python_is_named_as_not_there() -> None:
    """Pipenv resolves for the Python that it runs on, and marks each release with the Pythons that it is for."""
    lock = read_lock(LOCKS / "Pipfile.lock")
    left_out = dict(lock.left_out)
    assert {each.name for each in lock.releases} == {"certifi", "charset-normalizer", "idna", "pysocks"}
    for name in ("click", "requests", "urllib3"):
        assert left_out[name] == "it is not for the target: python_version >= '3.10'"
    assert left_out["colorama"] == "it is not for the target: sys_platform == 'win32'"
    assert left_out["tomli"] == "the lock names no version of it"


def test_pdms_own_lock_is_refused_with_the_command_that_makes_another() -> None:
    with pytest.raises(ConfigError, match="is not a lock that is read here") as caught:
        read_lock(LOCKS / "pdm.lock")
    assert caught.value.hint == "make one that is: pdm export -f pylock -o pylock.toml"


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("uv.lock", "make one with `uv export "),
        ("poetry.lock", "make one with `poetry export "),
        ("pdm.lock", "make one with `pdm export "),
        ("Pipfile.lock", "make one with `pipenv requirements "),
        ("pylock.toml", "write one with lines like name==1.2"),
    ],
)
def test_where_a_file_for_pip_belongs_a_lock_is_refused_in_one_line(
    name: str, command: str, renamed: bool, tmp_path: Path
) -> None:
    file = tmp_path / ("pins.txt" if renamed else name)
    shutil.copyfile(LOCKS / name, file)
    including = tmp_path / "top.txt"
    including.write_text(f"-c {file.name}\n")
    environment = TargetEnvironment.of(PythonEnvironment("3.9.25", (2, 34)))
    doors = (
        lambda: read_constraints(file, environment),
        lambda: read_constraints(including, environment),
        lambda: read_requirement_file(file, what="the requirements"),
        lambda: pins_content(file),
    )
    for door in doors:
        with pytest.raises(ConfigError, match=f"{file.name} is not a file for pip: it is a {name}(?:;|$)") as caught:
            door()
        assert caught.value.faults == ()
        assert (caught.value.hint or "").startswith(command)


PIPFILE = (
    """{"_meta": {"hash": {}, "pipfile-spec": 6, "requires": {}, "sources": []}, "default": {%s}, "develop": {}}"""
)


def test_a_marker_that_is_null_is_none(tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text(PIPFILE % '"pydantic": {"markers": null, "version": "==1.10.2"}')
    assert [each.version for each in read_lock(tmp_path / "Pipfile.lock").releases] == ["1.10.2"]


def test_a_marker_that_asks_for_an_extra_does_not_hold_and_is_named(tmp_path: Path) -> None:
    """Pipenv 2018.10.9 took them over from the metadata of what requires the distribution."""
    entries = '"idna": {"version": "==2.7"}, "pyopenssl": {"markers": "extra == \'secure\'", "version": "==18.0"}'
    (tmp_path / "Pipfile.lock").write_text(PIPFILE % entries)
    lock = read_lock(tmp_path / "Pipfile.lock")
    assert [each.name for each in lock.releases] == ["idna"]
    assert lock.left_out == (("pyopenssl", "it is not for the target: extra == 'secure'"),)


def test_a_marker_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Poetry 1.0.0 wrote such ones."""
    text = (LOCKS / "poetry.lock").read_text().replace("sys_platform == 'win32'", "python_version < '3.8' and ()")
    text = text.replace('sys_platform == \\"win32\\"', 'python_version < \\"3.8\\" and ()')
    (tmp_path / "poetry.lock").write_text(text)
    with pytest.raises(ConfigError, match="has a marker that cannot be evaluated") as caught:
        read_lock(tmp_path / "poetry.lock")
    assert caught.value.faults == ()
