"""What is told of published packages, read by the libraries of those who defined it."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from repositories import lacks
from rpms import Rpm

from ppcdeps.building.publishing.cyclonedx import cyclonedx_of
from ppcdeps.building.publishing.provenance import provenance_of
from ppcdeps.building.publishing.publishing import publish
from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage, SourceFile
from ppcdeps.building.publishing.repository import PublishedPackage, PublishedWheel, dumped
from ppcdeps.building.publishing.sbom import sbom_of

SOURCE = SourceFile("sample-1.0.tar.gz", "a" * 64, "https://files.example/sample-1.0.tar.gz")
PATCH = SourceFile("fix.patch", "b" * 64)
SRPM = SourceFile("sample-1.0-1.src.rpm", "c" * 64)


def package(name: str = "sample", license_text: str = "MIT", **changes: Any) -> PublishedPackage:
    digest = f"{sum(name.encode()):064x}"
    one = PublishedPackage(
        nevra=f"{name}-1:1.0-1.el9.ppc64le",
        path=f"packages/{digest[:16]}/{name}-1.0-1.el9.ppc64le.rpm",
        sha256=digest,
        origin=digest,
        source="sample-1.0-1.el9.src.rpm",
        license=license_text,
        summary="A sample",
        built=1_700_000_000,
        size=10,
    )
    return replace(one, **changes)


def record(*packages: PublishedPackage) -> BuildRecord:
    return BuildRecord(
        source="sample",
        version="1.0",
        arch="ppc64le",
        mode="cross",
        buildroot="debian-12-cross",
        buildroot_key="d" * 64,
        command=("rpmbuild", "-bb", "sample.spec"),
        started=1_700_000_000,
        finished=1_700_000_060,
        ppcdeps_version="0.1.0",
        recipe="sample-el9",
        recipe_digest="e" * 64,
        sources=(SOURCE, PATCH, SRPM),
        build_requires=("zlib-devel-1.2.11-40.el9.ppc64le", "libfoo-dev 1:2.0", "make"),
        packages=tuple(BuiltPackage(Path(one.path).name, one.origin, one.nevra) for one in packages),
    )


def faults_of(document: dict[str, Any], tmp_path: Path) -> Sequence[str]:
    """What the SPDX project's own library has against a document."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spdx_tools.spdx.parser.json.json_parser import parse_from_file
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

        path = tmp_path / "sbom.spdx.json"
        path.write_bytes(dumped(document))
        return [one.validation_message for one in validate_full_spdx_document(parse_from_file(str(path)))]


def test_the_bill_of_materials_is_valid_spdx(tmp_path: Path) -> None:
    packages = [
        package("sample", "MIT AND Apache-2.0"),
        package("sample-libs", "GPLv2+ and (LGPLv2+ with exceptions)"),
        package("sample-c++", "LicenseRef-Fedora-Public-Domain", sha256="9" * 64, key="F" * 40),
        package("sample_odd", ""),
        package("alone", "MIT", source="alone-1-1.src.rpm"),
    ]
    document = sbom_of("local", packages, [record(*packages[:4])])
    assert faults_of(document, tmp_path) == []
    by_name = {one["name"]: one for one in document["packages"]}
    assert by_name["sample"]["licenseDeclared"] == "MIT AND Apache-2.0"
    assert by_name["sample"]["versionInfo"] == "1:1.0-1.el9"
    assert by_name["sample"]["externalRefs"][0]["referenceLocator"] == (
        "pkg:rpm/sample@1.0-1.el9?arch=ppc64le&epoch=1"
    )
    texts = {one["licenseId"]: one["extractedText"] for one in document["hasExtractedLicensingInfos"]}
    assert texts[by_name["sample-libs"]["licenseDeclared"]] == "GPLv2+ and (LGPLv2+ with exceptions)"
    assert by_name["sample_odd"]["licenseDeclared"] == "NOASSERTION"
    assert by_name[SOURCE.file]["downloadLocation"] == SOURCE.origin
    assert by_name[PATCH.file]["downloadLocation"] == "NOASSERTION"
    made = [one for one in document["relationships"] if one["relationshipType"] == "GENERATED_FROM"]
    assert len(made) == 4 * 3, "every package of the record, from every source"
    assert document["creationInfo"]["created"] == "2023-11-14T22:13:20Z"


def test_the_same_packages_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [package("sample"), package("other")]
    records = [record(*packages)]
    first = dumped(sbom_of("local", packages, records))
    assert dumped(sbom_of("local", packages[::-1], records)) == first
    assert dumped(sbom_of("local", packages[:1], records)) != first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert sbom_of("local", packages, records)["creationInfo"]["created"] == "1970-01-01T00:00:00Z"


def test_an_empty_repository_has_a_bill_too(tmp_path: Path) -> None:
    bill = sbom_of("local", [], [])
    assert bill["packages"] == [] and faults_of(bill, tmp_path) == []


