"""The module search path of an interpreter that is not run: sys.path as getpath and site.py make it.

Followed: CPython's site.py, Debian's (dist-packages) and Fedora's (/usr/local before /usr, unless `python -s`).
Nothing of the environment enters: no PYTHONPATH, and no user site unless its home folder is named. Lines of
`.pth` files that are code are noted and never run.
"""

import ast
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ppcdeps.checking.env.interpreters import Interpreter, Style
from ppcdeps.checking.env.root_file_system import EntryKind, RootFileSystem


class PathOrigin(StrEnum):
    """Why a folder is on the path."""

    STANDARD = "standard library"
    SITE = "site folder"
    USER = "user site"
    BASE = "site folder of the base installation"
    PTH = "a .pth file"


@dataclass(frozen=True, slots=True)
class PathEntry:
    """One folder of the path, as site.py writes it, and without links in ``real``."""

    path: str
    real: str
    origin: PathOrigin


@dataclass(frozen=True, slots=True)
class PthCode:
    """A line of a `.pth` file that the interpreter runs when it starts."""

    file: str
    line: int
    code: str


@dataclass(frozen=True, slots=True)
class SearchPath:
    """The folders in their order, those that are not there left out; the code that was not run.

    ``mapped`` are top-level modules that an editable installation's finder gives, by name, with their places.
    """

    entries: tuple[PathEntry, ...]
    code: tuple[PthCode, ...] = ()
    mapped: tuple[tuple[str, str], ...] = ()

    @property
    def sites(self) -> tuple[PathEntry, ...]:
        """The entries that hold distributions, each real folder once."""
        first = {one.real: one for one in reversed(self.entries) if one.origin is not PathOrigin.STANDARD}
        return tuple(one for one in self.entries if first.get(one.real) is one)


def search_path(
    root: RootFileSystem, python: Interpreter, *, isolated: bool = False, user_home: str | None = None
) -> SearchPath:
    """The interpreter's path. ``isolated`` is `python -s`; ``user_home`` the home folder whose user site to add."""
    path = _Path(root)
    for folder in _standard(python):
        path.add(folder, PathOrigin.STANDARD)
    if python.is_virtual:
        path.add_sites(_site_folders(python, [python.prefix]), PathOrigin.SITE)
    if user_home and not isolated and python.system_site:
        path.add_sites([f"{user_home}/.local/lib/python{python.short}/site-packages"], PathOrigin.USER)
    prefixes = [python.prefix, python.base_prefix] if python.system_site else [python.prefix]
    local = python.style is Style.FEDORA and python.base_prefix == "/usr" and not python.short.startswith("2")
    if local and python.system_site and not isolated:
        prefixes.insert(0, "/usr/local")
    path.add_sites(_site_folders(python, prefixes), PathOrigin.BASE if python.is_virtual else PathOrigin.SITE)
    return SearchPath(tuple(path.entries), tuple(path.code), tuple(path.mapped.items()))


def _standard(python: Interpreter) -> Iterator[str]:
    stdlib = f"{python.base_prefix.rstrip('/')}/{python.libdir}/python{python.short}"
    yield stdlib
    if python.short.startswith("2"):
        yield from (f"{stdlib}/{name}" for name in ("plat-linux2", "lib-tk", "lib-old"))
    yield f"{stdlib}/lib-dynload"


def _site_folders(python: Interpreter, prefixes: list[str]) -> list[str]:
    """What site.getsitepackages gives for the prefixes."""
    found = []
    versioned = f"python{python.short}"
    libdirs = ["lib64", "lib"] if python.libdir == "lib64" else ["lib"]
    for prefix in (one.rstrip("/") for one in dict.fromkeys(prefixes)):
        if python.style is not Style.DEBIAN:
            found += [f"{prefix}/{libdir}/{versioned}/site-packages" for libdir in libdirs]
            continue
        if python.is_virtual:
            found.append(f"{prefix}/lib/{versioned}/site-packages")
        found.append(f"{prefix}/local/lib/{versioned}/dist-packages")
        if not python.short.startswith("2"):
            found.append(f"{prefix}/lib/python3/dist-packages")
        found.append(f"{prefix}/lib/{versioned}/dist-packages")
    return list(dict.fromkeys(found))


