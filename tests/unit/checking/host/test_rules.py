"""Every rule of `check host` with a host that breaks it, and one that does not."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hosts import EL8, EL9, FOLDER, check, host, without_option
from rulecases import Case, Cases, assert_complete, assert_fires, assert_silent

from ppcdeps.checking.findings import Finding, Severity
from ppcdeps.checking.host.check import HostPurpose, distribution_of, nova_of
from ppcdeps.checking.host.hostfacts import SIBLINGS, HostFacts, collect, dump_facts, load_facts
from ppcdeps.checking.host.powerfacts import power_facts
from ppcdeps.model.errors import ConfigError

PROCESSORS = {"POWER8": "powernv-power8", "POWER9": "powernv-power9", "POWER10": "powernv-power10"}
SMT_ON, SMT_OFF = "0-7\n8-15\n", "0\n8\n"


def of(facts: HostFacts, wanted: HostPurpose = EL9, nova: str = "") -> Case:
    return lambda _: check(facts, wanted, nova=nova).findings


POWER8, POWER9 = host("powernv-power8"), host("powernv-power9")
NO_KVM = {"/sys/module/kvm_hv": False, "/dev/kvm": False}
OLD = {"qemu version": "QEMU emulator version 2.12.0", "libvirt version": "libvirtd (libvirt) 4.5.0"}
DEVICES = 'name "virtio-blk-pci", bus PCI, alias "virtio-blk"\n'

BAD: Cases = {
    "host-architecture": of(replace(POWER9, machine="x86_64")),
    "host-isa": of(POWER8),
    "host-kvm-kernel": of(without_option(host("powernv-power9", exists=NO_KVM), "CONFIG_KVM_BOOK3S_64")),
    "host-kvm-module": of(host("pseries-power9")),
    "host-kvm-pr": of(host("pseries-power8", exists={"/sys/module/kvm_pr": True}), EL8),
    "host-smt": of(host("powernv-power8", files={SIBLINGS: SMT_ON}), EL8),
    "host-mmu": of(host("powernv-power9-hash")),
    "host-cma": of(host("powernv-power8-no-cma"), EL8),
    "host-hugepages": of(POWER8, EL8),
    "host-kernel-option": of(without_option(POWER9, "CONFIG_VHOST_NET")),
    "host-qemu": of(host("powernv-power9", programs={"qemu": ""})),
    "host-qemu-device": of(host("powernv-power9", programs={"qemu devices": DEVICES})),
    "host-qemu-too-old": of(host("powernv-power9", programs=OLD), nova="25.0.0"),
    "host-libvirt": of(host("powernv-power9", programs={"libvirt version": ""})),
    "host-libvirt-too-old": of(host("powernv-power9", programs=OLD), nova="25.0.0"),
    "host-kvm-boot": of(host("powernv-power9", files={"modules-load.d": "vhost_net\n"})),
    "host-config-drive": of(host("powernv-power9", exists={"/usr/bin/genisoimage": False})),
}

GOOD: Cases = {
    "host-architecture": of(replace(POWER9, machine="ppc64")),
    "host-isa": of(POWER8, EL8),
    "host-kvm-kernel": of(POWER9),
    "host-kvm-module": of(POWER9),
    "host-kvm-pr": of(POWER8, EL8),
    "host-smt": of(host("powernv-power8", files={SIBLINGS: SMT_OFF}), EL8),
    "host-mmu": of(POWER9),
    "host-cma": of(POWER8, EL8),
    "host-hugepages": of(host("powernv-power8", files={"/proc/meminfo": "HugePages_Total:    64\n"}), EL8),
    "host-kernel-option": of(without_option(POWER8, "CONFIG_PPC_RADIX_MMU"), EL8),
    "host-qemu": of(POWER9),
    "host-qemu-device": of(POWER9),
    "host-qemu-too-old": of(POWER9, nova="31.0.0"),
    "host-libvirt": of(POWER9),
    "host-libvirt-too-old": of(POWER9, nova="33.0.0"),
    "host-kvm-boot": of(host("powernv-power9", files={"modules-load.d": "kvm-hv\nvhost_net\n"})),
    "host-config-drive": of(POWER9),
}


def test_every_rule_has_its_cases() -> None:
    assert_complete("host", BAD, GOOD)


@pytest.mark.parametrize("rule", BAD)
def test_the_bad_case_is_found(rule: str, tmp_path: Path) -> None:
    assert_fires(rule, BAD, tmp_path)


@pytest.mark.parametrize("rule", GOOD)
def test_the_good_case_is_silent(rule: str, tmp_path: Path) -> None:
    assert_silent(rule, GOOD, tmp_path)


def rules(facts: HostFacts, wanted: HostPurpose = EL9, nova: str = "") -> list[str]:
    return [one.rule for one in check(facts, wanted, nova=nova).findings]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("baseline", PROCESSORS)
def test_each_processor_runs_what_is_built_for_it_and_older_ones(processor: str, baseline: str) -> None:
    order = [one.name for one in power_facts().processors]
    fits = order.index(processor) >= order.index(baseline)
    facts = host(PROCESSORS[processor])
    assert ("host-isa" in rules(facts, HostPurpose("t", baseline))) is not fits
    # The same from the processor's name alone, and from its version register.
    without = replace(facts, auxv={})
    assert ("host-isa" in rules(without, HostPurpose("t", baseline))) is not fits
    named = {"/proc/cpuinfo": f"cpu\t\t: {processor}NVL (raw), altivec supported\n"}
    assert ("host-isa" in rules(replace(without, files=named), HostPurpose("t", baseline))) is not fits


def test_the_message_is_the_one_that_users_meet() -> None:
    (found,) = (one for one in check(POWER8).findings if one.rule == "host-isa")
    assert found.message == "CPU lacks ISA 3.00: centos-stream-9 is built for POWER9, POWER8 is older"


def test_a_whole_compute_node_is_clean() -> None:
    memory = {"/proc/meminfo": "HugePages_Total:     512\nHugepagesize:       2048 kB\n"}
    report = check(host("powernv-power9", files=memory), nova="26.2.2")
    assert report.findings == ()
    assert report.skipped == ()


def test_what_cannot_be_seen_is_told_and_is_not_well() -> None:
    report = check(HostFacts("ppc64le"), nova="25.0.0")
    told = {one.what for one in report.skipped}
    assert {"processor", "KVM", "kernel options", "huge pages"} <= told
    assert not report.is_clean


def test_another_architecture_is_never_well() -> None:
    report = check(replace(POWER9, machine="x86_64"), nova="25.0.0")
    assert [one.rule for one in report.findings] == ["host-architecture"]
    assert {"processor", "KVM", "SMT", "kernel options"} <= {one.what for one in report.skipped}


def test_el9_says_why_it_has_no_kvm() -> None:
    release = {"/etc/os-release": 'ID="centos"\nVERSION_ID="9"\n'}
    facts = without_option(host("powernv-power9", files=release, exists=NO_KVM), "CONFIG_KVM_BOOK3S_64")
    (found,) = (one for one in check(facts).findings if one.rule.startswith("host-kvm"))
    assert "AlmaLinux 9.6 and newer rebuild" in found.detail[0]
    assert found.fix[:3] == ("[libvirt]", "virt_type = qemu", "cpu_mode = none")
    assert distribution_of(facts) is not None


def test_a_kernel_that_does_not_implement_smt_control_says_nothing_of_it() -> None:
    facts = host("powernv-power8", files={SIBLINGS: None})
    assert facts.file("/sys/devices/system/cpu/smt/control") == "notimplemented\n"
    report = check(facts, EL8)
    assert "SMT" in {one.what for one in report.skipped}
    on = {SIBLINGS: None, "/sys/devices/system/cpu/smt/control": "on\n", "/sys/devices/system/cpu/smt/active": "1\n"}
    assert "host-smt" in rules(host("powernv-power8", files=on), EL8)


def test_smt_is_no_matter_from_power9_on() -> None:
    assert "host-smt" not in rules(host("powernv-power9", files={SIBLINGS: SMT_ON}))


def only(facts: HostFacts, rule: str) -> Finding:
    (found,) = (one for one in check(facts).findings if one.rule == rule)
    return found


def test_a_kernel_with_kvm_hv_built_in_needs_nothing_at_boot() -> None:
    builtin = {"/proc/modules": "virtio_net 1 0 - Live 0x0\n", "modules-load.d": ""}
    assert "host-kvm-boot" not in rules(host("powernv-power9", files=builtin))


def test_facts_of_before_do_not_say_what_is_loaded_at_boot_and_what_makes_config_drives() -> None:
    facts = host("powernv-power9", files={"modules-load.d": None})
    exists = {path: there for path, there in facts.exists.items() if not path.startswith("/usr/bin/")}
    report = check(replace(facts, exists=exists))
    assert {one.what for one in report.skipped} >= {
        "modules that are loaded at boot",
        "the program for config drives",
    }
    assert not {one.rule for one in report.findings} & {"host-kvm-boot", "host-config-drive"}


def test_a_kvm_that_is_not_loaded_is_loaded_now_and_at_every_boot() -> None:
    assert only(host("powernv-power9", exists=NO_KVM), "host-kvm-module").fix == (
        "modprobe kvm_hv",
        "echo kvm_hv > /etc/modules-load.d/kvm_hv.conf",
    )


def test_debian_says_which_package_has_qemu_for_power() -> None:
    found = only(host("powernv-power9", programs={"qemu": ""}), "host-qemu")
    assert found.fix == ("apt-get install qemu-system-ppc",)
    assert "nova-compute-kvm depends on qemu-system-x86" in found.detail[-1]


def test_a_distribution_that_is_like_another_is_helped_as_that_one() -> None:
    ubuntu = {"/etc/os-release": 'ID=ubuntu\nID_LIKE="debian"\nVERSION_ID="24.04"\n'}
    assert only(host("powernv-power9", programs={"qemu": ""}, files=ubuntu), "host-qemu").fix
    unknown = {"/etc/os-release": "ID=other\n"}
    assert only(host("powernv-power9", programs={"qemu": ""}, files=unknown), "host-qemu").fix == ()


MKISOFS = {"/usr/bin/genisoimage": False, "/usr/bin/mkisofs": True}


def test_mkisofs_will_do_where_nova_is_told_to_call_it() -> None:
    found = only(host("powernv-power9", exists=MKISOFS), "host-config-drive")
    assert found.severity is Severity.ADVICE
    assert found.fix == ("[DEFAULT]", "mkisofs_cmd = /usr/bin/mkisofs")
    for name in ("mkisofs", "/usr/bin/mkisofs", "/opt/bin/mkisofs"):
        assert "host-config-drive" not in rules(host("powernv-power9", exists=MKISOFS, files={"mkisofs_cmd": name}))


def test_a_program_that_nova_is_told_to_call_and_that_is_not_there() -> None:
    facts = host("powernv-power9", files={"mkisofs_cmd": "mkisofs"}, exists={"/usr/bin/mkisofs": False})
    found = only(facts, "host-config-drive")
    assert found.severity is Severity.WARNING
    assert found.message == "there is no /usr/bin/mkisofs, but /usr/bin/genisoimage: nova's mkisofs_cmd is mkisofs"


def test_a_host_without_any_program_for_config_drives_says_which_package_has_one() -> None:
    none = dict.fromkeys(("/usr/bin/genisoimage", "/usr/bin/mkisofs", "/usr/bin/xorrisofs"), False)
    found = only(host("powernv-power9", exists=none), "host-config-drive")
    assert found.severity is Severity.WARNING
    assert found.fix == ("apt-get install genisoimage",)
    el9 = {"/etc/os-release": 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\n'}
    assert only(host("powernv-power9", exists=none, files=el9), "host-config-drive").fix == ("dnf install xorriso",)


def test_a_partition_is_told_that_kvm_needs_bare_metal() -> None:
    (found,) = (one for one in check(host("pseries-power9")).findings if one.rule == "host-kvm-module")
    assert "this is a partition (pSeries)" in found.detail[0]


@pytest.mark.parametrize(
    ("text", "version"),
    [("25.3.0", "25.3.0"), ("2:26.2.2-1~deb12u3", "26.2.2"), ("", ""), ("package is not installed", "")],
)
def test_the_version_of_nova_is_read_from_its_package(text: str, version: str) -> None:
    assert nova_of(HostFacts("ppc64le", programs={"nova version": text})) == version


# --- the facts themselves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(FOLDER.glob("p*-power*.json")), ids=lambda file: file.stem)
def test_facts_are_kept_as_they_are(file: Path, tmp_path: Path) -> None:
    facts = load_facts(file)
    assert dump_facts(facts) == file.read_text()
    (tmp_path / "again.json").write_text(dump_facts(facts))
    assert load_facts(tmp_path / "again.json") == facts


def test_the_facts_of_this_machine_are_collected(tmp_path: Path) -> None:
    facts = collect()
    (tmp_path / "own.json").write_text(dump_facts(facts))
    assert load_facts(tmp_path / "own.json") == facts
    assert facts.machine
    assert "/proc/cpuinfo" in facts.files
    assert "/proc/meminfo" in facts.files
    if shutil.which("qemu-system-ppc64"):
        assert "pseries" in facts.programs["qemu machines"]


def test_nothing_of_the_command_line_is_kept_but_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    words = "root=UUID=1 password=secret kvm_cma_resv_ratio=8 disable_radix quiet hugepages=64 xhugepages=1"
    (tmp_path / "proc" / "cmdline").write_text(words + "\n")
    assert collect(tmp_path).files["/proc/cmdline"] == "kvm_cma_resv_ratio=8 disable_radix hugepages=64"


def test_an_empty_root_is_no_fault(tmp_path: Path) -> None:
    facts = collect(tmp_path)
    assert facts.files == {}
    assert facts.auxv == {}
    assert not any(facts.exists.values())


def test_a_damaged_config_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "config.gz").write_bytes(b"\x1f\x8b\x08\x00garbage")
    assert "kernel config" not in collect(tmp_path).files


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is nested deeper than 100 levels"),
        ("[]", "has no collected facts of schema 1"),
        ('{"schema": 2}', "has no collected facts of schema 1"),
        ('{"schema": 1}', '"machine" is missing or not a text; "kernel" is missing'),
        (
            '{"schema": 1, "machine": "a", "kernel": "b", "files": {"x": 1}, "exists": {}, "auxv": {"HWCAP": "z"}, '
            '"programs": []}',
            '"files" has a value that is not a text; "auxv" has no number for HWCAP; '
            '"programs" is missing or not a table',
        ),
    ],
)
def test_what_is_no_facts_is_told_in_one_line(content: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text(content)
    with pytest.raises(ConfigError) as fault:
        load_facts(file)
    assert " collected facts" in str(fault.value)
    for part in told.split("; "):
        assert part in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("text", ["", "cpu : \n", "cpu\t\t: \x00\xff\n", "revision : (pvr 004e\n", ":\n" * 1000])
def test_a_strange_cpuinfo_is_no_fault(text: str) -> None:
    facts = replace(host("powernv-power9", files={"/proc/cpuinfo": text}), auxv={})
    assert "processor" in {one.what for one in check(facts).skipped}


PRINT_AUXV = """
#include <stdio.h>
#include <sys/auxv.h>
int main(void) { printf("%lu\\n", getauxval(AT_HWCAP2)); return 0; }
"""


@pytest.mark.skipif(
    not (shutil.which("powerpc64le-linux-gnu-gcc") and shutil.which("qemu-ppc64le-static")),
    reason="there is no cross compiler for ppc64le, or no qemu-user-static",
)
@pytest.mark.parametrize("processor", ["power8", "power9", "power10"])
def test_another_emulator_sets_the_same_bits(processor: str, tmp_path: Path) -> None:
    """qemu-user, which knows of kernels only what the ABI says, against the real kernel's facts."""
    (tmp_path / "auxv.c").write_text(PRINT_AUXV)
    program, source = str(tmp_path / "auxv"), str(tmp_path / "auxv.c")
    subprocess.run(["powerpc64le-linux-gnu-gcc", "-static", "-o", program, source], check=True)
    command = ["qemu-ppc64le-static", "-cpu", processor, program]
    bits = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for known in power_facts().processors:
        by_kernel = host(PROCESSORS[processor.upper()]).auxv["HWCAP2"]
        assert (bits & known.hwcap2 == known.hwcap2) == (by_kernel & known.hwcap2 == known.hwcap2), known.name


