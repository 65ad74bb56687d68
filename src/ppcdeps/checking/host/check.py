"""Whether a POWER host can be a compute node: its processor, kernel, KVM, memory, QEMU and libvirt."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ppcdeps.checking.findings import Examined, Finding, Report, Severity, Skipped
from ppcdeps.checking.host.hostfacts import ISO_PROGRAMS, ISO_SETTING, MODULES, SIBLINGS, HostFacts
from ppcdeps.checking.host.powerfacts import HostDistribution, KernelOption, Processor, power_facts
from ppcdeps.checking.rules import finding
from ppcdeps.model.evr import compare_versions
from ppcdeps.planning.nova import NovaFacts

POWER_MACHINES = ("ppc64le", "ppc64")

_PVR = re.compile(r"pvr ([0-9a-f]{4}) ")
# Begins where digits begin: it takes linear time for any text.
_VERSION = re.compile(r"(?<!\d)\d++\.\d++(?:\.\d++)*+")
_DEVICE = re.compile(r'^name "([^"]+)"(?:.*?alias "([^"]+)")?', re.MULTILINE)
_EMULATED = ["[libvirt]", "virt_type = qemu", "cpu_mode = none"]
_AT_BOOT = "echo kvm_hv > /etc/modules-load.d/kvm_hv.conf"
_WITH_KVM = "or a distribution that has it: AlmaLinux 9.6 and newer, AlmaLinux 10, Debian 12"


@dataclass(frozen=True, slots=True)
class HostPurpose:
    """What the host is to run: a target by name, the processor that it is compiled for, and nova's version.

    Each is empty where it is not known.
    """

    target: str
    baseline: str
    nova: str = ""


def distribution_of(facts: HostFacts) -> HostDistribution | None:
    """What is known of the host's distribution; None where nothing is."""
    release = _os_release(facts)
    name, version = (release.get(key, "") for key in ("ID", "VERSION_ID"))
    return next(
        (one for one in power_facts().distributions if name in one.ids and version.partition(".")[0] == one.version),
        None,
    )


def nova_of(facts: HostFacts) -> str:
    """The version of nova that the host has as a package; empty where it has none."""
    found = _VERSION.search(facts.programs.get("nova version", "").rpartition(":")[2])
    return found[0] if found else ""


def check_host(facts: HostFacts, wanted: HostPurpose, nova: NovaFacts, subject: str) -> Report:
    """What keeps the host from being a compute node of this kind. ``subject`` says whose facts these are."""
    check = _Check(facts, wanted, nova)
    findings = list(check.run())
    purpose = [f"{wanted.target} ({wanted.baseline})"] if wanted.target else []
    purpose += [f"nova {wanted.nova}"] if wanted.nova else []
    title = f"{subject}, for {' and '.join(purpose)}" if purpose else subject
    return Report.of("host", title, findings, [Examined("facts", check.seen)], check.skipped)


def _os_release(facts: HostFacts) -> dict[str, str]:
    lines = (facts.file("/etc/os-release") or "").splitlines()
    return {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines if "=" in line)}


