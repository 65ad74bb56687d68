"""Every rule of `check guest` with the guest that breaks it, and one that does not."""

import platform
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from guests import check_domain, check_image, debian, domain, offering
from rulecases import Case, Cases, assert_complete, assert_fires, assert_silent

from ppcdeps.checking.guest.image_root import image_findings
from ppcdeps.checking.guest.offers import offer_of_build
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Silence
from ppcdeps.workflows.check_guest import GuestByNova, HypervisorChoice, check_guest


def of_domain(devices: str = "", *, offer: str = "", **more: str) -> Case:
    against = offer_of_build(offer) if offer else None
    return lambda _: check_domain(domain(devices, **more), against).findings


def of_image(*properties: str, nova: str = "", offer: str = "almalinux-9") -> Case:
    return lambda _: check_image(*properties, nova=nova, offer=offer_of_build(offer)).findings


def of_conf(text: str, offer: str) -> Case:
    def case(folder: Path) -> object:
        (folder / "nova.conf").write_text(text)
        return check_image(offer=offer_of_build(offer), conf=folder / "nova.conf").findings

    return case  # type: ignore[return-value]


def on_x86(*properties: str, conf: str = "") -> Case:
    def case(folder: Path) -> object:
        (folder / "nova.conf").write_text(conf)
        by_nova = GuestByNova(properties, nova_conf=(folder / "nova.conf",), nova="2025.2", host_arch="x86_64")
        return check_guest(by_nova, HypervisorChoice(build="almalinux-9"), Silence()).report.findings

    return case  # type: ignore[return-value]


def with_compat(model: str, host: str) -> Case:
    text = domain(more=f"<cpu mode='host-model'><model>{model}</model></cpu>", kind="kvm")
    return lambda _: check_domain(text, replace(offer_of_build("almalinux-9"), host_cpu=host)).findings


DISK = "<disk type='file' device='{}'><target dev='{}' bus='{}'/></disk>"


def image(folder: Path, *programs: str) -> Path:
    """A root folder with these files in it."""
    (folder / "usr/sbin").mkdir(parents=True)
    for name in programs:
        (folder / "usr/sbin" / name).write_text("#!/bin/sh\n")
    return folder


def of_root(*programs: str) -> Case:
    return lambda folder: image_findings(image(folder, *programs))[0]


BAD: Cases = {
    "guest-hotplug": of_root("drmgr"),
    "guest-trait": of_image("trait:HW_CPU_X86_AVX2=required"),
    "guest-emulated-cpu": on_x86("hw_emulation_architecture=ppc64le"),
    "guest-not-scheduled": on_x86("hw_emulation_architecture=ppc64le"),
    "guest-cpu-feature": of_domain(more="<cpu mode='custom'><model>POWER9</model><feature name='vmx'/></cpu>"),
    "guest-emulated": of_domain(more="<features><htm state='on'/></features>"),
    "guest-second-device": of_domain("<vsock model='virtio'/><vsock model='virtio'/>"),
    "guest-architecture": of_domain(arch="x86_64", machine="pc"),
    "guest-architecture-unset": of_image("hw_disk_bus=scsi"),
    "guest-machine": of_domain(machine="pc-q35-7.2"),
    "guest-machine-unset": of_image("hw_disk_bus=scsi"),
    "guest-kvm": of_domain(kind="kvm", offer="centos-stream-9"),
    "guest-ide-bus": of_domain(DISK.format("disk", "hda", "ide")),
    "guest-floppy": of_domain(DISK.format("floppy", "fda", "fdc")),
    "guest-disk-bus": of_image("hw_disk_bus=sata"),
    "guest-cirrus": of_image(nova="12.0.3"),
    "guest-video-model": of_domain("<video><model type='qxl'/></video>"),
    "guest-spice": of_domain("<graphics type='spice'/>", offer="almalinux-9"),
    "guest-graphics": of_domain("<graphics type='sdl'/>", offer="almalinux-9"),
    "guest-input": of_domain("<input type='keyboard' bus='ps2'/>"),
    "guest-cpu-mode": of_domain(more="<cpu mode='host-passthrough'/>"),
    "guest-cpu-model": of_domain(more="<cpu><model>Haswell</model></cpu>"),
    "guest-cpu-compat": with_compat("power10", "POWER9"),
    "guest-firmware": of_image("hw_firmware_type=uefi"),
    "guest-secure-boot": of_domain(system="<loader secure='yes' type='rom'>/x</loader>"),
    "guest-tpm": of_image("hw_tpm_version=2.0"),
    "guest-watchdog": of_domain("<watchdog model='ib700'/>"),
    "guest-serial": of_domain("<parallel type='pty'/>"),
    "guest-device": of_domain("<sound model='sb16'/>"),
    "guest-feature": of_domain(more="<clock offset='utc'><timer name='kvmclock'/></clock>"),
    "guest-emulator": of_domain("<emulator>/usr/bin/qemu-system-x86_64</emulator>"),
    "guest-property-value": of_image("hw_disk_bus=idee"),
    "guest-property-name": of_image("hw_dsk_bus=scsi"),
    "guest-property-unread": of_image("hw_input_bus=virtio", nova="22.4.0"),
    "guest-defaults-kept": of_image("hw_disk_bus=ide", nova="25.3.0"),
}

