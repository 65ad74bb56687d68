"""The raw facts of a compute node: collected there, saved in a file, judged on any machine."""

import contextlib
import gzip
import json
import os
import platform
import re
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppcdeps.base.named_files import read_named
from ppcdeps.base.programs import run_program
from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError

SCHEMA = 1
LARGEST = 4 * 2**20
"""Bytes, of any file of this machine that is read. /proc/cpuinfo of 192 threads has some 20 kB."""
TIMEOUT = 30
"""Seconds in which a program has to print its version."""

_FILES = (
    "/etc/os-release",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/modules",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/smt/active",
    "/sys/devices/system/cpu/smt/control",
)
SIBLINGS = "/sys/devices/system/cpu/*/topology/thread_siblings_list"
"""Under this name, the lists of all threads that are online, each once."""
ISO_PROGRAMS = ("/usr/bin/genisoimage", "/usr/bin/mkisofs", "/usr/bin/xorrisofs")
"""What makes config drives, nova's default first."""
MODULES = "modules-load.d"
"""Under this name, what the folders of modules-load.d(5) and the kernel's command line have loaded at boot."""
ISO_SETTING = "mkisofs_cmd"
"""Under this name, the program that nova's configuration names for config drives."""
_MODULE_FOLDERS = (
    "etc/modules-load.d",
    "run/modules-load.d",
    "usr/local/lib/modules-load.d",
    "usr/lib/modules-load.d",
)
_NOVA_FILES = ("usr/share/nova/nova-dist.conf", "etc/nova/nova.conf", "etc/nova/nova-compute.conf")
"""In the order in which the services of RDO and Debian read them: the last one counts."""
_MOST_MODULE_FILES = 200
_ISO_COMMAND = re.compile(r"^mkisofs_cmd[ \t]*+[=:][ \t]*+(\S++)", re.MULTILINE)
_EXISTING = ("/dev/kvm", "/sys/module/kvm_hv", "/sys/module/kvm_pr", *ISO_PROGRAMS)
_KERNEL_WORDS = re.compile(
    r"(?:default_hugepagesz|disable_radix|hugepages|hugepagesz|kvm_cma_resv_ratio|modules[-_]load|nosmt|ppc64_cpu"
    r"|smt-enabled)(?:=\S*)?"
)
"""What of the kernel's command line is collected: the rest may hold secrets."""
_CONFIG = re.compile(
    r"^(?:# )?(CONFIG_(?:CMA|KVM\w*|PPC_RADIX_MMU\w*|TUN|VHOST\w*|VFIO\w*)(?:=\w+| is not set))$", re.MULTILINE
)
_EMULATORS = ("qemu-system-ppc64", "qemu-system-ppc64le", "/usr/libexec/qemu-kvm", "qemu-kvm")
"""The last two are for the machine that they are on."""
_AT_HWCAP, _AT_HWCAP2 = 16, 26
_LONGEST_NUMBER = 80
"""Characters: 64 binary digits and their prefix."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What was read of a host, and nothing concluded. What could not be read is missing.

    ``machine`` and ``kernel`` are uname's; ``files`` are texts by path; ``exists`` says of paths whether they are
    there; ``auxv`` has HWCAP and HWCAP2; ``programs`` has the outputs of programs by what they say: "qemu" (its
    path), "qemu version", "qemu machines", "qemu devices", "libvirt version", "nova version".
    """

    machine: str
    kernel: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    exists: Mapping[str, bool] = field(default_factory=dict)
    auxv: Mapping[str, int] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)

    def file(self, path: str) -> str | None:
        """The text of a file; None where it was not read."""
        return self.files.get(path)


def collect(root: Path = Path("/")) -> HostFacts:
    """Read the facts of this machine. Nothing is changed; programs are run for versions and lists only.

    ``root`` is where files are looked for.
    """
    kernel = platform.release()
    files = {path: text for path in _FILES if (text := _read(root / path[1:])) is not None}
    config = _kernel_config(root, kernel)
    if config is not None:
        files["kernel config"] = "\n".join(sorted(_CONFIG.findall(config))) + "\n"
    words = _read(root / "proc/cmdline")
    if words is not None:
        files["/proc/cmdline"] = " ".join(word for word in words.split() if _KERNEL_WORDS.fullmatch(word))
    siblings = {text for path in root.glob(SIBLINGS[1:]) if (text := _read(path)) is not None}
    if siblings:
        files[SIBLINGS] = "".join(sorted(siblings))
    modules = _modules_at_boot(root, files.get("/proc/cmdline", ""))
    if modules is not None:
        files[MODULES] = modules
    command = [one for file in _NOVA_FILES for one in _ISO_COMMAND.findall(_read(root / file) or "")]
    if command:
        files[ISO_SETTING] = command[-1]
    return HostFacts(
        machine=platform.machine(),
        kernel=kernel,
        files=files,
        exists={path: (root / path[1:]).exists() for path in _EXISTING},
        auxv=_auxv(root),
        programs=_programs(),
    )


