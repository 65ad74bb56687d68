"""The importable files of a release, from its wheel or its sdist, unpacked once and stored by digest.

Only sources are written; of compiled modules the names are noted. Nothing is built: what a build of an sdist would
generate or compile is not there.
"""

import configparser
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ppcdeps.base.digests import sha256_of
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass
from ppcdeps.python.distfiles import sdists_of
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.names import normalize
from ppcdeps.python.sdist import archive_members

if TYPE_CHECKING:
    from packaging.version import Version

    from ppcdeps.base.cache import Cache
    from ppcdeps.python.distfiles import IndexFile
    from ppcdeps.python.index import Index

COMPILED = (".so", ".pyd", ".pyx", ".dll", ".dylib")
"""Ends of the names of compiled modules, and of the sources that they are compiled from."""
_NATIVE = (*COMPILED, ".c", ".cc", ".cpp", ".rs")
_FORMAT = 2
_BESIDE = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "tools", "scripts", "benchmark", "benchmarks"}
    | {"build", "dist", "contrib", "releasenotes", "setup", "ez_setup", "conftest", "samples", "demo", "demos"}
)
"""What lies beside the packages in a source tree and is not installed, unless the sdist names it."""


@dataclass(frozen=True, slots=True)
class Importable:
    """A release as it would lie on ``sys.path``.

    ``folder`` is where the sources lie, ``paths`` are what is importable below it: ``.py`` files that are there, and
    compiled modules that are only named. ``digest`` is the SHA-256 of the file it comes from. ``incomplete``: a
    build would add modules that cannot be named. ``entry_points`` are the modules that its entry points name.
    """

    name: str
    version: str
    filename: str
    digest: str
    folder: Path
    paths: tuple[str, ...]
    incomplete: bool
    entry_points: tuple[str, ...] = ()


def importable(
    index: "Index",
    name: str,
    version: str,
    environment: TargetEnvironment,
    *,
    digests: Collection[str] = (),
) -> Importable:
    """The files of a release: of the wheel that fits the target best, else of a wheel for another machine (its
    Python sources are the same), else of the sdist. ``digests`` are the SHA-256 of the files that are allowed.

    Where only an sdist is allowed, and a wheel shows what a build of it gives, the wheel is taken. Raises
    RepositoryError where no index has the release, or its file cannot be had or read.
    """
    project = index.project(name)
    files = [file for text in project.spellings(_version(name, version)) for file in project.files[text]]
    if not files:
        raise RepositoryError(f"{project.index or 'the index'} has no release {version} of {name}")
    allowed = [file for file in files if file.hashes.get("sha256") in digests] if digests else files
    if not allowed:
        raise RepositoryError(f"{project.index or 'the index'} has no file of {name} {version} that the lock allows")
    file = best_file(allowed, environment)
    if file is not None and not file.is_wheel:
        file = best_file(files, environment)
    if file is None:
        raise RepositoryError(f"{name} {version} has no file whose sources can be read")
    path = index.local_file(file)
    return unpacked(index.cache, path, name, version, file.filename, file.hashes.get("sha256"))


def best_file(files: "Iterable[IndexFile]", environment: TargetEnvironment) -> "IndexFile | None":
    """The file of a release whose sources are the closest to what the target would get."""
    files = list(files)
    wheels = sorted((file for file in files if file.is_wheel), key=lambda file: _distance(file.tags, environment))
    # A wheel of another Python is a worse witness than the source.
    near = [file for file in wheels if _distance(file.tags, environment)[0] < 2]
    return next(iter((*near, *sdists_of(files), *wheels)), None)


def unpacked(cache: "Cache", path: Path, name: str, version: str, filename: str, digest: str | None) -> Importable:
    """What is importable of the wheel or sdist at ``path``. ``digest`` is its SHA-256, where it is known.

    Raises RepositoryError where the archive is damaged or its paths lead out of it.
    """
    digest = digest or sha256_of(path)
    folder = cache.derived_folder(
        f"importable {_FORMAT} {digest} {normalize(name)}", lambda empty: _fill(empty, path, name, filename)
    )
    held = json.loads((folder / "contents.json").read_bytes())
    return Importable(
        name=name,
        version=version,
        filename=filename,
        digest=digest,
        folder=folder / "tree",
        paths=tuple(held["paths"]),
        incomplete=held["incomplete"],
        entry_points=tuple(held["entry_points"]),
    )


def entry_point_modules(text: str) -> tuple[str, ...]:
    """The modules that an ``entry_points.txt`` names, in order; what cannot be read names none."""
    # Values are module:function, and the colon is a delimiter of configparser by default.
    parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return ()
    found = {
        value.partition(":")[0].partition("[")[0].strip()
        for section in parser.sections()
        for value in parser[section].values()
    }
    return tuple(sorted(found - {""}))


def _version(name: str, text: str) -> "Version":
    from packaging.version import Version

    try:
        return Version(text)
    except ValueError:
        raise RepositoryError(f"{name} {text}: not a version that an index could have") from None