GOOD: Cases = {
    "guest-hotplug": of_root("drmgr", "rtas_errd"),
    "guest-trait": of_image("trait:HW_CPU_X86_AVX2=forbidden", "trait:COMPUTE_NODE=required"),
    "guest-emulated-cpu": on_x86("hw_architecture=x86_64"),
    "guest-not-scheduled": on_x86(
        "hw_emulation_architecture=ppc64le", conf="[scheduler]\nimage_metadata_prefilter = true\n"
    ),
    "guest-cpu-feature": of_domain(more="<cpu mode='custom'><model>POWER9</model></cpu>"),
    "guest-emulated": of_domain(more="<features><htm state='on'/></features>", kind="kvm", offer="almalinux-9"),
    "guest-second-device": of_domain("<vsock model='virtio'/>"),
    "guest-architecture": of_domain(arch="ppc64"),
    "guest-architecture-unset": of_image("hw_architecture=ppc64le"),
    "guest-machine": of_domain(machine="pseries-7.2"),
    "guest-machine-unset": of_image("hw_machine_type=pseries"),
    "guest-kvm": of_domain(kind="kvm", offer="almalinux-9"),
    "guest-ide-bus": of_domain(DISK.format("cdrom", "sda", "scsi") + DISK.format("disk", "vda", "virtio")),
    "guest-floppy": of_domain(DISK.format("disk", "sda", "usb")),
    "guest-disk-bus": of_image("hw_disk_bus=sata", offer="debian-12"),
    "guest-cirrus": of_image(nova="13.0.0"),
    "guest-video-model": of_domain("<video><model type='virtio'/></video>"),
    "guest-spice": of_domain("<graphics type='spice'/>"),
    "guest-graphics": of_domain("<graphics type='vnc'/>", offer="almalinux-9"),
    "guest-input": of_domain("<input type='keyboard' bus='virtio'/>"),
    "guest-cpu-mode": of_domain(more="<cpu mode='host-passthrough'/>", kind="kvm", offer="almalinux-9"),
    "guest-cpu-model": of_domain(more="<cpu><model>POWER8</model></cpu>"),
    "guest-cpu-compat": with_compat("power8", "POWER9"),
    "guest-firmware": of_image("hw_firmware_type=bios"),
    "guest-secure-boot": of_image("os_secure_boot=optional"),
    "guest-tpm": of_domain("<tpm model='tpm-spapr'/>"),
    "guest-watchdog": of_image("hw_watchdog_action=reset"),
    "guest-serial": of_domain("<serial type='pty'><target type='isa-serial' port='0'/></serial>"),
    "guest-device": of_domain("<sound model='ich6'/><panic model='pseries'/>"),
    "guest-feature": of_domain(more="<clock offset='utc'><timer name='hpet' present='no'/></clock>"),
    "guest-emulator": of_domain("<emulator>/usr/bin/qemu-system-ppc64</emulator>"),
    "guest-property-value": of_image("hw_disk_bus=ide"),
    "guest-property-name": of_image("hw_disk_bus=scsi", "cim_image_name=x", "hw_cpu_policy=shared"),
    "guest-property-unread": of_image("hw_input_bus=virtio", nova="23.0.0"),
    "guest-defaults-kept": of_image("hw_disk_bus=ide", nova="24.0.0"),
}