def _cpuinfo(text: str) -> dict[str, str]:
    """The last value of each name: the machine's own come behind those of the threads."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


class _Check:
    def __init__(self, facts: HostFacts, wanted: HostPurpose, nova: NovaFacts) -> None:
        self._facts = facts
        self._wanted = wanted
        self._nova = nova
        self._power = power_facts()
        self._cpuinfo = _cpuinfo(facts.file("/proc/cpuinfo") or "")
        self.skipped: list[Skipped] = []
        self.seen = 0

    def run(self) -> Iterator[Finding]:
        if self._facts.machine in POWER_MACHINES:
            processor = self._processor()
            yield from self._isa(processor)
            yield from self._kvm()
            yield from self._options(processor)
            yield from self._smt(processor)
            yield from self._mmu(processor)
            yield from self._contiguous(processor)
            yield from self._huge_pages()
        else:
            machine = self._facts.machine or "of an unknown architecture"
            yield finding(
                "host-architecture",
                f"this machine is {machine}, not a POWER host",
                "uname -m",
                fix=[
                    "ppcdeps check host --collect facts.json  # on the host",
                    "ppcdeps check host --from facts.json  # anywhere",
                ],
            )
            for what in ("processor", "KVM", "kernel options", "SMT", "memory for guests"):
                self._skip(what, f"this machine is {machine}")
        yield from self._emulator()
        yield from self._libvirt()
        yield from self._config_drive()
        if unknown := self._nova.why_unknown(self._wanted.nova):
            self._skip(f"what is new in nova {self._wanted.nova}", unknown)

    def _skip(self, what: str, why: str) -> None:
        self.skipped.append(Skipped(what, why))

    # --- processor -----------------------------------------------------------------------------------------

    def _processor(self) -> Processor | None:
        """The processor, by its version register, else by its name; None where neither is known."""
        found = _PVR.search(self._cpuinfo.get("revision", ""))
        if found:
            known = next((one for one in self._power.processors if found[1] in one.pvr), None)
            if known:
                return known
        name = self._cpuinfo.get("cpu", "").split()
        first = name[0].rstrip(",") if name else ""
        names = sorted((one.name for one in self._power.processors), key=len, reverse=True)
        return self._power.named(next((one for one in names if first.startswith(one)), ""))

    def _isa(self, processor: Processor | None) -> Iterator[Finding]:
        baseline = self._power.named(self._wanted.baseline)
        if baseline is None:
            reason = f"nothing is known of {self._wanted.baseline}, which {self._wanted.target} is for"
            if not self._wanted.target:
                reason = "what the programs of its distribution are compiled for is not known: name a target"
            self._skip("processor", reason)
            return
        bits = self._facts.auxv.get("HWCAP2")
        age, wanted = self._power.age_of(processor.name) if processor else None, self._power.age_of(baseline.name)
        if bits is None and age is None:
            self._skip("processor", "neither HWCAP2 nor /proc/cpuinfo says what it is")
            return
        self.seen += 1
        # What the kernel says of the instruction set counts: a partition may run in the mode of an older processor.
        lacks = bits & baseline.hwcap2 != baseline.hwcap2 if bits is not None else (age or 0) < (wanted or 0)
        if lacks:
            name = processor.name if processor else "the processor"
            yield finding(
                "host-isa",
                f"CPU lacks ISA {baseline.isa}: {self._wanted.target} is built for {baseline.name}, {name} is older",
                "HWCAP2" if bits is not None else "/proc/cpuinfo",
                detail=[f"HWCAP2 is {bits:#x}"] if bits is not None else [],
                fix=["a distribution for POWER8: almalinux-8, or Debian 12"] if baseline.name == "POWER9" else [],
            )

    # --- kernel ----------------------------------------------------------------------------------------------

    def _config(self) -> dict[str, str] | None:
        text = self._facts.file("kernel config")
        if text is None:
            return None
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def _kvm(self) -> Iterator[Finding]:
        exists = self._facts.exists
        if not exists:
            self._skip("KVM", "the facts do not say which modules there are")
            return
        self.seen += 1
        if exists.get("/sys/module/kvm_hv") and exists.get("/dev/kvm"):
            yield from self._after_boot()
            return
        if exists.get("/sys/module/kvm_pr"):
            yield finding(
                "host-kvm-pr", "KVM runs as kvm_pr, not kvm_hv", "/sys/module/kvm_pr", fix=["modprobe kvm_hv"]
            )
            return
        config = self._config()
        if config is not None and "CONFIG_KVM_BOOK3S_64" not in config:
            return  # reported with the kernel's options
        detail = []
        if config is None:
            known = distribution_of(self._facts)
            detail = [known.reason] if known and not known.kvm else []
        if self._is_partition():
            detail.append(
                "this is a partition (pSeries): kvm_hv needs bare metal, or KVM in PowerVM on POWER10 and newer"
            )
        yield finding(
            "host-kvm-module",
            "kvm_hv is not loaded" if not exists.get("/sys/module/kvm_hv") else "there is no /dev/kvm",
            "/sys/module/kvm_hv",
            detail=detail,
            fix=["modprobe kvm_hv", _AT_BOOT],
        )

    def _after_boot(self) -> Iterator[Finding]:
        """Whether kvm_hv, which is there now, is there after the next boot: nothing loads it by itself."""
        loaded = {line.split()[0] for line in (self._facts.file("/proc/modules") or "").splitlines() if line.strip()}
        if loaded and "kvm_hv" not in loaded:
            return  # it is built into the kernel
        modules = self._facts.file(MODULES)
        if modules is None:
            self._skip("modules that are loaded at boot", "the facts do not have what modules-load.d says")
            return
        self.seen += 1
        if "kvm_hv" not in {one.replace("-", "_") for one in modules.split()}:
            yield finding(
                "host-kvm-boot",
                "kvm_hv is loaded, and nothing in modules-load.d loads it at the next boot",
                "/etc/modules-load.d",
                fix=[_AT_BOOT],
            )

    def _options(self, processor: Processor | None) -> Iterator[Finding]:
        config = self._config()
        if config is None:
            self._skip("kernel options", "there is neither /proc/config.gz nor /boot/config-" + self._facts.kernel)
            return
        lacking = []
        for option in self._power.options:
            if not self._concerns(option, processor):
                continue
            self.seen += 1
            if config.get(option.option) not in ("y", "m"):
                lacking.append(option)
        kvm = [one for one in lacking if one.rule == "host-kvm-kernel"]
        known = distribution_of(self._facts)
        for option in [*kvm[:1], *(one for one in lacking if one not in kvm)]:
            by_kvm = option.rule == "host-kvm-kernel"
            yield finding(
                option.rule,
                f"{option.option} is not set: {option.reason}",
                f"kernel {self._facts.kernel}",
                detail=[known.reason] if by_kvm and known and not known.kvm else [],
                fix=[*_EMULATED, _WITH_KVM] if by_kvm else [],
            )

    def _concerns(self, option: KernelOption, processor: Processor | None) -> bool:
        if not option.first:
            return True
        if processor is None:
            return False
        age, first = self._power.age_of(processor.name), self._power.age_of(option.first)
        return age is not None and first is not None and age >= first

    def _smt(self, processor: Processor | None) -> Iterator[Finding]:
        if processor is None or processor.name != "POWER8":
            return
        is_on = self._has_threads()
        if is_on is None:
            self._skip("SMT", "neither thread_siblings_list nor smt/active under /sys/devices/system/cpu shows it")
            return
        self.seen += 1
        if is_on:
            yield finding(
                "host-smt",
                "SMT is on, and a POWER8 host with kvm_hv starts no guest then",
                "/sys/devices/system/cpu",
                detail=["guests have threads all the same: kvm_hv gives them whole cores"],
                fix=["ppc64_cpu --smt=off"],
            )

    def _has_threads(self) -> bool | None:
        """Whether a core of the host has more than one thread online; None where that is not known."""
        siblings = self._facts.file(SIBLINGS)
        if siblings:
            return any("," in line or "-" in line for line in siblings.splitlines())
        control, active = (self._facts.file(f"/sys/devices/system/cpu/smt/{name}") for name in ("control", "active"))
        # A kernel that does not implement the control says 0 of active in any case.
        if active is None or control is None or control.startswith("not"):
            return None
        return active.strip() == "1"

    # --- memory ----------------------------------------------------------------------------------------------

    def _is_partition(self) -> bool:
        """Whether a hypervisor is below the host: that decides on its MMU, and reserves the memory."""
        return self._cpuinfo.get("platform") == "pSeries"

    def _mmu(self, processor: Processor | None) -> Iterator[Finding]:
        mode = self._cpuinfo.get("MMU")
        age, radix = (self._power.age_of(name) for name in (processor.name if processor else "", "POWER9"))
        if mode is None or processor is None or age is None or radix is None or age < radix or self._is_partition():
            return
        self.seen += 1
        if mode.lower() == "hash":
            words = (self._facts.file("/proc/cmdline") or "").split()
            radix_off = any(word.startswith("disable_radix") for word in words)
            yield finding(
                "host-mmu",
                f"{processor.name} runs with the hash MMU",
                "/proc/cpuinfo",
                detail=["the kernel's command line says disable_radix"] if radix_off else [],
                fix=["grubby --update-kernel=ALL --remove-args=disable_radix"] if radix_off else [],
            )

    def _contiguous(self, processor: Processor | None) -> Iterator[Finding]:
        hashes = self._cpuinfo.get("MMU", "").lower() == "hash" or (processor and processor.name == "POWER8")
        if not hashes or self._is_partition():
            return
        memory = self._memory()
        if not memory:
            self._skip("contiguous memory (CMA)", "/proc/meminfo was not read")
            return
        self.seen += 1
        words = (self._facts.file("/proc/cmdline") or "").split()
        if memory.get("CmaTotal", 0) == 0:
            off = "kvm_cma_resv_ratio=0" in words
            yield finding(
                "host-cma",
                "no contiguous memory is reserved (CmaTotal is 0)" + (": kvm_cma_resv_ratio is 0" if off else ""),
                "/proc/meminfo",
                detail=["kvm_cma_resv_ratio is a percentage of the host's memory, 5 unless it is set"],
                fix=["grubby --update-kernel=ALL --args=kvm_cma_resv_ratio=5"],
            )

    def _huge_pages(self) -> Iterator[Finding]:
        memory = self._memory()
        if "HugePages_Total" not in memory:
            self._skip("huge pages", "/proc/meminfo does not mention them")
            return
        self.seen += 1
        if memory["HugePages_Total"] == 0:
            size = memory.get("Hugepagesize", 0) // 1024
            yield finding(
                "host-hugepages",
                "no huge pages are reserved" + (f" (of {size} MiB)" if size else ""),
                "/proc/meminfo",
                fix=["sysctl vm.nr_hugepages=N"],
            )

    def _memory(self) -> dict[str, int]:
        """/proc/meminfo: sizes in KiB, and counts."""
        found = re.findall(r"^(\w+):\s+(\d{1,18})\b", self._facts.file("/proc/meminfo") or "", re.MULTILINE)
        return {name: int(value) for name, value in found}

    # --- programs --------------------------------------------------------------------------------------------

    def _emulator(self) -> Iterator[Finding]:
        programs = self._facts.programs
        self.seen += 1
        machines = programs.get("qemu machines", "")
        known = distribution_of(self._facts)
        detail = [known.reason] if known and not known.kvm else []
        if "qemu" not in programs:
            yield finding(
                "host-qemu",
                "there is no QEMU for pseries guests",
                "PATH",
                detail=[*detail, *self._packaged("qemu", "reason")],
                fix=self._packaged("qemu", "command"),
            )
            return
        where = programs["qemu"]
        if not re.search(r"^pseries\b", machines, re.MULTILINE):
            yield finding("host-qemu", f"{where} has no pseries machine", where, detail=detail)
            return
        names = {name for found in _DEVICE.findall(programs.get("qemu devices", "")) for name in found if name}
        if not names:
            self._skip("QEMU's devices", f"{where} did not list them")
        else:
            self.seen += len(self._power.devices)
            lacking = [(name, reason) for name, reason in self._power.devices if name not in names]
            if lacking:
                yield finding(
                    "host-qemu-device",
                    f"{where} has no {', '.join(name for name, _ in lacking)}",
                    where,
                    detail=[f"{name}: {reason}" for name, reason in lacking],
                )
        yield from self._age("QEMU", "qemu version", "host-qemu-too-old", where)

    def _libvirt(self) -> Iterator[Finding]:
        self.seen += 1
        if "libvirt version" not in self._facts.programs:
            yield finding("host-libvirt", "there is no libvirt", "PATH")
            return
        yield from self._age("libvirt", "libvirt version", "host-libvirt-too-old", "libvirt")

    def _config_drive(self) -> Iterator[Finding]:
        exists, chosen = self._facts.exists, self._facts.file(ISO_SETTING)
        if not any(path in exists for path in ISO_PROGRAMS):
            self._skip("the program for config drives", "the facts do not say whether there is one")
            return
        self.seen += 1
        there = [path for path in ISO_PROGRAMS if exists.get(path)]
        called = f"/usr/bin/{chosen or 'genisoimage'}" if "/" not in (chosen or "") else chosen or ""
        if exists.get(called, called not in ISO_PROGRAMS):
            return  # what lies elsewhere was not looked for
        if not there:
            yield finding(
                "host-config-drive",
                "there is neither genisoimage nor mkisofs",
                "/usr/bin",
                detail=self._packaged("iso", "reason"),
                fix=self._packaged("iso", "command"),
            )
            return
        calls = f"nova's mkisofs_cmd is {chosen}" if chosen else "nova calls genisoimage unless mkisofs_cmd is set"
        yield finding(
            "host-config-drive",
            f"there is no {called}, but {there[0]}: {calls}",
            called,
            severity=None if chosen else Severity.ADVICE,
            detail=[] if chosen else ["no configuration of nova that could be read sets it"],
            fix=["[DEFAULT]", f"mkisofs_cmd = {there[0]}"],
        )

    def _packaged(self, what: str, part: str) -> list[str]:
        """The command that installs it on the host's distribution, or why it may be absent: none, or one."""
        release = _os_release(self._facts)
        ids = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
        known = next(
            (one for name in ids for one in self._power.packages if (one.what, one.id) == (what, name)), None
        )
        text = getattr(known, part) if known else ""
        return [text] if text else []

    def _age(self, what: str, key: str, rule: str, where: str) -> Iterator[Finding]:
        """Whether a program is too old for nova."""
        if not self._wanted.nova:
            self._skip(f"{what}'s oldest version", "which nova is to run is not known; say it with --nova")
            return
        minimum = self._nova.minimum_for(self._wanted.nova)
        found = _VERSION.search(self._facts.programs.get(key, ""))
        if minimum is None or found is None:
            why = (
                f"it is not known for nova {self._wanted.nova}"
                if minimum is None
                else f"{where} does not say its version"
            )
            self._skip(f"{what}'s oldest version", why)
            return
        self.seen += 1
        oldest = minimum.qemu if what == "QEMU" else minimum.libvirt
        if compare_versions(found[0], oldest) < 0:
            yield finding(
                rule,
                f"{what} {found[0]} is older than {oldest}, which nova {self._wanted.nova} needs",
                where,
                detail=[minimum.source],
            )
