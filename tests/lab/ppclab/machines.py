"""The roots of the machines beside the control plane: an emulated POWER machine, and a node that emulates."""

from ppclab.roots import RootRecipe

OF_DEBIAN = ("bcrypt", "cryptography", "libvirt", "lxml", "nacl", "numpy", "six")
"""Distributions of Debian's python3-NAME, whose Rust or Fortran is out of reach here, and libvirt's own."""

LIBRARIES = (
    *("qemu-system-data", "seabios", "ipxe-qemu", "libjson-c5", "libtirpc3", "libxml2", "libyajl2"),
    *("libaio1", "libcap-ng0", "libcapstone4", "libcurl3-gnutls", "libfdt1", "libglib2.0-0", "libgnutls30"),
    *("libnl-3-200", "libnl-route-3-200", "libnuma1", "liblzo2-2", "libpixman-1-0", "libpng16-16", "librados2"),
    *("librbd1", "libsasl2-2", "libseccomp2", "libselinux1", "libslirp0", "libsnappy1v5", "libusb-1.0-0"),
)
"""Libraries and firmware of QEMU and libvirt."""

POWER = RootRecipe(
    "power",
    "ppc64el",
    (
        *("systemd-sysv", "udev", "dbus", "kmod", "procps", "iproute2", "openssh-server", "sudo"),
        *("linux-image-powerpc64le", "initramfs-tools", "zstd"),
        # A recommendation only: without it there is no config drive.
        "genisoimage",
        # Hot-plug in a guest of pseries, whose image is made of this root; drmgr is in the first.
        *("powerpc-utils", "busybox-static"),
        *("nfs-common", "rpm", "python3-pip", "python3-venv"),
        # What stays Debian's.
        *(f"python3-{name}" for name in OF_DEBIAN),
        *LIBRARIES,
    ),
    # The second does something in updates alone, and tzdata calls it some hundred times. Units: cloud/powerdisk.py.
    unused=("/usr/sbin/update-initramfs", "/usr/bin/dpkg-maintscript-helper", "/usr/bin/deb-systemd-helper"),
    # Where Debian mirrors its security updates, the index of ppc64el is often out of step with its checksum.
    security=False,
)
"""A compute node without QEMU, libvirt and nova: ppcdeps brings these."""

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
