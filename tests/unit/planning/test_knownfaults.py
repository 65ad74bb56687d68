"""Known faults of released distributions: which releases have them, and what a plan says of these."""

from pathlib import Path

import pytest

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import ChosenPackage
from ppcdeps.model.python_plan import PlannedDistribution, PlannedPython, Provision
from ppcdeps.planning.knownfaults import fault_advice, known_faults, load_known_faults

FAULTS = {fault.id: fault for fault in known_faults()}

# Read off the tags of both repositories: the first list's releases have the line, the second's do not.
RELEASES = {
    "os-brick-dmidecode": (
        ["6.1.0", "6.1.1", "6.1.2"],
        ["4.4.0", "5.2.4", "6.0.0", "6.2.0", "6.2.5", "6.7.3", "7.1.0"],
    ),
    "nova-mount-failure": (
        ["17.0.0", "18.3.0", "25.3.0", "26.2.2", "26.3.0", "27.4.0"],
        ["15.1.5", "16.1.8", "27.5.0", "27.5.1", "28.0.0", "33.0.2"],
    ),
}


def closure(*nevras: str) -> list[ChosenPackage]:
    return [ChosenPackage(Nevra.parse(nevra), "r", "reference", ()) for nevra in nevras]


def pip(name: str, version: str, provision: Provision = Provision.WHEEL) -> PlannedPython:
    return PlannedPython("3.9.21", "ppc64le", "2.34", (PlannedDistribution(name, version, provision),))


def test_every_fault_has_its_releases() -> None:
    assert set(RELEASES) == set(FAULTS)


@pytest.mark.parametrize("name", RELEASES)
def test_the_releases_of_a_fault(name: str) -> None:
    with_fault, without = RELEASES[name]
    assert [one for one in with_fault if not FAULTS[name].is_in(one)] == []
    assert [one for one in without if FAULTS[name].is_in(one)] == []
    assert not FAULTS[name].is_in("no version")


@pytest.mark.parametrize("provision", [Provision.WHEEL, Provision.SDIST, Provision.BUILD])
def test_a_plan_with_a_faulty_release_by_pip_names_it_and_the_fix(provision: Provision) -> None:
    (said,) = fault_advice(closure(), pip("os-brick", "6.1.2", provision), "ppc64le")
    assert said.startswith("os-brick 6.1.2 fails at every volume attach on POWER")
    assert "6.2.0 or newer" in said
    assert "recipes render dmidecode-power" in said
    assert said.endswith("(https://bugs.launchpad.net/os-brick/+bug/1994083)")


def test_a_plan_with_a_faulty_release_as_rpm_names_it() -> None:
    (said,) = fault_advice(closure("python3-os-brick-6.1.0-1.el9s.noarch"), None, "ppc64le")
    assert said.startswith("os-brick 6.1.0 ")


@pytest.mark.parametrize("version", ["5.2.4", "6.0.0", "6.2.0", "6.11.1"])
def test_other_releases_are_not_named(version: str) -> None:
    assert list(fault_advice(closure(f"python3-os-brick-{version}-1.el9s.noarch"), None, "ppc64le")) == []
    assert list(fault_advice(closure(), pip("os-brick", version), "ppc64le")) == []


@pytest.mark.parametrize("package", ["dmidecode-power-1-1.el9.ppc1.noarch", "dmidecode-3.6-1.el9.ppc64le"])
def test_a_plan_that_has_the_program_says_nothing(package: str) -> None:
    assert list(fault_advice(closure(package), pip("os-brick", "6.1.2"), "ppc64le")) == []


def test_another_machine_is_not_concerned() -> None:
    assert list(fault_advice(closure(), pip("os-brick", "6.1.2"), "x86_64")) == []


def test_a_fault_without_advice_is_not_in_plans() -> None:
    assert FAULTS["nova-mount-failure"].advice == ""
    assert list(fault_advice(closure(), pip("nova", "26.3.0"), "ppc64le")) == []


GOOD = (
    '[[fault]]\nid = "a"\ndistribution = "A.b"\nversions = "<2"\nfixed_in = "2"\nseverity = "error"\nwhat = "w"\n'
    'source = "https://example.org/"\n'
)


def test_a_file_of_that_form_is_read(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(GOOD)
    (fault,) = load_known_faults(file)
    assert (fault.distribution, fault.machines, fault.is_in("1.9"), fault.is_in("2")) == ("a-b", (), True, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace('"<2"', '"before 2"'), '"versions" has no specifiers: "before 2"'),
        (GOOD.replace('"error"', '"bad"'), '"severity" is to be one of error, warning, advice'),
        (GOOD.replace('source = "https://example.org/"\n', ""), '"source" is missing'),
        (GOOD + 'file = "a.py"\n', '"file" and "text" belong together'),
        (GOOD + 'advice = "{nova} fails"\n', "a field that nothing stands for"),
        (GOOD + GOOD, '"id" a is there twice'),
    ],
)
def test_faults_of_the_file_are_reported(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as fault:
        load_known_faults(file)
    assert said in str(fault.value)
