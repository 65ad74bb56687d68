"""Lock files of projects: uv.lock, poetry.lock and Pipfile.lock, as the releases that they install on the target.

What is read is what the project itself requires, without its extras and its groups for development, which are named
as left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.documents import DocumentError, parse_json, parse_toml
from ppcdeps.model.names import distribution_name, version_text
from ppcdeps.python.environment import MarkerError, TargetEnvironment
from ppcdeps.python.names import normalize
from ppcdeps.python.otherlocks import lock_kind

OTHER_LOCKS = {
    "pdm.lock": "pdm export -f pylock -o pylock.toml",
    "pixi.lock": "",
    "conda-lock.yml": "",
    "Pipfile": "pipenv lock",
    "pyproject.toml": "uv lock, poetry lock, or pip-compile",
}
"""Files of other tools by name, and the command that makes one of a format that is read."""
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_MOST_LOOKED_AT = 1_000_000
"""Of the versions of all packages that others require: large projects have some thousand."""
_UV_VERSION = 1
_PIPFILE_VERSION = 6


class ProjectLockError(ValueError):
    """A lock that cannot be read: why, as a phrase on one line that follows the file's name."""


@dataclass(frozen=True, slots=True)
class ProjectRelease:
    """A pin of a project's lock. ``digests`` are the SHA-256 of its files."""

    name: str
    version: str
    digests: frozenset[str]


@dataclass(slots=True)
class ProjectLock:
    """What a project's lock installs. ``python`` is the version that it is for, where it names one, and
    ``requires_python`` which it allows; ``left_out`` are entries that are not judged, with the reason.
    """

    python: str = ""
    requires_python: str = ""
    releases: list[ProjectRelease] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, version: str, files: Iterable[Any], elsewhere: str = "") -> None:
        """Add an entry; ``elsewhere`` says where it comes from if not from an index."""
        if elsewhere:
            self.left_out.append((name, f"it comes from {elsewhere}, not from an index"))
            return
        try:
            normal = normalize(distribution_name(name))
            version_text(version)
        except ValueError as fault:
            raise ProjectLockError(f"has an entry that cannot be used: {fault}") from None
        if len(self.releases) >= CEILINGS.pip_requirements:
            raise ProjectLockError(f"has {beyond('pip_requirements', 'more than')}")
        digests = frozenset(found[1] for each in files if isinstance(each, str) and (found := _HASH.fullmatch(each)))
        self.releases.append(ProjectRelease(normal, version, digests))


def is_project_lock(name: str, text: str) -> bool:
    """Whether a file is one of the three, by its name or by how its text begins."""
    return name in _READERS or lock_kind(text) in _READERS


def read_project_lock(name: str, text: str, environment: TargetEnvironment) -> ProjectLock:
    """The lock in a text. Raises ProjectLockError where it cannot be read."""
    kind = name if name in _READERS else lock_kind(text)
    assert kind is not None
    try:
        document = parse_json(text) if kind == "Pipfile.lock" else parse_toml(text)
    except DocumentError as fault:
        raise ProjectLockError(str(fault)) from None
    if not isinstance(document, dict):
        raise ProjectLockError(f"is not a {kind}")
    try:
        return _READERS[kind](document, environment)
    except MarkerError as fault:
        raise ProjectLockError(f"has a marker that cannot be evaluated: {fault}") from None
    except (AttributeError, TypeError, KeyError):
        raise ProjectLockError(f"is not a {kind}: its entries are of another form") from None


# uv.lock -------------------------------------------------------------------------------------------


def _read_uv(document: Mapping[str, Any], environment: TargetEnvironment) -> ProjectLock:
    if document["version"] != _UV_VERSION:
        raise ProjectLockError(f"is of version {document['version']!r}, and {_UV_VERSION} is known")
    packages: list[dict[str, Any]] = document.get("package", [])
    if len(packages) > CEILINGS.pip_requirements:
        raise ProjectLockError(f"has {beyond('pip_requirements', 'more than')}")
    found = ProjectLock(requires_python=str(document.get("requires-python", "")))
    members = document.get("manifest", {}).get("members", [])
    roots = [each for each in packages if each["name"] in members] or [
        each for each in packages if "." in (each["source"].get("editable"), each["source"].get("virtual"))
    ]
    if not roots:
        raise ProjectLockError("names no project of its own")
    by_name: dict[str, list[dict[str, Any]]] = {}
    for each in packages:
        by_name.setdefault(each["name"], []).append(each)
    wanted = [(each, "") for each in roots]
    looked_at = 0
    seen: set[tuple[int, str]] = set()
    chosen: dict[int, dict[str, Any]] = {}
    while wanted:
        package, extra = wanted.pop()
        if (id(package), extra) in seen:
            continue
        seen.add((id(package), extra))
        chosen[id(package)] = package
        requires = (
            package.get("optional-dependencies", {}).get(extra, []) if extra else package.get("dependencies", [])
        )
        for dependency in requires:
            if not _holds(dependency.get("marker"), environment):
                continue
            looked_at += len(by_name.get(dependency["name"], ()))
            if looked_at > _MOST_LOOKED_AT:
                raise ProjectLockError(f"has more than {_MOST_LOOKED_AT:,} ways from one package to another")
            for next_one in _of_dependency(dependency, by_name):
                if not _forked_away(next_one, environment):
                    wanted += [(next_one, each) for each in ("", *dependency.get("extra", ()))]
    for package in roots:
        found.left_out += _unselected(package["name"], "extra", package.get("optional-dependencies", {}))
        found.left_out += _unselected(package["name"], "group", package.get("dev-dependencies", {}))
    for package in packages:
        if id(package) not in chosen or package in roots:
            continue
        source = package["source"]
        elsewhere = "" if "registry" in source else " ".join(map(str, next(iter(source.items()), ("nowhere",))))
        files = [each.get("hash") for each in (*package.get("wheels", ()), package.get("sdist") or {}) if each]
        found.add(package["name"], str(package.get("version", "")) or "0", files, elsewhere)
    return found


