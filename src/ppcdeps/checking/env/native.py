"""Rules on native modules: would the loader of this root load them, and the interpreter find them?"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.files import some
from ppcdeps.checking.env.fixes import pip_install, reinstall
from ppcdeps.checking.env.installed import Installed
from ppcdeps.checking.env.interpreters import Style
from ppcdeps.checking.env.libraries import Libraries
from ppcdeps.checking.env.root_file_system import EntryKind
from ppcdeps.checking.findings import Finding
from ppcdeps.checking.rules import finding
from ppcdeps.rpm.elf import DamagedElfError, Elf, read_elf

_LIBRARY = re.compile(r".+\.so(?:\.\d+)*")
_TAGGED = re.compile(
    r"(?P<module>[^.]+)\.(?P<tag>cpython-(?P<python>\d+)(?P<flags>[a-z]*)(?:-(?P<platform>[\w-]+))?)\.so"
)
_DEEPEST = 60
_MACHINES = {"powerpc64le": "ppc64le", "ppc64le": "ppc64le", "i386": "i686", "arm": "armv7hl"}


@dataclass(frozen=True, slots=True)
class NativeFile:
    """A shared object below a site folder: a module of Python, or a library that modules bring along."""

    path: str
    elf: Elf | None
    damage: str = ""
    is_alias: bool = False
    """Whether it is a link to a file that is one of these itself."""

    @property
    def folder(self) -> str:
        """The folder that it is in."""
        return posixpath.dirname(self.path)


@dataclass
class _Trouble:
    """The files of one distribution that one rule speaks of, by what is wrong with them."""

    files: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, path: str) -> None:
        self.files.setdefault(what, []).append(path)


def native_files(environment: Environment) -> list[NativeFile]:
    """All shared objects below the site folders, by path. Folders that links lead to are entered once."""
    found: dict[str, NativeFile] = {}
    aliases: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [(entry.real, 0) for entry in reversed(environment.path.sites)]
    while waiting:
        folder, depth = waiting.pop()
        if folder in seen or depth > _DEEPEST:
            continue
        seen.add(folder)
        for one in environment.root.entries(folder):
            path = f"{folder}/{one.name}"
            if one.kind is EntryKind.FOLDER and one.name != "__pycache__":
                waiting.append((environment.root.resolve(path) if one.is_link else path, depth + 1))
            elif one.kind is EntryKind.FILE and ".so" in one.name and _LIBRARY.fullmatch(one.name):
                found[path] = _read(environment, path)
                if one.is_link:
                    aliases[path] = environment.root.resolve(path)
    for path, real in aliases.items():
        if real in found:
            found[path] = replace(found[path], is_alias=True)
    return [found[path] for path in sorted(found)]


def native_findings(environment: Environment, files: list[NativeFile]) -> Iterator[Finding]:
    """What is wrong with native modules, one finding a distribution and rule."""
    owners = _Owners(environment)
    troubles: dict[tuple[str, str], _Trouble] = {}
    # What another module of the same tree has loaded before counts as there: numpy, torch and auditwheel rely on it.
    at_hand = _brought(files) | _loaded_at_start(environment)

    def note(rule: str, what: str, file: NativeFile) -> None:
        owner = owners.of(file.path)
        place = owner.metadata if owner else file.folder
        troubles.setdefault((rule, place), _Trouble()).add(what, file.path)

    for file in files:
        if file.is_alias:
            continue
        if file.elf is None:
            note("env-damaged-module", file.damage or "is not an ELF file", file)
            continue
        if environment.python.arch and file.elf.arch != environment.python.arch:
            note("env-wrong-machine", f"for {file.elf.arch}", file)
            continue
        if _is_for_another_python(environment, file):
            note("env-wrong-abi", posixpath.basename(file.path).partition(".")[2].removesuffix(".so"), file)
            continue
        if environment.libraries is not None and file.elf.kind == "dyn":
            for rule, what in _unloadable(environment.libraries, file, file.elf, at_hand):
                note(rule, what, file)
    for (rule, place), trouble in troubles.items():
        yield _finding(environment, rule, place, trouble, owners)


class _Owners:
    """The distribution that each file came with."""

    def __init__(self, environment: Environment) -> None:
        self._by_file: dict[str, Installed] = {}
        self._by_module: dict[str, Installed] = {}
        self.by_metadata: Mapping[str, Installed] = {one.metadata: one for one in environment.copies}
        for copy in reversed(environment.copies):
            for one in copy.files or ():
                if one.path.endswith(".so") or ".so." in one.path:
                    self._by_file[one.path] = copy
            for module in (*copy.modules, copy.key.replace("-", "_")):
                self._by_module[f"{copy.entry.real}/{module}"] = copy

    def of(self, path: str) -> Installed | None:
        owner = self._by_file.get(path)
        here = path
        while owner is None and here not in ("/", ""):
            here = posixpath.dirname(here)
            owner = self._by_module.get(here)
        return owner or self._by_module.get(f"{posixpath.dirname(path)}/{posixpath.basename(path).partition('.')[0]}")


def _read(environment: Environment, path: str) -> NativeFile:
    try:
        with environment.root.open(path) as stream:
            elf = read_elf(stream)
            if elf is None:
                stream.seek(0)
                empty = not stream.read(1)
                return NativeFile(path, None, "is empty" if empty else "is not an ELF file")
    except DamagedElfError as fault:
        return NativeFile(path, None, str(fault))
    except OSError as fault:
        environment.root.unseen[path] = fault.strerror or "cannot be read"
        return NativeFile(path, Elf("none", "EM_NONE", 0, True, 0))
    return NativeFile(path, elf)


def _is_for_another_python(environment: Environment, file: NativeFile) -> bool:
    """Whether its name ties it to another interpreter, and no other build of the module lies beside it."""
    named = _TAGGED.fullmatch(posixpath.basename(file.path))
    if named is None:
        return False
    beside = environment.root.names(file.folder)
    plain = {f"{named['module']}.abi3.so", f"{named['module']}.so"}
    others = [other for name in beside if (other := _TAGGED.fullmatch(name)) and other["module"] == named["module"]]
    return not (plain & beside) and not any(_suits(environment, other) for other in others)


def _suits(environment: Environment, tag: re.Match[str]) -> bool:
    if tag["python"] != environment.python.short.replace(".", ""):
        return False
    machine = (tag["platform"] or "").partition("-")[0]
    return not machine or environment.python.arch in (None, _MACHINES.get(machine, machine))


def _unloadable(
    libraries: Libraries, file: NativeFile, elf: Elf, at_hand: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Rules that the file breaks, each with the soname or the symbol version that is not there."""
    searched = [_expanded(folder, file.folder) for folder in elf.runpath or elf.rpath]
    versions = dict(elf.versions_needed)
    for soname in elf.needed:
        found = libraries.find(soname, () if soname.startswith("/") else searched)
        if found is None:
            if soname not in at_hand:
                yield "env-missing-library", soname
            continue
        defined = set(found[1].versions_defined)
        lacking = [one for one in versions.get(soname, ()) if one not in defined]
        # A library without any versions is taken as it is, with a word of the loader's.
        if lacking and defined:
            yield "env-symbol-version", f"{_last(lacking)} of {soname}"


