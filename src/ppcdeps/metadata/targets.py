"""Targets: what a TOML file says about a distribution on ppc64le, its repositories and its reference."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ppcdeps.base.datafiles import find_file, origin_of, shipped_names
from ppcdeps.base.named_files import expanded, followed
from ppcdeps.base.toml import Table, TomlFile, closest, raise_faults, read_toml
from ppcdeps.metadata.repofile import read_repo_file
from ppcdeps.metadata.variables import builtin_variables, substitute, unset_variables
from ppcdeps.model import names
from ppcdeps.model.documents import parse_toml
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import CoprChroot, PythonEnvironment, Target
from ppcdeps.model.values import dataclass

FOLDER = "targets"

_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
_PYTHON = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")
_GLIBC = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")
_BASELINE = re.compile(r"POWER(?:8|9|1\d)")
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_REPO_FILES = {
    "repofiles": Side.TARGET,
    "reference_repofiles": Side.REFERENCE,
    "source_repofiles": Side.SOURCE,
}
_ADDRESSES = ("baseurl", "mirrorlist", "metalink", "gpgkey", "sslcacert", "sslclientcert", "sslclientkey")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def is_module_stream(text: str) -> bool:
    """Whether a text is a module stream as dnf has it: `name:stream`."""
    try:
        names.module_stream(text)
    except ValueError:
        return False
    return True


def list_targets() -> tuple[str, ...]:
    """The names of the targets that ppcdeps ships."""
    return shipped_names(FOLDER)


def load_target(
    name_or_path: str,
    *,
    release: str | None = None,
    variables: Mapping[str, str] = _NO_VARIABLES,
    reporter: Reporter | None = None,
) -> Target:
    """The target of that name, or the one that a TOML file of the user's describes.

    ``release`` is the OpenStack release that `$openstack` stands for, the target's default where it is None;
    ``variables`` are dnf variables that win over the file's own, `releasever` among them.

    Raises UsageError for an unknown target or release, ConfigError with all faults of the file otherwise.
    """
    file = find_file(FOLDER, name_or_path, "target")
    top = read_toml(file, "target file")
    target = _TargetReader(top, file, variables, reporter or Silence()).target(release)
    top.finish()
    raise_faults(top, file, "target file")
    return target


def text_for_elsewhere(file: Path, variables: Mapping[str, str] = _NO_VARIABLES) -> tuple[str, tuple[str, ...]]:
    """The text of a user's target file for another folder, and the paths in it that were relative, made absolute.

    Where there are none, it is the text as it is. The file is one that ``load_target`` takes with these variables.
    Raises ConfigError where the name of its folder cannot stand in a target file.
    """
    import tomli_w

    content = parse_toml(file.read_bytes())
    known = {key: str(value) for key, value in content.get("variables", {}).items()} | dict(variables)
    moved: dict[str, None] = {}

    def absolute(value: Any) -> Any:
        if isinstance(value, list):
            return [absolute(one) for one in value]
        meant = substitute(value, known)
        if "://" in meant or expanded(meant).is_absolute():
            return value
        found = f"{file.absolute().parent}/{value}"
        if "$" in str(file.absolute().parent):
            raise ConfigError(
                f"{file} has the relative path {value}, and a $ in its folder's name would be taken for a variable",
                hint="rename the folder",
            )
        moved[found] = None
        return found

    for tables, keys in (((content,), _REPO_FILES), (content.get("repositories", ()), _ADDRESSES)):
        for table in tables:
            table |= {key: absolute(table[key]) for key in keys if table.get(key)}
    return tomli_w.dumps(content) if moved else file.read_text("utf-8"), tuple(moved)


@dataclass(frozen=True, slots=True)
class _Releases:
    """The OpenStack releases that a target's repositories exist for."""

    default: str | None
    known: tuple[str, ...]

    def chosen(self, requested: str | None, target: str) -> str | None:
        if requested is None or not self.known or requested in self.known:
            return requested or self.default
        raise UsageError(
            f'target {target} has no repositories of the OpenStack release "{requested}"',
            hint=closest(requested, self.known) or f"known: {', '.join(self.known)}",
        )