def _of_dependency(
    dependency: Mapping[str, Any], by_name: Mapping[str, list[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    for package in by_name.get(dependency["name"], ()):
        if "version" in dependency and package.get("version") != dependency["version"]:
            continue
        if "source" in dependency and package["source"] != dependency["source"]:
            continue
        yield package


def _forked_away(package: Mapping[str, Any], environment: TargetEnvironment) -> bool:
    """Whether a package is of a fork of the resolution that is for other targets."""
    markers = package.get("resolution-markers", ())
    return bool(markers) and not any(_holds(each, environment) for each in markers)


def _unselected(project: str, what: str, groups: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(f"{what} {name} of {project}", "only what the project itself requires is looked at") for name in groups]


# poetry.lock ---------------------------------------------------------------------------------------


def _read_poetry(document: Mapping[str, Any], environment: TargetEnvironment) -> ProjectLock:
    found = ProjectLock(requires_python=str(document.get("metadata", {}).get("python-versions", "")))
    packages: list[dict[str, Any]] = document.get("package", [])
    shared_files = document.get("metadata", {}).get("files", {})
    groups: dict[str, None] = {}
    grouped = any("groups" in each or "category" in each for each in packages)
    entries = Counter(str(each["name"]) for each in packages)
    fitting = Counter(str(each["name"]) for each in packages if _allows(each, environment))
    for package in packages:
        name = str(package["name"])
        if (
            entries[name] > 1
            and not package.get("markers")
            and not (fitting[name] == 1 and _allows(package, environment))
        ):
            if fitting[name] != 1:
                found.left_out.append(
                    (f"{name} {package['version']}", "it is one of several, and for which Python is not said")
                )
            continue
        own = package.get("groups") or [package.get("category", "main")]
        if "main" not in own:
            groups |= dict.fromkeys(own)
            continue
        if package.get("optional"):
            found.left_out.append((name, "it is of an extra; only what the project itself requires is looked at"))
            continue
        marker = package.get("markers")
        if isinstance(marker, Mapping):
            marker = marker.get("main")
        if not _holds(marker, environment):
            continue
        source = package.get("source", {})
        is_elsewhere = source.get("type") not in (None, "legacy")
        files = [each.get("hash") for each in package.get("files", shared_files.get(name, ()))]
        elsewhere = f"{source['type']} {source.get('url', '')}" if is_elsewhere else ""
        found.add(name, str(package["version"]), files, elsewhere)
    found.left_out += [(f"group {each}", "only what the project itself requires is looked at") for each in groups]
    if not grouped and packages:
        found.left_out.append(
            ("groups", "a lock of this version of Poetry does not say them: all of it is looked at")
        )
    return found


def _allows(package: Mapping[str, Any], environment: TargetEnvironment) -> bool:
    """Whether the release is for the target's Python, as its own metadata says."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = str(package.get("python-versions", "*"))
    try:
        return text == "*" or SpecifierSet(text).contains(environment.python)
    except InvalidSpecifier:
        return True


# Pipfile.lock --------------------------------------------------------------------------------------


def _read_pipfile(document: Mapping[str, Any], environment: TargetEnvironment) -> ProjectLock:
    meta = document["_meta"]
    if meta.get("pipfile-spec") != _PIPFILE_VERSION:
        raise ProjectLockError(f"is of version {meta.get('pipfile-spec')!r}, and {_PIPFILE_VERSION} is known")
    requires = meta.get("requires", {})
    found = ProjectLock(str(requires.get("python_full_version") or requires.get("python_version") or ""))
    for name, entry in document.get("default", {}).items():
        if not _holds(entry.get("markers"), environment):
            # pipenv puts there what the release that it chose is for: on another Python it is missing.
            found.left_out.append((name, f"it is not for the target: {entry['markers']}"))
            continue
        elsewhere = next((f"{key} {entry[key]}" for key in ("git", "hg", "svn", "file", "path") if key in entry), "")
        version = str(entry.get("version", ""))
        if not elsewhere and not version.startswith("=="):
            found.left_out.append((name, "the lock names no version of it"))
            continue
        found.add(name, version.lstrip("="), entry.get("hashes", ()), elsewhere)
    for section in document:
        if section not in ("_meta", "default") and document[section]:
            found.left_out.append((f"section {section}", "only what the project itself requires is looked at"))
    return found


def _holds(marker: Any, environment: TargetEnvironment) -> bool:
    from packaging.markers import InvalidMarker, Marker

    if not marker:
        return True
    if not isinstance(marker, str) or len(marker) > CEILINGS.pip_requirement:
        raise MarkerError("not a marker")
    try:
        return environment.holds(Marker(marker))
    except (InvalidMarker, RecursionError) as fault:
        raise MarkerError(str(fault).partition("\n")[0]) from fault


_READERS = {"uv.lock": _read_uv, "poetry.lock": _read_poetry, "Pipfile.lock": _read_pipfile}
