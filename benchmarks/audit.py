"""How long `ppcdeps audit` takes on Debian's packages, converted to rpm-md, beside installcheck. Run by hand.

    python -m benchmarks.audit AMD64_PACKAGES PPC64EL_PACKAGES [--packages 10000,60000] [--folder FOLDER]

The two files are package indexes of Debian, plain or as apt keeps them (`apt-get update` with
`-o APT::Architectures=amd64,ppc64el` fetches both). The amd64 packages become the reference, the ppc64el ones the
target: about 63,000 packages, of which some 1,300 names are missing on the target. For each size prints wall time,
processor time of all processes and the highest memory of one, caches cold and warm, and the same of installcheck
(libsolv-tools, by rpm's rules) of the target alone, which must find the same packages not installable.

A smaller size has packages drawn at random and all that these require, so that no more of it is broken than of the
whole.

What is not kept: conflicts, upper bounds of versions, recommended packages. An epoch becomes the first number of the
version. So this is a large distribution of a real shape, not Debian itself.
"""

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.generate import TARGET_FILE, Package, write_repository

sys.path.append(str(Path(__file__).parents[1] / "tests/support"))
from installcheck import lacks, refused_by_installcheck

_RELATION = re.compile(r"^([a-z0-9][a-z0-9.+-]*)(?::[a-z0-9]+)?(?:\s*\((<<|<=|=|>=|>>)\s*([^)]+)\))?(?:\s*\[.*)?$")

_MEASURE = """
import resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(code not in (0, 1) and f"the audit ended with {code}")
"""


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
    """Write both repositories with about so many packages of the target. Returns how many."""
    chosen = _closed(ppc64el, count)
    there = {package.name for package in ppc64el}
    sources = {package.source for package in ppc64el if package.name in chosen}
    reference = [each for each in amd64 if each.name in chosen or (each.name not in there and each.source in sources)]
    everything = len(chosen) == len(there)
    write_repository(folder / "target", [each for each in ppc64el if each.name in chosen], "ppc64le")
    write_repository(folder / "reference", amd64 if everything else reference, "x86_64")
    write_repository(folder / "source", [], "src")
    (folder / "target.toml").write_text(TARGET_FILE)
    return sum(1 for each in ppc64el if each.name in chosen)


def _closed(packages: list[Package], count: int) -> set[str]:
    """The names of about so many packages, and with each of them of all that it requires."""
    providers: dict[str, str] = {}
    for package in packages:
        for provide in package.provides:
            providers.setdefault(provide.partition(" ")[0], package.name)
    by_name = {package.name: package for package in packages}
    chosen: set[str] = set()
    for name in random.Random(1).sample(sorted(by_name), len(by_name)):
        if len(chosen) >= count:
            break
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in chosen:
                chosen.add(one)
                wanted = {text.strip("(").partition(" ")[0] for text in by_name[one].requires}
                waiting += [providers[each] for each in wanted if each in providers]
    return chosen


def measure(folder: Path) -> tuple[float, float, float]:
    """Wall and processor time in seconds, and the highest memory of one process in MiB, of an audit."""
    command = [sys.executable, "-m", "ppcdeps", "audit", "-q", "--json", "-t", str(folder / "target.toml")]
    environment = {**os.environ, "PPCDEPS_CACHE": str(folder / "cache")}
    with (folder / "audit.json").open("wb") as out:
        # This process is large, and what it starts would be said to have been as large.
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, *command],
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    wall, processor, memory = map(float, done.stderr.split()[-3:])
    return wall, processor, memory / 1024


def compare(folder: Path) -> tuple[float, float, int]:
    """Wall and processor time of installcheck, and how many packages it refuses: the same as the audit just made."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    refused = refused_by_installcheck({"target": folder / "target"}, "ppc64le", folder / "unpacked")
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    audited = json.loads((folder / "audit.json").read_text())["packages"]
    ours = {each["nevra"] for each in audited if each["side"] == "target" and each["state"] != "installable"}
    if different := ours ^ refused:
        raise SystemExit(f"{len(different)} packages are judged differently: {', '.join(sorted(different)[:20])}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, len(refused)


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
                print(_line(size, f"audit, {caches}", wall, processor), f"{memory:5.0f} MiB", flush=True)
            if lack := lacks():
                print(f"not compared: {lack}")
                continue
            wall, processor, refused = compare(folder)
            print(_line(size, "installcheck", wall, processor), f"the same {refused} not installable", flush=True)


def _line(size: int, what: str, wall: float, processor: float) -> str:
    return f"{size:6} packages, {what:12} {wall:6.1f} s, processor {processor:6.1f} s,"


if __name__ == "__main__":
    main()
