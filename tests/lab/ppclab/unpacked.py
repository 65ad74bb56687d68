"""Roots of Debian packages that are unpacked and not set up: no maintainer script runs, and what a cloud needs of
them is done here. That is many times as quick as an installation.

The packages come from where this machine's own apt has them.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from ppclab.roots import DONE, RELEASE, RootRecipe, lacking, remove

# What a base system has that apt takes for granted.
_BASE = (
    *("base-files", "base-passwd", "bash", "coreutils", "dash", "grep", "hostname", "libc-bin", "login"),
    *("mawk", "mount", "passwd", "sed", "util-linux"),
)
# What nothing here reads, or runs.
_UNREAD = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/icons", "usr/share/fonts"),
    *("usr/include", "usr/share/mime", "usr/lib/python3/dist-packages/botocore/data"),
)
_UNUSED = re.compile(r"(binutils|cpp|dpkg-dev|g\+\+|gcc|python3-(mypy|pip|numpy)|[a-z0-9.+-]*-dev)(-[a-z0-9.-]+)?")
_APT = Path("/etc/apt/apt.conf.d")


def make(recipe: RootRecipe, folder: Path, log: Path) -> None:
    """Make the root, unless it is there with these packages. Raises CalledProcessError; the log says why."""
    done = folder / "etc" / DONE
    wanted = "\n".join(recipe.packages)
    if done.is_file() and done.read_text() == wanted:
        return
    if folder.exists():
        remove(folder)
    with log.open("wb") as stream, TemporaryDirectory(dir=folder.parent) as work:
        archives = _download(Path(work), recipe, stream)
        _unpack([one for one in archives if not _UNUSED.fullmatch(one.name.partition("_")[0])], folder)
        _set_up(folder, stream)
    done.write_text(wanted)


def lacks() -> str:
    """Why no such root can be made on this machine; empty where one can."""
    if reason := lacking("apt-get", "dpkg-deb", "tar"):
        return reason
    release = Path("/etc/os-release")
    if f"VERSION_CODENAME={RELEASE}" not in (release.read_text().splitlines() if release.is_file() else ()):
        return f"the packages are those of Debian {RELEASE}"
    return ""


def _download(work: Path, recipe: RootRecipe, log: IO[bytes]) -> list[Path]:
    """The archives of the packages and of all that they depend on."""
    for name in ("state/lists/partial", "cache/archives/partial", "conf"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    # The machine's configuration, without what it does after each command with its own cache.
    for file in _APT.iterdir():
        if "Invoke" not in file.read_text(errors="replace"):
            (work / "conf" / file.name).symlink_to(file)
    settings = {
        "Dir::Etc::Parts": work / "conf",
        "Dir::State": work / "state",
        "Dir::State::Status": work / "status",
        "Dir::Cache": work / "cache",
        "APT::Architecture": recipe.arch,
        "APT::Architectures": recipe.arch,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    file = work / "apt.conf"
    file.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {**os.environ, "APT_CONFIG": str(file), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    packages = (*_BASE, *recipe.packages)
    for words in (("update",), ("--yes", "--download-only", "install", *packages)):
        subprocess.run(
            ["apt-get", "-q", *words],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    return sorted((work / "cache" / "archives").glob("*.deb"))


def _unpack(archives: Sequence[Path], folder: Path) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        (folder / "usr" / name).mkdir(parents=True)
        (folder / name).symlink_to(f"usr/{name}")
    options = [*(f"--exclude=./{path}" for path in _UNREAD), "--exclude=./usr/lib/python3/dist-packages/*/tests"]

    def unpack(archive: Path) -> None:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as opened:
            subprocess.run(
                ["tar", "-x", "-C", folder, "--keep-directory-symlink", "--no-wildcards-match-slash", *options],
                check=True,
                stdin=opened.stdout,
            )

    with ThreadPoolExecutor(os.cpu_count()) as workers:
        list(workers.map(unpack, archives))


def _set_up(folder: Path, log: IO[bytes]) -> None:
    """What the packages' own scripts would have done."""
    etc = folder / "etc"
    for name in ("passwd", "group"):
        shutil.copyfile(folder / "usr" / "share" / "base-passwd" / f"{name}.master", etc / name)
    with (etc / "passwd").open("a") as users, (etc / "group").open("a") as groups:
        for number, (user, home) in enumerate(_USERS.items(), 900):
            users.write(f"{user}:x:{number}:{number}::{home}:/bin/sh\n")
            groups.write(f"{user}:x:{number}:\n")
            (folder / home.lstrip("/")).mkdir(parents=True, exist_ok=True)
            os.chown(folder / home.lstrip("/"), number, number)
    for service in ("cinder", "glance", "neutron", "nova"):
        shared = folder / "usr" / "share" / f"{service}-common"
        for file in (*shared.glob("*paste.ini"), *shared.glob("*.json")):
            shutil.copy(file, etc / service)
    (folder / "usr" / "bin" / "awk").symlink_to("mawk")
    # To one program a network's name is in /var/run, to another in /run.
    shutil.rmtree(folder / "var" / "run")
    (folder / "var" / "run").symlink_to("/run")
    for name in ("ebtables", "iptables", "ip6tables"):
        for what in ("", "-save", "-restore"):
            (folder / "usr" / "sbin" / f"{name}{what}").symlink_to(f"{name}-nft{what}")
    (folder / "usr" / "local" / "bin").mkdir(parents=True, exist_ok=True)
    compiled = folder / "var" / "cache" / "python"
    compiled.mkdir()
    compiled.chmod(0o777)
    subprocess.run(["chroot", folder, "ldconfig"], check=True, stdout=log, stderr=subprocess.STDOUT)


_USERS = {
    "mysql": "/var/lib/mysql",
    "rabbitmq": "/var/lib/rabbitmq",
    "memcache": "/nonexistent",
    **{name: f"/var/lib/{name}" for name in ("keystone", "placement", "glance", "neutron", "nova", "cinder")},
}
