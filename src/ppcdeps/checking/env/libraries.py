"""The shared libraries of a root as its dynamic loader would find them, for one machine, without running the
loader.

Followed: ld.so(8), with ld.so.conf and its includes in place of the cache that ldconfig makes of them.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from itertools import islice

from ppcdeps.checking.env.interpreters import program_at
from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.rpm.elf import Elf

_CONFIGURATION = "/etc/ld.so.conf"
_DEFAULTS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_TRIPLETS = {
    "ppc64le": "powerpc64le-linux-gnu",
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "i686": "i386-linux-gnu",
    "armv7hl": "arm-linux-gnueabihf",
}


class Libraries:
    """The libraries for one architecture (``ppc64le``) in the loader's own folders."""

    def __init__(self, root: RootFileSystem, arch: str) -> None:
        self._root = root
        self._arch = arch
        triplet = _TRIPLETS.get(arch)
        multiarch = (f"/lib/{triplet}", f"/usr/lib/{triplet}") if triplet else ()
        most = CEILINGS.loader_folders
        configured = list(islice(_configured(root, _CONFIGURATION), most + 1))
        if len(configured) > most:
            root.unseen[_CONFIGURATION] = f"it has {beyond('loader_folders', 'more than')}"
        self.folders = tuple(dict.fromkeys((*configured[:most], *multiarch, *_DEFAULTS)))
        self._found: dict[str, tuple[str, Elf] | None] = {}
        self._read: dict[str, Elf | None] = {}

    @property
    def has_libc(self) -> bool:
        """Whether the root has a C library at all: without one it is not a whole system."""
        return any(
            name == "libc.so.6" or name.startswith(("ld-musl-", "libc.musl-"))
            for folder in self.folders
            for name in self._root.names(folder)
        )

    def find(self, soname: str, folders: Iterable[str] = ()) -> tuple[str, Elf] | None:
        """Path and content of the library that is loaded for the name: from ``folders`` first, then the system's.

        Files for another machine are passed over, as the loader does.
        """
        for folder in folders:
            found = self._at(posixpath.normpath(posixpath.join(folder, soname)))
            if found is not None:
                return found
        if soname not in self._found:
            places = (self._at(f"{folder}/{soname}") for folder in self.folders)
            self._found[soname] = next((one for one in places if one is not None), None)
        return self._found[soname]

    def similar(self, soname: str) -> tuple[str, ...]:
        """Libraries of the same name and another number: ``libssl.so.3`` for ``libssl.so.1.1``."""
        stem = soname.partition(".so")[0] + ".so."
        return tuple(sorted({n for folder in self.folders for n in self._root.names(folder) if n.startswith(stem)}))

    def read(self, path: str) -> Elf | None:
        """The ELF file; None where it is none, is damaged or cannot be read. Remembered."""
        if path not in self._read:
            self._read[path] = program_at(self._root, path)
        return self._read[path]

    def loaded_with(self, needed: Iterable[str], folders: Iterable[str] = ()) -> frozenset[str]:
        """All sonames that are in the process once a program that needs these has started."""
        searched = tuple(folders)
        waiting, seen = list(needed), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            found = self.find(name, searched)
            if found is not None:
                seen.add(name)
                waiting += found[1].needed
        return frozenset(seen)

    def _at(self, path: str) -> tuple[str, Elf] | None:
        folder, name = posixpath.split(path)
        if name not in self._root.names(folder):
            return None
        elf = self.read(path)
        return (path, elf) if elf is not None and elf.arch == self._arch else None


def _configured(root: RootFileSystem, first: str) -> Iterator[str]:
    """The folders that ld.so.conf names, in their order. What was included before adds none."""
    included = {first}
    reading = [(first, _lines(root, first))]
    while reading:
        path, lines = reading[-1]
        words = next(lines, None)
        if words is None:
            reading.pop()
        elif len(words) > 1 and words[0] == "include":
            files = []
            for pattern in (posixpath.join(posixpath.dirname(path), word) for word in words[1:]):
                if len(included) >= CEILINGS.loader_files:
                    root.unseen[path] = f"it has {beyond('loader_files', 'more than')}"
                    break
                if pattern in included:
                    continue
                matching = [one for one in _matching(root, pattern) if one not in included]
                included.update((pattern, *matching))
                files += matching
            reading += [(file, _lines(root, file)) for file in reversed(files)]
        elif words[0] != "hwcap":
            yield from (one for one in re.split(r"[\s:,]+", " ".join(words)) if one.startswith("/"))


def _lines(root: RootFileSystem, path: str) -> Iterator[list[str]]:
    """The words of each line, without comments; of a file that is not there, none."""
    if not root.is_file(path):
        return
    text = (root.read(path, "root_text") or b"").decode("utf-8", "surrogateescape")
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            yield words


def _matching(root: RootFileSystem, pattern: str) -> list[str]:
    folder, name = posixpath.split(pattern)
    names = sorted(one for one in root.names(folder) if fnmatch(one, name))
    return [f"{folder}/{one}" for one in names if root.is_file(f"{folder}/{one}")]