class _Path:
    """sys.path while it grows."""

    def __init__(self, root: RootFileSystem) -> None:
        self._root = root
        self.entries: list[PathEntry] = []
        self.code: list[PthCode] = []
        self.mapped: dict[str, str] = {}
        self._known: set[str] = set()
        self._eggs_end: int | None = None

    def add(self, path: str, origin: PathOrigin) -> bool:
        """Append the folder where it is there and not yet on the path; of a .pth file, an archive, too."""
        path = posixpath.normpath(path)
        kinds = (EntryKind.FOLDER, EntryKind.FILE) if origin is PathOrigin.PTH else (EntryKind.FOLDER,)
        if path in self._known or self._root.kind(path) not in kinds:
            return False
        self._known.add(path)
        self.entries.append(PathEntry(path, self._root.resolve(path), origin))
        return True

    def add_sites(self, folders: list[str], origin: PathOrigin) -> None:
        """What site.addsitedir does for each: the folder, then what its .pth files name, in the order of names."""
        for folder in folders:
            if self.add(folder, origin):
                for name in sorted(self._root.names(folder)):
                    if name.endswith(".pth") and not name.startswith("."):
                        self._add_pth(folder, name)

    def _add_pth(self, folder: str, name: str) -> None:
        file = f"{folder}/{name}"
        content = self._root.read(file, "root_text") if self._root.is_file(file) else None
        begin: int | None = None
        text = (content or b"").decode("utf-8-sig", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith("#") or not line.strip():
                continue
            if not line.startswith(("import ", "import\t")):
                if "\0" not in line:
                    self.add(posixpath.join(folder, line.rstrip()), PathOrigin.PTH)
            elif "sys.__plen = len(sys.path)" in line:
                begin = len(self.entries)
            elif "sys.__egginsert" in line and begin is not None:
                self._move_eggs(begin)
            else:
                self._note_code(folder, file, number, line.strip())

    def _move_eggs(self, begin: int) -> None:
        """What the last line of easy-install.pth does: its folders go before everything but earlier eggs."""
        moved = self.entries[begin:]
        del self.entries[begin:]
        place = self._eggs_end or 0
        self.entries[place:place] = moved
        self._eggs_end = place + len(moved)

    def _note_code(self, folder: str, file: str, number: int, code: str) -> None:
        finder = code.removeprefix("import ").split(";")[0].strip()
        if finder.startswith("__editable__") and finder.isidentifier():
            self.mapped.update(_mapping(self._root.read(f"{folder}/{finder}.py", "root_metadata")))
            return
        if not _is_harmless(code):
            self.code.append(PthCode(file, number, code))


def _mapping(source: bytes | None) -> dict[str, str]:
    """The modules that setuptools' finder of an editable installation maps to places."""
    try:
        tree = ast.parse(source or b"")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="MAPPING"), value=ast.expr() as value):
                pass
            case ast.Assign(targets=[ast.Name(id="MAPPING")], value=value):
                pass
            case _:
                continue
        try:
            found = ast.literal_eval(value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            return {}
        if isinstance(found, dict):
            return {str(name): str(place) for name, place in found.items()}
    return {}


def _is_harmless(code: str) -> bool:
    """Whether the line is one that changes nothing of which copy is imported: setuptools' own, and virtualenv's."""
    return (
        "_distutils_hack" in code
        or code in ("import _virtualenv", "import distutils-precedence")
        # A namespace package as setuptools made them before Python 3.3: its parts are found by their folders.
        or ("has_mfs" in code and "__path__" in code)
        or ("types.ModuleType" in code and "__path__" in code)
    )
