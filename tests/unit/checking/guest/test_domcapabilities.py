"""What domcapabilities says, and what is no domcapabilities."""

from pathlib import Path

import pytest
from guests import DEBIAN_12, debian

from ppcdeps.checking.guest.domcapabilities import ask_libvirt, offer_of, read_domcapabilities
from ppcdeps.checking.guest.offers import hypervisor_facts, offer_of_build
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, UsageError


def test_the_real_output_is_read() -> None:
    offer = debian()
    assert offer.offers["disk.bus"] == {"scsi", "virtio", "usb", "sata"}
    assert offer.offers["video.modelType"] == {"vga", "cirrus", "vmvga", "virtio", "none", "bochs"}
    assert offer.offers["graphics.type"] == {"sdl", "vnc", "spice", "egl-headless", "dbus"}
    assert offer.offers["cpu.mode"] == {"custom"}
    assert offer.offers["cpu.model"] == {"POWER7", "POWER8", "POWER9", "POWER10"}
    assert offer.offers["tpm.model"] == {"tpm-spapr", "spapr-tpm-proxy"}
    assert offer.offers["loader.secure"] == {"no"}
    assert offer.offers["os.firmware"] == frozenset()
    assert (offer.arch, offer.virttypes, offer.emulator) == ("ppc64le", ("qemu",), "/usr/bin/qemu-system-ppc64le")


def test_what_is_known_of_debian_12_is_what_its_libvirt_says() -> None:
    told, known = debian().offers, hypervisor_facts().builds["debian-12"].offers
    for kind in ("disk.bus", "video.modelType", "graphics.type", "tpm.model"):
        assert known[kind] == told[kind], kind


def test_input_devices_are_read_where_newer_versions_tell_of_them() -> None:
    text = DEBIAN_12.read_text().replace(
        "<hostdev ", "<input supported='yes'><enum name='bus'><value>virtio</value></enum></input><hostdev ", 1
    )
    assert offer_of(text.encode(), "caps").offers["input.bus"] == {"virtio"}


def test_a_device_that_is_not_supported_offers_nothing() -> None:
    text = DEBIAN_12.read_text().replace("<graphics supported='yes'>", "<graphics supported='no'>")
    assert offer_of(text.encode(), "caps").offers["graphics.type"] == frozenset()


def test_a_host_with_kvm_emulates_as_well_and_has_a_model() -> None:
    text = (
        DEBIAN_12.read_text()
        .replace("<domain>qemu</domain>", "<domain>kvm</domain>")
        .replace(
            "<mode name='host-model' supported='no'/>",
            "<mode name='host-model' supported='yes'><model fallback='allow'>POWER9</model></mode>",
        )
    )
    offer = offer_of(text.encode(), "caps")
    assert offer.virttypes == ("kvm", "qemu")
    assert offer.host_cpu == "POWER9"
    assert "host-model" in offer.offers["cpu.mode"]


CAPABILITIES = "<domainCapabilities><domain>qemu</domain><machine>{}</machine><arch>{}</arch></domainCapabilities>"


def test_what_is_not_said_is_not_known() -> None:
    offer = offer_of(CAPABILITIES.format("pseries-7.2", "ppc64le").encode(), "caps")
    assert "video.modelType" not in offer.offers
    assert "ide" not in offer.offers["disk.bus"]  # by the nature of pseries


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "caps is not XML that can be read: it is empty"),
        ("<domain/>", "caps is not what domcapabilities prints: it begins with <domain>"),
        ("<domainCapabilities/>", "caps names no architecture or no machine"),
        (CAPABILITIES.format("q35", "x86_64"), "caps is of x86_64 guests, not of ppc64le ones"),
        (CAPABILITIES.format("powernv9", "ppc64le"), "caps is of the machine powernv9, not of pseries"),
        ("<domainCapabilities>", "line 1: no element found"),
    ],
)
def test_what_is_no_capabilities_of_pseries_is_told(content: str, told: str) -> None:
    with pytest.raises(ConfigError) as fault:
        offer_of(content.encode(), "caps")
    assert told in str(fault.value)
    assert "virsh domcapabilities" in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.xml: No such file"):
        read_domcapabilities(tmp_path / "none.xml")


def test_without_virsh_the_environment_lacks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacksError, match="there is no virsh on this machine; install libvirt-clients"):
        ask_libvirt()


def test_an_unknown_build_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match='did you mean "almalinux-9"'):
        offer_of_build("almalinux-8")
    with pytest.raises(UsageError, match="offers qemu, not kvm"):
        offer_of_build("centos-stream-9", "kvm")


def test_every_build_lies_within_what_pseries_can_have() -> None:
    facts = hypervisor_facts()
    assert facts.builds
    for build in facts.builds.values():
        assert build.offers, build.id
        for kind, values in build.offers.items():
            support = facts.pseries.get(kind)
            assert support is None or values - {"none"} <= support.has, (build.id, kind)
