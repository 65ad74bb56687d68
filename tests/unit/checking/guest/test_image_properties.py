"""Image properties as nova 32 reads them: any of them is judged, means nothing for POWER, or is named as not seen."""

from pathlib import Path

import pytest
from guests import check_image

from ppcdeps.checking.findings import Report
from ppcdeps.checking.guest.offers import offer_of_build
from ppcdeps.model.reporter import Silence
from ppcdeps.planning.nova import nova_facts
from ppcdeps.workflows.check_guest import GuestByNova, HypervisorChoice, check_guest

BASE = ("hw_architecture=ppc64le", "hw_machine_type=pseries", "hw_cdrom_bus=scsi", "hw_video_model=vga")

NOVA_32 = [
    "hw_architecture", "hw_emulation_architecture", "hw_auto_disk_config", "hw_boot_menu", "hw_cdrom_bus",
    "hw_cpu_cores", "hw_cpu_sockets", "hw_cpu_max_cores", "hw_cpu_max_sockets", "hw_cpu_max_threads",
    "hw_cpu_policy", "hw_cpu_thread_policy", "hw_cpu_realtime_mask", "hw_cpu_threads", "hw_device_id",
    "hw_disk_bus", "hw_disk_type", "hw_floppy_bus", "hw_firmware_type", "hw_firmware_stateless", "hw_input_bus",
    "hw_ipxe_boot", "hw_locked_memory", "hw_machine_type", "hw_mem_encryption", "hw_mem_encryption_model",
    "hw_mem_page_size", "hw_numa_nodes", "hw_numa_cpus", "hw_numa_mem", "hw_pci_numa_affinity_policy",
    "hw_pointer_model", "hw_pmu", "hw_qemu_guest_agent", "hw_rescue_bus", "hw_rescue_device", "hw_rng_model",
    "hw_time_hpet", "hw_serial_port_count", "hw_scsi_model", "hw_video_model", "hw_video_ram", "hw_vif_model",
    "hw_viommu_model", "hw_vm_mode", "hw_watchdog_action", "hw_vif_multiqueue_enabled", "hw_tpm_model",
    "hw_tpm_version", "hw_ephemeral_encryption", "hw_ephemeral_encryption_secret_uuid", "hw_virtio_packed_ring",
    "hw_maxphysaddr_mode", "hw_maxphysaddr_bits", "hw_sound_model", "hw_usb_model", "hw_redirected_usb_ports",
    "img_bittorrent", "img_bdm_v2", "img_cache_in_nova", "img_compression_level", "img_hv_requested_version",
    "img_hv_type", "img_config_drive", "img_linked_clone", "img_mappings", "img_owner_id", "img_root_device_name",
    "img_use_agent", "img_version", "img_signature", "img_signature_hash_method", "img_signature_certificate_uuid",
    "img_signature_key_type", "img_hide_hypervisor_id", "os_admin_user", "os_command_line", "os_distro",
    "os_require_quiesce", "os_secure_boot", "os_skip_agent_inject_files_at_boot", "os_skip_agent_inject_ssh",
    "os_type", "traits_required",
]  # fmt: skip
"""The fields of ImageMetaProps in nova 32.0.0 (nova/objects/image_meta.py)."""


def test_every_property_of_nova_is_in_a_list() -> None:
    facts = nova_facts()
    known = {*facts.properties, *facts.other_names, *facts.unseen_names}
    assert set(NOVA_32) - known == set()
    assert not set(facts.unseen_names) & {*facts.properties, *facts.other_names}


def rules(report: Report) -> list[str]:
    return [one.rule for one in report.findings if one.severity.value != "advice"]


@pytest.mark.parametrize(
    "given",
    [
        "hw_architecture=PPC64LE", "hw_architecture=Ppc64Le", "hw_scsi_model=VIRTIO-SCSI", "hw_vif_model=Virtio",
        "hw_qemu_guest_agent=YES",
    ],
)  # fmt: skip
def test_what_nova_takes_in_any_case_is_right(given: str) -> None:
    assert (
        rules(check_image(*BASE[1:], *([BASE[0]] if "architecture" not in given else []), given, nova="32.0.0")) == []
    )


