"""The test guest: what it is made of, and what its console says."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest
from cloudworld import elf_of, write_guest_root

from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.checking.node.console import parse_console
from ppcdeps.checking.node.explanations import fault_texts
from ppcdeps.checking.node.guestimage import make_guest
from ppcdeps.checking.rules import rule
from ppcdeps.model.errors import ConfigError


@pytest.mark.skipif(shutil.which("cpio") is None, reason="there is no cpio to read the archive with")
def test_cpio_reads_what_the_guest_has_in_its_memory(tmp_path: Path) -> None:
    guest = make_guest(RootFileSystem(write_guest_root(tmp_path / "root")))
    assert guest.kernel == b"a kernel"  # the newest of two
    read = subprocess.run(
        ["cpio", "-it", "--quiet"], input=gzip.decompress(guest.ramdisk), capture_output=True, check=True
    )
    assert {"init", "bin/busybox", "sbin/poweroff", "dev/console"} <= set(read.stdout.decode().split())


def test_a_busybox_for_another_machine_is_refused(tmp_path: Path) -> None:
    root = write_guest_root(tmp_path / "root")
    (root / "usr" / "bin" / "busybox").write_bytes(elf_of(62))
    with pytest.raises(ConfigError, match="is for x86_64, not for ppc64le"):
        make_guest(RootFileSystem(root))


def test_a_console_says_what_happened_since_the_last_boot() -> None:
    state = parse_console(
        "ppcdeps-guest: up first ppc64le tick 5\nppcdeps-guest: tick 7\nppcdeps-guest: disk vdc 512 foreign\n"
        "SLOF\r\nppcdeps-guest: up second ppc64le tick 5\r\nppcdeps-guest: tick 1\r\n"
        "ppcdeps-guest: disk vda 1024 has a-mark\r\nppcdeps-guest: disk vdb 2048 written mark\r\n"
        "ppcdeps-guest: disk vda removed\r\nppcdeps-guest: key 30\r\n"
    )
    assert (state.boot, state.ticks, state.tick, state.keys) == ("second", 1, 5.0, ("30",))
    assert {name: (disk.size, disk.mark, disk.written) for name, disk in state.disks.items()} == {
        "vdb": (2048, "mark", True)
    }
    assert not parse_console("FAKE CONSOLE OUTPUT\nppcdeps-guest: up\n").speaks


def test_every_known_fault_names_a_rule() -> None:
    assert fault_texts()
    for one in fault_texts():
        assert rule(one.rule).reason
