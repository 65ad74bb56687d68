"""Bills of materials in CycloneDX 1.6 as JSON, by its own library. The same content gives the same bytes."""

import hashlib
import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from ppcdeps import __version__
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.publishing.repository import PublishedPackage, PublishedWheel
from ppcdeps.building.publishing.sbom import created_at, rpm_purl, source_purl
from ppcdeps.model.nevra import Nevra

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

_FILE = "file"


@dataclass(frozen=True, slots=True)
class BillEntry:
    """A component. ``reference`` is its name within the bill, ``made_from`` what it was built from.

    ``sha256`` is in hexadecimal, empty where it is not known; ``license`` is in the words of its package.
    ``properties`` are names and values of ours, `ppcdeps:` before each name.
    """

    reference: str
    name: str
    version: str
    purl: str
    sha256: str = ""
    license: str = ""
    summary: str = ""
    made_from: tuple["BillEntry", ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    kind: str = "library"


def cyclonedx_of(
    name: str,
    packages: Sequence[PublishedPackage],
    records: Sequence[BuildRecord],
    wheels: Sequence[PublishedWheel] = (),
    created: int | None = None,
) -> bytes:
    """The bill of a repository: its packages and wheels, each with the sources of its build where there is a record.

    ``created`` is in seconds since 1970; without it SOURCE_DATE_EPOCH counts, then when the newest package was built.
    """
    built_from = {one.sha256: record for record in records for one in record.packages}
    entries = []
    for package in packages:
        nevra = Nevra.parse(package.nevra)
        entries.append(
            BillEntry(
                f"{package.nevra}-{package.sha256[:8]}",
                nevra.name,
                nevra.evr,
                rpm_purl(nevra),
                package.sha256,
                package.license,
                package.summary,
                _sources(built_from.get(package.origin)),
            )
        )
    for wheel in wheels:
        reference = f"{wheel.file}-{wheel.sha256[:8]}"
        purl = python_purl(wheel.name, wheel.version)
        sources = _sources(built_from.get(wheel.sha256))
        entries.append(BillEntry(reference, wheel.name, wheel.version, purl, wheel.sha256, made_from=sources))
    return dump_cyclonedx(name, entries, created_at(packages, created))


def python_purl(name: str, version: str) -> str:
    """The package URL of a Python distribution (purl-spec, type pypi)."""
    return f"pkg:pypi/{quote(name, safe='')}@{quote(version, safe='')}"


def dump_cyclonedx(
    name: str, entries: Iterable[BillEntry], created: int, requires: Mapping[str, Iterable[str]] | None = None
) -> bytes:
    """A bill as JSON. ``requires`` maps references, ``name`` for the whole, to those of what they require."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    whole = Component(name=name, type=ComponentType.APPLICATION, bom_ref=name)
    # A workload may be called ppcdeps, too.
    tool = Component(name="ppcdeps", version=__version__, type=ComponentType.APPLICATION, bom_ref="tool:ppcdeps")
    components = {one.reference: _component(one) for one in sorted(entries, key=lambda one: one.reference)}
    bom = Bom(
        components=components.values(),
        metadata=BomMetaData(component=whole, timestamp=datetime.fromtimestamp(created, UTC)),
    )
    bom.metadata.tools.components.add(tool)
    for reference, needed in (requires or {name: components}).items():
        known = [components[one] for one in sorted(needed) if one in components]
        if reference == name or reference in components:
            bom.register_dependency(components.get(reference, whole), known)
    # The library draws a number; one that follows from the content keeps the bytes the same.
    bom.serial_number = uuid.UUID(int=0)
    with warnings.catch_warnings():
        # It warns where the whole requires nothing, as an empty repository does.
        warnings.simplefilter("ignore", UserWarning)
        digest = hashlib.sha256(JsonV1Dot6(bom).output_as_string(indent=1).encode()).hexdigest()
        bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, digest)
        text: str = JsonV1Dot6(bom).output_as_string(indent=1)
    return text.encode() + b"\n"


def _sources(record: BuildRecord | None) -> tuple[BillEntry, ...]:
    if record is None:
        return ()
    return tuple(
        BillEntry(
            f"{Path(one.file).name}-{one.sha256[:8]}",
            one.file,
            record.version,
            source_purl(one, record.version),
            one.sha256,
            kind=_FILE,
        )
        for one in record.sources
    )


def _component(one: BillEntry) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType, Pedigree
    from packageurl import PackageURL

    return Component(
        name=one.name,
        version=one.version,
        type=ComponentType(one.kind),
        bom_ref=one.reference,
        purl=PackageURL.from_string(one.purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)] if one.sha256 else [],
        licenses=[_license(one.license)] if one.license else [],
        description=one.summary or None,
        properties=[Property(name=f"ppcdeps:{name}", value=value) for name, value in one.properties],
        # A source stands with each package that was built from it, and a reference may be there once only.
        pedigree=Pedigree(ancestors=map(_ancestor, one.made_from)) if one.made_from else None,
    )


def _ancestor(source: BillEntry) -> "Component":
    component = _component(source)
    component.bom_ref.value = None
    return component


def _license(text: str) -> "License":
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

    try:
        return LicenseExpression(value=str(canonicalize_license_expression(text)))
    except InvalidLicenseExpression:
        # Older packages use Fedora's short names, which are not SPDX's.
        return DisjunctiveLicense(name=text)