def _loaded_at_start(environment: Environment) -> frozenset[str]:
    """The libraries that the interpreter has loaded before any module."""
    libraries, program = environment.libraries, environment.python.program
    elf = libraries.read(program) if libraries and program else None
    if libraries is None or program is None or elf is None:
        return frozenset()
    folders = [_expanded(folder, posixpath.dirname(program)) for folder in elf.runpath or elf.rpath]
    return libraries.loaded_with(elf.needed, folders)


def _brought(files: list[NativeFile]) -> frozenset[str]:
    names = {posixpath.basename(one.path) for one in files}
    return frozenset(names | {one.elf.soname for one in files if one.elf and one.elf.soname})


def _expanded(folder: str, origin: str) -> str:
    for name in ("$ORIGIN", "${ORIGIN}"):
        folder = folder.replace(name, origin)
    for name in ("$LIB", "${LIB}"):
        folder = folder.replace(name, "lib64")
    return folder


def _last(versions: list[str]) -> str:
    """The highest of symbol versions of one library."""

    def place(version: str) -> tuple[str, list[int]]:
        name, _, numbers = version.rpartition("_")
        return name, [int(one) for one in numbers.split(".") if one.isdecimal()]

    return max(versions, key=place)


_MESSAGES = {
    "env-wrong-machine": "is {what}, and the interpreter is for {arch}",
    "env-wrong-abi": "is for {what}, and this is Python {python} for {arch}",
    "env-symbol-version": "needs {what}, which the root's copy does not have",
    "env-missing-library": "needs {what}, and the root has none of that name",
    "env-damaged-module": "{what}",
}


