"""What `ppcdeps buildroot doctor` found, as a person and a program read it."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from ppcdeps.building.emulation import Emulation


@dataclass(frozen=True, slots=True)
class Space:
    """The room on the file system of a folder, in bytes."""

    path: Path
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What runs builds on this machine."""

    emulation: Emulation
    space: Space


def space_of(folder: Path) -> Space:
    """The room where ``folder`` is."""
    usage = shutil.disk_usage(folder)
    return Space(folder, usage.free, usage.total)


def dump_diagnosis(diagnosis: Diagnosis) -> str:
    """The diagnosis as JSON, ending in a newline."""
    emulation = {**asdict(diagnosis.emulation), "works": diagnosis.emulation.works}
    space = {**asdict(diagnosis.space), "path": str(diagnosis.space.path)}
    return json.dumps({"schema": 1, "emulation": emulation, "disk": space}, indent=2) + "\n"


def render_diagnosis(diagnosis: Diagnosis) -> str:
    """The diagnosis as text."""
    lines = [f"Emulation of {diagnosis.emulation.arch}: {diagnosis.emulation.describe()}"]
    if diagnosis.emulation.mend:
        lines.append(f"  mend: {diagnosis.emulation.mend}")
    space = diagnosis.space
    lines.append(f"Disk: {_gigabytes(space.free)} of {_gigabytes(space.total)} free in {space.path}")
    return "\n".join(lines) + "\n"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