@pytest.mark.parametrize(
    "given", ["hw_disk_bus=SCSI", "hw_video_model=VGA", "hw_rng_model=Virtio", "hw_cdrom_bus=Scsi"]
)
def test_what_nova_takes_in_small_letters_alone_is_refused(given: str) -> None:
    others = [one for one in BASE if one.partition("=")[0] != given.partition("=")[0]]
    assert rules(check_image(*others, given, nova="32.0.0")) == ["guest-property-value"]


@pytest.mark.parametrize(("name", "known"), [("amd64", "x86_64"), ("i386", "i686"), ("AMD64", "x86_64")])
def test_names_of_x86_are_understood(name: str, known: str) -> None:
    (found,) = (
        one
        for one in check_image(f"hw_architecture={name}", *BASE[1:]).findings
        if one.rule != "guest-property-value"
    )
    assert found.rule == "guest-architecture"
    assert f"the guest is for {known}" in found.message


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("trait:HW_CPU_X86_AVX2=required", "guest-trait"),
        ("trait:HW_CPU_X86_VMX=Required", "guest-trait"),
        ("trait:HW_CPU_AARCH64_SVE=required", "guest-trait"),
        ("hw_sound_model=ich9", "guest-device"),
        ("hw_sound_model=usb", "guest-device"),
        ("hw_pmu=false", "guest-feature"),
        ("hw_time_hpet=true", "guest-feature"),
        ("img_hide_hypervisor_id=true", "guest-feature"),
        ("hw_maxphysaddr_mode=emulate", "guest-cpu-feature"),
        ("hw_firmware_stateless=true", "guest-firmware"),
    ],
)
def test_what_no_power_host_can_give_is_found(given: str, rule: str) -> None:
    assert rules(check_image(*BASE, given, nova="32.0.0")) == [rule]


def test_threads_of_a_core_need_kvm() -> None:
    assert rules(check_image(*BASE, "hw_cpu_threads=4", offer=offer_of_build("almalinux-9"))) == []
    assert rules(check_image(*BASE, "hw_cpu_threads=4", offer=offer_of_build("centos-stream-9"))) == [
        "guest-emulated"
    ]


@pytest.mark.parametrize(
    "given",
    [
        "trait:CUSTOM_GOLD=required", "trait:HW_CPU_PPC64LE_ISEL=required", "hw_mem_page_size=large",
        "hw_brand_new=1", "img_hv_type=kvm",
    ],
)  # fmt: skip
def test_what_is_not_judged_is_named(given: str) -> None:
    report = check_image(*BASE, given, nova="32.0.0")
    assert rules(report) == []
    assert [one.what for one in report.skipped] == [f"image property {given.partition('=')[0]}"]


