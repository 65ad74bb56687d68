"""A lock of packages as the files of its tools: an rpm-package-manifest, and `rpms.lock.yaml`.

Follows libpkgmanifest's schemas/manifest.json 0.2.2, and rpm-lockfile-prototype's lockfileVersion 1.
"""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from ppcdeps.model.package_lock import PackageLock, PinnedPackage

MANIFEST_VERSION = "0.2.2"

_SRPM = re.compile(r"[a-z0-9].*-.+-.+\..+")
"""What the schema takes for a source package: names with a capital letter first are left out."""


def dump_manifest(lock: PackageLock, head: str) -> str:
    """The lock as an rpm-package-manifest. ``head`` is the comment of the first line."""
    return _dumped(manifest_document(lock), head)


def dump_rpm_lockfile(lock: PackageLock, head: str) -> str:
    """The lock as `rpms.lock.yaml`. ``head`` is the comment of the first line."""
    return _dumped(rpm_lockfile_document(lock), head)


def manifest_document(lock: PackageLock) -> dict[str, Any]:
    """The rpm-package-manifest in YAML's own kinds.

    Packages stand below their own architecture; those that are of no machine's say for which they were locked.
    """
    entries: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for side, packages in lock.sides.items():
        for one in packages:
            entry = entries.setdefault((one.arch, one.name, one.evr, one.repo), _manifest_entry(one))
            if one.arch != side:
                entry["parent_archs"] = sorted({*entry.get("parent_archs", ()), side})
    for one in {one for packages in lock.sources.values() for one in packages}:
        entries.setdefault((one.arch, one.name, one.evr, one.repo), _manifest_entry(one))
    packages_by_arch: dict[str, list[dict[str, Any]]] = {}
    for key in sorted(entries):
        packages_by_arch.setdefault(key[0], []).append(entries[key])
    repositories = [
        {key: value for key, value in _repository_fields(one) if value}
        for one in sorted(lock.repositories, key=lambda one: one.id)
    ]
    return {
        "document": "rpm-package-manifest",
        "version": MANIFEST_VERSION,
        "data": {"repositories": repositories, "packages": packages_by_arch},
    }


def rpm_lockfile_document(lock: PackageLock) -> dict[str, Any]:
    """`rpms.lock.yaml` in YAML's own kinds."""
    return {
        "lockfileVersion": 1,
        "lockfileVendor": "redhat",
        "arches": [
            {
                "arch": arch,
                "packages": _lockfile_entries(packages),
                "source": _lockfile_entries(lock.sources.get(arch, ())),
                "module_metadata": [],
            }
            for arch, packages in sorted(lock.sides.items())
        ],
    }


def _repository_fields(one: Any) -> Iterable[tuple[str, str]]:
    return (("id", one.id), ("baseurl", one.baseurl), ("metalink", one.metalink), ("mirrorlist", one.mirrorlist))


def _manifest_entry(one: PinnedPackage) -> dict[str, Any]:
    srpm = one.source.removesuffix(".rpm")
    return {
        "name": one.name,
        "repo_id": one.repo,
        "location": one.location,
        "checksum": one.checksum,
        "size": one.size,
        "evr": one.evr,
        **({"srpm": srpm} if _SRPM.fullmatch(srpm) else {}),
    }


def _lockfile_entries(packages: Iterable[PinnedPackage]) -> list[dict[str, Any]]:
    return [
        {
            "url": one.url,
            "repoid": one.repo,
            "size": one.size,
            "checksum": one.checksum,
            "name": one.name,
            "evr": one.evr,
            **({"sourcerpm": one.source} if one.source else {}),
        }
        for one in sorted(packages, key=lambda one: one.url)
    ]


def _dumped(document: dict[str, Any], head: str) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, explicit_start=True, width=1_000)
    return f"# {head}\n{text}"
