"""The RPM database of a root, read by rpm's own tools from a copy: the root stays as it is, and none of it is run."""

import contextlib
import errno
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ppcdeps.base.programs import ProgramResult, UnfinishedProgramError, run_program
from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.nevra import Nevra
from ppcdeps.python.names import normalize
from ppcdeps.rpm.database import IN_THIS_FOLDER

_PLACES = ("/usr/lib/sysimage/rpm", "/usr/share/rpm", "/var/lib/rpm")
"""Where the database is: Fedora, EL10 and SUSE; systems of rpm-ostree, whose /var is empty; then all others."""
_MACROS = "/usr/lib/rpm/macros"
_BACKENDS = (("rpmdb.sqlite", "sqlite"), ("Packages.db", "ndb"), ("Packages", "bdb_ro"))
"""The file that shows each backend. Newer rpms read Berkeley DB and do not write it; older ones call it bdb."""
_UNKNOWN = "using dummy database"
"""What rpm warns of before it goes on with an empty database."""
_PATIENCE = 120
_TAGS = ("=NAME", "=VERSION", "=FILEDIGESTALGO", "FILEDIGESTS", "FILEFLAGS", "FILESTATES", "FILENAMES")
_QUERY = "[" + "\\t".join(f"%{{{tag}}}" for tag in _TAGS) + "\\n]"
_IDENTITY = "%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\\n"
_DISTRIBUTION = re.compile(r"python[\d.]*dist\(([^\[\])]+)")
"""What rpm's generator makes of a distribution's requirements: `python3.9dist(six)`."""
_GHOST = 1 << 6
_ALGORITHMS = {"1": "md5", "2": "sha1", "8": "sha256", "9": "sha384", "10": "sha512", "11": "sha224"}


@dataclass(frozen=True, slots=True)
class RpmFile:
    """A file of a package. ``digest`` is hexadecimal, by ``algorithm`` as hashlib calls it; empty for folders."""

    package: str
    version: str
    path: str
    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class RpmDatabase:
    """The files of packages that lie in the requested folders, by their real path.

    ``python_requires`` gives the distributions, by normalized name, that each package's Requires name as such, of
    packages that name any. ``installed`` are the packages that the database has. ``fault`` is what rpm says of a
    damaged database, ``unread`` why one could not be read although nothing may be wrong with it; ``others`` are the
    places of further databases, which are not read.
    """

    place: str
    installed: tuple[Nevra, ...] = ()
    files: Mapping[str, RpmFile] = field(default_factory=dict)
    python_requires: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fault: str = ""
    unread: str = ""
    others: tuple[str, ...] = ()

    def owner(self, path: str) -> str | None:
        """The package that a real path belongs to; of a folder, the one of any file directly in it."""
        own = self.files.get(path)
        if own is not None:
            return own.package
        below = f"{path}/"
        return next((one.package for place, one in self.files.items() if place.startswith(below)), None)


def read_rpm_database(root: RootFileSystem, folders: Iterable[str]) -> RpmDatabase | None:
    """The root's RPM database with the files below the real folders; None where the root has none."""
    found: dict[str, tuple[str, str]] = {}
    for place in (*_place_by_macros(root), *_PLACES):
        for name, backend in _BACKENDS:
            if root.has(f"{place}/{name}") and root.is_file(f"{place}/{name}"):
                found.setdefault(root.resolve(place), (name, backend))
    if not found:
        return None
    place, *others = found
    return replace(_read(root, place, *found[place], tuple(folders)), others=tuple(others))


def _place_by_macros(root: RootFileSystem) -> Iterator[str]:
    """Where the root's own rpm has its database: its macros say so."""
    if not root.is_file(_MACROS):
        return
    text = (root.read(_MACROS, "root_text") or b"").decode("utf-8", "replace")
    if stated := re.search(r"(?m)^%_dbpath[ \t]+(/?\S+)$", text):
        place = re.sub(r"%\{_(usr|prefix|var)\}", lambda name: f"/{name[1].replace('prefix', 'usr')}", stated[1])
        if place.startswith("/") and "%" not in place:
            yield posixpath.normpath(place)


