"""Runs inside: the emulated POWER machine, the cable to it, its volumes' server, and nova-compute on it.

powermachine.py boot             the machine, until it takes commands by ssh
powermachine.py compute          nova-compute on it, until the cloud can use it
powermachine.py run CMD...       a command on it, as root
powermachine.py equip RPM...     what ppcdeps planned and built, from /laboratory/planned, where RPM are paths
powermachine.py install RPM...   further RPMs of that folder
powermachine.py put FILE PATH    a file of that folder as that one
powermachine.py fetch PATH...    copies of its folders, without bytecode and unit tests, to /laboratory/fetched
powermachine.py stop
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from configuration import SHARE
from control import say
from node import hosts
from powerdisk import COMPUTE, DISK, GATEWAY, HOST, INITRAMFS, KEY, MACHINE, kernel
from processes import is_running, start, stop, succeeds, wait_for

QEMU = "power-machine"
PACKAGES = f"http://{GATEWAY}:8000"
"""Where the machine has its packages from."""
_MEMORY, _PROCESSORS = "6G", "2"
_GANESHA = f"""
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = 2049; Enable_NLM = false; Enable_RQUOTA = false; }}
NFSV4 {{ Lease_Lifetime = 10; Graceless = true; }}
EXPORT {{
  Export_Id = 1; Path = {SHARE.partition(":")[2]}; Pseudo = {SHARE.partition(":")[2]};
  Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL {{ Name = VFS; }}
  # cinder extends the files behind its back, and what it remembers of their size is a minute old.
  Attr_Expiration_Time = 0;
}}
"""
_PROXY = "from nova.cmd.{} import main; main()"


def main() -> int:
    """Do what the command line says. Returns the exit code."""
    verb, *words = sys.argv[1:]
    match verb:
        case "boot":
            boot()
        case "compute":
            compute()
        case "stop":
            stop(QEMU)
        case "equip":
            equip(words)
        case "install":
            install(words)
        case "put":
            put(*words)
        case "fetch":
            fetch(words)
        case "run":
            return subprocess.run(ssh(*words), check=False).returncode
    return 0


def boot() -> None:
    """Start the machine, unless it runs. Raises TimeoutError where it does not come up."""
    enter()
    serve_volumes()
    serve_consoles()
    if not is_running(QEMU):
        lay_cable()
        Path("/laboratory/power-console.log").unlink(missing_ok=True)
        start(QEMU, "root", in_compute(*emulator()))
    wait_for("ssh on the POWER machine", lambda: succeeds(*ssh("true")), 900)
    say("ssh")


def compute() -> None:
    """Start nova-compute, unless it runs, and wait until its host has a cell."""
    if not succeeds(*ssh("systemctl", "is-active", "--quiet", "nova-compute")):
        subprocess.run(ssh("systemctl", "start", "nova-compute"), check=True)
    say("nova-compute started")
    wait_for(f"cell of {HOST}", has_cell, 600)
    say("in its cell")


def has_cell() -> bool:
    """Whether the cloud can use the machine. Raises RuntimeError where nova-compute has ended."""
    if not succeeds(*ssh("systemctl", "is-active", "--quiet", "nova-compute")):
        raise RuntimeError("nova-compute has ended: journalctl -u nova-compute, on the machine, says why")
    return HOST in hosts()


def enter() -> None:
    """Mount what programs in the root for this machine's architecture need."""
    if (COMPUTE / "proc/self").exists():
        return
    for name in ("proc", "sys", "dev", "laboratory", "srv/nfs"):
        (COMPUTE / name).mkdir(parents=True, exist_ok=True)
    for kind, *words in (
        ("-t", "proc", "proc", "proc"),
        ("--rbind", "/sys", "sys"),
        ("--rbind", "/dev", "dev"),
        ("-t", "tmpfs", "-o", "mode=755", "tmpfs", "run"),
        ("--bind", "/laboratory", "laboratory"),
        ("--bind", "/srv/nfs", "srv/nfs"),
    ):
        *options, place = words
        subprocess.run(["mount", kind, *options, str(COMPUTE / place)], check=True)


def in_compute(*command: str) -> list[str]:
    """The command line that runs a command in that root."""
    return ["chroot", str(COMPUTE), *command]


