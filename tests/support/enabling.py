"""Plans of targets with repositories that are not enabled, as data: read from TOML, written as real repositories."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpmmd import RELATIONS, Package, write_repository

from ppcdeps.model.nevra import Nevra

CASES = Path(__file__).parents[1] / "cases" / "plans" / "enabling.toml"
_HEAD = """\
name = "el9-test"
title = "EL9 for tests"
releasever = "9"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:el9"
cpu_baseline = "POWER9"

[python]
version = "3.9.21"
glibc = "2.34"
"""
_SIDES = ("target", "reference", "source")


@dataclass(frozen=True, slots=True)
class EnablingCase:
    """A workload, the packages of each repository, and what the plan is to say.

    ``repositories`` maps ids to their side, ``known`` being those of the target that are not enabled.
    """

    name: str
    roots: tuple[str, ...]
    packages: Mapping[str, tuple[Package, ...]]
    sides: Mapping[str, str]
    priorities: Mapping[str, int]
    routes: Mapping[str, str]
    enabling: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """The repositories that are not enabled."""
        return tuple(name for name, side in self.sides.items() if side == "known")


def read_enabling_cases() -> list[EnablingCase]:
    """All cases."""
    return [_case(raw) for raw in tomllib.loads(CASES.read_text())["case"]]


def write_target(case: EnablingCase, folder: Path, urls: Mapping[str, str] | None = None) -> Path:
    """Write the repositories and the target file of a case below the folder. Returns the file.

    ``urls`` are where repositories are served, for those that are.
    """
    sections = [_HEAD]
    for name, packages in case.packages.items():
        place = write_repository(folder / name, packages).as_uri()
        known = case.sides[name] == "known"
        lines = ["[[repositories]]", f'id = "{name}"', f'side = "{"target" if known else case.sides[name]}"']
        lines.append(f'baseurl = "{(urls or {}).get(name, place)}/"')
        lines += ["enabled = false"] if known else []
        lines += [f"priority = {case.priorities[name]}"] if name in case.priorities else []
        sections.append("\n".join(lines) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "target.toml"
    path.write_text("\n".join(sections))
    return path


def _case(raw: Mapping[str, Any]) -> EnablingCase:
    by_repository = {side: (side, raw[side]) for side in _SIDES if side in raw}
    by_repository |= {name: ("known", packages) for name, packages in raw.get("known", {}).items()}
    unknown = raw.keys() - {"name", "roots", "known", "priority", "expect", *_SIDES}
    if unknown:
        raise ValueError(f"{raw['name']}: unknown keys {sorted(unknown)}")
    return EnablingCase(
        raw["name"],
        tuple(raw["roots"]),
        {name: tuple(map(_package, one.keys(), one.values())) for name, (_, one) in by_repository.items()},
        {name: side for name, (side, _) in by_repository.items()},
        raw.get("priority", {}),
        raw["expect"]["routes"],
        tuple(raw["expect"]["enabling"]),
    )


def _package(nevra: str, raw: Mapping[str, Any]) -> Package:
    relations = {key: tuple(value) for key, value in raw.items() if key in RELATIONS}
    return Package(Nevra.parse(nevra), "", tuple(raw.get("files", ())), relations)