def test_every_rule_has_its_cases() -> None:
    assert_complete("guest", BAD, GOOD)


@pytest.mark.parametrize("rule", BAD)
def test_the_bad_case_is_found(rule: str, tmp_path: Path) -> None:
    assert_fires(rule, BAD, tmp_path)


@pytest.mark.parametrize("rule", GOOD)
def test_the_good_case_is_silent(rule: str, tmp_path: Path) -> None:
    assert_silent(rule, GOOD, tmp_path)


def rules(report: object) -> list[str]:
    return [one.rule for one in report.findings]  # type: ignore[attr-defined]


def test_the_same_image_is_found_wrong_for_one_nova_and_right_for_the_next() -> None:
    old, backported, new = (check_image(nova=version) for version in ("12.0.2", "12.0.3", "13.0.0"))
    assert {"guest-ide-bus", "guest-cirrus"} <= set(rules(old))
    assert "guest-ide-bus" not in rules(backported)
    assert "guest-cirrus" in rules(backported)
    assert new.is_clean
    assert not old.is_clean


def test_a_nova_of_before_the_version_numbers_is_an_old_one() -> None:
    assert "guest-ide-bus" in rules(check_image(nova="2015.1.4"))


def test_cirrus_is_a_matter_of_the_build() -> None:
    assert "guest-cirrus" in rules(check_image("hw_video_model=cirrus", offer=offer_of_build("almalinux-9")))
    for build in ("debian-12", "upstream"):
        assert "guest-cirrus" not in rules(check_image("hw_video_model=cirrus", offer=offer_of_build(build)))


def test_properties_of_one_fault_are_fixed_with_one_command() -> None:
    report = check_image("hw_disk_bus=ide", "hw_cdrom_bus=ide", nova="20.0.0")
    (found,) = (one for one in report.findings if one.rule == "guest-ide-bus")
    assert found.fix == ("openstack image set --property hw_cdrom_bus=scsi --property hw_disk_bus=virtio IMAGE",)


def test_a_default_of_nova_says_which_version_does_it_right() -> None:
    (found,) = (one for one in check_image(nova="12.0.2").findings if one.rule == "guest-ide-bus")
    assert found.fixed_in == "nova 12.0.3 and 13.0.0"
    assert found.fix == ("openstack image set --property hw_cdrom_bus=scsi IMAGE",)


def test_instances_that_exist_are_fixed_by_nova_manage() -> None:
    report = check_image("hw_disk_bus=ide", "hw_video_model=qxl", nova="25.0.0")
    (found,) = (one for one in report.findings if one.rule == "guest-defaults-kept")
    told = "nova-manage image_property set INSTANCE_UUID --property hw_disk_bus=virtio --property hw_video_model=vga"
    assert found.fix == (told,)


def test_what_libvirt_passes_over_is_a_warning() -> None:
    for devices in ("<input type='mouse' bus='ps2'/>",):
        report = check_domain(domain(devices))
        assert [one.severity for one in report.findings] == ["warning"]
    assert [one.severity for one in check_domain(domain(more="<features><acpi/></features>")).findings] == ["warning"]


def test_the_usb_keyboard_that_libvirt_adds_is_missed_where_there_is_no_usb() -> None:
    report = check_image(nova="25.0.0", offer=offering(input_bus={"virtio"}, disk_bus={"virtio", "scsi"}))
    (found,) = (one for one in report.findings if one.rule == "guest-input")
    assert found.fix == ("openstack image set --property hw_input_bus=virtio IMAGE",)


def test_what_the_hypervisor_does_not_tell_is_neither_good_nor_bad() -> None:
    report = check_domain(domain("<controller type='usb' model='nec-xhci'/>"), debian())
    assert report.findings == ()
    assert [one.what for one in report.skipped] == ["USB controller nec-xhci (line 10, controller usb)"]


