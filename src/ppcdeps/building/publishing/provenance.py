"""How packages were made, as an in-toto statement with SLSA provenance.

Follows in-toto's Attestation Framework (Statement v1, ResourceDescriptor) and SLSA 1.0 ("Provenance"). The
parameters are explained in docs/repository.md.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ppcdeps.building.publishing.records import BuildRecord, SourceFile
from ppcdeps.building.publishing.repository import PublishedPackage
from ppcdeps.building.publishing.sbom import iso_time, rpm_purl, source_purl
from ppcdeps.model.nevra import Nevra

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:ppcdeps:build:v1"

_SHA256 = re.compile(r"[0-9a-f]{64}")


def provenance_of(record: BuildRecord, packages: Sequence[PublishedPackage] = ()) -> dict[str, Any]:
    """The statement on what one build made. Of ``packages`` those that come from it are named as they are published:
    a signed one has another digest than the build gave it, which then stands beside it.
    """
    published = {one.origin: one for one in packages}
    return {
        "_type": STATEMENT,
        "subject": [
            _subject(one.file, one.sha256, published.get(one.sha256))
            for one in sorted(record.packages, key=lambda one: one.file)
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "source": {"name": record.source, "version": record.version},
                    "arch": record.arch,
                    "mode": record.mode,
                    **({"recipe": _recipe(record)} if record.recipe else {}),
                },
                "internalParameters": {"command": list(record.command), "buildroot": record.buildroot},
                "resolvedDependencies": [
                    *(_source(one, record.version) for one in record.sources),
                    _buildroot(record),
                    *(_build_requirement(one) for one in record.build_requires),
                ],
            },
            "runDetails": {
                "builder": {
                    "id": f"urn:ppcdeps:builder:{quote(record.ppcdeps_version)}",
                    "version": {"ppcdeps": record.ppcdeps_version},
                },
                "metadata": {
                    "invocationId": hashlib.sha256(record.to_json().encode()).hexdigest(),
                    "startedOn": iso_time(record.started),
                    "finishedOn": iso_time(record.finished),
                },
            },
        },
    }


def _subject(file: str, sha256: str, published: PublishedPackage | None) -> dict[str, Any]:
    if published is None or published.sha256 == sha256:
        return {"name": file, "digest": {"sha256": sha256}}
    return {"name": file, "digest": {"sha256": published.sha256}, "annotations": {"unsignedSha256": sha256}}


def _recipe(record: BuildRecord) -> dict[str, Any]:
    digest = {"digest": {"sha256": record.recipe_digest}} if record.recipe_digest else {}
    return {"name": record.recipe, **digest}


def _source(one: SourceFile, version: str) -> dict[str, Any]:
    return {"name": one.file, "uri": one.origin or source_purl(one, version), "digest": {"sha256": one.sha256}}


def _buildroot(record: BuildRecord) -> dict[str, Any]:
    """The buildroot by its key, which is a digest of all that it was made from."""
    digest = {"digest": {"sha256": record.buildroot_key}} if _SHA256.fullmatch(record.buildroot_key) else {}
    key = f"{quote(record.buildroot, safe='')}:{quote(record.buildroot_key, safe='')}"
    return {"name": "buildroot", "uri": f"urn:ppcdeps:buildroot:{key}", **digest}


def _build_requirement(text: str) -> dict[str, str]:
    try:
        uri = rpm_purl(Nevra.parse(text))
    except ValueError:
        name, *version = re.split(r"[\s=]+", text.strip())
        uri = f"pkg:generic/{quote(name, safe='')}" + (f"@{quote(version[0], safe='')}" if version else "")
    return {"name": text, "uri": uri}
