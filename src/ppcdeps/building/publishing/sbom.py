"""The software bill of materials of a repository: SPDX 2.3 as JSON.

Follows the SPDX Specification 2.3 and its JSON schema. The same packages give the same bytes.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from ppcdeps import __version__
from ppcdeps.building.publishing.records import BuildRecord, SourceFile
from ppcdeps.building.publishing.repository import PublishedPackage, dumped
from ppcdeps.model.nevra import Nevra

UNKNOWN = "NOASSERTION"

_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_REFERENCE = re.compile(r"\bLicenseRef-[A-Za-z0-9.-]+")


def sbom_of(
    name: str, packages: Sequence[PublishedPackage], records: Sequence[BuildRecord], created: int | None = None
) -> dict[str, Any]:
    """The bill of materials of a repository: its packages, and the sources of those of which there is a record.

    ``created`` is in seconds since 1970; without it SOURCE_DATE_EPOCH counts, then when the newest package was built.
    """
    built_from = {one.sha256: record for record in records for one in record.packages}
    licenses = _Licenses()
    described = [_package(one, licenses) for one in sorted(packages, key=lambda one: one.nevra)]
    sources: dict[str, dict[str, Any]] = {}
    # A document has to describe something: NOASSERTION where there is nothing.
    ids = [one["SPDXID"] for one in described] or [UNKNOWN]
    relations = [spdx_relation("SPDXRef-DOCUMENT", "DESCRIBES", one) for one in ids]
    for package in sorted(packages, key=lambda one: one.nevra):
        record = built_from.get(package.origin)
        for source in record.sources if record else ():
            entry = sources.setdefault(source.sha256, _source(source, record.version if record else ""))
            relations.append(spdx_relation(spdx_id(package.nevra, package.sha256), "GENERATED_FROM", entry["SPDXID"]))
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "creationInfo": {
            "created": iso_time(created_at(packages, created)),
            "creators": [f"Tool: ppcdeps-{__version__}"],
        },
        "packages": [*described, *sorted(sources.values(), key=lambda one: str(one["SPDXID"]))],
        "relationships": relations,
        **licenses.extracted(),
    }
    digest = hashlib.sha256(dumped(document)).hexdigest()
    return {**document, "documentNamespace": f"urn:ppcdeps:sbom:{quote(name)}:{digest}"}


def rpm_purl(nevra: Nevra, distro: str = "") -> str:
    """The package URL of an RPM (purl-spec, type rpm). ``distro`` is ID-VERSION_ID, as os-release has them."""
    distro = f"&distro={quote(distro, safe='')}" if distro else ""
    epoch = f"&epoch={nevra.epoch}" if nevra.epoch else ""
    version = quote(f"{nevra.version}-{nevra.release}", safe="")
    return f"pkg:rpm/{quote(nevra.name, safe='')}@{version}?arch={quote(nevra.arch)}{distro}{epoch}"


def source_purl(source: SourceFile, version: str) -> str:
    """The package URL of a file that was built from."""
    if source.file.endswith(".src.rpm"):
        try:
            return rpm_purl(Nevra.parse(source.file))
        except ValueError:
            pass
    version_part = f"@{quote(version, safe='')}" if version else ""
    return f"pkg:generic/{quote(source.file, safe='')}{version_part}?checksum=sha256:{source.sha256}"


def _package(one: PublishedPackage, licenses: "_Licenses") -> dict[str, Any]:
    nevra = Nevra.parse(one.nevra)
    return {
        "SPDXID": spdx_id(one.nevra, one.sha256),
        "name": nevra.name,
        "versionInfo": nevra.evr,
        "packageFileName": one.path,
        "summary": one.summary,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "licenseDeclared": licenses.declared(one.license),
        "licenseConcluded": UNKNOWN,
        "copyrightText": UNKNOWN,
        "primaryPackagePurpose": "INSTALL",
        **_checked(one.sha256, rpm_purl(nevra)),
    }


def _source(one: SourceFile, version: str) -> dict[str, Any]:
    return {
        "SPDXID": spdx_id(f"source-{one.file}", one.sha256),
        "name": one.file,
        **({"versionInfo": version} if version else {}),
        "packageFileName": one.file,
        "downloadLocation": one.origin if _URI.fullmatch(one.origin) else UNKNOWN,
        "filesAnalyzed": False,
        "licenseDeclared": UNKNOWN,
        "licenseConcluded": UNKNOWN,
        "copyrightText": UNKNOWN,
        "primaryPackagePurpose": "SOURCE",
        **_checked(one.sha256, source_purl(one, version)),
    }


def _checked(sha256: str, purl: str) -> dict[str, Any]:
    return {
        "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}],
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }


def spdx_relation(one: str, kind: str, other: str) -> dict[str, str]:
    """A relationship of two elements, by their identifiers."""
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def spdx_id(text: str, sha256: str) -> str:
    """An identifier, which may have letters, digits, . and - only."""
    return f"SPDXRef-{re.sub(r'[^A-Za-z0-9.-]', '-', text)}-{sha256[:8]}"


def created_at(packages: Iterable[PublishedPackage], created: int | None, otherwise: int = 0) -> int:
    """When a bill was created, in seconds since 1970: ``created``, else SOURCE_DATE_EPOCH, else when the newest of
    the packages was built, else ``otherwise``.
    """
    if created is not None:
        return created
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(epoch) if epoch.isdecimal() else max((one.built for one in packages), default=otherwise)


def iso_time(seconds: int) -> str:
    """A time in seconds since 1970 as ISO 8601 has it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Licenses:
    """Licenses as SPDX has them, and those that it has no name for."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def declared(self, text: str) -> str:
        """The expression for what a package says. Older packages use Fedora's short names, which are not SPDX's."""
        if not text:
            return UNKNOWN
        try:
            expression = str(canonicalize_license_expression(text))
        except InvalidLicenseExpression:
            name = f"LicenseRef-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
            self._texts[name] = text
            return name
        self._texts.update((name, name) for name in _REFERENCE.findall(expression))
        return expression

    def extracted(self) -> Mapping[str, list[dict[str, str]]]:
        """What the document says of licenses without a name in SPDX."""
        infos = [{"licenseId": name, "extractedText": text} for name, text in sorted(self._texts.items())]
        return {"hasExtractedLicensingInfos": infos} if infos else {}