@pytest.mark.parametrize("mode", ["host-model", "host-passthrough", "custom", ""])
def test_extra_flags_of_the_cpu_are_refused(mode: str, tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text(f"[libvirt]\nvirt_type = kvm\ncpu_mode = {mode}\ncpu_model_extra_flags = pcid, +VMX,-ssbd\n")
    found = [one for one in check_image(*BASE, conf=conf).findings if one.rule == "guest-cpu-feature"]
    assert [one.message.split(", and")[0].rpartition(" ")[2] for one in found] == ["pcid", "ssbd", "vmx"]


def test_extra_flags_do_nothing_without_a_cpu_mode(tmp_path: Path) -> None:
    conf = tmp_path / "nova.conf"
    conf.write_text("[libvirt]\ncpu_mode = none\ncpu_model_extra_flags = pcid\n")
    assert rules(check_image(*BASE, conf=conf)) == []


# An x86_64 host that emulates ------------------------------------------------------------------------


def on_x86(*properties: str, conf: str = "", folder: Path, host: str = "x86_64") -> Report:
    file = folder / "nova.conf"
    file.write_text(f"[libvirt]\nvirt_type = qemu\n{conf}[scheduler]\nimage_metadata_prefilter = true\n")
    by_nova = GuestByNova(properties, nova_conf=(file,), nova="2025.2", host_arch=host)
    return check_guest(by_nova, HypervisorChoice(build="debian-12"), Silence()).report


def test_an_emulated_architecture_alone_gives_a_pc_with_ide(tmp_path: Path) -> None:
    report = on_x86("hw_emulation_architecture=ppc64le", folder=tmp_path)
    assert sorted(rules(report)) == ["guest-emulated-cpu", "guest-ide-bus", "guest-machine"]
    (ide,) = (one for one in report.findings if one.rule == "guest-ide-bus")
    assert "openstack image set --property hw_cdrom_bus=scsi IMAGE" in ide.fix
    (machine,) = (one for one in report.findings if one.rule == "guest-machine")
    assert "no machine pc" in machine.message
    assert machine.fix == ("openstack image set --property hw_machine_type=pseries IMAGE",)


def test_the_bus_and_the_machine_are_fixed_by_properties(tmp_path: Path) -> None:
    report = on_x86(
        "hw_emulation_architecture=PPC64LE", "hw_cdrom_bus=scsi", "hw_machine_type=pseries", folder=tmp_path
    )
    assert rules(report) == ["guest-emulated-cpu"]
    assert "EL9 and EL10" in report.findings[-1].detail[0] or "EL9 and EL10" in report.findings[0].detail[0]


def test_the_architecture_itself_gives_scsi_and_pseries(tmp_path: Path) -> None:
    report = on_x86("hw_architecture=ppc64le", folder=tmp_path)
    assert rules(report) == ["guest-emulated-cpu"]


def test_a_q35_configured_for_x86_gives_sata(tmp_path: Path) -> None:
    report = on_x86("hw_emulation_architecture=ppc64le", conf="hw_machine_type = x86_64=q35\n", folder=tmp_path)
    assert sorted(rules(report)) == ["guest-emulated-cpu", "guest-machine"], "Debian's QEMU has AHCI for pseries"


def test_kvm_is_none_for_power_guests_there(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text("[libvirt]\nvirt_type = kvm\n")
    by_nova = GuestByNova(
        (*BASE, "hw_emulation_architecture=ppc64le"), nova_conf=(file,), nova="2025.2", host_arch="x86_64"
    )
    report = check_guest(by_nova, HypervisorChoice(build="almalinux-9"), Silence()).report
    assert sorted(rules(report)) == ["guest-emulated-cpu", "guest-kvm", "guest-not-scheduled"]


def test_nothing_of_it_counts_on_power(tmp_path: Path) -> None:
    assert rules(on_x86("hw_emulation_architecture=ppc64le", folder=tmp_path, host="ppc64le")) == []
    report = on_x86("hw_emulation_architecture=ppc64le", folder=tmp_path, host="")
    assert "the host's architecture" in [one.what for one in report.skipped]
    on_power = on_x86("hw_emulation_architecture=ppc64le", folder=tmp_path, host="ppc64le")
    assert "the host's architecture" not in [one.what for one in on_power.skipped]


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ("vmware_adaptertype=ide", {"guest-ide-bus"}),
        ("vmware_adaptertype=lsiLogic", {"guest-device"}),
        ("vmware_adaptertype=virtio-scsi", set()),
    ],
)
def test_what_nova_reads_in_images_of_vmware_counts_here_too(given: str, rules: set[str]) -> None:
    """nova's image_meta.py makes hw_disk_bus and hw_scsi_model of it on any hypervisor."""
    found = check_image(*BASE, given, nova="2025.2").findings
    assert {one.rule for one in found if one.severity.value == "error"} == rules
    assert all("vmware_adaptertype" in one.where for one in found if one.rule in rules)
    kept = check_image(*BASE, given, "hw_disk_bus=scsi", "hw_scsi_model=virtio-scsi", nova="2025.2").findings
    assert [one for one in kept if one.severity.value == "error"] == []


@pytest.mark.parametrize(
    "given",
    [
        "hw_locked_memory=true",
        "hw_pci_numa_affinity_policy=required",
        "hw_vm_mode=hvm",
        "hw_numa_cpus.0=0-1",
        "hw_numa_mem.1=512",
    ],
)
def test_what_nova_reads_is_not_called_unknown(given: str) -> None:
    report = check_image(*BASE, given, nova="2025.2")
    assert "guest-property-name" not in {one.rule for one in report.findings}
    assert all("nothing is known" not in one.why for one in report.skipped)
