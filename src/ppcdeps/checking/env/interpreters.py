"""The Python interpreter of a system that is not run: its version and prefixes, from what lies on the disk."""

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum

from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.rpm.elf import DamagedElfError, Elf, read_elf

_USUAL = (
    "/usr/bin/python3",
    "/usr/local/bin/python3",
    "/usr/libexec/platform-python",
    "/usr/bin/python2",
    "/usr/bin/python",
)
"""Where the system's interpreter is, the most usual first; platform-python is EL8's."""
_NAMED = re.compile(r"(?:lib)?(?:platform-)?python(\d\.\d+)")
_FOLDER = re.compile(r"python(\d\.\d+)t?")


class Style(StrEnum):
    """Whose rules for site folders the interpreter was built with."""

    UPSTREAM = "upstream"
    DEBIAN = "Debian"
    FEDORA = "Fedora"
    """And EL."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One interpreter; all paths are inside the root.

    ``executable`` is as it is called, None where only its folders are there. ``version`` has two numbers, or all
    where they could be found. ``prefix`` is sys.prefix, ``base_prefix`` the one of the installation that a
    virtual environment rests on. ``libdir`` is sys.platlibdir, ``stdlib`` the folder of the standard library
    where it is there. ``arch`` is the machine that its program is for (``ppc64le``), None where no program says
    it. ``needed`` are the libraries that it has loaded before any module.
    """

    executable: str | None
    version: str
    prefix: str
    base_prefix: str
    libdir: str
    stdlib: str | None
    style: Style
    system_site: bool = True
    arch: str | None = None
    program: str | None = None
    needed: tuple[str, ...] = ()

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual environment's."""
        return self.prefix != self.base_prefix

    @property
    def short(self) -> str:
        """Major and minor number: ``3.9``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def command(self) -> str:
        """What to call it in a command to copy."""
        return self.executable or f"python{self.short}"


def find_interpreter(root: RootFileSystem, python: str | None = None) -> Interpreter:
    """The interpreter of that path inside the root, or else the system's own.

    Raises UsageError where the named one is not there or is not a Python, and ConfigError where the root has none.
    """
    if python is not None:
        if not root.is_file(python):
            raise UsageError(f"there is no interpreter {python} in {root.folder}", hint="name one with --python")
        return _of_executable(root, python)
    for path in _USUAL:
        if root.is_file(path):
            return _of_executable(root, path)
    found = python_folders(root)
    if not found:
        raise ConfigError(
            f"{root.folder} has no Python: neither {_USUAL[0]} nor a folder like usr/lib/python3.9 is there",
            hint="give the root folder of a system or a virtual environment, or name an interpreter with --python",
        )
    prefix, libdir, version = found[0]
    return _of_prefix(root, None, prefix, libdir, version)


def python_folders(root: RootFileSystem) -> list[tuple[str, str, str]]:
    """Prefix, library folder and version of each Python that has folders below /usr or /usr/local, newest first.

    Folders that hold nothing but modules of an application, such as /usr/lib/python3, are none.
    """
    found = []
    for prefix in ("/usr", "/usr/local"):
        for libdir in ("lib64", "lib"):
            for entry in root.entries(f"{prefix}/{libdir}"):
                named = _FOLDER.fullmatch(entry.name)
                if named and root.names(f"{prefix}/{libdir}/{entry.name}"):
                    found.append((prefix, libdir, named[1]))
    return sorted(found, key=lambda one: (one[0] != "/usr", [-int(part) for part in one[2].split(".")]))


def _of_executable(root: RootFileSystem, path: str) -> Interpreter:
    configuration = _pyvenv(root, path)
    if configuration is not None:
        return _virtual(root, path, *configuration)
    try:
        real = root.resolve(path)
    except OSError as fault:
        raise UsageError(f"the interpreter {path} cannot be read: {fault.strerror}") from None
    program = program_at(root, real)
    version = _version_of(root, real, program.needed if program else ())
    if version is None:
        raise UsageError(
            f"{path} in {root.folder} is not a Python whose version can be found out",
            hint="name the file pythonX.Y itself with --python",
        )
    prefix, libdir = _prefix_of(root, posixpath.dirname(real), version)
    return _of_prefix(root, path, prefix, libdir, version, real, program)


def _of_prefix(
    root: RootFileSystem,
    executable: str | None,
    prefix: str,
    libdir: str,
    version: str,
    real: str | None = None,
    program: Elf | None = None,
) -> Interpreter:
    stdlib = f"{prefix}/{libdir}/python{version}".replace("//", "/")
    return Interpreter(
        executable=executable,
        version=_full_version(root, version, real, prefix),
        prefix=prefix,
        base_prefix=prefix,
        libdir=libdir,
        stdlib=stdlib if root.is_folder(stdlib) else None,
        style=_style(root, stdlib, prefix),
        arch=program.arch if program else None,
        program=real,
        needed=program.needed if program else (),
    )


def _virtual(root: RootFileSystem, path: str, prefix: str, settings: dict[str, str]) -> Interpreter:
    home = settings.get("home", "")
    stated = re.match(r"(\d+\.\d+)", settings.get("version", settings.get("version_info", "")))
    version = stated[1] if stated else None
    names = [f"python{version}"] if version else []
    candidates = [settings.get("executable", ""), *(f"{home}/{name}" for name in (*names, "python3", "python"))]
    for candidate in candidates:
        # One that is itself of an environment would lead around in circles.
        if candidate.startswith("/") and root.is_file(candidate) and _pyvenv(root, candidate) is None:
            base = _of_executable(root, candidate)
            break
    else:
        # What it was made from is gone, or not in this root: its folders say the version.
        own = [found[1] for entry in root.entries(f"{prefix}/lib") if (found := _FOLDER.fullmatch(entry.name))]
        version = version or (own[0] if own else None)
        if version is None:
            raise ConfigError(
                f"the virtual environment {prefix} does not say its Python version, nor does it have folders"
            )
        base = _of_prefix(root, path, posixpath.dirname(home) or "/usr", "lib", version)
    exact = re.match(r"\d+\.\d+\.\d+", settings.get("version", settings.get("version_info", "")))
    return Interpreter(
        executable=path,
        version=exact[0]
        if exact and base.version == base.short and exact[0].startswith(f"{base.short}.")
        else base.version,
        prefix=prefix,
        base_prefix=base.prefix,
        libdir=base.libdir,
        stdlib=base.stdlib,
        style=base.style,
        # What site.py takes it for where it is not said.
        system_site=settings.get("include-system-site-packages", "true").lower() == "true",
        arch=base.arch,
        program=base.program,
        needed=base.needed,
    )


def _pyvenv(root: RootFileSystem, executable: str) -> tuple[str, dict[str, str]] | None:
    """The environment's prefix and settings, found as site.py does: beside the executable or one folder up."""
    folder = posixpath.dirname(executable)
    parent = posixpath.dirname(folder)
    for place in (folder, parent):
        if not root.is_file(f"{place}/pyvenv.cfg"):
            continue
        text = (root.read(f"{place}/pyvenv.cfg", "root_text") or b"").decode("utf-8", "replace")
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
        return parent, {key.strip().lower(): value.strip() for key, _, value in pairs}
    return None