def _read(root: RootFileSystem, place: str, name: str, backend: str, folders: tuple[str, ...]) -> RpmDatabase:
    if shutil.which("rpm") is None:
        return RpmDatabase(place, unread="rpm is not installed on this machine (package rpm)")
    with tempfile.TemporaryDirectory(prefix="ppcdeps-rpmdb-") as folder:
        try:
            _copy(root, place, name, Path(folder))
        except OSError as refused:
            met = f" ({how_to_raise('root_database')})" if refused.errno == errno.EFBIG else ""
            reason = f"{refused.strerror or refused}{met}"
            return RpmDatabase(place, unread=f"it cannot be copied to be read: {reason}")
        for each in (backend, "bdb") if backend == "bdb_ro" else (backend,):
            try:
                packages = _run(folder, each, _IDENTITY)
                listing = _run(folder, each, _QUERY)
                required = _run(folder, each, "[%{=NAME}\\t%{REQUIRENAME}\\n]")
            except UnfinishedProgramError:
                return RpmDatabase(place, fault=f"rpm does not come to an end with it within {_PATIENCE} s")
            if _UNKNOWN not in packages.error_text:
                break
        else:
            return RpmDatabase(place, unread=f"this machine's rpm does not read its format ({name})")
    fault = (_fault(listing) or _fault(packages)).replace(IN_THIS_FOLDER[1], place)
    return RpmDatabase(
        place,
        tuple(_identities(_text(packages))),
        _files(root, _text(listing), folders),
        _python_requires(_text(required)),
        fault,
    )


def _copy(root: RootFileSystem, place: str, name: str, to: Path) -> None:
    # A database in use may have its latest changes in files beside it.
    beside = [f"{name}-wal", f"{name}-shm"] if name.endswith(".sqlite") else ["Index.db", "Name"]
    for each in (name, *beside):
        path = f"{place}/{each}"
        if not root.is_file(path):
            continue
        with root.open(path, CEILINGS.root_database) as source, (to / each).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)


def _run(folder: str, backend: str, form: str) -> ProgramResult:
    where = [*IN_THIS_FOLDER, "--define", f"_db_backend {backend}"]
    query = ["rpm", "-qa", *where, "--nosignature", "--nodigest", "--qf", form]
    return run_program(query, folder=Path(folder), seconds=_PATIENCE)


def _text(done: ProgramResult) -> str:
    # File names in packages are bytes, and need not be UTF-8.
    return done.output.decode("utf-8", "surrogateescape")


def _fault(done: ProgramResult) -> str:
    errors = [line.removeprefix("error: ") for line in done.error_text.splitlines() if line.startswith("error: ")]
    if errors:
        return errors[0]
    return "" if done.is_well else f"rpm ends with {done.code}"


def _identities(listing: str) -> Iterator[Nevra]:
    for line in listing.splitlines():
        # Such as a key of rpm's has no architecture.
        with contextlib.suppress(ValueError):
            yield Nevra.parse(line)


def _python_requires(listing: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in listing.split("\n"):
        package, _, name = line.partition("\t")
        if found_name := _DISTRIBUTION.match(name):
            found.setdefault(package, set()).add(normalize(found_name[1]))
    return {package: frozenset(names) for package, names in found.items()}


def _files(root: RootFileSystem, listing: str, folders: tuple[str, ...]) -> dict[str, RpmFile]:
    found: dict[str, RpmFile] = {}
    real: dict[str, str] = {}
    below = tuple(f"{folder}/" for folder in folders)
    for line in listing.split("\n"):
        fields = line.split("\t")
        if len(fields) != 7 or "/python" not in fields[6] or fields[6].endswith((".pyc", ".pyo")):
            continue
        package, version, algorithm, digest, flags, state, path = fields
        # Ghosts, and what another package replaced or an option left out, are not this package's on the disk.
        if (flags.isdecimal() and int(flags) & _GHOST) or state not in ("0", "normal", "(none)"):
            continue
        folder, name = posixpath.split(path)
        if folder not in real:
            try:
                real[folder] = root.resolve(folder)
            except OSError:
                real[folder] = folder
        place = f"{real[folder]}/{name}"
        if place.startswith(below):
            found[place] = RpmFile(package, version, path, _ALGORITHMS.get(algorithm, "md5"), digest)
    return found
