"""A machine that is reached over ssh: what it is, whether builds can run there, and the way to its podman.

OpenSSH's own client is used, so that keys, agents, known hosts, jump hosts and aliases are those of the user's
configuration; `PPCDEPS_SSH` has another command or further options (``ssh -i KEY``). It asks for nothing.
"""

import contextlib
import os
import re
import secrets
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ppcdeps.base.programs import run_program
from ppcdeps.engines.cleanup import TUNNEL, RunRegister, started_at
from ppcdeps.engines.containers import Cli
from ppcdeps.engines.engine import EngineFailedError, one_line
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError, UsageError
from ppcdeps.model.visible import visible

LEAST_FREE = 5 << 30
"""Bytes that have to be free for podman on a host: a buildroot as an image, and a build."""

_OPTIONS = (
    *("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"),
    # A host that is gone is noticed within a minute.
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"),
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_PLACE = re.compile(r"(?:([^:\[\]]+)|\[([^\[\]]+)\])(?::[0-9]*)?")
_PORT = 22
"""That of ssh, where neither the address nor ssh's configuration names one."""
_SECONDS = 120.0
_NOT_REACHED = 255
"""The exit code of ssh where it could not connect."""

_LOOK = """\
echo machine=$(uname -m)
echo cores=$(getconf _NPROCESSORS_ONLN)
platform=$(LD_SHOW_AUXV=1 /bin/true 2>/dev/null | sed -n 's/^AT_PLATFORM: *//p')
said=$(sed -n 's/^cpu[[:space:]]*: *\\(POWER[0-9]*\\).*/\\1/p' /proc/cpuinfo 2>/dev/null | head -n 1)
echo "platform=${platform:-$said}"
echo runtime=${XDG_RUNTIME_DIR:-}
if command -v podman >/dev/null 2>&1; then
  if place=$(podman info --format '{{.Store.GraphRoot}}' 2>/dev/null); then
    echo podman=works
    echo "place=$place"
    echo "free=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print $4 }')"
  else
    said="it ended with $?"
    last=$(podman info 2>&1 >/dev/null | grep . | tail -n 1)
    echo "fault=${last:-$said}"
  fi
fi
echo end=end
"""
_SERVE = """\
umask 077
podman system service --time=0 "unix://$1" </dev/null >/dev/null 2>&1 &
service=$!
finish() {
  trap - EXIT HUP TERM PIPE
  for one in $(podman ps -aq --filter "label=$2"); do podman rm -f -t 0 "$one" >/dev/null 2>&1; done
  kill $service
  rm -f "$1"
}
trap 'finish "$1" "$2"' EXIT HUP TERM PIPE
cat >/dev/null
"""
"""Serves podman as long as the connection lasts, and removes what a lost connection left running."""


@dataclass(frozen=True, slots=True)
class SshHost:
    """A machine as ``--on`` names it. ``jobs`` is how many builds it takes at a time."""

    name: str
    user: str | None = None
    port: int | None = None
    jobs: int = 1

    @property
    def destination(self) -> str:
        """The machine as a person names it."""
        return f"{self.user}@{self.name}" if self.user else self.name

    def command(self, *options: str) -> list[str]:
        """The ssh command that reaches it, without what is to run there.

        Raises ConfigError where PPCDEPS_SSH is not a command.
        """
        try:
            program = shlex.split(os.environ.get("PPCDEPS_SSH", "")) or ["ssh"]
        except ValueError as fault:
            raise ConfigError(f"PPCDEPS_SSH is not a command with its options: {fault}") from fault
        port = ["-p", str(self.port)] if self.port else []
        return [*program, *_OPTIONS, *port, *options, "--", self.destination]


def hosts_in(text: str) -> tuple[SshHost, ...]:
    """The machines that ``--on`` names: ``ssh://USER@HOST:PORT?jobs=N``, more of them after commas.

    Raises UsageError for what is none.
    """
    found = [_host(word.strip()) for word in text.split(",")]
    names = [(host.destination, host.port or _PORT) for host in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--on names {twice[0]} twice", hint="say ?jobs=N for how many builds it takes at a time")
    return tuple(found)


def _host(word: str) -> SshHost:
    hint = "as in ssh://builder@power9, ssh://builder@power9:22?jobs=4; several are separated by commas"
    try:
        if not word.isprintable():
            raise ValueError
        parts = urlsplit(word)
        port = parts.port
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise UsageError("--on has an address that is none", hint=hint) from None
    if parts.password is not None:
        raise UsageError(
            "--on has a password in an address", hint="ssh takes keys: put one in its agent or configuration"
        )
    user = parts.username
    # The name that urlsplit gives is in small letters, and ssh's configuration may know it by capitals.
    place = _PLACE.fullmatch(parts.netloc.rpartition("@")[2])
    name, address = (place[1] or "", _address(place[2] or "")) if place is not None else ("", "")
    jobs = query.pop("jobs", ["1"])
    is_whole = parts.scheme == "ssh" and parts.path in ("", "/") and not parts.fragment and not query
    is_named = _NAME.fullmatch(name) or address
    if not is_whole or not is_named or port == 0 or (user is not None and not _NAME.fullmatch(user)):
        raise UsageError(f"--on {word}: not the address of a machine", hint=hint)
    if len(jobs) != 1 or not jobs[0].isascii() or not jobs[0].isdigit() or not 1 <= int(jobs[0]) <= 999:
        raise UsageError(f"--on {word}: jobs is how many builds it takes at a time", hint=hint)
    return SshHost(name or address, user, port, int(jobs[0]))


def _address(text: str) -> str:
    """An address of IPv6 as ssh takes it, perhaps with its interface: fe80::1%eth0. Empty where it is none.

    The interface may also be as URLs have it, after %25 (RFC 6874).
    """
    address, percent, interface = text.partition("%")
    try:
        IPv6Address(address)
    except ValueError:
        return ""
    if interface != "25":
        interface = interface.removeprefix("25")
    return f"{address}{percent}{interface}" if not percent or _NAME.fullmatch(interface) else ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a machine says of itself. ``platform`` is the kernel's name of its processor (power9), ``free`` in bytes.

    ``fault`` is what its podman said where that does not work; ``has_podman`` is whether there is one.
    """

    machine: str
    cores: int
    platform: str
    runtime: str
    has_podman: bool
    place: str = ""
    free: int | None = None
    fault: str = ""

    @property
    def level(self) -> int | None:
        """The level of a POWER processor, such as 9; None where it is none, or not known."""
        found = re.fullmatch(r"power(\d+)\+?", self.platform.lower())
        return int(found[1]) if found else None


def facts_in(text: str) -> HostFacts:
    """The facts in the output of the script that looks. Raises ValueError where it is not that."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            said.setdefault(name, value.strip())
    if "end" not in said or not said.get("machine"):
        raise ValueError("it did not say what it is")
    cores, free = said.get("cores", ""), said.get("free", "")
    return HostFacts(
        machine=said["machine"],
        cores=int(cores) if cores.isdigit() else 1,
        platform=said.get("platform", ""),
        runtime=said.get("runtime", ""),
        has_podman="podman" in said or "fault" in said,
        place=said.get("place", ""),
        free=int(free) << 10 if free.isdigit() else None,
        fault=said.get("fault", ""),
    )


def look_at(host: SshHost) -> HostFacts:
    """What the machine says of itself. Raises EnvironmentLacksError where it is not reached."""
    by_hand = f"see `{shlex.join([*host.command(), 'uname'])}`"
    try:
        done = run_program(
            [*host.command(), "sh"],
            given=_LOOK,
            needed_for="machines are reached with it",
            install="openssh-client",
            seconds=_SECONDS,
        )
    except EnvironmentLacksError:
        raise
    except PpcdepsError as fault:
        raise EnvironmentLacksError(f"{host.destination} does not answer: {fault.message}", hint=by_hand) from fault
    if done.code == _NOT_REACHED:
        raise EnvironmentLacksError(f"{host.destination} is not reached: {visible(done.reason)}", hint=by_hand)
    try:
        return facts_in(done.text)
    except ValueError as fault:
        raise EnvironmentLacksError(f"{host.destination} runs no commands: {done.reason}", hint=by_hand) from fault


def faults_of(host: SshHost, facts: HostFacts, arch: str, baseline: str, least_free: int) -> tuple[str, ...]:
    """Why builds of a target cannot run on a machine, a line each; nothing where they can.

    ``arch`` is that of the programs that run there, ``baseline`` the target's processor, such as POWER9.
    """
    name = host.destination
    found = []
    if not facts.has_podman:
        found.append(f"{name} has no podman; install it there")
    elif facts.fault:
        found.append(f"{name}: its podman does not work: {facts.fault}; see `podman info` there")
    if facts.machine != arch:
        found.append(f"{name} is {facts.machine}, and the buildroot's programs are of {arch}; name another machine")
    needed = re.fullmatch(r"POWER(\d+)", baseline)
    if facts.machine == arch == "ppc64le" and needed and facts.level is not None and facts.level < int(needed[1]):
        found.append(
            f"{name} is a POWER{facts.level}, and the target's programs need {baseline}; "
            "take a newer machine, or a target for this one (almalinux-8)"
        )
    if facts.free is not None and facts.free < least_free:
        free, least = (f"{size / (1 << 30):.1f} GB" for size in (facts.free, least_free))
        found.append(f"{name} has {free} free in {facts.place}, and builds take {least}; free some, or less jobs")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A way to a machine's podman: ``url`` is a socket of this one. ``label`` marks the containers of this run."""

    host: SshHost
    url: str
    label: str
    process: "subprocess.Popen[bytes]"

    def is_up(self) -> bool:
        """Whether the machine's podman answers."""
        with contextlib.suppress(EngineFailedError):
            return self.process.poll() is None and Cli(("podman", "--remote", "--url", self.url)).succeeds("version")
        return False


@contextlib.contextmanager
def tunnel_to(host: SshHost, facts: HostFacts, home: Path) -> Iterator[Tunnel]:
    """Have the machine's podman served, without a service that anyone has to enable, as long as this lasts.

    ``home`` is the engines' home. Whatever ends it (the end of ppcdeps by `kill -9`, a lost connection), the machine
    removes the run's containers.
    Raises EngineFailedError where podman does not answer.
    """
    token = secrets.token_hex(8)
    there = f"{facts.runtime or '/tmp'}/ppcdeps-{token}.sock"  # noqa: S108 - of a name that nobody can guess
    label = f"ppcdeps.run={token}"
    # Sockets take short names only: it is not in the cache.
    with tempfile.TemporaryDirectory(prefix="ppcdeps-ssh-") as folder:
        claim = RunRegister(home).claim(f"tunnel-{token}")
        claim.add("folder", folder)
        here, log = Path(folder) / TUNNEL, Path(folder) / "log"
        forward = ("-o", "ExitOnForwardFailure=yes", "-o", "ControlPath=none", "-L", f"{here}:{there}")
        command = [*host.command(*forward), shlex.join(["sh", "-c", _SERVE, "sh", there, label])]
        with log.open("wb") as errors:
            # It ends with its standard input, which ends with this process.
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )
        claim.add("process", f"{process.pid}:{started_at(process.pid)}")
        tunnel = Tunnel(host, f"unix://{here}", label, process)
        try:
            _wait_for(tunnel, log)
            yield tunnel
        finally:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            claim.release()


def _wait_for(tunnel: Tunnel, log: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not tunnel.is_up():
        if tunnel.process.poll() is not None or time.monotonic() > end:
            said = one_line(log.read_bytes())
            raise EngineFailedError(f"{tunnel.host.destination}: its podman is not served: {said}")
        time.sleep(0.2)


def by_name(hosts: Mapping[SshHost, HostFacts]) -> str:
    """The machines with the number of builds each takes, in one line."""
    return ", ".join(f"{host.destination} ({host.jobs})" for host in hosts)
