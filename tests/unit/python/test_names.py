"""From RPM capabilities to distributions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from ppcdeps.python.names import (
    NamedDistribution,
    normalize,
    provided_distribution,
    python_version,
    rpm_version,
    wanted_by,
    wanted_by_either,
)


@pytest.mark.parametrize(
    ("requirement", "wanted"),
    [
        ("python3dist(oslo.utils)", NamedDistribution("oslo-utils", python="3")),
        ("python3.9dist(oslo-utils) >= 4.5", NamedDistribution("oslo-utils", (), ">=4.5", python="3.9")),
        (
            "python3.9dist(requests[security,socks])",
            NamedDistribution("requests", ("security", "socks"), python="3.9"),
        ),
        (
            "(python3.9dist(oslo.config) >= 2:5.2 with python3.9dist(oslo.config) < 6~~)",
            NamedDistribution("oslo-config", (), ">=5.2,<6", python="3.9"),
        ),
        ("python3-yaml >= 5.4-1.el9", NamedDistribution("pyyaml", (), ">=5.4", python="3")),
        ("python3-novaclient", NamedDistribution("python-novaclient", python="3")),
        (
            "python3-oslo-config >= 2:8.8.0",
            NamedDistribution("oslo-config", (), ">=8.8.0", certain=False, python="3"),
        ),
        ("python3-requests+socks", NamedDistribution("requests", ("socks",), certain=False, python="3")),
        ("python3.11-six = 1.16.0-1.el9", NamedDistribution("six", (), "==1.16.0", certain=False, python="3.11")),
    ],
)
def test_a_python_requirement_names_its_distribution(requirement: str, wanted: NamedDistribution) -> None:
    assert wanted_by(requirement) == wanted


@pytest.mark.parametrize(
    "requirement",
    [
        "libvirt-libs",
        "python3",
        "python(abi) = 3.9",
        "python3-libs",
        "python3-nova-tests",
        "python3-oslo-messaging-doc",
        "python3-solv",
        "libpython3.9.so.1.0()(64bit)",
        "/usr/bin/python3",
        "(python3dist(a) with python3dist(b))",
        "(python3dist(a) if python3dist(b))",
    ],
)
def test_what_is_no_importable_distribution_stays_an_rpm(requirement: str) -> None:
    assert wanted_by(requirement) is None


def test_spelling_does_not_matter() -> None:
    assert normalize("Oslo_Utils") == normalize("oslo.utils") == normalize("oslo--utils") == "oslo-utils"


def test_a_provide_states_name_and_version() -> None:
    assert provided_distribution("python3.9dist(oslo.utils) = 4.12.1") == ("oslo-utils", "4.12.1")
    assert provided_distribution("python3dist(x) = 3~rc1") == ("x", "3rc1")


@pytest.mark.parametrize("provide", ["python3dist(x)", "python3dist(x[a]) = 1", "python3-x = 1-1", "libx = 1"])
def test_other_provides_state_no_distribution(provide: str) -> None:
    assert provided_distribution(provide) is None


@given(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 9)),
    st.sampled_from(["", "a1", "b2", "rc3"]),
    st.sampled_from(["", ".post2"]),
)
def test_versions_go_to_rpm_and_back(release: tuple[int, int, int], pre: str, post: str) -> None:
    version = ".".join(map(str, release)) + pre + (post if not pre else "")
    assert Version(python_version(rpm_version(version))) == Version(version)


def test_a_pre_release_is_older_to_rpm_too() -> None:
    assert rpm_version("3.0rc1") == "3.0~rc1"
    assert rpm_version("1.0.dev3") == "1.0~~dev3"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("(python3dist(a) < 13 or python3dist(a) > 13)", "a!=13"),
        ("(python3dist(a) < 13 or python3dist(a) >= 13.1)", "a!=13.0.*"),
        ("(python3dist(a) < 13 or python3dist(a) > 13.1)", "a!=13.0.*,!=13.1"),
        ("(python3dist(a[x]) < 1.2 or python3dist(a[x]) >= 1.3)", "a[x]!=1.2.*"),
        ("(python3dist(a) >= 2 or python3dist(a) < 1)", "a!=1.*"),
        ("(python3dist(a) < 1 or python3dist(a) > 7)", "a"),
        ("(python3dist(a) >= 1 or python3dist(a) >= 2)", "a"),
        ("(python3dist(a) or python3dist(b))", None),
        ("(python3dist(a) or other)", None),
        ("python3dist(a) < 1", None),
        ("(python3dist(a) < 1 with python3dist(a) > 0)", None),
    ],
)
def test_alternatives_of_one_distribution_are_what_is_excluded(text: str, meant: str | None) -> None:
    found = wanted_by_either(text)
    assert (found.requirement if found else None) == meant
