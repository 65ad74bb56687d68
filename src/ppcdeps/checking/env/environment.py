"""All that is known of an installed Python environment before any rule looks at it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ppcdeps.checking.env.installed import Installed, installed_in
from ppcdeps.checking.env.interpreters import Interpreter, Style, find_interpreter, program_at, python_folders
from ppcdeps.checking.env.libraries import Libraries
from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.checking.env.rpmdatabase import RpmDatabase, read_rpm_database
from ppcdeps.checking.env.searchpath import SearchPath, search_path
from ppcdeps.checking.findings import Skipped
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.python.environment import TargetEnvironment

_ASSUMED = "ppc64le"
_DPKG_LISTS = "/var/lib/dpkg/info"


@dataclass(frozen=True)
class Environment:
    """An interpreter, its path, the distributions on it, and the RPM database around it.

    ``copies`` are all distributions in the order of the path. ``target`` is what markers see. ``libraries`` is
    None where the root has no C library. ``skipped`` is what could not be seen while it was read.
    """

    root: RootFileSystem
    python: Interpreter
    path: SearchPath
    copies: tuple[Installed, ...]
    rpm: RpmDatabase | None
    target: TargetEnvironment
    libraries: Libraries | None
    skipped: tuple[Skipped, ...]

    @cached_property
    def by_key(self) -> Mapping[str, tuple[Installed, ...]]:
        """The copies of each distribution by its normalized name, the imported one first; no metadata twice."""
        found: dict[str, dict[str, Installed]] = {}
        for copy in self.copies:
            name = copy.metadata.rpartition("/")[2]
            found.setdefault(copy.key, {}).setdefault(f"{copy.entry.real}/{name}", copy)
        return {key: tuple(copies.values()) for key, copies in sorted(found.items())}

    @cached_property
    def imported(self) -> Mapping[str, Installed]:
        """The copy of each distribution that importlib.metadata finds first, by its normalized name."""
        return {key: copies[0] for key, copies in self.by_key.items()}

    def owner(self, copy: Installed) -> str | None:
        """The system's package that the copy belongs to: `RPM python3-six`, `Debian package python3-six`.

        None where it came otherwise, as by pip.
        """
        real = f"{copy.entry.real}/{copy.metadata.rpartition('/')[2]}"
        package = self._rpm_owners.get(real)
        if package:
            return f"RPM {package}"
        package = self._debian_owners.get(real)
        if package:
            return f"Debian package {package}"
        # Without dpkg's lists, as in a root of unpacked packages, the folder shows it: pip leaves it alone.
        unlisted = not self._debian_owners and copy.entry.path == "/usr/lib/python3/dist-packages"
        return f"Debian package python3-{copy.key}" if unlisted and copy.installer not in ("pip", "uv") else None

    @cached_property
    def _rpm_owners(self) -> Mapping[str, str]:
        """Packages by the real path of the metadata: of the file itself, or of the folder that a file is in."""
        found: dict[str, str] = {}
        for path, file in (self.rpm.files if self.rpm else {}).items():
            folder = path.rpartition("/")[0]
            if folder.endswith(("-info", "EGG-INFO")):
                found[folder] = file.package
            elif path.endswith("-info"):
                found[path] = file.package
        return found

    @cached_property
    def _debian_owners(self) -> Mapping[str, str]:
        """Packages by the real path of the metadata, from dpkg's lists of files."""
        if self.python.style is not Style.DEBIAN:
            return {}
        wanted = {f"{one.entry.real}/{one.metadata.rpartition('/')[2]}" for one in self.copies}
        found: dict[str, str] = {}
        for name in sorted(self.root.names(_DPKG_LISTS)):
            if not name.endswith(".list"):
                continue
            text = (self.root.read(f"{_DPKG_LISTS}/{name}", "root_list") or b"").decode("utf-8", "surrogateescape")
            package = name.removesuffix(".list").partition(":")[0]
            found.update({line: package for line in text.split("\n") if line in wanted})
        return found

    def module_place(self, name: str) -> tuple[str, str] | None:
        """Folder and file name of what `import NAME` finds first; None where nothing is found."""
        namespace = None
        for entry in self.path.entries:
            names = self.root.names(entry.real)
            if name in names:
                inside = self.root.names(f"{entry.real}/{name}")
                if (
                    "__init__.py" in inside
                    or "__init__.pyc" in inside
                    or any(one.startswith("__init__.") and one.endswith(".so") for one in inside)
                ):
                    return entry.real, name
                if inside:
                    namespace = namespace or (entry.real, name)
            if f"{name}.py" in names:
                return entry.real, f"{name}.py"
            for one in (f"{name}.so", f"{name}module.so", f"{name}.pyc"):
                if one in names:
                    return entry.real, one
            extension = next((one for one in names if one.startswith(f"{name}.") and one.endswith(".so")), None)
            if extension:
                return entry.real, extension
        return namespace


