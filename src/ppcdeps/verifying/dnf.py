"""dnf run on this machine for another one's repositories, without this machine's own dnf configuration."""

import shlex
import shutil
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.repository import RepoConfig

PATIENCE = 3600.0
"""Seconds after which dnf is stuck; a whole compute node under emulation takes a quarter of that."""
_TEXTS = ("mirrorlist", "metalink", "proxy", "username", "password", "sslcacert", "sslclientcert", "sslclientkey")
_PLUGINS = ("/usr/lib/python3/dist-packages/dnf-plugins",)
"""Where Debian has dnf's plugins, and its dnf does not look."""


@dataclass(frozen=True, slots=True)
class DnfRun:
    """One run of dnf: the command as a person can type it, and its result. ``output`` is all that it wrote."""

    command: tuple[str, ...]
    code: int
    output: str
    seconds: float

    @property
    def is_well(self) -> bool:
        """Whether it did all of it."""
        return self.code == 0

    def tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that it wrote."""
        return tuple(line.rstrip() for line in self.output.rstrip().splitlines()[-lines:])


@dataclass(frozen=True, slots=True)
class Dnf:
    """dnf with these repositories and no others, and its cache, logs and state in the folder ``state``.

    ``arch`` is that of the packages; the machine's may be another.
    """

    state: Path
    arch: str
    releasever: str
    repositories: tuple[RepoConfig, ...]
    platform_id: str | None = None
    install_weak_deps: bool = False

    def enable_modules(self, root: Path, streams: Iterable[str]) -> DnfRun:
        """Enable module streams (name:stream) in the root file system, as a user does before installing from them."""
        return self.run("module", "--noplugins", "enable", "--", *streams, root=root)

    def download(self, root: Path, wanted: Iterable[str], to: Path) -> DnfRun:
        """Fetch what installing packages, capabilities or paths into the root file system takes; install nothing.

        All of it comes to the folder ``to``, signatures checked. No plugin of this machine is loaded.
        """
        options = ("--noplugins", "--downloadonly", "--downloaddir", str(to))
        return self.run("install", *options, "--", *wanted, root=root)

    def repoclosure(self, root: Path, checked: str) -> DnfRun:
        """Look for requirements of the repository ``checked`` that no repository satisfies.

        ``root`` is a folder whose packages do not count.
        """
        arches = [word for arch in (self.arch, "noarch") for word in ("--arch", arch)]
        # It is a plugin itself, and the only one to be loaded.
        plugins = ("--disableplugin=*", "--enableplugin=repoclosure")
        return self.run("repoclosure", *plugins, "--check", checked, *arches, root=root)

    def run(self, action: str, *words: str, root: Path, patience: float = PATIENCE) -> DnfRun:
        """Run an action of dnf in the root file system.

        Raises EnvironmentLacksError where dnf is not on this machine, or does not end in ``patience`` seconds.
        """
        command = (dnf_program(), "--config", str(self._configuration(root)), *self._options(root), action, *words)
        # rpm looks there for its macros, which name the database's place in the root: distributions differ in that.
        return _run(command, patience, {"HOME": str(self.state)})

    def _options(self, root: Path) -> Iterable[str]:
        yield from ("--installroot", str(root), "--forcearch", self.arch, "--releasever", self.releasever)
        yield "--assumeyes"

    def _configuration(self, root: Path) -> Path:
        """A configuration with all the repositories; readable by its owner alone, since there may be passwords."""
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / ".rpmmacros").write_text(f"%_dbpath {rpm_database(root)}\n", "utf-8")
        main = {
            "cachedir": str(self.state / "cache"),
            "persistdir": str(self.state / "persist"),
            "logdir": str(self.state),
            "reposdir": "/dev/null",
            "varsdir": "/dev/null",
            "install_weak_deps": str(int(self.install_weak_deps)),
            "keepcache": "0",
            "best": "1",
            # Of repositories that do not say it themselves.
            "gpgcheck": "0",
            # A folder of a lock has the metadata in one form only.
            "zchunk": "0",
            "color": "never",
        }
        if self.platform_id:
            main["module_platform_id"] = self.platform_id
        found = [place for place in _PLUGINS if Path(place).is_dir()]
        if found:
            main["pluginpath"] = ",".join(found)
        sections = [_section("main", main)]
        sections += [_section(each.id, repository_options(each)) for each in self.repositories]
        path = self.state / "dnf.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join(sections), "utf-8")
        return path


def dnf_program() -> str:
    """The path of dnf. Raises EnvironmentLacksError where this machine has none."""
    program = shutil.which("dnf") or shutil.which("dnf-3")
    if program is None:
        raise EnvironmentLacksError("dnf is needed to install into a root", hint="install the package dnf")
    return program


def rpm_database(root: Path) -> str:
    """Where a root keeps its rpm database, as a path inside: where it has one, else the place that most read."""
    places = ("/usr/lib/sysimage/rpm", "/usr/share/rpm", "/var/lib/rpm")
    return next((place for place in places if any(root.joinpath(place[1:]).glob("rpmdb.sqlite"))), places[-1])


def repository_options(config: RepoConfig) -> Mapping[str, str]:
    """A repository's options as a `.repo` file has them, what is dnf's default included where it is short."""
    options = {"name": config.name or config.id, "enabled": "1"}
    if config.baseurl:
        options["baseurl"] = " ".join(config.baseurl)
    for name in _TEXTS:
        value = getattr(config, name)
        if value is not None:
            options[name] = value or "_none_"
    options |= {
        "priority": str(config.priority),
        "cost": str(config.cost),
        "repo_gpgcheck": str(int(config.repo_gpgcheck)),
        "module_hotfixes": str(int(config.module_hotfixes)),
        "sslverify": str(int(config.sslverify)),
        "skip_if_unavailable": str(int(config.skip_if_unavailable)),
        "metadata_expire": "never" if config.metadata_expire is None else str(config.metadata_expire),
        "timeout": f"{config.timeout:g}",
        "retries": str(config.retries),
    }
    if config.gpgcheck is not None:
        options["gpgcheck"] = str(int(config.gpgcheck))
    for name in ("excludepkgs", "includepkgs", "gpgkey"):
        values = getattr(config, name)
        if values:
            options[name] = " ".join(values)
    return options


def _section(name: str, options: Mapping[str, str]) -> str:
    lines = [f"{key}={' '.join(value.split())}" for key, value in options.items()]
    return "\n".join((f"[{name}]", *lines, ""))


def _run(command: tuple[str, ...], patience: float, variables: Mapping[str, str]) -> DnfRun:
    begun = time.monotonic()
    try:
        done = run_program(
            command,
            environment={"LANG": "C.UTF-8", **variables},
            seconds=patience,
            merged=True,
            dies_by=signal.SIGKILL,
        )
    except UnfinishedProgramError as fault:
        raise EnvironmentLacksError(
            f"{fault.message}: {shlex.join(command)}", hint="run it by hand to see why"
        ) from None
    return DnfRun(command, done.code, done.text, time.monotonic() - begun)