def _distance(tags: str, environment: TargetEnvironment) -> tuple[int, int, str]:
    """How far a wheel is from the target: installable there, same Python elsewhere, another Python."""
    rank = environment.rank(tags)
    if rank is not None:
        return 0, rank, tags
    interpreter = "cp" + environment.python_tag.replace(".", "")
    linux = "linux" in tags
    if interpreter in tags.partition("-")[0].split(".") or "-abi3-" in tags or tags.startswith("py3"):
        return 1, 0 if linux and "x86_64" in tags else 1 if linux else 2, tags
    return 2, 0 if linux else 1, tags


def _fill(folder: Path, path: Path, name: str, filename: str) -> None:
    # Two passes: where the packages lie is known after the last name, and a tar stream does not go back.
    if filename.endswith(".whl"):
        names = {member: member for member, read in archive_members(path, filename) if read is not None}
        places = dict(_of_wheel(names))
        incomplete = False
    else:
        members = [member for member, read in archive_members(path, filename) if read is not None]
        inner = {rest: member for member in members if (rest := member.partition("/")[2])}
        places, incomplete = _of_sdist(inner, name, lambda wanted: _text_of(path, filename, inner[wanted]))
    tree = folder / "tree"
    tree.mkdir()
    entry_points: tuple[str, ...] = ()
    for member, read in archive_members(path, filename):
        place = places.get(member)
        if read is not None and member.endswith((".dist-info/entry_points.txt", ".egg-info/entry_points.txt")):
            entry_points = entry_point_modules(read().decode("utf-8", errors="replace"))
        if place is None or read is None or not place.endswith(".py"):
            continue
        target = tree / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read())
    contents = {"paths": sorted(set(places.values())), "incomplete": incomplete, "entry_points": entry_points}
    (folder / "contents.json").write_text(json.dumps(contents), "utf-8")


def _of_wheel(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        head, _, rest = name.partition("/")
        if head.endswith(".data"):
            scheme, _, inner = rest.partition("/")
            if scheme in ("purelib", "platlib") and _is_importable(inner):
                yield name, inner
        elif not head.endswith(".dist-info") and _is_importable(name):
            yield name, name


def _of_sdist(inner: Mapping[str, str], name: str, text: Callable[[str], str]) -> tuple[dict[str, str], bool]:
    """Where the packages lie in a source tree, by the member's name; and whether a build adds to them.

    ``top_level.txt`` of the egg-info says what is installed, and the egg-info lies where the packages do.
    """
    native = any(path.endswith(_NATIVE) for path in inner)
    listed = min((path for path in inner if path.endswith(".egg-info/top_level.txt")), key=len, default=None)
    tops: set[str] = set()
    root = ""
    if listed is not None:
        tops = {line.strip() for line in text(listed).splitlines() if line.strip()}
        root = listed.rpartition("/")[0].rpartition("/")[0]
    roots = list(dict.fromkeys((root, "", "src", "lib", "python", "python3", "py3")))
    for place in roots:
        found = _below(inner, place, tops or _guessed(inner, place, name))
        if found:
            return found, native
    return {}, True


def _below(inner: Mapping[str, str], root: str, tops: set[str]) -> dict[str, str]:
    prefix = f"{root}/" if root else ""
    found = {}
    for path, member in inner.items():
        if not path.startswith(prefix):
            continue
        rest = path.removeprefix(prefix)
        top = rest.partition("/")[0]
        if _is_importable(rest) and (top in tops or ("/" not in rest and top.partition(".")[0] in tops)):
            found[member] = rest
    # What is named but has no source here is compiled: then it is of no use to look elsewhere.
    return found if any(path.endswith(".py") for path in found.values()) else {}


def _guessed(inner: Mapping[str, str], root: str, name: str) -> set[str]:
    """The packages of a source tree that does not name them: those that carry its name, else all of them."""
    prefix = f"{root}/" if root else ""
    packages = set()
    for path in inner:
        if not path.startswith(prefix):
            continue
        parts = PurePosixPath(path.removeprefix(prefix)).parts
        if (len(parts) == 2 and parts[1] == "__init__.py") or (len(parts) == 1 and parts[0].endswith(".py")):
            packages.add(parts[0].removesuffix(".py"))
    packages -= _BESIDE
    wanted = normalize(name)
    own = {each for each in packages if normalize(each) in (wanted, wanted.removeprefix("python-"))}
    return own or (packages if root else set())


def _is_importable(path: str) -> bool:
    if not path.endswith((".py", *COMPILED)):
        return False
    parts = path.split("/")
    return all(part.isidentifier() for part in parts[:-1]) and parts[-1].partition(".")[0].isidentifier()


def _text_of(path: Path, filename: str, member: str) -> str:
    for name, read in archive_members(path, filename):
        if name == member and read is not None:
            return read().decode("utf-8", errors="replace")
    return ""
