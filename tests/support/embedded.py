"""A libvirt whose QEMU driver runs inside virsh: built or installed, no daemon, a state folder of its own."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from xml.etree import ElementTree

from libvirtbuild import environment

SETTINGS = """
stdio_handler = "file"
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
"""
MARK = "that-was-all"
PATIENCE = 180
"""Seconds after which a guest under TCG is surely stuck. Nothing waits for it that works."""


@dataclass(frozen=True)
class Domains:
    """A state folder of the embedded driver: definitions, logs, the capabilities of the QEMU binaries.

    Without a build, the installed libvirt is used.
    """

    build: Path | None
    folder: Path

    @property
    def connection(self) -> str:
        """The URI of the embedded driver."""
        return f"qemu:///embed?root={self.folder / 'root'}"

    @property
    def warnings(self) -> list[str]:
        """What libvirt's QEMU driver warned of the display, a line each."""
        log = self.folder / "libvirt.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if " warning : " in line and "video model" in line]

    def serial(self, name: str) -> Path:
        """What the guest's firmware writes to."""
        return self.folder / f"{name}.serial"

    def command_line(self, name: str) -> str:
        """How QEMU was started, with what it said: libvirt's log of the domain."""
        return (self.folder / "root" / "log" / "qemu" / f"{name}.log").read_text()

    def domain(self, name: str, emulator: Path, videos: str) -> Path:
        """The definition of a small pseries guest with these video devices."""
        file = self.folder / f"{name}.xml"
        file.write_text(
            f"""<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='ppc64' machine='pseries'>hvm</type></os>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{self.serial(name)}'/></serial>
    {videos}
    <memballoon model='none'/>
  </devices>
</domain>
"""
        )
        return file

    @contextmanager
    def session(self) -> Iterator["Virsh"]:
        """One virsh: the driver lives as long as it does, and so do the guests that it starts."""
        virsh_command = [str(self.build / "run"), str(self.build / "tools" / "virsh")] if self.build else ["virsh"]
        process = subprocess.Popen(
            [*virsh_command, "--connect", self.connection],
            env=environment() | {"LIBVIRT_LOG_OUTPUTS": f"3:file:{self.folder / 'libvirt.log'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        virsh = Virsh(process)
        virsh.do("uri")  # behind it is the welcome
        try:
            yield virsh
        finally:
            for name in virsh.do("list --name").split():
                virsh.do(f"destroy {name}")
            virsh.end()


@dataclass(frozen=True)
class Virsh:
    """A virsh that is told one command after the other."""

    process: "subprocess.Popen[str]"

    def do(self, command: str) -> str:
        """What virsh says to a command, on either stream."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{command}\necho {MARK}\n")
        stdin.flush()
        said = []
        watchdog = Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            for line in stdout:
                text = line.replace("virsh # ", "")
                if text.strip() == MARK:
                    break
                # A virsh with readline repeats what it is told.
                if text.strip() not in (command, f"echo {MARK}"):
                    said.append(text)
            else:
                raise AssertionError(f"virsh ended at {command}: {''.join(said)}")
        finally:
            watchdog.cancel()
        return "".join(said).strip()

    def end(self) -> None:
        """End virsh. Its guests are gone, its definitions on disk: a driver that does not stop is stopped."""
        try:
            self.process.communicate("quit\n", timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def videos(self, name: str) -> list[dict[str, str]]:
        """The attributes of a domain's video models, as it is defined."""
        said = self.do(f"dumpxml --inactive {name}")
        assert said.startswith("<domain"), said
        return [dict(model.attrib) for model in ElementTree.fromstring(said).iterfind("devices/video/model")]


@contextmanager
def domains_of(build: Path | None) -> Iterator[Domains]:
    """An empty state folder for a libvirt. Its path is short: the monitor's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="ppcdeps-") as name:
        folder = Path(name)
        (folder / "root" / "etc").mkdir(parents=True)
        (folder / "root" / "etc" / "qemu.conf").write_text(SETTINGS)
        yield Domains(build, folder)


def read_until(file: Path, wanted: str) -> str:
    """The content of a file that somebody writes to, as soon as it holds what is wanted."""
    end = time.monotonic() + PATIENCE
    content = ""
    while time.monotonic() < end:
        content = file.read_text(errors="replace") if file.exists() else ""
        if wanted in content:
            return content
        time.sleep(0.2)
    raise AssertionError(f"no {wanted!r} in {file.name}: {content}")


def point(link: Path, target: Path) -> None:
    """Let a symbolic link lead somewhere else, at once."""
    fresh = link.with_suffix(".new")
    fresh.symlink_to(target)
    fresh.replace(link)
