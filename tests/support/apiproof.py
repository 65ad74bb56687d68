"""Findings on the use of names, tried out: distributions are installed for a fitting Python, and the name taken."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.checking.api.check import ApiFault
from ppcdeps.checking.api.distribution_scan import Tree
from ppcdeps.checking.api.removed import PYTHON

_TRY = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
sys.path[:0] = json.loads(sys.argv[2])
parts = sys.argv[1].split(".")
try:
    for end in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError as fault:
            if end == 1 or not ".".join(parts[:end]).startswith(fault.name or "?"):
                raise
            continue
        break
    for part in parts[end:]:
        thing = getattr(thing, part)
except Exception as fault:
    print(type(fault).__name__ + ": " + str(fault).splitlines()[0])
else:
    print("there")
"""


@dataclass(frozen=True)
class Proof:
    """What a Python says when it takes the name; ``there`` where it has it."""

    fault: ApiFault
    python: str
    said: str

    @property
    def is_missing(self) -> bool:
        """Whether the interpreter misses it, too."""
        last = self.fault.missing.name
        return self.said.startswith(("AttributeError", "ModuleNotFoundError", "ImportError")) and last in self.said


def interpreter(version: str) -> Path | None:
    """A Python of that major and minor number on this machine: this one, or one that lies beside it."""
    if version == ".".join(map(str, sys.version_info[:2])):
        return Path(sys.executable)
    versions = Path(sys.executable).resolve().parents[2]
    found = sorted(versions.glob(f"{version}.*/bin/python3")) if versions.name == "versions" else []
    return found[-1] if found else None


def take(python: Path, fault: ApiFault, folders: Sequence[Path]) -> Proof:
    """Import the longest module of the missing name, and take the rest of it, with ``folders`` first on the path."""
    done = subprocess.run(
        # Without site: what happens to be installed for this Python is not of the set.
        [str(python), "-I", "-S", "-c", _TRY, fault.missing.dotted, json.dumps([str(folder) for folder in folders])],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    version = subprocess.run([str(python), "-V"], capture_output=True, text=True, check=True).stdout.strip()
    return Proof(fault, version, (done.stdout.strip() or done.stderr.strip()).splitlines()[-1])


def proofs(faults: Sequence[ApiFault], trees: Sequence[Tree], python: Path, site: Path) -> list[Proof]:
    """Each fault, tried out. Compiled modules come from ``site``, where the providers are installed by pip."""
    held = {tree.name: tree for tree in trees}
    providers = sorted({fault.provider for fault in faults} - {PYTHON})
    pins = [f"{name}=={held[name].version}" for name in providers]
    if pins:
        held_to = site.with_name("constraints.txt")
        held_to.write_text("".join(f"{tree.name}=={tree.version}\n" for tree in trees))
        install = ["-m", "pip", "--quiet", "install", "-c", str(held_to), "--target", str(site), *pins]
        subprocess.run([str(python), *install], check=True, capture_output=True, text=True, timeout=600)
    seen: dict[str, Proof] = {}
    for fault in faults:
        if fault.missing.dotted not in seen:
            seen[fault.missing.dotted] = take(python, fault, [] if fault.provider == PYTHON else [site])
    return [Proof(fault, seen[fault.missing.dotted].python, seen[fault.missing.dotted].said) for fault in faults]