def _version_of(root: RootFileSystem, real: str, needed: tuple[str, ...]) -> str | None:
    for name in (posixpath.basename(real), *needed):
        named = _NAMED.match(name)
        if named:
            return named[1]
    if "py" not in posixpath.basename(real):
        return None
    parent = posixpath.dirname(posixpath.dirname(real))
    own = {
        found[1]
        for libdir in ("lib64", "lib")
        for entry in root.entries(f"{parent}/{libdir}")
        if (found := _FOLDER.fullmatch(entry.name)) and root.has(f"{parent}/{libdir}/{entry.name}/os.py")
    }
    return own.pop() if len(own) == 1 else None


def _prefix_of(root: RootFileSystem, folder: str, version: str) -> tuple[str, str]:
    """The prefix and the library folder, found as getpath.py does: upwards, by a landmark."""
    here = folder
    while True:
        for libdir in ("lib64", "lib"):
            stdlib = f"{here.rstrip('/')}/{libdir}/python{version}"
            if root.has(f"{stdlib}/os.py") or root.has(f"{stdlib}/os.pyc"):
                return here, libdir
        if here == "/":
            break
        here = posixpath.dirname(here)
    prefix = posixpath.dirname(folder) if posixpath.basename(folder) in ("bin", "libexec", "sbin") else folder
    libdir = "lib64" if root.is_folder(f"{prefix}/lib64/python{version}") else "lib"
    return prefix, libdir


def _style(root: RootFileSystem, stdlib: str, prefix: str) -> Style:
    """Told from the interpreter's own site.py where it is there: distributions patch it."""
    text = root.read(f"{stdlib}/site.py", "root_text") if root.has(f"{stdlib}/site.py") else None
    if text is not None:
        if b'"dist-packages"' in text:
            return Style.DEBIAN
        return Style.FEDORA if re.search(rb"""["']/usr/local["']""", text) else Style.UPSTREAM
    if prefix != "/usr":
        return Style.UPSTREAM
    release = ""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        release = release or (root.read(path, "root_text") or b"").decode("utf-8", "replace")
    ids = set(re.findall(r"[\w.-]+", " ".join(re.findall(r"^ID(?:_LIKE)?=(.*)$", release, re.MULTILINE))))
    if ids & {"debian", "ubuntu"}:
        return Style.DEBIAN
    return Style.FEDORA if ids & {"fedora", "rhel", "centos"} else Style.UPSTREAM


def program_at(root: RootFileSystem, path: str) -> Elf | None:
    """The ELF file at a path; None where it is not one, is damaged or cannot be read."""
    try:
        with root.open(path) as stream:
            return read_elf(stream)
    except (OSError, DamagedElfError):
        return None


def _full_version(root: RootFileSystem, version: str, program: str | None, prefix: str) -> str:
    """All numbers, from the C header or the program's constant; the two that are known where neither has them."""
    # Up to 3.7 the folder's name had the ABI flags in it.
    for flags in ("", "m"):
        header = f"{prefix}/include/python{version}{flags}/patchlevel.h"
        if not root.has(header):
            continue
        text = (root.read(header, "root_text") or b"").decode("utf-8", "replace")
        defined = re.search(r'^#define\s+PY_VERSION\s+"(\d+\.\d+\.\d+[a-z0-9]*)\+?"', text, re.MULTILINE)
        if defined and defined[1].startswith(f"{version}."):
            return defined[1]
    library = f"libpython{version}.so.1.0"
    places = [program] if program else []
    for libdir in ("lib64", "lib"):
        places.append(f"{prefix}/{libdir}/{library}")
        places += [f"{prefix}/{libdir}/{one}/{library}" for one in _multiarch(root, f"{prefix}/{libdir}")]
    constant = re.compile(rb"\0(" + re.escape(version.encode()) + rb"\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?)\+?\0")
    for place in places:
        if root.has(place) and root.is_file(place):
            found = constant.search(root.read(place, "root_program") or b"")
            if found:
                return found[1].decode()
    return version


def _multiarch(root: RootFileSystem, folder: str) -> list[str]:
    return [one.name for one in root.entries(folder) if one.name.endswith(("-linux-gnu", "-linux-musl"))]