_BOOTSTRAPS = ("on", "off", "image", "default")
"""How mock starts the chroot of a build."""


class _TargetReader:
    """Reads the tables of one target file; faults go to the top table."""

    def __init__(self, top: Table, file: TomlFile, variables: Mapping[str, str], reporter: Reporter) -> None:
        self.top = top
        self.file = file
        self.folder = file.parent if isinstance(file, Path) else None
        self.given = variables
        self.reporter = reporter

    def target(self, release: str | None) -> Target:
        top = self.top
        name = top.named("name", names.target_name)
        default_releasever = top.named("releasever", names.release_name)
        releasever = top.checked("releasever", self.given.get("releasever", default_releasever), names.release_name)
        arch, reference_arch = top.named("arch", names.architecture), top.named("reference_arch", names.architecture)
        if arch and arch == reference_arch:
            top.fault(f'"arch" and "reference_arch" are both {arch}: the reference is another architecture')
        releases = self._openstack()
        openstack = releases.chosen(release, name)
        pythons = self._pythons(name, releasever, default_releasever)
        variables = self._variables(openstack)
        of_target = builtin_variables(releasever, arch) | variables
        platform_id = top.optional_text("platform_id")
        baseline = top.text("cpu_baseline")
        if baseline and not _BASELINE.fullmatch(baseline):
            top.fault(f'"cpu_baseline" is to be POWER8, POWER9 or newer, not "{baseline}"')
        streams = top.texts("module_streams")
        for stream in streams:
            if not is_module_stream(stream):
                top.fault(f'"module_streams" is to hold name:stream, not "{stream}"')
        return Target(
            name=name,
            title=substitute(top.text("title"), of_target),
            releasever=releasever,
            arch=arch,
            reference_arch=reference_arch,
            repositories=self._repositories(
                {
                    Side.TARGET: of_target,
                    Side.REFERENCE: builtin_variables(releasever, reference_arch) | variables,
                    Side.SOURCE: of_target,
                }
            ),
            python=pythons[0],
            cpu_baseline=baseline,
            platform_id=substitute(platform_id, of_target) if platform_id else None,
            module_streams=streams,
            install_weak_deps=top.flag("install_weak_deps", False),
            buildroot=top.optional_named("buildroot", names.buildroot_name),
            build_packages=top.all_named("build_packages", names.package_name),
            origin=origin_of(self.file),
            openstack=openstack,
            openstack_releases=releases.known,
            pythons=pythons,
            slurm=self._slurm(),
            copr=self._copr(of_target, arch),
        )

    def _copr(self, variables: Mapping[str, str], arch: str) -> CoprChroot | None:
        """The chroot of COPR in the table [copr], which is of this architecture."""
        table = self.top.table("copr")
        chroot = substitute(table.optional_text("chroot") or "", variables)
        bootstrap = table.optional_text("bootstrap")
        if bootstrap is not None and bootstrap not in _BOOTSTRAPS:
            table.fault(f'"bootstrap" is to be one of {", ".join(_BOOTSTRAPS)}, not "{bootstrap}"')
        found = CoprChroot(chroot, table.all_named("repositories", names.repository_id), bootstrap)
        table.finish()
        if not chroot:
            return None
        try:
            names.copr_chroot(chroot)
            if arch and not chroot.endswith(f"-{arch}"):
                table.fault(f'"chroot" is to be one for {arch}, not "{chroot}"')
        except ValueError as fault:
            table.fault(f'"chroot": {fault}')
        return found

    def _slurm(self) -> tuple[str, ...]:
        """The options of `sbatch` in the table [slurm]."""
        table = self.top.table("slurm")
        options = tuple(f"{name}={value}" for name, value in sorted(table.entries().items()))
        for option in options:
            try:
                names.slurm_option(option)
            except ValueError as fault:
                table.fault(str(fault))
        return options

    def _openstack(self) -> _Releases:
        table = self.top.table("openstack")
        known = table.texts("releases")
        default = table.optional_text("default")
        if default and default not in known:
            table.fault(f'"default" is "{default}", which "releases" does not name')
        table.finish()
        return _Releases(default, known)

    def _pythons(self, name: str, releasever: str, default_releasever: str) -> tuple[PythonEnvironment, ...]:
        """The platform's interpreter, and those of the tables [[pythons]], which a workload may be planned for."""
        platform = self._platform_python(name, releasever, default_releasever)
        found = [platform]
        for table in self.top.tables("pythons"):
            version, package = table.text("version"), table.named("package", names.package_name)
            module = table.optional_text("module") or ""
            table.finish()
            if version and not _PYTHON.fullmatch(version):
                table.fault(f'"version" is to be a full version such as 3.11.13, not "{version}"')
            if module and not is_module_stream(module):
                table.fault(f'"module" is to be name:stream, not "{module}"')
            other = PythonEnvironment(version, platform.glibc, package=package, is_platform=False, module=module)
            if other.tag in {each.tag for each in found}:
                table.fault(f"Python {other.tag} is there twice")
            found.append(other)
        return tuple(found)

    def _platform_python(self, name: str, releasever: str, default_releasever: str) -> PythonEnvironment:
        table = self.top.table("python")
        of_release = self.top.table("releases")
        # All of them are read, so that a malformed one is a fault whichever release is chosen.
        by_release = {other: self._interpreter(of_release.table(other)) for other in of_release.names()}
        platform = self._python(table)
        if releasever != default_releasever:
            if releasever in by_release:
                platform = by_release[releasever]
            else:
                self.reporter.warn(
                    f"target {name}: the Python and glibc versions are those of release "
                    f"{default_releasever}; release {releasever} may have others"
                )
        return platform

    def _interpreter(self, release: Table) -> PythonEnvironment:
        found = self._python(release.table("python"))
        release.finish()
        return found

    @staticmethod
    def _python(table: Table) -> PythonEnvironment:
        version, glibc = table.text("version"), table.text("glibc")
        package = table.optional_named("package", names.package_name) or "python3"
        table.finish()
        if version and not _PYTHON.fullmatch(version):
            table.fault(f'"version" is to be a full version such as 3.9.25, not "{version}"')
        found = _GLIBC.fullmatch(glibc)
        if glibc and not found:
            table.fault(f'"glibc" is to be a version such as 2.34, not "{glibc}"')
        return PythonEnvironment(version, (int(found[1]), int(found[2])) if found else (0, 0), package=package)

    def _variables(self, openstack: str | None) -> dict[str, str]:
        """What the file itself sets, and what was given, which wins."""
        release = {"openstack": openstack} if openstack else {}
        return release | self.top.table("variables").entries() | dict(self.given)

    def _repositories(self, variables: Mapping[Side, Mapping[str, str]]) -> tuple[RepoConfig, ...]:
        repositories: dict[str, RepoConfig] = {}
        for repository in (*self._tables(variables), *self._repo_files(variables)):
            if repository.id in repositories:
                self.top.fault(f'the repository id "{repository.id}" is there twice')
            repositories.setdefault(repository.id, repository)
        if not any(repository.side is Side.TARGET for repository in repositories.values()):
            self.top.fault('there is no repository of the side "target"')
        return tuple(repositories.values())

    def _tables(self, variables: Mapping[Side, Mapping[str, str]]) -> Iterator[RepoConfig]:
        for table in self.top.tables("repositories"):
            side = table.text("side")
            if side and side not in variables:
                table.fault(f'"side" is to be {", ".join(variables)}, not "{side}"')
            known = Side(side) if side in variables else Side.TARGET
            yield _repository(table, known, variables[known], self)

    def _repo_files(self, variables: Mapping[Side, Mapping[str, str]]) -> Iterator[RepoConfig]:
        """The repositories of `.repo` files, whose paths are taken from the folder of the target file."""
        for key, side in _REPO_FILES.items():
            for text in self.top.texts(key):
                path = (self.folder or Path()) / expanded(substitute(text, variables[side]))
                try:
                    yield from read_repo_file(path, variables[side], side, self.reporter, by_side=variables)
                except ConfigError as error:
                    self.top.faults.extend(str(error).splitlines())

    def url(self, table: Table, key: str, text: str) -> str:
        """A URL as it is; a path is taken from the folder of the file, and becomes a file URL."""
        unset = unset_variables(text)
        if unset:
            shown = ", ".join(f"${name}" for name in unset)
            table.fault(f'"{key}" has {shown}, which is not set')
            return text
        scheme, separator, _ = text.partition("://")
        if separator:
            if scheme not in {"http", "https", "file"}:
                table.fault(f'"{key}" is to be a http, https or file URL, or a path, not "{text}"')
            return text
        path = expanded(text)
        if self.folder is None and not path.is_absolute():
            table.fault(f'"{key}" is a relative path, and a shipped target has no folder: "{text}"')
            return text
        return followed((self.folder or Path()) / path).as_uri() + ("/" if text.endswith("/") else "")


