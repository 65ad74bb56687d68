"""The bill of materials of a plan: what a machine gets, and what of it has to be built."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ppcdeps import __version__
from ppcdeps.building.publishing.cyclonedx import BillEntry, dump_cyclonedx, python_purl
from ppcdeps.building.publishing.repository import dumped
from ppcdeps.building.publishing.sbom import UNKNOWN, created_at, iso_time, rpm_purl, spdx_id, spdx_relation
from ppcdeps.model.plan import Plan

_RELEASE = re.compile(r"([a-z]+)(?:-stream)?-([0-9.]+)")
"""Names of targets that are a distribution and its release."""


def dump_plan_cyclonedx(plan: Plan) -> str:
    """The bill in CycloneDX 1.6, as JSON text. Properties say where a package comes from, and how a gap is closed."""
    return dump_cyclonedx(plan.workload, _entries(plan), _created(plan), _requires(plan)).decode()


def dump_plan_spdx(plan: Plan) -> str:
    """The bill in SPDX 2.3, as JSON text. It describes the workload, which depends on all else."""
    entries = sorted(_entries(plan), key=lambda one: one.reference)
    ids = {
        one.reference: spdx_id(one.reference, hashlib.sha256(one.reference.encode()).hexdigest()) for one in entries
    }
    packages = [
        {
            "SPDXID": ids[one.reference],
            "name": one.name,
            "versionInfo": one.version,
            "downloadLocation": UNKNOWN,
            "filesAnalyzed": False,
            "licenseDeclared": UNKNOWN,
            "licenseConcluded": UNKNOWN,
            "copyrightText": UNKNOWN,
            "primaryPackagePurpose": "INSTALL",
            "comment": "; ".join(f"{name}: {value}" for name, value in one.properties),
            "externalRefs": [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": one.purl}
            ],
        }
        for one in entries
    ]
    whole = f"SPDXRef-workload-{hashlib.sha256(plan.workload.encode()).hexdigest()[:8]}"
    ids[plan.workload] = whole
    packages.insert(
        0,
        {
            "SPDXID": whole,
            "name": plan.workload,
            "downloadLocation": UNKNOWN,
            "filesAnalyzed": False,
            "licenseDeclared": UNKNOWN,
            "licenseConcluded": UNKNOWN,
            "copyrightText": UNKNOWN,
            "primaryPackagePurpose": "APPLICATION",
        },
    )
    relations = [spdx_relation("SPDXRef-DOCUMENT", "DESCRIBES", whole)]
    relations += [
        spdx_relation(ids[by], "DEPENDS_ON", ids[needed])
        for by, all_needed in sorted(_requires(plan).items())
        for needed in sorted(all_needed)
        if by in ids and needed in ids
    ]
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": plan.workload,
        "creationInfo": {"created": iso_time(_created(plan)), "creators": [f"Tool: ppcdeps-{__version__}"]},
        "packages": packages,
        "relationships": relations,
    }
    digest = hashlib.sha256(dumped(document)).hexdigest()
    document["documentNamespace"] = f"urn:ppcdeps:sbom:{quote(plan.workload)}:{digest}"
    return dumped(document).decode()


def _entries(plan: Plan) -> list[BillEntry]:
    routes = {gap.name: str(gap.route.kind) for gap in plan.gaps}
    distro = _distro(plan.target)
    found = []
    for one in plan.closure:
        properties = [("side", one.side), ("repository", one.repo)]
        if one.side == "standin" and one.source in routes:
            properties.append(("route", routes[one.source]))
        purl = rpm_purl(one.nevra, distro)
        found.append(BillEntry(str(one.nevra), one.nevra.name, one.nevra.evr, purl, properties=tuple(properties)))
    for each in plan.python.distributions if plan.python else ():
        if each.rpm:
            continue
        purl = python_purl(each.name, each.version)
        properties = [("provision", str(each.provision))]
        # Of several files pip takes one, the best: its digest is the component's where there is no other.
        sha256 = each.files[0].sha256 if len(each.files) == 1 else ""
        found.append(BillEntry(purl, each.name, each.version, purl, sha256, properties=tuple(properties)))
    return found


def _distro(target: str) -> str:
    """The target's ID-VERSION_ID of os-release: centos-9. Empty for one of the user's own."""
    release = _RELEASE.fullmatch(target)
    return f"{release[1]}-{release[2]}" if release else ""


def _requires(plan: Plan) -> Mapping[str, set[str]]:
    """What requires what, by reference; the workload by its name."""
    found: dict[str, set[str]] = {}
    for one in plan.closure:
        for requirer in one.required_by:
            found.setdefault(requirer.by, set()).add(str(one.nevra))
    distributions = {each.name: each for each in (plan.python.distributions if plan.python else ()) if not each.rpm}
    purls = {name: python_purl(name, each.version) for name, each in distributions.items()}
    for name, each in distributions.items():
        for by in each.required_by:
            found.setdefault(purls.get(by.by, by.by), set()).add(purls[name])
    return found


def _created(plan: Plan) -> int:
    """SOURCE_DATE_EPOCH, else when the newest metadata is of that the plan rests on."""
    return created_at((), None, max((each.date or 0 for each in plan.repositories), default=0))