def dump_facts(facts: HostFacts) -> str:
    """The facts as JSON text, keys sorted."""
    document = {
        "schema": SCHEMA,
        "machine": facts.machine,
        "kernel": facts.kernel,
        "files": dict(facts.files),
        "exists": dict(facts.exists),
        "auxv": {name: hex(value) for name, value in facts.auxv.items()},
        "programs": dict(facts.programs),
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def load_facts(file: Path) -> HostFacts:
    """Read facts that `dump_facts` wrote. Raises ConfigError where the file cannot be read, or is something else."""
    hint = "make one on the host with `ppcdeps check host --collect FILE`"
    content = read_named(file, "host_size", hint=hint)
    try:
        document = parse_json(content)
    except DocumentError as error:
        raise ConfigError(f"{file} has no collected facts: it {error}", hint=hint) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ConfigError(f"{file} has no collected facts of schema {SCHEMA}", hint=hint)
    faults: list[str] = []
    facts = HostFacts(
        machine=_field(document, "machine", str, faults),
        kernel=_field(document, "kernel", str, faults),
        files=_entries(document, "files", str, faults),
        exists=_entries(document, "exists", bool, faults),
        auxv={name: _number(name, text, faults) for name, text in _entries(document, "auxv", str, faults).items()},
        programs=_entries(document, "programs", str, faults),
    )
    if faults:
        raise ConfigError(f"{file} has no complete collected facts: {'; '.join(faults)}", hint=hint)
    return facts


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as opened:
            return opened.read(LARGEST).decode(errors="replace")
    except OSError:
        return None


def _modules_at_boot(root: Path, words: str) -> str | None:
    """The names of modules that are loaded at boot, a line each; None where there is no folder that would name any.

    A file in a folder that comes first hides those of its name in the others (modules-load.d(5)).
    """
    folders = [folder for name in _MODULE_FOLDERS if (folder := root / name).is_dir()]
    if not folders:
        return None
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.conf"))[:_MOST_MODULE_FILES]:
            files.setdefault(path.name, path)
    found = {line.strip() for path in files.values() for line in (_read(path) or "").splitlines()}
    for word in words.split():
        name, _, value = word.partition("=")
        if name.replace("_", "-") == "modules-load":
            found.update(value.split(","))
    named = sorted(one for one in found if one and not one.startswith(("#", ";")))
    return "".join(f"{one}\n" for one in named)


def _kernel_config(root: Path, kernel: str) -> str | None:
    with contextlib.suppress(OSError, EOFError, gzip.BadGzipFile), gzip.open(root / "proc/config.gz") as opened:
        return opened.read(LARGEST).decode(errors="replace")
    # /boot may be empty in a container, or readable by root alone; EL has a copy beside the modules.
    places = (root / "boot" / f"config-{kernel}", root / "lib" / "modules" / kernel / "config")
    return next((text for place in places if (text := _read(place)) is not None), None)


def _auxv(root: Path) -> dict[str, int]:
    """The auxiliary vector of this process: pairs of native longs (getauxval(3))."""
    try:
        content = (root / "proc/self/auxv").read_bytes()
    except OSError:
        return {}
    size = struct.calcsize("@LL")
    pairs = dict(struct.iter_unpack("@LL", content[: len(content) // size * size]))
    names = {"HWCAP": _AT_HWCAP, "HWCAP2": _AT_HWCAP2}
    return {name: pairs[key] for name, key in names.items() if key in pairs}


def _programs() -> dict[str, str]:
    outputs = {}
    emulator = next((found for name in _EMULATORS if (found := shutil.which(name))), None)
    if emulator is not None:
        outputs["qemu"] = emulator
        outputs["qemu version"] = _output([emulator, "--version"])
        outputs["qemu machines"] = _output([emulator, "-machine", "help"])
        outputs["qemu devices"] = _output([emulator, "-machine", "none", "-device", "help"])
    for command in (["libvirtd", "--version"], ["virtqemud", "--version"], ["virsh", "--version"]):
        program = _which(command[0])
        if program and (version := _output([program, *command[1:]])):
            outputs["libvirt version"] = version
            break
    queries = (
        ["rpm", "-q", "--qf", "%{VERSION}", "openstack-nova-compute"],
        ["dpkg-query", "-W", "-f", "${Version}", "nova-compute"],
    )
    for command in queries:
        program = _which(command[0])
        if program and (version := _output([program, *command[1:]])):
            outputs["nova version"] = version
            break
    return {name: text for name, text in outputs.items() if text}


def _which(name: str) -> str | None:
    # Daemons are in sbin, which is on the path of root alone.
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _output(command: list[str]) -> str:
    """What a program prints; empty where it fails."""
    try:
        done = run_program(command, seconds=TIMEOUT)
    except EnvironmentLacksError:
        return ""
    return done.output[:LARGEST].decode(errors="replace").strip() if done.is_well else ""


def _field(document: Mapping[str, Any], key: str, kind: type, faults: list[str]) -> Any:
    value = document.get(key)
    if not isinstance(value, kind):
        faults.append(f'"{key}" is missing or not a {"text" if kind is str else "table"}')
        return kind()
    return value


def _entries(document: Mapping[str, Any], key: str, kind: type, faults: list[str]) -> dict[str, Any]:
    value = _field(document, key, dict, faults)
    if not all(isinstance(one, kind) for one in value.values()):
        faults.append(f'"{key}" has a value that is not a {"text" if kind is str else "boolean"}')
        return {}
    return dict(value)


def _number(name: str, text: str, faults: list[str]) -> int:
    try:
        number = int(text, 0) if len(text) <= _LONGEST_NUMBER else -1
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64:
        faults.append(f'"auxv" has no number for {name}')
        return 0
    return number