def serve_volumes() -> None:
    """Serve cinder's share over NFS, by a program: not every kernel has a server."""
    if is_running("ganesha"):
        return
    for folder in ("run/ganesha", "etc/ganesha"):
        (COMPUTE / folder).mkdir(parents=True, exist_ok=True)
    (COMPUTE / "etc/ganesha/ganesha.conf").write_text(_GANESHA)
    options = ("-F", "-L", "/laboratory/logs/ganesha-nfsd.log", "-f", "/etc/ganesha/ganesha.conf")
    start("ganesha", "root", in_compute("ganesha.nfsd", *options))


def serve_consoles() -> None:
    """nova's proxies for the screens and the serial consoles of guests."""
    page = Path("/var/lib/nova/page")  # a browser's, which none is here
    page.mkdir(parents=True, exist_ok=True)
    for name, options in (("novncproxy", ("--web", str(page))), ("serialproxy", ())):
        if not is_running(name):
            program = ["python3", "-c", _PROXY.format(name), "--config-file", "/etc/nova/nova.conf"]
            start(name, "nova", [*program, *options])


def lay_cable() -> None:
    """A tap device: the machine and the laboratory reach each other as on a network."""
    if Path("/sys/class/net/cable").exists() or succeeds("ip", "link", "show", "cable"):
        return
    for words in (
        ("tuntap", "add", "dev", "cable", "mode", "tap"),
        ("addr", "add", f"{GATEWAY}/24", "dev", "cable"),
        ("link", "set", "cable", "up"),
    ):
        subprocess.run(["ip", *words], check=True)


def emulator() -> list[str]:
    """QEMU's command line. The machine's KVM is by the hypervisor calls for nested guests, which QEMU emulates."""
    accelerator = ("-accel", "tcg,thread=multi", "-cpu", "power9", "-smp", _PROCESSORS, "-m", _MEMORY)
    return [
        *("qemu-system-ppc64", "-M", "pseries,cap-nested-hv=on", *accelerator),
        *("-nodefaults", "-display", "none", "-vga", "none"),
        *("-serial", "file:/laboratory/power-console.log"),
        *("-kernel", str(kernel()), "-initrd", str(INITRAMFS)),
        *("-append", "console=hvc0 net.ifnames=0 mitigations=off"),
        *("-drive", f"if=virtio,format=raw,file={DISK},cache=unsafe,discard=unmap"),
        *("-netdev", "tap,id=cable,ifname=cable,script=no,downscript=no", "-device", "virtio-net-pci,netdev=cable"),
        *("-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"),
    ]


def served() -> None:
    """Serve the folder of packages over HTTP, as a local repository is."""
    if not is_running("packages"):
        place = ("--bind", GATEWAY, "--directory", "/laboratory/planned")
        start("packages", "root", ["python3", "-m", "http.server", *place, PACKAGES.rpartition(":")[2]])


def install(packages: Sequence[str]) -> None:
    """Install RPMs. Raises CalledProcessError where one needs what is not there."""
    for package in packages:
        place = f"/root/{Path(package).name}"
        put(package, place)
        subprocess.run(ssh("rpm", "--upgrade", "--replacepkgs", "--force-debian", place), check=True)


def put(file: str, place: str) -> None:
    """Copy a file of the folder of packages to the machine. Raises CalledProcessError."""
    with Path("/laboratory/planned", file).open("rb") as content:
        subprocess.run(ssh("sh", "-c", f"cat > {shlex.quote(place)}"), stdin=content, check=True)


def fetch(paths: Sequence[str]) -> None:
    """Copy folders from the machine. Raises CalledProcessError."""
    folder = Path("/laboratory/fetched")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    left_out = ("--exclude=__pycache__", "--exclude=tests/unit", "--exclude=tests/functional")
    packing = ssh("tar", "--directory", "/", *left_out, "--create", *(path.lstrip("/") for path in paths))
    with subprocess.Popen(packing, stdout=subprocess.PIPE) as sender:
        subprocess.run(["tar", "--directory", str(folder), "--extract"], stdin=sender.stdout, check=True)
    if sender.returncode:
        raise subprocess.CalledProcessError(sender.returncode, packing)


def equip(packages: Sequence[str]) -> None:
    """Install libvirt, QEMU and nova, unless it is done. Raises CalledProcessError."""
    served()
    if succeeds(*ssh("test", "-e", "/opt/nova/installed")):
        return
    with (Path(__file__).parent / "install-node.sh").open("rb") as script:
        subprocess.run(ssh("sh", "-s", PACKAGES, *packages), stdin=script, check=True)


def ssh(*command: str) -> list[str]:
    """The command line that runs a command on the machine."""
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10")
    return in_compute("ssh", "-q", "-i", str(KEY), *options, f"root@{MACHINE}", shlex.join(command))


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
