"""Dynamic BuildRequires read off the sources."""

import io
import zipfile
from pathlib import Path

import pytest
from trapsrpms import tarball

from ppcdeps.model.capability import parse_requirement
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.rpm.dynamic import static_requires
from ppcdeps.rpm.specs import SpecEvaluation, SpecFile

EL9 = PythonEnvironment("3.9.25", (2, 34))
OF_MACRO = {"python3dist(pip) >= 19", "python3dist(packaging)"}


def evaluation(*generators: str, source: str = "one-1.tar.gz") -> SpecEvaluation:
    return SpecEvaluation(
        arch="ppc64le",
        platform="el9",
        source=Nevra("one", 0, "1", "1.el9", "src"),
        packages=(),
        declared=("one",),
        build_requires=(),
        build_conflicts=(),
        exclusive_arch=(),
        exclude_arch=(),
        files=(SpecFile("Patch0", "first.patch"), SpecFile("Source0", f"https://example.org/{source}")),
        generators=generators,
    )


def asked(pyproject: str | None, folder: Path, options: str = "") -> tuple[set[str], tuple[str, ...]]:
    files = {"setup.py": ""} if pyproject is None else {"pyproject.toml": pyproject, "deep/er/pyproject.toml": "!"}
    (folder / "one-1.tar.gz").write_bytes(tarball("one-1", files))
    found = static_requires(evaluation(f"%pyproject_buildrequires{options}"), folder, EL9)
    assert set(found.requires) >= OF_MACRO
    return set(found.requires) - OF_MACRO, found.open


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("A_b.C", "python3dist(a-b-c)"),
        ("a >= 1.0", "python3dist(a) >= 1"),
        ("a == 1.2.0", "python3dist(a) = 1.2"),
        ("a == 1.2.*", "(python3dist(a) >= 1.2 with python3dist(a) < 1.3)"),
        ("a ~= 1.4", "(python3dist(a) >= 1.4 with python3dist(a) < 2)"),
        ("a ~= 1.4.5", "(python3dist(a) >= 1.4.5 with python3dist(a) < 1.5)"),
        ("a != 2", "(python3dist(a) < 2 or python3dist(a) > 2)"),
        ("a != 2.1.*", "(python3dist(a) < 2.1 or python3dist(a) >= 2.2)"),
        ("a > 1, < 3", "(python3dist(a) > 1 with python3dist(a) < 3)"),
        ("a >= 2.0rc1", "python3dist(a) >= 2~rc1"),
        ("a >= 2.0.post3", "python3dist(a) >= 2^post3"),
        ("a >= 2.0.dev1", "python3dist(a) >= 2~~dev1"),
    ],
)
def test_versions_are_said_as_rpm_orders_them(requirement: str, said: str, tmp_path: Path) -> None:
    found, _ = asked(f'[build-system]\nrequires = ["{requirement}"]\nbuild-backend = "hatchling.build"', tmp_path)
    assert found == {said}
    parse_requirement(said)


def test_markers_are_those_of_the_target(tmp_path: Path) -> None:
    requires = [
        "old; python_version < '3.10'",
        "new; python_version >= '3.10'",
        "power; platform_machine == 'ppc64le'",
        "intel; platform_machine == 'x86_64'",
        "other; sys_platform == 'win32'",
    ]
    found, doubts = asked(
        f'[build-system]\nrequires = {requires}\nbuild-backend = "hatchling.build"', tmp_path, " -R"
    )
    assert found == {"python3dist(old)", "python3dist(power)"}
    assert doubts == ()


def test_without_a_table_the_old_backend_is_meant(tmp_path: Path) -> None:
    for pyproject in (None, ""):
        found, doubts = asked(pyproject, tmp_path, " -R")
        assert found == {"python3dist(setuptools) >= 40.8", "python3dist(wheel)"}
        assert doubts == ("the build backend setuptools.build_meta may ask for more",)


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
dependencies = ["run[fast] >= 2"]
[project.optional-dependencies]
test = ["pytest"]
"""


def test_options_of_the_macro_say_what_counts(tmp_path: Path) -> None:
    run = {"python3dist(run) >= 2", "python3dist(run[fast]) >= 2"}
    build, test = {"python3dist(hatchling)"}, {"python3dist(pytest)"}
    assert asked(PROJECT, tmp_path) == (build | run, ())
    assert asked(PROJECT, tmp_path, " -R") == (build, ())
    assert asked(PROJECT, tmp_path, " -x test") == (build | run | test, ())
    assert asked(PROJECT, tmp_path, " -N -x test")[0] == test
    assert asked(PROJECT, tmp_path, " -t")[1] == ("tox says what the tests ask for",)


def test_dependencies_that_the_backend_makes_are_open(tmp_path: Path) -> None:
    dynamic = PROJECT.replace('dependencies = ["run[fast] >= 2"]', 'dynamic = ["dependencies"]')
    _, doubts = asked(dynamic, tmp_path)
    assert doubts == ("the run-time dependencies are made by the build backend",)


def test_plain_echoes_are_read_and_other_lines_are_open(tmp_path: Path) -> None:
    lines = (
        "echo foo-devel",
        "echo 'bar >= 2'",
        'echo "(a or b)"',
        "echo $(cat reqs)",
        "cat reqs",
        "echo x | sed s/x/y/",
    )
    found = static_requires(evaluation(*lines), tmp_path, EL9)
    assert found.requires == ("(a or b)", "bar >= 2", "foo-devel")
    assert found.open == tuple(f"the line `{line}` is known only when it has run" for line in lines[3:])


def test_sources_that_are_not_there_leave_all_open(tmp_path: Path) -> None:
    found = static_requires(evaluation("%{pyproject_buildrequires -x test}"), tmp_path, EL9)
    assert found.requires == ()
    assert found.open == ("the sources that have pyproject.toml are not there",)


def test_zip_files_are_read_too(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("one-1/pyproject.toml", PROJECT)
    (tmp_path / "one-1.zip").write_bytes(stream.getvalue())
    found = static_requires(evaluation("%pyproject_buildrequires -R", source="one-1.zip"), tmp_path, EL9)
    assert set(found.requires) == {"python3dist(hatchling)"} | OF_MACRO


@pytest.mark.parametrize(
    "text", ["[build-system", "[build-system]\nrequires = ['a >=']", "[build-system]\nrequires = [1]", "project = 3"]
)
def test_a_faulty_pyproject_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pyproject\.toml is"):
        asked(text, tmp_path)
