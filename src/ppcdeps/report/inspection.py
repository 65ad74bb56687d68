"""What was seen of built packages, as text and as JSON."""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from ppcdeps.building.publishing.elf import ElfFacts
from ppcdeps.building.publishing.inspection import Finding, Inspection, SetInspection, Severity
from ppcdeps.report.text import columns


def render_inspection(seen: SetInspection) -> str:
    """The packages, a line each, and every finding below, errors first."""
    rows: list[tuple[str, ...]] = [("PACKAGE", "ARCH", "FILES", "ELF", "GLIBC", "LONG DOUBLE", "FINDINGS")]
    rows += [_row(one) for one in seen.packages]
    lines = columns(rows, indent="")
    lines += [f"{one.severity}: {one}" for one in seen.all_findings]
    return "\n".join([*lines, ""])


def dump_inspection(seen: SetInspection) -> str:
    """The same as JSON text, keys sorted."""
    return json.dumps(inspection_document(seen), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def inspection_document(seen: SetInspection) -> dict[str, Any]:
    """The same as JSON has it."""
    return {
        "sound": seen.is_sound,
        "glibc": seen.glibc,
        "findings": [_finding(one) for one in seen.findings],
        "packages": [_package(one) for one in seen.packages],
    }


def _row(one: Inspection) -> tuple[str, ...]:
    if one.nevra is None:
        return (one.file, "-", "-", "-", "-", "-", _counts(one.findings))
    name = f"{one.nevra.name}-{one.nevra.evr}"
    counts = (str(len(one.files)), str(len(one.elf)))
    return (name, one.nevra.arch, *counts, one.glibc or "-", one.long_double or "-", _counts(one.findings))


def _counts(findings: Iterable[Finding]) -> str:
    severities = [one.severity for one in findings]
    counts = {severity: severities.count(severity) for severity in Severity}
    told = [f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts.items() if count]
    return ", ".join(told) or "none"


def _package(one: Inspection) -> dict[str, Any]:
    document = dataclasses.asdict(one)
    document["nevra"] = str(one.nevra) if one.nevra else None
    document["elf"] = [_elf(elf) for elf in one.elf]
    document["findings"] = [_finding(finding) for finding in one.findings]
    return document


def _elf(one: ElfFacts) -> dict[str, Any]:
    return {
        "path": one.path,
        "arch": one.elf.arch,
        "kind": one.elf.kind,
        "soname": one.elf.soname,
        "needed": list(one.elf.needed),
        "versions": list(one.versions),
        "glibc": one.glibc,
        "long_double": one.long_double,
    }


def _finding(one: Finding) -> dict[str, str]:
    return dataclasses.asdict(one)
