"""What an sdist's build system requires, beside what the buildroot has."""

from pathlib import Path

import pytest
from indexes import sdist

from ppcdeps.building.run.build_system import distributions_there, unmet_build_requires
from ppcdeps.building.run.failures import BUILD_SYSTEM, cause_of, load_failures

INSTALLED = (
    "python3-setuptools-53.0.0-13.el9.noarch",
    "python3-wheel-1:0.36.2-8.el9.noarch",
    "python3.11-setuptools-65.5.1-2.el9.noarch",
    "bash-5.1.8-6.el9.ppc64le",
)
PROVIDED = ("python3dist(ruamel-yaml) = 0.16.6", "python3.9dist(ruamel-yaml) = 0.16.6")
"""What packages of other names provide: those of a Debian root, all of whose packages are one to rpm."""


def unmet(folder: Path, requires: str, python: str = "3.9") -> tuple[str, ...]:
    name, content = sdist("app", "1.0", {"pyproject.toml": f"[build-system]\nrequires = {requires}\n"})
    (folder / name).write_bytes(content)
    return unmet_build_requires(folder / name, distributions_there(INSTALLED, PROVIDED, (), python), python)


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        ("['setuptools>=77']", ("setuptools>=77, and the buildroot has 53.0.0",)),
        ("['setuptools>=40', 'wheel']", ()),
        (
            "['Cython~=3.0', 'wheel>=0.40']",
            ("Cython~=3.0, and the buildroot has none", "wheel>=0.40, and the buildroot has 0.36.2"),
        ),
        ("['tomli; python_version<\"3.11\"']", ('tomli; python_version < "3.11", and the buildroot has none',)),
        ("['tomli; python_version>=\"3.11\"', 'colorama; sys_platform==\"win32\"']", ()),
        ("['ruamel.yaml>=0.17']", ("ruamel.yaml>=0.17, and the buildroot has 0.16.6",)),
        ("[]", ()),
        ("3", ()),
    ],
)  # fmt: skip
def test_requirements_are_compared_with_what_is_there(requires: str, said: tuple[str, ...], tmp_path: Path) -> None:
    assert unmet(tmp_path, requires) == said


def test_a_python_beside_the_platforms_has_packages_of_its_own(tmp_path: Path) -> None:
    assert unmet(tmp_path, "['setuptools>=60']", "3.11") == ()
    assert unmet(tmp_path, "['setuptools>=60']", "3.9") == ("setuptools>=60, and the buildroot has 53.0.0",)


@pytest.mark.parametrize("files", [{}, {"pyproject.toml": "x = ["}, {"setup.py": ""}])
def test_an_sdist_that_names_nothing_requires_nothing(files: dict[str, str], tmp_path: Path) -> None:
    name, content = sdist("app", "1.0", files)
    (tmp_path / name).write_bytes(content)
    assert unmet_build_requires(tmp_path / name, {}, "3.9") == ()
    (tmp_path / "damaged.tar.gz").write_bytes(b"x")
    assert unmet_build_requires(tmp_path / "damaged.tar.gz", {}, "3.9") == ()


def test_it_is_the_cause_where_the_log_says_nothing_better(tmp_path: Path) -> None:
    log = tmp_path / "log"
    note = f"{BUILD_SYSTEM}setuptools>=77, and the buildroot has 53.0.0\n"
    end = "Executing(%build): x\n{}error: Bad exit status from /var/tmp/rpm-tmp.1 (%build)\n"
    log.write_text(note + end.format("TypeError: canonicalize_version() got an unexpected keyword argument\n"))
    found = cause_of(log, load_failures())
    assert found is not None
    assert found.cause == "its pyproject.toml requires setuptools>=77, and the buildroot has 53.0.0"
    log.write_text(note + end.format("x.c:1:10: fatal error: ffi.h: No such file or directory\n"))
    found = cause_of(log, load_failures())
    assert found is not None
    assert found.cause == "the header ffi.h is missing"
