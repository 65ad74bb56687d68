"""What `ppcdeps buildroot doctor` found, as a person and a program read it."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from ppcdeps.engines.emulation import Emulation
from ppcdeps.engines.probe import Probe
from ppcdeps.report.text import as_json, columns, text_of


@dataclass(frozen=True, slots=True)
class Space:
    """The room on the file system of a folder, in bytes."""

    path: Path
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What runs builds on this machine. ``engines`` in the order in which they are chosen."""

    engines: tuple[Probe, ...]
    emulation: Emulation
    space: Space

    @property
    def chosen(self) -> str | None:
        """The engine that builds would use; None where none works."""
        return next((probe.engine for probe in self.engines if probe.works), None)


def space_of(folder: Path) -> Space:
    """The room where ``folder`` is."""
    usage = shutil.disk_usage(folder)
    return Space(folder, usage.free, usage.total)


def dump_diagnosis(diagnosis: Diagnosis) -> str:
    """The diagnosis as JSON, ending in a newline."""
    emulation = {**asdict(diagnosis.emulation), "works": diagnosis.emulation.works}
    space = {**asdict(diagnosis.space), "path": str(diagnosis.space.path)}
    document = {
        "schema": 1,
        "chosen": diagnosis.chosen,
        "engines": [asdict(probe) for probe in diagnosis.engines],
        "emulation": emulation,
        "disk": space,
    }
    return as_json(document)


def render_diagnosis(diagnosis: Diagnosis) -> str:
    """The diagnosis as text."""
    rows = [("ENGINE", "WORKS", "WHAT IT SAID, OR WHY NOT")]
    rows += [(probe.engine, "yes" if probe.works else "no", _finding(probe)) for probe in diagnosis.engines]
    lines = ["Engines, each tried by running `uname -m` in a ppc64le root", *columns(rows)]
    fixes = [f"  {probe.engine}: {probe.fix}" for probe in diagnosis.engines if probe.fix]
    lines += ["", "Fixes", *fixes] if fixes else []
    lines += ["", f"Builds use {diagnosis.chosen}" if diagnosis.chosen else "Builds cannot run here"]
    lines += [f"Emulation of {diagnosis.emulation.arch}: {diagnosis.emulation.describe()}"]
    if diagnosis.emulation.fix:
        lines.append(f"  fix: {diagnosis.emulation.fix}")
    space = diagnosis.space
    lines.append(f"Disk: {_gigabytes(space.free)} of {_gigabytes(space.total)} free in {space.path}")
    return text_of(lines)


def _finding(probe: Probe) -> str:
    if not probe.works:
        return probe.reason
    return f"{probe.said} (with {', '.join(probe.fixes)})" if probe.fixes else probe.said


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