def test_the_kernels_configuration_is_found_beside_its_modules(tmp_path: Path) -> None:
    kernel = collect(tmp_path).kernel
    folder = tmp_path / "lib" / "modules" / kernel
    folder.mkdir(parents=True)
    (folder / "config").write_text("CONFIG_TUN=m\n# CONFIG_KVM_BOOK3S_64 is not set\nCONFIG_OTHER=y\n")
    assert collect(tmp_path).files["kernel config"] == "CONFIG_KVM_BOOK3S_64 is not set\nCONFIG_TUN=m\n"


def test_what_is_loaded_at_boot_is_read_as_systemd_reads_it(tmp_path: Path) -> None:
    for folder, name, text in (
        ("etc/modules-load.d", "kvm.conf", "# kvm_pr\n"),
        ("usr/lib/modules-load.d", "kvm.conf", "kvm_hv\n"),
        ("usr/lib/modules-load.d", "net.conf", "; tun\n vhost_net \n"),
        ("usr/lib/modules-load.d", "README", "kvm_pr\n"),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text(text)
    assert collect(tmp_path).files["modules-load.d"] == "vhost_net\n"
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cmdline").write_text("quiet modules_load=kvm_hv,tun\n")
    assert collect(tmp_path).files["modules-load.d"] == "kvm_hv\ntun\nvhost_net\n"


def test_of_novas_configuration_one_option_is_kept(tmp_path: Path) -> None:
    (tmp_path / "etc/nova").mkdir(parents=True)
    (tmp_path / "usr/share/nova").mkdir(parents=True)
    (tmp_path / "usr/share/nova/nova-dist.conf").write_text("[DEFAULT]\nmkisofs_cmd=genisoimage\n")
    (tmp_path / "etc/nova/nova.conf").write_text(
        "[DEFAULT]\ntransport_url = rabbit://u:secret@h\n#mkisofs_cmd = no\nmkisofs_cmd = /usr/bin/mkisofs\n"
    )
    facts = collect(tmp_path)
    assert facts.files["mkisofs_cmd"] == "/usr/bin/mkisofs"
    assert "secret" not in dump_facts(facts)
