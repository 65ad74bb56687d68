"""The target's markers and tags, wherever the test runs."""

import platform
import sys

import pytest
from packaging.markers import Marker

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.environment import TargetEnvironment

EL9 = TargetEnvironment.of(PythonEnvironment("3.9.25", (2, 34)))


def test_markers_are_those_of_the_target() -> None:
    assert EL9.holds(Marker("platform_machine == 'ppc64le' and python_version == '3.9'"))
    assert EL9.holds(Marker("python_full_version >= '3.9.20' and sys_platform == 'linux'"))
    assert not EL9.holds(Marker("platform_machine == 'x86_64' or python_version < '3.9'"))
    assert EL9.holds(Marker("platform_system != 'Windows' and implementation_name == 'cpython'"))


def test_extras_are_asked_for() -> None:
    marker = Marker("extra == 'test' and python_version >= '3'")
    assert not EL9.holds(marker)
    assert EL9.holds(marker, ("test",))
    assert not EL9.holds(marker, ("doc",))


def test_the_running_interpreter_does_not_leak() -> None:
    running = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert running != "cp39", "run the tests on another Python than the target's"
    texts = {str(tag) for tag in EL9.tags}
    assert not any(text.startswith(running) for text in texts)
    assert not any(platform.machine() in text for text in texts if platform.machine() != "ppc64le")
    assert platform.release() not in EL9.markers.values()


def test_manylinux_goes_from_the_targets_glibc_down_to_the_first_of_the_port() -> None:
    assert EL9.platforms[0] == "manylinux_2_34_ppc64le"
    assert EL9.platforms[-3:] == ("manylinux_2_17_ppc64le", "manylinux2014_ppc64le", "linux_ppc64le")
    assert "manylinux_2_35_ppc64le" not in EL9.platforms
    assert "manylinux_2_16_ppc64le" not in EL9.platforms


def test_a_newer_glibc_allows_more() -> None:
    el10 = TargetEnvironment.of(PythonEnvironment("3.12.9", (2, 39)))
    assert el10.platforms[0] == "manylinux_2_39_ppc64le"
    assert el10.rank("cp312-cp312-manylinux_2_39_ppc64le") == 0


@pytest.mark.parametrize(
    "tags",
    [
        "py3-none-any",
        "py2.py3-none-any",
        "cp39-cp39-manylinux_2_34_ppc64le",
        "cp39-cp39-manylinux_2_17_ppc64le.manylinux2014_ppc64le",
        "cp36-abi3-manylinux_2_28_ppc64le",
        "cp39-none-any",
        "py3-none-linux_ppc64le",
    ],
)
def test_installable_wheels(tags: str) -> None:
    assert EL9.rank(tags) is not None


@pytest.mark.parametrize(
    "tags",
    [
        "cp39-cp39-manylinux_2_35_ppc64le",
        "cp310-cp310-manylinux_2_17_ppc64le",
        "cp310-abi3-manylinux_2_17_ppc64le",
        "cp39-cp39-manylinux_2_17_x86_64",
        "cp39-cp39-musllinux_1_2_ppc64le",
        "cp39-cp39-manylinux_2_17_ppc64",
        "py2-none-any",
        "pp39-pypy39_pp73-any",
    ],
)
def test_foreign_wheels(tags: str) -> None:
    assert EL9.rank(tags) is None


def test_a_native_wheel_is_better_than_a_pure_one() -> None:
    native, pure = EL9.rank("cp39-cp39-manylinux_2_28_ppc64le"), EL9.rank("py3-none-any")
    assert native is not None
    assert pure is not None
    assert native < pure


def test_a_version_without_its_last_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"3\.9\.0"):
        TargetEnvironment.of(PythonEnvironment("3.9", (2, 34)))


def test_another_implementation_is_refused() -> None:
    with pytest.raises(ConfigError, match="pypy"):
        TargetEnvironment.of(PythonEnvironment("3.9.25", (2, 34), "pypy"))


# PEP 425 tags as `pip debug` shows them on these interpreters: up to 3.7 with pymalloc's m, Python 2.7 of
# distributions with wide Unicode.
@pytest.mark.parametrize(
    ("python", "glibc", "fits", "foreign"),
    [
        ("3.6.8", (2, 28), "cp36-cp36m-manylinux2014_ppc64le", "cp36-cp36-manylinux2014_ppc64le"),
        ("3.7.16", (2, 28), "cp37-cp37m-linux_ppc64le", "cp37-cp37-linux_ppc64le"),
        ("3.8.17", (2, 28), "cp38-cp38-manylinux_2_28_ppc64le", "cp38-cp38m-manylinux_2_28_ppc64le"),
        ("3.6.8", (2, 28), "cp34-abi3-manylinux2014_ppc64le", "cp37-abi3-manylinux2014_ppc64le"),
        ("2.7.5", (2, 17), "cp27-cp27mu-manylinux2014_ppc64le", "cp27-cp27m-manylinux2014_ppc64le"),
        ("2.7.5", (2, 17), "py2.py3-none-any", "py3-none-any"),
        ("2.7.5", (2, 17), "py2-none-any", "cp36-abi3-manylinux2014_ppc64le"),
    ],
)
def test_older_interpreters_have_other_abi_tags(python: str, glibc: tuple[int, int], fits: str, foreign: str) -> None:
    environment = TargetEnvironment.of(PythonEnvironment(python, glibc))
    assert environment.rank(fits) is not None
    assert environment.rank(foreign) is None


@pytest.mark.parametrize(
    ("marker", "old", "new"),
    [
        ("python_version < '3'", True, False),
        # What sys.platform says on Linux: linux2 in Python 2.
        ("sys_platform == 'linux2'", True, False),
        ("sys_platform == 'linux'", False, True),
        # Python 2 has no sys.implementation, and PEP 508 says what stands for it.
        ("implementation_name == ''", True, False),
        ("platform_python_implementation == 'CPython'", True, True),
    ],
)
def test_markers_of_python_2_and_3(marker: str, old: bool, new: bool) -> None:
    environment = TargetEnvironment.of(PythonEnvironment("2.7.5", (2, 17)))
    assert (environment.holds(Marker(marker)), EL9.holds(Marker(marker))) == (old, new)