def _finding(environment: Environment, rule: str, place: str, trouble: _Trouble, owners: _Owners) -> Finding:
    owner = owners.by_metadata.get(place)
    what = _several(sorted(trouble.files))
    paths = sorted({path for listed in trouble.files.values() for path in listed})
    arch = environment.python.arch or environment.target.machine
    said = _MESSAGES[rule].format(what=what, arch=arch, python=environment.python.version)
    noun = "a native module" if len(paths) == 1 else f"{len(paths)} native modules"
    subject = f"{owner.shown}: {noun}" if owner else noun
    if len(paths) > 1:
        said = said.replace("is ", "are ", 1) if said.startswith("is ") else said.replace("needs ", "need ", 1)
    detail = some(paths)
    libraries = environment.libraries
    if rule == "env-missing-library" and libraries is not None:
        near = [
            f"instead of {one} there is {_several(found)}"
            for one in trouble.files
            if (found := libraries.similar(one))
        ]
        detail += near
    if rule == "env-symbol-version" and libraries is not None:
        detail += _newest(libraries, trouble)
    return finding(
        rule, f"{subject} {said}", paths[0], detail=detail, fix=_fix_for(environment, rule, trouble, owner)
    )


def _newest(libraries: Libraries, trouble: _Trouble) -> Iterator[str]:
    for soname in sorted({what.rpartition(" of ")[2] for what in trouble.files}):
        found = libraries.find(soname)
        if found is None:
            continue
        prefixes = {
            what.partition(" of ")[0].rpartition("_")[0] for what in trouble.files if what.endswith(f" of {soname}")
        }
        for prefix in sorted(prefixes):
            known = [one for one in found[1].versions_defined if one.rpartition("_")[0] == prefix]
            if known:
                yield f"{found[0]} goes up to {_last(known)}"


def _fix_for(environment: Environment, rule: str, trouble: _Trouble, owner: Installed | None) -> list[str]:
    has_rpm = environment.rpm is not None
    if rule == "env-missing-library" and has_rpm:
        # dnf finds packages by what they provide.
        return [f"dnf install '{soname}()(64bit)'" for soname in sorted(trouble.files)]
    if rule == "env-missing-library" and environment.python.style is Style.DEBIAN:
        return [f"apt-file search /{soname}" for soname in sorted(trouble.files)]
    if owner is None:
        return []
    if environment.owner(owner):
        return [reinstall(environment, owner)]
    if rule == "env-damaged-module":
        return [reinstall(environment, owner)]
    # A build for this machine, with this compiler and these libraries.
    wanted = f"{owner.name}=={owner.version}"
    return [pip_install(environment, wanted, "--force-reinstall", "--no-cache-dir", f"--no-binary {owner.name}")]


def _several(words: list[str] | tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