def _repository(table: Table, side: Side, variables: Mapping[str, str], reader: _TargetReader) -> RepoConfig:
    def text(key: str) -> str | None:
        value = table.optional_text(key)
        return substitute(value, variables) if value else value

    def texts(key: str) -> tuple[str, ...]:
        return tuple(substitute(value, variables) for value in table.texts(key))

    def url(key: str) -> str | None:
        value = text(key)
        return reader.url(table, key, value) if value else None

    def proxy(key: str) -> str | None:
        value = text(key)
        return "" if value == "_none_" else value

    def file(key: str) -> str | None:
        value = text(key)
        return str((reader.folder or Path()) / expanded(value)) if value else None

    def urls(key: str) -> tuple[str, ...]:
        return tuple(reader.url(table, key, value) for value in texts(key))

    options: dict[str, Callable[[str], Any]] = {
        "name": text,
        "baseurl": urls,
        "mirrorlist": url,
        "metalink": url,
        "enabled": table.flag,
        "priority": lambda key: table.integer(key, least=1),
        "cost": table.integer,
        "excludepkgs": texts,
        "includepkgs": texts,
        "module_hotfixes": table.flag,
        "gpgcheck": table.flag,
        "repo_gpgcheck": table.flag,
        "gpgkey": urls,
        "skip_if_unavailable": table.flag,
        "metadata_expire": lambda key: _seconds(table, key),
        "proxy": proxy,
        "username": text,
        "password": text,
        "sslverify": table.flag,
        "sslcacert": file,
        "sslclientcert": file,
        "sslclientkey": file,
        "timeout": table.number,
        "retries": table.integer,
        "optional": table.flag,
    }
    id_ = table.named("id", names.repository_id)
    given = {key: read(key) for key, read in options.items() if key in table}
    config = RepoConfig(id=id_, side=side, origin=f"{origin_of(reader.file)} [[repositories]] {id_}", **given)
    if not any(key in table for key in ("baseurl", "mirrorlist", "metalink")):
        table.fault('it has no URL: give "baseurl", "mirrorlist" or "metalink"')
    table.finish(options)
    return config


def _seconds(table: Table, key: str) -> int | None:
    """A duration as dnf writes it: seconds, `90m`, `48h`, `2d`; `never` and -1 are None."""
    value = table.raw(key)
    if value in ("never", -1):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        table.fault(f'"{key}" is to be seconds, a duration such as "48h", or "never", not {value!r}')
        return None
    return int(found[1]) * _UNITS[found[2]]
