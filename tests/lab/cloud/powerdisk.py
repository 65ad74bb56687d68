"""Runs inside: the root of the POWER machine, made bootable, and its disk."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from configuration import ADDRESS, Settings, nova, written
from control import say

ROOT = Path("/laboratory/power")
COMPUTE = Path("/laboratory/compute")
DISK = Path("/laboratory/power.raw")
INITRAMFS = Path("/laboratory/power.initramfs")
KEY = Path("/laboratory/power-key")
HOST = "power1"
MACHINE, GATEWAY = "10.0.3.2", "10.0.3.1"
"""The machine's address, and that of the laboratory's end of the cable."""
VNC_PROXY, SERIAL_PROXY = 6080, 6083
"""The ports of nova's proxies, which are their own defaults."""

_SIZE = "14G"
_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")
_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules.order); do /bin/busybox insmod "/modules/$module"; done
until [ -b /dev/vda ]; do /bin/busybox sleep 1; done
/bin/busybox mount -t ext4 -o noatime /dev/vda /root
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /lib/systemd/systemd
"""
# The packages enabled none: deb-systemd-helper does nothing in that root.
_AT_BOOT = ("systemd-networkd.service", "ssh.service")
_PROGRAMS = "/opt/nova/bin"
"""Of nova, as pip installs it."""
_NOVA_UNIT = f"""[Unit]
Requires=libvirtd.service
After=libvirtd.service
[Service]
Type=notify
User=nova
ExecStart={_PROGRAMS}/nova-compute
Environment=PATH={_PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin
LimitNOFILE=65535
# Its imports alone take minutes on an emulated machine, where others work beside it.
TimeoutStartSec=900
"""
_LIBVIRT_UNIT = """[Unit]
Requires={needs}
After={needs}
[Service]
ExecStart=/usr/sbin/{program}
KillMode=process
"""
_SUDOERS = f"""Defaults:nova secure_path = {_PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin
nova ALL = (root) NOPASSWD: {_PROGRAMS}/nova-rootwrap /etc/nova/rootwrap.conf *
"""


def settings(kind: str = "kvm") -> Settings:
    """nova-compute's of the POWER machine; ``kind`` is nova's virt_type."""
    found = nova(
        host=HOST,
        my_ip=MACHINE,
        compute_driver="libvirt.LibvirtDriver",
        report_interval="5",
        # An emulated machine needs its time.
        rpc_response_timeout="180",
        block_device_allocate_retries="300",
    )
    for section in ("database", "api_database", "conductor", "scheduler"):
        del found[section]
    return {
        **found,
        "libvirt": {"virt_type": kind, "inject_partition": "-2"},
        "vnc": {
            "server_listen": "0.0.0.0",
            "server_proxyclient_address": MACHINE,
            "novncproxy_base_url": f"http://{ADDRESS}:{VNC_PROXY}/vnc_auto.html",
        },
        "serial_console": {
            "enabled": "true",
            "base_url": f"ws://{ADDRESS}:{SERIAL_PROXY}/",
            "proxyclient_address": MACHINE,
        },
    }


def files() -> dict[str, str]:
    """What is written into the root, by path."""
    return {
        "etc/hostname": f"{HOST}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {HOST}\n{ADDRESS} control\n",
        "etc/fstab": "/dev/vda / ext4 noatime 0 0\ntmpfs /tmp tmpfs defaults 0 0\n",
        "etc/systemd/network/cable.network": (
            f"[Match]\nName=e*\n[Network]\nAddress={MACHINE}/24\nGateway={GATEWAY}\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        ),
        # Without it the machine's KVM is not there: nothing loads it.
        "etc/modules-load.d/kvm_hv.conf": "kvm_hv\n",
        "etc/libvirt/qemu.conf": 'security_driver = "none"\n',
        "etc/libvirt/libvirtd.conf": (
            'host_uuid_source = "machine-id"\nunix_sock_group = "libvirt"\nunix_sock_rw_perms = "0770"\n'
            'auth_unix_rw = "none"\n'
        ),
        "etc/machine-id": hashlib.sha256(HOST.encode()).hexdigest()[:32] + "\n",
        "etc/nova/nova.conf": written(settings()),
        "etc/systemd/system/nova-compute.service": _NOVA_UNIT,
        "etc/systemd/system/libvirtd.service": _LIBVIRT_UNIT.format(needs="virtlogd.service", program="libvirtd"),
        "etc/systemd/system/virtlogd.service": _LIBVIRT_UNIT.format(needs="dbus.socket", program="virtlogd"),
        "etc/sudoers.d/nova": _SUDOERS,
        "root/.ssh/authorized_keys": Path(f"{KEY}.pub").read_text(),
    }


def kernel() -> Path:
    """The kernel of the root."""
    return max(ROOT.glob("boot/vmlinux-*"))


def main() -> None:
    """Make the disk, unless it is there and of this root."""
    if not KEY.exists():
        subprocess.run(
            ["chroot", str(COMPUTE), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"/root/{KEY.name}"],
            check=True,
        )
        for name in (KEY.name, f"{KEY.name}.pub"):
            shutil.move(COMPUTE / "root" / name, KEY.parent / name)
    wanted = written_down()
    stamp = DISK.with_suffix(".made")
    if stamp.is_file() and stamp.read_text() == wanted and DISK.exists():
        return
    stamp.unlink(missing_ok=True)
    for path, text in files().items():
        file = ROOT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (ROOT / "root/.ssh").chmod(0o700)
    enable_units()
    make_initramfs()
    say("initramfs")
    DISK.unlink(missing_ok=True)
    with DISK.open("wb"):
        pass
    subprocess.run(["truncate", "-s", _SIZE, str(DISK)], check=True)
    options = ("-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-d", str(ROOT))
    subprocess.run(["mke2fs", *options, str(DISK)], check=True)
    stamp.write_text(wanted)
    say("disk")


def written_down() -> str:
    """What the disk is made of: the root's packages, and the files."""
    text = (ROOT / "etc/lab-root").read_text() + repr(files()) + _INIT
    return hashlib.sha256(text.encode()).hexdigest()


def enable_units() -> None:
    """Have the units start at boot, and no others."""
    folder = ROOT / "etc/systemd/system/multi-user.target.wants"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _AT_BOOT:
        (folder / name).symlink_to(f"/lib/systemd/system/{name}")


def make_initramfs() -> None:
    """What mounts the disk: busybox, a few drivers and a script. update-initramfs takes minutes under emulation."""
    version = kernel().name.partition("-")[2]
    folder = INITRAMFS.with_suffix(".folder")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    (folder / "modules").mkdir()
    shutil.copy(ROOT / "usr/bin/busybox", folder / "bin/busybox")
    paths = list(modules(version))
    for path in paths:
        shutil.copy(path, folder / "modules")
    (folder / "modules.order").write_text("".join(f"{path.name}\n" for path in paths))
    init = folder / "init"
    init.write_text(_INIT)
    init.chmod(0o755)
    subprocess.run(["mknod", "console", "c", "5", "1"], check=True, cwd=_made(folder / "dev"))
    names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
    with INITRAMFS.open("wb") as out:
        archiver = [str(ROOT / "usr/bin/busybox"), "cpio", "-o", "-H", "newc"]
        subprocess.run(archiver, check=True, cwd=folder, input=names.encode(), stdout=out, stderr=subprocess.DEVNULL)
    shutil.rmtree(folder)


def modules(version: str) -> Iterator[Path]:
    """The drivers, each behind those that it needs."""
    folder = ROOT / "lib/modules" / version
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    built_in = {Path(line).stem for line in (folder / "modules.builtin").read_text().splitlines()}
    given: set[str] = set()
    # ext4 wants its checksums by another name than the module's.
    for name in ("crc32c_generic", *_MODULES):
        if name in built_in:
            continue
        (path,) = [one for one in needs if Path(one).stem == name]
        for one in (*reversed(needs[path]), path):
            if one not in given:
                given.add(one)
                yield folder / one


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