def test_the_bill_in_cyclonedx_is_valid_too() -> None:
    odd = package("sample_odd", "GPLv2+ and (LGPLv2+ with exceptions)", sha256="9" * 64, key="F" * 40)
    packages = [package("sample", "MIT AND Apache-2.0"), odd, package("alone", "", source="alone-1-1.src.rpm")]
    wheel = PublishedWheel("sample-1-cp39-cp39-linux_ppc64le.whl", "packages/w", "sample", "1", "7" * 64, "8" * 64)
    text = cyclonedx_of("local", packages, [record(*packages[:2])], [wheel])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode()) is None
    assert cyclonedx_of("local", packages[::-1], [record(*packages[:2])], [wheel]) == text
    components = {one["bom-ref"].rpartition("-")[0]: one for one in json.loads(text)["components"]}
    sample, strange = components[packages[0].nevra], components[odd.nevra]
    assert sample["licenses"] == [{"expression": "MIT AND Apache-2.0"}]
    assert strange["licenses"] == [{"license": {"name": "GPLv2+ and (LGPLv2+ with exceptions)"}}]
    assert sample["hashes"] == [{"alg": "SHA-256", "content": packages[0].sha256}]
    assert {one["name"] for one in sample["pedigree"]["ancestors"]} == {SOURCE.file, PATCH.file, SRPM.file}
    assert components[wheel.file]["purl"] == "pkg:pypi/sample@1"
    empty = cyclonedx_of("local", [], [])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(empty.decode()) is None


def test_provenance_is_a_valid_statement() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.protobuf.json_format import ParseDict
        from in_toto_attestation.v1.statement import Statement
        from in_toto_attestation.v1.statement_pb2 import Statement as Message

    packages = [package("sample"), package("sample-libs", sha256="9" * 64, key="F" * 40)]
    statement = provenance_of(record(*packages), packages)
    message = ParseDict(statement, Message())
    Statement.copy_from_pb(message).validate()
    assert [one["digest"]["sha256"] for one in statement["subject"]] == [packages[0].sha256, "9" * 64]
    assert statement["subject"][1]["annotations"] == {"unsignedSha256": packages[1].origin}


def test_provenance_names_all_that_the_build_was_made_from() -> None:
    predicate = provenance_of(record(package()))["predicate"]
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    assert definition["externalParameters"] == {
        "source": {"name": "sample", "version": "1.0"},
        "arch": "ppc64le",
        "mode": "cross",
        "recipe": {"name": "sample-el9", "digest": {"sha256": "e" * 64}},
    }
    assert [(one["name"], one["uri"]) for one in definition["resolvedDependencies"]] == [
        ("sample-1.0.tar.gz", SOURCE.origin),
        ("fix.patch", f"pkg:generic/fix.patch@1.0?checksum=sha256:{PATCH.sha256}"),
        ("sample-1.0-1.src.rpm", "pkg:rpm/sample@1.0-1?arch=src"),
        ("buildroot", f"urn:ppcdeps:buildroot:debian-12-cross:{'d' * 64}"),
        ("zlib-devel-1.2.11-40.el9.ppc64le", "pkg:rpm/zlib-devel@1.2.11-40.el9?arch=ppc64le"),
        ("libfoo-dev 1:2.0", "pkg:generic/libfoo-dev@1%3A2.0"),
        ("make", "pkg:generic/make"),
    ]
    assert definition["internalParameters"]["command"] == ["rpmbuild", "-bb", "sample.spec"]
    assert details["builder"] == {"id": "urn:ppcdeps:builder:0.1.0", "version": {"ppcdeps": "0.1.0"}}
    assert details["metadata"]["startedOn"] == "2023-11-14T22:13:20Z"
    assert details["metadata"]["finishedOn"] == "2023-11-14T22:14:20Z"


@pytest.mark.skipif(bool(lacks()), reason=lacks())
def test_both_lie_in_the_repository_as_long_as_the_packages_do(tmp_path: Path) -> None:
    made = Rpm(arch="noarch", files={"/usr/share/sample": b"x"}).build(tmp_path / "build")
    done = publish(tmp_path / "repo", [made])
    (published,) = done.manifest.packages
    built = record(published)
    assert not (done.folder / "provenance").exists()
    done = publish(tmp_path / "repo", [made], records=[built])
    assert done.is_changed and done.added == ()
    statement = json.loads((done.folder / "provenance/sample.intoto.json").read_bytes())
    assert statement == provenance_of(built, done.manifest.packages)
    sbom = json.loads((done.folder / "sbom/ppcdeps.spdx.json").read_bytes())
    assert faults_of(sbom, tmp_path) == []
    assert json.loads((done.folder / "sbom/ppcdeps.cdx.json").read_bytes())["components"][0]["name"] == "sample"
    assert {"sample", SOURCE.file} <= {one["name"] for one in sbom["packages"]}
    assert BuildRecord.from_json((done.folder / "records/sample.json").read_text()) == built
    assert not publish(tmp_path / "repo", [made], records=[built]).is_changed
    other = Rpm("other", arch="noarch").build(tmp_path / "other")
    assert publish(tmp_path / "repo", [other]).is_changed
    assert (done.folder / "provenance/sample.intoto.json").exists(), "others leave it as it is"
    publish(tmp_path / "repo", [], withdraw=[published.nevra])
    assert not (done.folder / "provenance").exists()
