"""How long `ppcdeps audit` takes on Debian's packages, converted to rpm-md. Run by hand.

    python -m benchmarks.audit AMD64_PACKAGES PPC64EL_PACKAGES [--packages 10000,60000] [--folder FOLDER]

The two files are package indexes of Debian, plain or as apt keeps them (`apt-get update` with
`-o APT::Architectures=amd64,ppc64el` fetches both). The amd64 packages become the reference, the ppc64el ones the
target: about 63,000 packages, of which some 1,300 names are missing on the target. For each size prints wall time,
processor time and the highest memory of one process, caches cold and warm.

What is not kept: conflicts, upper bounds of versions, recommended packages. An epoch becomes the first number of the
version. So this is a large distribution of a real shape, not Debian itself.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.generate import TARGET_FILE, Package, write_repository

_RELATION = re.compile(r"^([a-z0-9][a-z0-9.+-]*)(?::[a-z0-9]+)?(?:\s*\((<<|<=|=|>=|>>)\s*([^)]+)\))?(?:\s*\[.*)?$")


def read_index(path: Path) -> Iterator[Package]:
    """The packages of one of Debian's indexes."""
    if path.suffix == ".lz4":
        text = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path], capture_output=True, check=True).stdout
    else:
        text = path.read_bytes()
    for paragraph in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.split("\n") if ": " in line and line[0] != " ")
        if "Package" not in fields:
            continue
        name, version = fields["Package"], _version(fields["Version"])
        requires = [each for key in ("Pre-Depends", "Depends") for each in _relations(fields.get(key, ""))]
        provides = [f"{name} = 0:{version}", *_relations(fields.get("Provides", ""))]
        noarch = fields["Architecture"] == "all"
        source = fields.get("Source", name).partition(" ")[0]
        yield Package(name, version, source, noarch, list(dict.fromkeys(provides)), list(dict.fromkeys(requires)))


def _version(text: str) -> str:
    """A version with exactly one hyphen and no epoch, in the order that Debian has."""
    epoch, _, rest = text.rpartition(":")
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    # A tilde at the end is a version to Debian, and none to rpm.
    return re.sub(r"~(?=-|$)", "~0", f"{epoch or 0}.{upstream.replace('-', '.')}-{revision}")


def _relations(text: str) -> list[str]:
    found = []
    for group in text.split(", "):
        ways = [way for each in group.split(" | ") if (way := _relation(each.strip()))]
        if len(ways) == 1:
            found.append(ways[0])
        elif ways:
            found.append(f"({' or '.join(ways)})")
    return found


def _relation(text: str) -> str:
    matched = _RELATION.match(text)
    if matched is None:
        return ""
    name, relation, version = matched.groups()
    if relation in ("=", ">=", ">>"):
        return f"{name} {'=' if relation == '=' else '>='} 0:{_version(version)}"
    return name


def write_world(folder: Path, amd64: list[Package], ppc64el: list[Package], count: int) -> int:
    """Write both repositories with about so many packages of the target, by whole sources. Returns how many."""
    chosen: set[str] = set()
    size = 0
    by_source: dict[str, int] = {}
    for package in ppc64el:
        by_source[package.source] = by_source.get(package.source, 0) + 1
    for source, packages in by_source.items():
        if size >= count:
            break
        chosen.add(source)
        size += packages
    everything = size >= len(ppc64el)
    write_repository(folder / "target", [each for each in ppc64el if each.source in chosen], "ppc64le")
    write_repository(folder / "reference", [each for each in amd64 if everything or each.source in chosen], "x86_64")
    write_repository(folder / "source", [], "src")
    (folder / "target.toml").write_text(TARGET_FILE)
    return size


def measure(folder: Path) -> tuple[float, float, float]:
    """Wall and processor time in seconds, and the highest memory of one process in MiB, of an audit."""
    command = [sys.executable, "-m", "ppcdeps", "audit", "-q", "--json", "-t", str(folder / "target.toml")]
    environment = {**os.environ, "PPCDEPS_CACHE": str(folder / "cache")}
    started = time.monotonic()
    with (folder / "audit.json").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"the audit ended with {process.returncode}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure what the command line asks for."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.audit")
    options.add_argument("amd64", type=Path)
    options.add_argument("ppc64el", type=Path)
    options.add_argument("--packages", default="10000,20000,40000,100000")
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    amd64, ppc64el = list(read_index(given.amd64)), list(read_index(given.ppc64el))
    there = {package.name for package in ppc64el}
    missing = sum(1 for package in amd64 if package.name not in there)
    print(f"{len(amd64)} packages of amd64, {len(ppc64el)} of ppc64el, {missing} names missing")
    with tempfile.TemporaryDirectory() as scratch:
        for count in map(int, given.packages.split(",")):
            folder = (given.folder or Path(scratch)) / str(count)
            size = write_world(folder, amd64, ppc64el, count)
            for caches in ("cold", "warm"):
                wall, processor, memory = measure(folder)
                print(f"{size:6} packages, {caches}: {wall:6.1f} s, processor {processor:6.1f} s, {memory:5.0f} MiB")


if __name__ == "__main__":
    main()