def test_nova_conf_counts(tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text(
        "[libvirt]\nvirt_type = kvm\ncpu_mode = custom\ncpu_models = Haswell-noTSX, POWER9\n"
        "hw_machine_type = x86_64=q35, ppc64le=q35\n[spice]\nenabled = True\n"
    )
    report = check_image(offer=offer_of_build("centos-stream-9"), conf=conf)
    fixes = {one.rule: one.fix for one in report.findings}
    assert fixes["guest-kvm"] == ("[libvirt]", "virt_type = qemu", "cpu_mode = none")
    assert fixes["guest-cpu-model"] == ("[libvirt]", "cpu_models = POWER9")
    assert fixes["guest-spice"] == ("[spice]", "enabled = false", "[vnc]", "enabled = true")
    assert fixes["guest-machine"] == ("[libvirt]", "hw_machine_type = ppc64le=pseries")
    assert sum(one.rule == "guest-cpu-model" for one in report.findings) == 1


def test_capital_letters_are_for_models_and_small_ones_for_compatibility() -> None:
    assert "guest-cpu-model" in rules(check_domain(domain(more="<cpu><model>power8</model></cpu>")))
    host_model = domain(more="<cpu mode='host-model'><model>POWER8</model></cpu>")
    (found,) = (one for one in check_domain(host_model).findings if one.rule == "guest-cpu-compat")
    assert 'did you mean "power8"?' in found.message


def test_a_domain_of_another_architecture_is_a_finding_among_others() -> None:
    report = check_domain(domain(DISK.format("disk", "hda", "ide"), arch="x86_64", machine="pc"))
    assert {"guest-architecture", "guest-machine", "guest-ide-bus"} <= set(rules(report))


@pytest.mark.parametrize(
    ("device", "dev", "rule"),
    [("disk", "hda", "guest-ide-bus"), ("cdrom", "hdc", "guest-ide-bus"), ("floppy", "fda", "guest-floppy")],
)
def test_a_bus_that_libvirt_guesses_counts(device: str, dev: str, rule: str) -> None:
    text = domain(f"<disk type='file' device='{device}'><target dev='{dev}'/></disk>")
    assert rules(check_domain(text)) == [rule]


def test_the_order_of_properties_changes_nothing() -> None:
    properties = ("hw_disk_bus=ide", "hw_cdrom_bus=ide", "hw_video_model=qxl", "hw_firmware_type=uefi")
    first, second = (check_image(*each, nova="25.0.0") for each in (properties, properties[::-1]))
    assert [one.fix for one in first.findings] == [one.fix for one in second.findings]


def test_an_emulated_guest_has_no_host_cpu_though_the_host_has_kvm() -> None:
    for kind, found in (("qemu", ["guest-cpu-mode"]), ("kvm", [])):
        text = domain(more="<cpu mode='host-passthrough'/>", kind=kind)
        assert rules(check_domain(text, offer_of_build("almalinux-9"))) == found


def test_virtualization_of_another_kind_is_not_there() -> None:
    assert "guest-kvm" in rules(check_domain(domain(kind="xen"), offer_of_build("almalinux-9")))


def test_a_nova_conf_that_says_nothing_asks_for_kvm(tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text("[DEFAULT]\n")
    (found,) = (
        one
        for one in check_image(offer=offer_of_build("centos-stream-9"), conf=conf).findings
        if one.rule == "guest-kvm"
    )
    assert found.where.endswith("[libvirt] virt_type (not set)")
    assert "guest-kvm" not in rules(check_image(offer=offer_of_build("almalinux-9"), conf=conf))


def test_a_value_may_be_newer_than_its_property() -> None:
    (found,) = (
        one
        for one in check_image("hw_video_model=virtio", nova="18.3.0").findings
        if one.rule == "guest-property-value"
    )
    assert found.fixed_in == "nova 19.0.0"
    assert "virtio" not in found.detail[0]
    assert "guest-property-value" not in rules(check_image("hw_video_model=virtio", nova="19.0.0"))


@pytest.mark.parametrize(
    ("machine", "fits"), [("pseries", True), ("pseries-6.1", True), ("pseries-rhel8.5.0", False), ("powernv9", False)]
)
def test_machines_of_the_hypervisors_own_family_fit(machine: str, fits: bool) -> None:
    assert ("guest-machine" in rules(check_domain(domain(machine=machine)))) is not fits


@pytest.mark.parametrize(
    ("device", "bus", "found"),
    [
        ("cdrom", "virtio", ["guest-disk-bus"]),
        ("cdrom", "usb", []),
        ("disk", "virtio", []),
        ("floppy", "usb", ["guest-floppy"]),
        ("floppy", "scsi", ["guest-floppy"]),
    ],
)
def test_what_hangs_on_a_bus_counts(device: str, bus: str, found: list[str]) -> None:
    assert rules(check_domain(domain(DISK.format(device, "sda", bus)))) == found


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("<model type='vga' heads='2'/>", ["guest-video-model"]),
        ("<model type='virtio' heads='2'/>", []),
        ("<model type='vga'><acceleration accel3d='yes'/></model>", ["guest-video-model"]),
        ("<model type='vga' heads='1'><acceleration accel3d='no'/></model>", []),
    ],
)
def test_what_only_virtio_can_show_is_for_virtio(model: str, found: list[str]) -> None:
    assert rules(check_domain(domain(f"<video>{model}</video>"))) == found


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("<features><smm state='off'/></features>", True),
        ("<features><pvspinlock state='off'/></features>", True),
        ("<features><hyperv><relaxed state='off'/></hyperv></features>", True),
        ("<features><pmu state='off'/></features>", True),
        ("<features><kvm><hidden state='on'/></kvm></features>", True),
        ("<features><kvm><hidden state='off'/></kvm></features>", False),
        ("<features><htm state='off'/></features>", False),
        ("<clock offset='utc'><timer name='kvmclock' present='no'/></clock>", True),
        ("<clock offset='utc'><timer name='hypervclock' present='no'/></clock>", False),
        ("<clock offset='utc'><timer name='hpet' present='yes'/></clock>", True),
        ("<clock offset='utc'><timer name='hpet'/><timer name='pit'/><timer name='rtc'/></clock>", False),
    ],
)
def test_features_and_clocks_are_judged_as_libvirt_does(more: str, found: bool) -> None:
    """What libvirt 9.0 and QEMU 7.2 do with each of these."""
    assert ("guest-feature" in rules(check_domain(domain(more=more)))) is found


