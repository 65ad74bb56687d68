"""Images, flavors and nova.conf as people have them."""

import json
from pathlib import Path

import pytest
from guests import check_image

from ppcdeps.checking.findings import Skipped
from ppcdeps.checking.guest.check import check_guest
from ppcdeps.checking.guest.offers import offer_of_build
from ppcdeps.checking.guest.properties import guest_by_nova, property_of, read_description, read_nova_conf
from ppcdeps.checking.host.check import HostPurpose, check_host
from ppcdeps.checking.host.hostfacts import HostFacts
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.planning.nova import nova_facts

IMAGE = {
    "id": "7a1c",
    "name": "fedora",
    "disk_format": "qcow2",
    "properties": {"hw_disk_bus": "ide", "hw_qemu_guest_agent": True, "os_hidden": False, "locations": []},
}


def write(folder: Path, document: object) -> Path:
    file = folder / "image.json"
    file.write_text(json.dumps(document))
    return file


def named(properties: object) -> dict[str, str]:
    return {one.name: one.value for one in properties}  # type: ignore[attr-defined]


def test_an_image_is_read_as_openstack_prints_it(tmp_path: Path) -> None:
    described = read_description(write(tmp_path, IMAGE), "image")
    assert described.name == "fedora"
    assert named(described.properties)["hw_disk_bus"] == "ide"
    assert named(described.properties)["hw_qemu_guest_agent"] == "true"


def test_an_image_is_read_as_older_clients_print_it(tmp_path: Path) -> None:
    text = "direct_url='rbd://a/b,c', hw_disk_bus='scsi', hw_scsi_model='virtio-scsi', os_hidden='False'"
    described = read_description(write(tmp_path, {**IMAGE, "properties": text}), "image")
    assert named(described.properties) == {
        "direct_url": "rbd://a/b,c",
        "hw_disk_bus": "scsi",
        "hw_scsi_model": "virtio-scsi",
        "os_hidden": "False",
    }


def test_properties_alone_are_read_too(tmp_path: Path) -> None:
    described = read_description(write(tmp_path, {"hw_disk_bus": "ide"}), "image")
    assert named(described.properties) == {"hw_disk_bus": "ide"}


def test_a_flavor_says_it_with_colons_and_wins(tmp_path: Path) -> None:
    flavor = write(tmp_path, {"name": "m1", "properties": {"hw:watchdog_action": "reset", "hw:tpm_version": "2.0"}})
    described = read_description(flavor, "flavor")
    assert named(described.properties) == {"hw_watchdog_action": "reset", "hw_tpm_version": "2.0"}
    guest = guest_by_nova("it", described.properties, nova_facts(), "")
    report = check_guest([guest], offer_of_build("almalinux-9"))
    (found,) = (one for one in report.findings if one.rule == "guest-tpm")
    assert found.where == "flavor property hw:tpm_version"
    assert found.fix == ("openstack flavor unset --property hw:tpm_version FLAVOR",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is nested deeper than 100 levels"),
        ("[]", "has no image, but an array"),
        ("null", "has no image, but null"),
        ('"hw_disk_bus=ide"', "has no image, but a text"),
        ("{}", "it has no properties"),
        ('{"properties": []}', '"properties" is an array, not an object'),
        ('{"properties": 3}', '"properties" is a number, not an object'),
        ('{"properties": null}', '"properties" is null, not an object'),
    ],
)
def test_what_is_no_image_is_told_in_one_line(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "image.json"
    file.write_text(content)
    with pytest.raises(ConfigError) as fault:
        read_description(file, "image")
    assert told in str(fault.value)
    assert "\n" not in str(fault.value)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "image.json"
    file.write_bytes(b'{"properties": {"a": "\xff"}}')
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        read_description(file, "image")


@pytest.mark.parametrize("text", ["hw_disk_bus", "=ide", "hw_disk_bus=", "a\x00=b", ""])
def test_what_sets_no_property_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="sets no property"):
        property_of(text)


def test_nova_conf_is_read_as_oslo_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text("[DEFAULT]\npassword = a%b$c\n[libvirt]\ncpu_model = POWER8\nvirt_type=kvm\nvirt_type=qemu\n")
    conf = read_nova_conf(file)
    assert conf.cpu_models == ("POWER8",)
    assert conf.virt_type == "qemu"
    assert not conf.spice


def test_of_several_files_the_last_that_says_something_counts(tmp_path: Path) -> None:
    first, last = tmp_path / "nova.conf", tmp_path / "nova-compute.conf"
    first.write_text("[libvirt]\nvirt_type = kvm\ncpu_mode = none\n")
    last.write_text("[libvirt]\nvirt_type = qemu\n")
    conf = read_nova_conf(first, last)
    assert (conf.virt_type, conf.cpu_mode) == ("qemu", "none")
    assert read_nova_conf(last, first).virt_type == "kvm"


def test_what_is_no_nova_conf_is_told(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text("virt_type = kvm\n")
    with pytest.raises(ConfigError, match="is not a configuration file: File contains no section headers"):
        read_nova_conf(file)


@pytest.mark.parametrize("value", ["idee", "", "x" * 10_000, "ü", "ide;rm -rf /"])
def test_values_that_nova_does_not_know_are_findings(value: str) -> None:
    if not value:
        return
    report = check_image(f"hw_disk_bus={value}")
    assert [one.rule for one in report.findings if one.severity == "error"] == ["guest-property-value"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("yoga", "25.0.0"),
        ("25.3.0", "25.3.0"),
        (" Kilo ", "2015.1"),
        ("29", "29"),
        ("2025.1", "31.0.0"),
        ("2015.1.4", "2015.1.4"),
    ],
)
def test_a_version_or_a_release_names_a_nova(text: str, version: str) -> None:
    assert nova_facts().version(text) == version


@pytest.mark.parametrize("text", ["yogaa", "x", "25.", "", "1;2", "2019.1", "9" * 5000])
def test_what_names_no_nova_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is not a version of nova"):
        nova_facts().version(text)


@pytest.mark.parametrize(
    ("version", "newer"),
    [("99", True), ("34.0.0b1", True), ("33.5.0", False), ("33", False), ("2014.1", False), ("", False)],
)
def test_of_a_newer_nova_it_is_said_that_it_is_not_known(version: str, newer: bool) -> None:
    guest = guest_by_nova("an image", [], nova_facts(), version)
    host = check_host(HostFacts(machine="ppc64le"), HostPurpose("", "", version), nova_facts(), "a host")
    expected = [Skipped(f"what is new in nova {version}", "the newest nova that ppcdeps knows is 33.0.0")]
    for skipped in (guest.unseen, host.skipped):
        assert [one for one in skipped if "is new" in one.what] == (expected if newer else [])


def test_the_oldest_libvirt_follows_the_version() -> None:
    facts = nova_facts()
    told = {
        version: facts.minimum_for(version) for version in ("20.0.0", "21.2.0", "25.3.0", "29", "31.0.0", "33.1.0")
    }
    pairs = {version: (one.libvirt, one.qemu) if one else None for version, one in told.items()}
    assert pairs == {
        "20.0.0": None,
        "21.2.0": ("4.0.0", "2.11.0"),
        "25.3.0": ("6.0.0", "4.2.0"),
        "29": ("7.0.0", "5.2.0"),
        "31.0.0": ("8.0.0", "6.2.0"),
        "33.1.0": ("8.0.0", "6.2.0"),
    }
