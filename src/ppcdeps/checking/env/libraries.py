"""The shared libraries of a root as its dynamic loader would find them, for one machine, without running the
loader.

Followed: ld.so(8), with ld.so.conf and its includes in place of the cache that ldconfig makes of them.
"""

import itertools
import posixpath
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch

from ppcdeps.checking.env.interpreters import program_at
from ppcdeps.checking.env.root_file_system import EntryKind, RootFileSystem
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.rpm.elf import Elf

_LIMIT = 1 << 20
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
_DEEPEST = 8
"""More levels of includes than any ld.so.conf has."""


class Libraries:
    """The libraries for one architecture (``ppc64le``) in the loader's own folders."""

    def __init__(self, root: RootFileSystem, arch: str) -> None:
        self._root = root
        self._arch = arch
        triplet = _TRIPLETS.get(arch)
        multiarch = (f"/lib/{triplet}", f"/usr/lib/{triplet}") if triplet else ()
        configured = _LoaderConfiguration(root).folders()
        self.folders = tuple(dict.fromkeys((*configured, *multiarch, *_DEFAULTS)))
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


class _LoaderConfiguration:
    """ld.so.conf and its includes, each file read once: one that includes itself adds nothing.

    What is beyond the ceilings on files and folders is left out.
    """

    def __init__(self, root: RootFileSystem) -> None:
        self._root = root
        self._seen: set[str] = set()
        self._patterns: set[str] = set()

    def folders(self) -> tuple[str, ...]:
        """The folders that are searched before the default ones, in order."""
        found = itertools.islice(self._folders_in("/etc/ld.so.conf", 0), CEILINGS.loader_folders)
        return tuple(dict.fromkeys(found))

    def _folders_in(self, path: str, depth: int) -> Iterator[str]:
        path = posixpath.normpath(path)
        if depth > _DEEPEST or path in self._seen or len(self._seen) >= CEILINGS.loader_files:
            return
        self._seen.add(path)
        if not self._root.is_file(path):
            return
        text = (self._root.read(path, _LIMIT) or b"").decode("utf-8", "surrogateescape")
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if len(words) > 1 and words[0] == "include":
                # A line may name one pattern thousands of times, and each of them looks into the folder.
                for word in words[1:]:
                    pattern = posixpath.normpath(posixpath.join(posixpath.dirname(path), word))
                    if pattern in self._patterns or len(self._patterns) >= CEILINGS.loader_files:
                        continue
                    self._patterns.add(pattern)
                    for file in _matching(self._root, pattern):
                        yield from self._folders_in(file, depth + 1)
            elif words and words[0] != "hwcap":
                yield from (one for one in re.split(r"[\s:,]+", " ".join(words)) if one.startswith("/"))


def _matching(root: RootFileSystem, pattern: str) -> list[str]:
    folder, name = posixpath.split(pattern)
    kinds = (EntryKind.FILE,)
    return [f"{folder}/{one.name}" for one in root.entries(folder) if one.kind in kinds and fnmatch(one.name, name)]
