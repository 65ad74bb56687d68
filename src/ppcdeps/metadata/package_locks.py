"""Lock files of RPM packages in: libpkgmanifest's manifests and rpm-lockfile-prototype's `rpms.lock.yaml`.

Follows libpkgmanifest (schemas/manifest.json, and its parsers) and rpm-lockfile-prototype with hermeto, which asks
for nothing but the address of a package.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ppcdeps.base.named_files import read_named
from ppcdeps.base.yaml_documents import parse_yaml
from ppcdeps.model import names
from ppcdeps.model.documents import DocumentError
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.package_lock import LockFormat, PackageLock, PinnedPackage, PinnedRepository

_NO_SIDE = frozenset({"noarch", "src", "nosrc"})
"""Architectures of packages that no machine has."""
_ARCHITECTURE = re.compile(r"[a-z0-9_]{1,50}")
_SIZE = re.compile(r"[0-9]{1,18}")
_CHECKSUM = re.compile(r"[A-Za-z0-9]{1,20}:[A-Za-z0-9+/]{1,128}={0,2}")
_VERSION = re.compile(r"([0-9]{1,9})(?:\.[0-9]{1,9}){0,2}")


def read_package_lock(file: Path) -> PackageLock:
    """The lock in a file.

    Raises ConfigError, with the place of the first fault, where it cannot be read, is of another kind or version, or
    has a package whose name or version rpm cannot make.
    """
    what = "the lock file"
    content = read_named(file, "document_yaml", what=what)
    try:
        documents = parse_yaml(content, size="document_yaml", depth="document_depth", unique=True)
        if len(documents) != 1:
            raise DocumentError(f"has {len(documents)} YAML documents, not one")
        return _lock_of(JsonObject(documents[0]), documents[0])
    except _OtherKindError as fault:
        raise ConfigError(f"{file} {fault.args[0]}", hint=fault.args[1]) from fault
    except (DocumentError, WrongValueError) as fault:
        raise ConfigError(f"{what} {file}: {fault}") from fault


class _OtherKindError(Exception):
    """What the file is instead, and what to do."""


def _lock_of(top: JsonObject, raw: Any) -> PackageLock:
    if "lockfileVersion" in top:
        return _rpm_lockfile(top)
    kind = raw.get("document")
    if kind == LockFormat.MANIFEST:
        return _manifest(top)
    if kind == "rpm-package-input" or "contentOrigin" in top:
        tool = "rpm-lockfile-prototype" if "contentOrigin" in top else "dnf's manifest plugin"
        raise _OtherKindError(f"is what a lock is made from, not the lock: {tool} reads it", "name the lock file")
    raise _OtherKindError(
        "is not a workload: it is YAML, and neither an rpm-package-manifest nor a lock of rpm-lockfile-prototype",
        "a workload file is TOML: `ppcdeps workloads NAME` prints one",
    )


# rpm-package-manifest ------------------------------------------------------------------------------------------


def _manifest(top: JsonObject) -> PackageLock:
    version = _VERSION.fullmatch(top.text("version"))
    if version is None or int(version[1]) > 1:
        top.refuse("version", f"is {_short(top.text('version'))}, and 0 and 1 are known")
    data = top.inner("data")
    repositories = tuple(_repository(one) for one in data.objects("repositories"))
    known = {one.id for one in repositories}
    packages = data.inner("packages")
    sides: dict[str, list[PinnedPackage]] = {}
    everywhere: list[PinnedPackage] = []
    sources: list[PinnedPackage] = []
    for arch in packages.names:
        # YAML has keys that are not texts.
        if _ARCHITECTURE.fullmatch(str(arch)) is None:
            packages.refuse(str(arch), "is not of an architecture (small letters, digits and _)")
        for entry in packages.objects(arch):
            package = _of_manifest(entry, arch)
            if package.repo not in known:
                entry.refuse("repo_id", f"is {_short(package.repo)}, and data.repositories has no such id")
            parents = entry.all_named("parent_archs", names.architecture) if "parent_archs" in entry else ()
            if arch in ("src", "nosrc"):
                sources.append(package)
            elif not parents and arch in _NO_SIDE:
                everywhere.append(package)
            for side in parents or (() if arch in _NO_SIDE else (arch,)):
                sides.setdefault(side, []).append(package)
    if not sides and everywhere:
        sides["noarch"] = []
    return PackageLock(
        LockFormat.MANIFEST,
        {side: (*found, *everywhere) for side, found in sides.items()},
        {side: tuple(sources) for side in sides} if sources else {},
        repositories,
    )


def _repository(entry: JsonObject) -> PinnedRepository:
    id_ = entry.named("id", names.repository_id)
    places = {key: entry.text(key) for key in ("baseurl", "metalink", "mirrorlist") if key in entry}
    if not places:
        entry.refuse("id", f"({id_}) says neither baseurl nor metalink nor mirrorlist")
    return PinnedRepository(id_, **places)


def _of_manifest(entry: JsonObject, arch: str) -> PinnedPackage:
    return PinnedPackage(
        entry.named("name", names.package_name),
        arch,
        _evr(entry, "evr"),
        entry.text("repo_id"),
        _checksum(entry, entry.text("checksum")),
        _size(entry),
        location=entry.text("location") if "location" in entry else "",
        source=entry.text("srpm") if "srpm" in entry else "",
        module=entry.named("module", names.module_stream) if "module" in entry else "",
    )


# rpms.lock.yaml ------------------------------------------------------------------------------------------------


def _rpm_lockfile(top: JsonObject) -> PackageLock:
    if top.text("lockfileVersion") != "1":
        top.refuse("lockfileVersion", f"is {_short(top.text('lockfileVersion'))}, and 1 is known")
    if top.text("lockfileVendor") != "redhat":
        top.refuse("lockfileVendor", f"is {_short(top.text('lockfileVendor'))}, and redhat is known")
    sides: dict[str, tuple[PinnedPackage, ...]] = {}
    sources: dict[str, tuple[PinnedPackage, ...]] = {}
    modular = set()
    for entry in top.objects("arches"):
        arch = entry.named("arch", names.architecture)
        if arch in sides:
            entry.refuse("arch", f"is {arch}, which another entry is for, too")
        sides[arch] = tuple(_of_lockfile(entry, "packages"))
        sources[arch] = tuple(_of_lockfile(entry, "source"))
        if "module_metadata" in entry and any(True for _ in entry.objects("module_metadata")):
            modular.add(arch)
    return PackageLock(LockFormat.RPM_LOCKFILE, sides, sources, modular=frozenset(modular))


def _of_lockfile(side: JsonObject, key: str) -> Iterator[PinnedPackage]:
    for entry in side.objects(key) if key in side else ():
        url = entry.text("url")
        try:
            file = names.nevra(unquote(urlsplit(url).path).rpartition("/")[2])
        except ValueError:
            file = None
        if file is None and "name" not in entry:
            entry.refuse("url", "does not end in the name of an RPM file, and there is no name")
        yield PinnedPackage(
            entry.named("name", names.package_name) if file is None or "name" in entry else file.name,
            file.arch if file is not None else side.text("arch"),
            _evr(entry, "evr") if "evr" in entry else file.evr if file is not None else "",
            entry.named("repoid", names.repository_id) if "repoid" in entry else "",
            _checksum(entry, entry.text("checksum")) if "checksum" in entry else "",
            _size(entry) if "size" in entry else 0,
            url,
            source=entry.text("sourcerpm") if "sourcerpm" in entry else "",
        )


# What both have ------------------------------------------------------------------------------------------------


def _evr(entry: JsonObject, key: str) -> str:
    text = entry.text(key)
    try:
        return names.nevra(f"any-{text}.noarch").evr
    except ValueError:
        entry.refuse(key, f"is not a version of a package ([epoch:]version-release): {_short(text)}")


def _checksum(entry: JsonObject, text: str) -> str:
    if _CHECKSUM.fullmatch(text) is None:
        entry.refuse("checksum", f"is not algorithm:digest: {_short(text)}")
    return text


def _size(entry: JsonObject) -> int:
    text = entry.text("size")
    if _SIZE.fullmatch(text) is None:
        entry.refuse("size", f"is not a number of bytes: {_short(text)}")
    return int(text)


def _short(text: str) -> str:
    return ascii(text[:80])
