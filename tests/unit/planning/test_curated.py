from pathlib import Path

import pytest

from ppcdeps.metadata.targets import list_targets, load_target
from ppcdeps.model.capability import parse_requirement
from ppcdeps.model.errors import ConfigError
from ppcdeps.planning.curated import (
    load_arch_packages,
    load_arch_requirements,
    load_excluded_sources,
    load_recorded_runs,
)


def test_every_shipped_rule_is_whole() -> None:
    assert load_arch_requirements() and load_excluded_sources()
    for requirement in load_arch_requirements():
        assert requirement.reason and ".spec" in requirement.origin
    for package in load_arch_packages():
        assert package.package.startswith(package.source) and package.reason and package.origin
    for excluded in load_excluded_sources():
        assert excluded.reason and ".spec" in excluded.origin
        assert set(excluded.rebuilt_by) <= set(list_targets())


@pytest.mark.parametrize(
    ("source", "requirement"),
    [
        ("libvirt", "dmidecode"),
        ("libvirt", "dmidecode >= 3"),
        ("qemu-kvm", "libpmem.so.1()(64bit)"),
        ("qemu-kvm", "libpmem.so.1(LIBPMEM_1.0)(64bit)"),
        ("libguestfs", "syslinux"),
        ("libguestfs", "syslinux-extlinux"),
    ],
)
def test_what_only_x86_asks_for_is_known(source: str, requirement: str) -> None:
    facts = [fact for fact in load_arch_requirements() if fact.source == source]
    assert [fact.matches(parse_requirement(requirement)) for fact in facts].count(True) == 1


@pytest.mark.parametrize(
    "requirement",
    ["dmidecode-tools", "libpmem2.so.1()(64bit)", "syslinux-nonlinux", "seavgabios-bin", "(dmidecode or x)"],
)
def test_nothing_else_is_taken_away(requirement: str) -> None:
    parsed = parse_requirement(requirement)
    assert not [fact for fact in load_arch_requirements() if fact.matches(parsed)]


def excluded_on(target: str) -> set[str]:
    loaded = load_target(target)
    return {fact.source for fact in load_excluded_sources() if fact.applies_to(loaded)}


def test_exclusions_are_those_of_the_targets_platform() -> None:
    everywhere = {"virt-v2v", "virt-p2v", "edk2", "dmidecode", "syslinux"}
    kvm = {"libguestfs", "supermin", "guestfs-tools", "virt-top", "virtiofsd", "seabios"}
    assert excluded_on("centos-stream-9") == excluded_on("rocky-9") == everywhere | kvm
    assert excluded_on("centos-stream-10") == everywhere | kvm
    assert excluded_on("almalinux-9") == everywhere
    assert excluded_on("fedora") == set()


def test_all_faults_of_a_rules_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        """
[[requirement]]
source = "a"
requirement = "b"
reason = "c"
orign = "d"

[[requirement]]
source = "a"
requirement = "b"
reason = ""
origin = "d"
"""
    )
    with pytest.raises(ConfigError) as told:
        load_arch_requirements(file)
    assert told.value.faults == (
        '[[requirement]] a: "origin" is missing',
        '[[requirement]] a: unknown key "orign", did you mean "origin"?',
        '[[requirement]] a: "reason" is to be a text, not an empty text',
        "[[requirement]] a: the same is said twice of a b",
    )


def test_a_platform_that_is_no_id_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[excluded]]\nsource = "a"\nplatforms = ["el9"]\nreason = "c"\norigin = "d"\n')
    with pytest.raises(ConfigError) as told:
        load_excluded_sources(file)
    assert told.value.faults == ('[[excluded]] a: "platforms" is to have ids such as "platform:el9", not "el9"',)


@pytest.mark.parametrize("names", ["", 'source = "a"\ndistribution = "b"'])
def test_a_recorded_run_is_of_a_source_package_or_of_a_distribution(names: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(f'[[run]]\n{names}\nversion = "1"\nmode = "cross"\nminutes = 1\nmachine = "m"\norigin = "o"\n')
    with pytest.raises(ConfigError) as caught:
        load_recorded_runs(file)
    assert [fault for fault in caught.value.faults if '"source" or "distribution"' in fault]