def read_environment(
    folder: Path,
    python: Path | None = None,
    *,
    isolated: bool = False,
    user_home: str | None = None,
) -> Environment:
    """The environment below a folder: a system's root, or a virtual environment.

    ``python`` is an interpreter: a path inside the root, or one of this machine. Raises UsageError where the
    folder or the interpreter is not there, and ConfigError where there is no Python.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give a system's root folder, or a virtual environment")
    root, named = _root_of(folder, python)
    interpreter = find_interpreter(root, named)
    path = search_path(root, interpreter, isolated=isolated, user_home=user_home)
    if not path.sites:
        raise ConfigError(
            f"the Python {interpreter.short} of {folder} has no folder for distributions",
            hint="name another interpreter with --python",
        )
    copies = tuple(copy for entry in path.sites for copy in installed_in(root, entry))
    skipped = [*_noted_code(path), *_other_pythons(root, interpreter)]
    machine = interpreter.arch or _machine(root)
    if machine is None:
        machine = _ASSUMED
        skipped.append(Skipped("the machine", f"no program of it could be read: markers are evaluated for {machine}"))
    libraries: Libraries | None = Libraries(root, machine)
    if libraries is not None and not libraries.has_libc:
        libraries = None
        skipped.append(
            Skipped("libraries that native modules need", "the root has no C library: it is not a whole system")
        )
    rpm = read_rpm_database(root, [entry.real for entry in path.sites])
    if rpm is not None:
        if rpm.unread:
            skipped.append(Skipped(f"the RPM database {rpm.place}", rpm.unread))
        why = f"the one that is read is {rpm.place}"
        skipped += [Skipped(f"the RPM database {other}", why) for other in rpm.others]
    target = TargetEnvironment(_whole(interpreter.version), (2, 17), machine)
    return Environment(root, interpreter, path, copies, rpm, target, libraries, tuple(skipped))


def _root_of(folder: Path, python: Path | None) -> tuple[RootFileSystem, str | None]:
    if (folder / "pyvenv.cfg").is_file():
        # The environment's interpreter is a link to that of the system around it.
        around = _system_around(folder)
        system = RootFileSystem(around)
        place = folder.resolve()
        names = [name for name in ("python3", "python") if os.path.lexists(place / "bin" / name)]
        inside = place / "bin" / (names[0] if names else "python3")
        if around == Path("/"):
            return system, str((python or folder.absolute() / "bin" / inside.name).absolute())
        return system, (system.within(python) or str(python)) if python else f"/{inside.relative_to(around)}"
    root = RootFileSystem(folder)
    if python is None:
        return root, None
    text = str(python)
    if root.is_machine:
        return root, str(python.absolute())
    if python.is_absolute() and root.is_file(text):
        return root, text
    return root, root.within(python) or f"/{text.lstrip('/')}"


def _system_around(folder: Path) -> Path:
    """The root folder of the system that a virtual environment lies in: this machine where there is no other."""
    for parent in folder.resolve().parents:
        if (
            any((parent / name).exists() for name in ("etc/os-release", "usr/lib/os-release"))
            and (parent / "usr").is_dir()
        ):
            return parent
    return Path("/")


def _whole(version: str) -> str:
    """The version with three numbers: what is not known is 0, as pip takes it."""
    return version if version.count(".") > 1 else f"{version}.0"


def _machine(root: RootFileSystem) -> str | None:
    """The machine of the root's own programs."""
    for path in ("/bin/sh", "/usr/bin/bash", "/usr/bin/coreutils", "/usr/lib64/libc.so.6", "/bin/busybox"):
        elf = program_at(root, path)
        if elf is not None:
            return elf.arch
    return None


def _noted_code(path: SearchPath) -> list[Skipped]:
    return [
        Skipped(f"{one.file}:{one.line}", f"code that the interpreter runs at its start was not run: {one.code[:60]}")
        for one in path.code
    ]


def _other_pythons(root: RootFileSystem, interpreter: Interpreter) -> list[Skipped]:
    if interpreter.is_virtual or interpreter.base_prefix not in ("/usr", "/usr/local"):
        return []
    found = []
    for prefix, _, version in python_folders(root):
        program = f"{prefix}/bin/python{version}"
        if (prefix, version) != (interpreter.prefix, interpreter.short) and root.is_file(program):
            found.append(Skipped(program, f"another interpreter; to check it, add --python {program}"))
    return list(dict.fromkeys(found))
