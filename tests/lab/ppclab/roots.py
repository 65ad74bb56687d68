"""Root file systems of the laboratory, made by mmdebstrap of Debian's packages."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RELEASE = "bookworm"
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_UNREAD = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"),
    *("/usr/lib/python3/dist-packages/*/tests/unit/*", "/usr/share/icons/*"),
)
_DIVERT = (
    'chroot "$1" sh -c "for each in {commands}; do '
    "mkdir -p \\${{each%/*}}; dpkg-divert --quiet --add --rename --divert \\$each.real \\$each; "
    'ln -s /bin/true \\$each; done"'
)
_COMPILE = 'chroot "$1" python3 -m compileall -q -j 0 -x "/tests/" /usr/lib/python3/dist-packages || true'
# Bytecode is the same on every machine: this one's Python makes it for a foreign root, if it is of the
# root's version.
_COMPILE_FOREIGN = (
    'test -d "$1/usr/lib/$(basename $(readlink -f /usr/bin/python3))" && '
    '/usr/bin/python3 -m compileall -q -j 0 -x "/tests/" -s "$1" -p / "$1/usr/lib/python3/dist-packages" '
    '"$1/usr/lib/$(basename $(readlink -f /usr/bin/python3))" || true'
)
# A foreign root's own apt and dpkg would unpack under emulation, which takes half an hour. This machine's dpkg
# unpacks, and runs only the packages' scripts in the root. To it the root's packages are those of a foreign
# architecture: that their dependencies are met it cannot see.
_INSTALL_FOREIGN = (
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --no-install-recommends -oDPkg::Use-Pty=false '
    '-oDPkg::Options::=--root="$1" {options} install {packages}'
)
_FOREIGN_OPTIONS = ("--force-architecture", "--force-depends", "--force-unsafe-io")
DONE = "lab-root"
"""A file in the root, written last: the packages that it has. A root without it is an unfinished one."""


@dataclass(frozen=True)
class RootRecipe:
    """What a root has: packages by what they are for."""

    name: str
    arch: str
    packages: tuple[str, ...]
    unused: tuple[str, ...] = ()
    """Further commands that the packages' scripts call, and that do nothing in this root."""

    security: bool = True
    """Whether security updates are taken."""

    @property
    def is_foreign(self) -> bool:
        """Whether this machine runs its programs under emulation alone."""
        return self.arch != "amd64"


CONTROL = RootRecipe(
    "control",
    "amd64",
    (
        *("iproute2", "procps", "python3-openstackclient"),
        *("mariadb-server", "rabbitmq-server", "memcached", "python3-pymysql", "uwsgi-plugin-python3"),
        *("keystone", "placement-api", "glance-api", "neutron-server"),
        *("nova-api", "nova-conductor", "nova-scheduler"),
        *("cinder-api", "cinder-scheduler", "cinder-volume", "qemu-utils"),
        # What neutron's agents run, who are in python3-neutron, and what a guest without a machine does.
        *("dnsmasq-base", "haproxy", "busybox"),
    ),
)
"""The control plane. Its fake compute nodes run from the same packages: nova's compute service is in python3-nova."""


def lacks() -> str:
    """Why no root can be made on this machine; empty where one can."""
    if reason := lacking("mmdebstrap"):
        return reason
    return "" if len(mirrors()) >= 2 else f"{SOURCES} does not say where Debian and its security updates are"


def lacking(*programs: str) -> str:
    """What keeps this machine from making and entering roots with these programs; empty where nothing does."""
    if os.geteuid() != 0:
        return "roots are made as root"
    if os.uname().machine != "x86_64":
        return "the control plane's root is for amd64"
    missing = [name for name in (*programs, "unshare", "nsenter", "setpriv") if shutil.which(name) is None]
    return f"no {', '.join(missing)}" if missing else ""


def mirrors() -> list[str]:
    """Where this machine's apt has Debian from, and its security updates."""
    lines = SOURCES.read_text().splitlines() if SOURCES.is_file() else []
    return [line.split()[1] for line in lines if line.startswith("URIs:")]


def make(recipe: RootRecipe, folder: Path, log: Path) -> None:
    """Make the root, unless it is there with these packages. Raises CalledProcessError; the log says why."""
    done = folder / "etc" / DONE
    wanted = "\n".join(recipe.packages)
    if done.is_file() and done.read_text() == wanted:
        return
    if folder.exists():
        remove(folder)
    debian, security, *_ = mirrors()
    sources = [f"deb {debian} {RELEASE} main", f"deb {debian} {RELEASE}-updates main"]
    if recipe.security:
        sources.append(f"deb {security} {RELEASE}-security main")
    diverted = " ".join(("/usr/bin/py3compile", "/usr/bin/py3clean", *recipe.unused))
    excluded = [f"path-exclude={path}" for path in _UNREAD]
    if recipe.is_foreign:
        options = (*_FOREIGN_OPTIONS, *(f"--{one}" for one in excluded))
        install = _INSTALL_FOREIGN.format(
            options=" ".join(f"'-oDPkg::Options::={one}'" for one in options), packages=" ".join(recipe.packages)
        )
        # Whether this machine runs ppc64el is looked at by arch-test, which need not be there.
        chosen = ["--skip=check/qemu", f"--customize-hook={install}", f"--customize-hook={_COMPILE_FOREIGN}"]
    else:
        chosen = [f"--include={','.join(recipe.packages)}", f"--customize-hook={_COMPILE}"]
    with log.open("wb") as stream:
        subprocess.run(
            [
                *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=directory"),
                f"--architectures={recipe.arch}",
                # What nothing here reads.
                *(f"--dpkgopt={one}" for one in excluded),
                # A root that was not finished is made anew: nothing needs to be on the disk before it is.
                "--dpkgopt=force-unsafe-io",
                # Each of some 300 packages starts a Python that compiles its modules: one does it for all, later.
                f"--essential-hook={_DIVERT.format(commands=diverted)}",
                *chosen,
                *(RELEASE, str(folder), *sources),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )
    done.write_text(wanted)


def extract(arch: str, packages: Sequence[str], folder: Path) -> None:
    """Unpack packages, and what they need, into a folder; nothing is set up. Raises CalledProcessError."""
    debian, *_ = mirrors()
    options = ("--variant=extract", "--mode=root", "--format=directory", "--skip=check/qemu", "--quiet")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    wanted = (f"--architectures={arch}", f"--include={','.join(packages)}", RELEASE, str(part))
    subprocess.run(
        ["mmdebstrap", *options, *wanted, f"deb {debian} {RELEASE} main"], check=True, stdin=subprocess.DEVNULL
    )
    part.rename(folder)


def remove(folder: Path) -> None:
    """Remove a root. Nothing may be mounted in it, which is looked at: what is mounted would be emptied."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if inside := [place for place in mounted if place.startswith(f"{folder}/")]:
        raise RuntimeError(f"{folder} has something mounted: {', '.join(inside)}")
    shutil.rmtree(folder)
