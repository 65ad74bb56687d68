"""Runs inside: a compute node on this machine that emulates POWER: libvirt and nova-compute of its own root."""

import hashlib

from configuration import ADDRESS, Settings, nova, written
from control import say
from node import hosts
from powerdisk import COMPUTE, SERIAL_PROXY, VNC_PROXY
from powermachine import enter, in_compute, serve_consoles
from processes import is_running, start, succeeds, wait_for

HOST = "emulator"
_QEMU = """
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
"""
_LIBVIRTD = """
auth_unix_rw = "none"
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
host_uuid_source = "machine-id"
"""


def settings() -> Settings:
    """nova-compute's."""
    found = nova(host=HOST, compute_driver="libvirt.LibvirtDriver", block_device_allocate_retries="300")
    for section in ("database", "api_database", "conductor", "scheduler"):
        del found[section]
    return {
        **found,
        "libvirt": {"virt_type": "qemu", "cpu_mode": "none", "inject_partition": "-2"},
        "vnc": {
            "server_listen": "127.0.0.1",
            "server_proxyclient_address": "127.0.0.1",
            "novncproxy_base_url": f"http://{ADDRESS}:{VNC_PROXY}/vnc_auto.html",
        },
        "serial_console": {"enabled": "true", "base_url": f"ws://{ADDRESS}:{SERIAL_PROXY}/"},
    }


def main() -> None:
    """Bring the node up, unless it is."""
    if is_running("emulator-compute") and HOST in hosts():
        return
    enter()
    serve_consoles()
    for path, text in (
        ("etc/libvirt/qemu.conf", _QEMU),
        ("etc/libvirt/libvirtd.conf", _LIBVIRTD),
        ("etc/machine-id", hashlib.sha256(HOST.encode()).hexdigest()[:32] + "\n"),
        ("etc/nova/nova.conf", written(settings())),
        ("etc/hosts", f"127.0.0.1 localhost\n{ADDRESS} control\n"),
        # Not every kernel has an NFS client. nova mounts the share at an attach, and takes it off at the last detach.
        ("usr/sbin/mount.nfs", '#!/bin/sh\nexec mount --bind /srv/nfs "$2"\n'),
    ):
        (COMPUTE / path).write_text(text)
    (COMPUTE / "usr/sbin/mount.nfs").chmod(0o755)
    start("virtlogd", "root", in_compute("virtlogd"))
    start("libvirtd", "root", in_compute("libvirtd"))
    wait_for("libvirt", lambda: succeeds(*in_compute("virsh", "-c", "qemu:///system", "version")))
    say("libvirt")
    as_nova = ("setpriv", "--reuid=nova", "--regid=nova", "--init-groups", "nova-compute")
    start("emulator-compute", "root", in_compute(*as_nova), {"HOME": "/var/lib/nova"})
    wait_for(f"cell of {HOST}", lambda: HOST in hosts(), 300)
    say("in its cell")


if __name__ == "__main__":
    main()
