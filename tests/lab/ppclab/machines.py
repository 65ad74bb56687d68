"""The roots of the machines beside the control plane: an emulated POWER machine, and a node that emulates."""

from ppclab.roots import RootRecipe

POWER = RootRecipe(
    "power",
    "ppc64el",
    (
        *("systemd-sysv", "udev", "dbus", "kmod", "procps", "iproute2", "openssh-server", "sudo"),
        *("linux-image-powerpc64le", "initramfs-tools", "zstd"),
        # nova-compute-kvm of ppc64el depends on QEMU for x86, and not on the one for POWER.
        *("qemu-system-ppc", "qemu-utils", "libvirt-daemon-system", "libvirt-clients", "nova-compute-kvm"),
        # A recommendation only: without it there is no config drive.
        "genisoimage",
        # Hot-plug in a guest of pseries, whose image is made of this root; drmgr is in the first.
        *("powerpc-utils", "busybox-static"),
        *("nfs-common", "rpm", "python3-pip", "python3-venv"),
    ),
    # The second does something in updates alone, and tzdata calls it some hundred times. Units: cloud/powerdisk.py.
    unused=("/usr/sbin/update-initramfs", "/usr/bin/dpkg-maintscript-helper", "/usr/bin/deb-systemd-helper"),
    # Where Debian mirrors its security updates, the index of ppc64el is often out of step with its checksum.
    security=False,
)
"""A compute node of Debian's packages."""

COMPUTE = RootRecipe(
    "compute",
    "amd64",
    (
        *("procps", "iproute2", "openssh-client", "e2fsprogs", "nfs-ganesha-vfs"),
        *("qemu-system-ppc", "qemu-utils", "libvirt-daemon-system", "libvirt-clients", "nova-compute-kvm"),
        "genisoimage",
    ),
)
"""What runs on this machine: the POWER machine's QEMU, the server of its volumes, and a node that emulates."""