def test_an_image_of_el_says_which_packages_bring_hotplug(tmp_path: Path) -> None:
    root = image(tmp_path)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/dnf").write_text("")
    ((found,), skipped) = image_findings(root)
    assert found.message.startswith("the image has no rtas_errd and no drmgr: a volume or port")
    assert found.fix == ("dnf install powerpc-utils ppc64-diag-rtas", "systemctl enable rtas_errd")
    assert [one.what for one in skipped] == ["the machine that the image's programs are for"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="no program here is for x86_64")
def test_an_image_of_another_machine_is_an_error_whatever_its_properties_say(tmp_path: Path) -> None:
    root = image(tmp_path, "drmgr", "rtas_errd")
    (root / "usr/bin").mkdir()
    (root / "bin").symlink_to("usr/bin")
    shutil.copy(shutil.which("sh") or "", root / "usr/bin/sh")
    ((found,), skipped) = image_findings(root)
    assert (found.rule, found.where) == ("guest-architecture", "/bin/sh")
    assert found.message == "the image's programs are for x86_64, the hypervisor for ppc64le"
    assert skipped == []


def test_links_of_an_image_stay_inside_of_it(tmp_path: Path) -> None:
    root = image(tmp_path / "root", "drmgr")
    (tmp_path / "rtas_errd").write_text("")
    (root / "usr/sbin/rtas_errd").symlink_to(tmp_path / "rtas_errd")
    assert [one.rule for one in image_findings(root)[0]] == ["guest-hotplug"]


def test_what_is_not_the_root_of_an_image(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has neither usr nor bin"):
        image_findings(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        image_findings(tmp_path / "none")
