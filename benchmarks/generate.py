"""Two made-up distributions of the same 60,000 packages, for ppc64le and x86_64, as rpm-md on disk.

    python -m benchmarks.generate FOLDER [--packages 60000] [--seed 1]

FOLDER gets `target/` (ppc64le: all noarch packages, and the native ones of most sources), `reference/`
(x86_64: all), `source/`, and `target.toml` for `ppcdeps plan bench-root --target FOLDER/target.toml`. The
same arguments give the same bytes.

The shape is that of a distribution: sources with a handful of packages each; a core that everything needs
and a long tail that few do; sonames with symbol versions, ISA markers, pinned siblings, file requirements,
some of them in filelists only, and a few boolean ones. No text but names.
"""

import argparse
import bisect
import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import zstandard

ISA = {"x86_64": "x86-64", "ppc64le": "ppc-64"}
LOADER = {"x86_64": "ld-linux-x86-64.so.2()(64bit)", "ppc64le": "ld64.so.2()(64bit)"}
BUILT = 1_700_000_000
"""Seconds since 1970 that every package was built at."""
CORE = 200
"""Packages from the start that make the core: glibc's and its like."""
MISSING = 0.02
"""Share of sources whose native packages the target has not built."""

_NAMESPACES = 'xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"'


@dataclass(slots=True)
class Package:
    """One binary package. Requirements have their ISA markers as `{isa}`."""

    name: str
    version: str
    source: str
    noarch: bool
    provides: list[str] = field(default_factory=list)
    requires: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    """Paths that filelists alone carries."""


def packages_of(count: int, seed: int) -> list[Package]:
    """The packages of the distribution, the last of them the root, each requiring older ones only."""
    chance = random.Random(seed)
    made: list[Package] = []
    # The older a package, the more require it: weights of a power of its rank, drawn by bisection.
    weights = list(accumulate((rank + 20) ** -1.5 for rank in range(count)))
    serial = 0
    while len(made) < count - 1:
        serial += 1
        source, version = (
            f"src{serial:05d}",
            f"{chance.randint(0, 9)}.{chance.randint(0, 30)}-{serial % 7}.bn",
        )
        for name in _names(source, chance)[: count - 1 - len(made)]:
            made.append(_package(name, version, source, made, weights, chance))
    # The root asks for what a service asks for: some of everything, each with its own chain behind it.
    root = Package("bench-root", "1-1.bn", "bench", noarch=True, provides=["bench-root = 0:1-1.bn"])
    root.requires = sorted({f"{made[chance.randrange(CORE, len(made))].name}" for _ in range(60)})
    return [*made, root]


def _names(source: str, chance: random.Random) -> list[str]:
    kinds = ["", "-libs", "-devel", "-doc", "-common", "-tools", "-plugin"]
    return [f"{source}{kind}" for kind in kinds[: chance.choice([1, 1, 2, 3, 4, 5, 7])]]


def _package(
    name: str,
    version: str,
    source: str,
    older: list[Package],
    weights: list[float],
    chance: random.Random,
) -> Package:
    noarch = name.endswith(("-doc", "-common")) or chance.random() < 0.25
    package = Package(name, version, source, noarch)
    package.provides.append(f"{name} = 0:{version}")
    if not noarch:
        package.provides.append(f"{name}{{isa}} = 0:{version}")
    if not noarch and name.endswith("-libs"):
        soname = f"lib{source}.so.{chance.randint(0, 9)}"
        package.provides += [f"{soname}()(64bit)"]
        package.provides += [f"{soname}({source.upper()}_{minor})(64bit)" for minor in range(chance.randint(0, 6))]
    for _ in range(chance.randint(1, 12) if older else 0):
        package.requires.append(_requirement(_drawn(older, weights, chance), chance, noarch))
    if not noarch:
        package.requires += ["{loader}", "rtld(GNU_HASH)"]
    if older and older[-1].source == source:
        sibling = older[-1]
        isa = "" if noarch or sibling.noarch else "{isa}"
        package.requires.append(f"{sibling.name}{isa} = 0:{version}")
    if not older:
        package.provides += ["{loader}", "rtld(GNU_HASH)"]
    package.requires = sorted(set(package.requires))
    package.files = [f"/usr/bin/{name}"] if chance.random() < 0.4 else []
    package.files += [f"/etc/{name}.conf"] if chance.random() < 0.2 else []
    package.hidden = [f"/usr/share/{name}/file{number}" for number in range(chance.randint(2, 40))]
    return package


def _drawn(older: list[Package], weights: list[float], chance: random.Random) -> Package:
    point = chance.random() * weights[len(older) - 1]
    return older[bisect.bisect_left(weights, point, 0, len(older) - 1)]


def _requirement(wanted: Package, chance: random.Random, noarch: bool) -> str:
    sonames = [provide for provide in wanted.provides if provide.startswith("lib")]
    drawn = chance.random()
    if sonames and not noarch:
        return chance.choice(sonames)
    if drawn < 0.05 and wanted.files:
        return wanted.files[0]
    if drawn < 0.052:
        return wanted.hidden[0]
    if drawn < 0.06:
        return f"({wanted.name} if {wanted.source}-devel)"
    if drawn < 0.3:
        return f"{wanted.name} >= 0:{wanted.version}"
    return wanted.name


def write_distribution(folder: Path, count: int, seed: int) -> None:
    """Write the repositories and the target file into ``folder``."""
    packages = packages_of(count, seed)
    chance = random.Random(seed + 1)
    sources = sorted({package.source for package in packages})
    missing = {source for source in sources[CORE:] if chance.random() < MISSING}
    built = [package for package in packages if package.noarch or package.source not in missing]
    write_repository(folder / "target", built, "ppc64le")
    write_repository(folder / "reference", packages, "x86_64")
    write_repository(folder / "source", _source_packages(packages), "src")
    (folder / "target.toml").write_text(TARGET_FILE)


def _source_packages(packages: Iterable[Package]) -> list[Package]:
    """A source package for each source; its build needs by name what its first package needs at run time."""
    first: dict[str, Package] = {}
    for package in packages:
        first.setdefault(package.source, package)
    return [
        Package(
            source,
            package.version,
            source,
            noarch=False,
            requires=[want for want in package.requires if want[0] not in "{(" and "(" not in want],
        )
        for source, package in first.items()
    ]


def write_repository(folder: Path, packages: list[Package], arch: str) -> None:
    """Write rpm-md for these packages below the folder; ``arch`` is that of the native ones."""
    repodata = folder / "repodata"
    repodata.mkdir(parents=True, exist_ok=True)
    for old in repodata.iterdir():
        old.unlink()
    data = []
    for kind, root, parts in (
        ("primary", f"metadata {_NAMESPACES}", (_primary(package, arch) for package in packages)),
        (
            "filelists",
            'filelists xmlns="http://linux.duke.edu/metadata/filelists"',
            (_filelist(package, arch) for package in packages),
        ),
    ):
        data.append(_write_data(repodata, kind, root, len(packages), parts))
    (repodata / "repomd.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">\n'
        f"<revision>{BUILT}</revision>\n{''.join(data)}</repomd>\n"
    )


def _write_data(repodata: Path, kind: str, root: str, count: int, parts: Iterator[str]) -> str:
    """Write one metadata file and return its entry for repomd.xml."""
    text = "".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>\n',
            f'<{root} packages="{count}">\n',
            *parts,
            f"</{root.split()[0]}>\n",
        )
    ).encode()
    packed = zstandard.ZstdCompressor(level=3).compress(text)
    checksum, opened = hashlib.sha256(packed).hexdigest(), hashlib.sha256(text).hexdigest()
    name = f"{checksum}-{kind}.xml.zst"
    (repodata / name).write_bytes(packed)
    return (
        f'<data type="{kind}"><checksum type="sha256">{checksum}</checksum>'
        f'<open-checksum type="sha256">{opened}</open-checksum><location href="repodata/{name}"/>'
        f"<timestamp>{BUILT}</timestamp><size>{len(packed)}</size><open-size>{len(text)}</open-size></data>\n"
    )


def _arch(package: Package, arch: str) -> str:
    return "src" if arch == "src" else "noarch" if package.noarch else arch


def _identity(package: Package, arch: str) -> str:
    return hashlib.sha256(f"{package.name}-{package.version}.{_arch(package, arch)}".encode()).hexdigest()


def _version(package: Package) -> str:
    version, _, release = package.version.partition("-")
    return f'<version epoch="0" ver="{version}" rel="{release}"/>'


def _primary(package: Package, arch: str) -> str:
    own = _arch(package, arch)
    place = f"Packages/{package.name}-{package.version}.{own}.rpm"
    source = "" if arch == "src" else f"{package.source}-{package.version}.src.rpm"
    files = "".join(f"<file>{escape(path)}</file>" for path in package.files)
    return (
        f'<package type="rpm"><name>{package.name}</name><arch>{own}</arch>{_version(package)}'
        f'<checksum type="sha256" pkgid="YES">{_identity(package, arch)}</checksum>'
        f"<summary/><description/><packager/><url/>"
        f'<time file="{BUILT}" build="{BUILT}"/><size package="1000" installed="2000" archive="2000"/>'
        f'<location href="{place}"/><format><rpm:license/><rpm:vendor/><rpm:group/><rpm:buildhost/>'
        f"<rpm:sourcerpm>{source}</rpm:sourcerpm>"
        f"{_entries('provides', package.provides, arch)}{_entries('requires', package.requires, arch)}"
        f"{files}</format></package>\n"
    )


def _entries(kind: str, capabilities: list[str], arch: str) -> str:
    if not capabilities:
        return ""
    isa = f"({ISA[arch]})" if arch in ISA else ""
    loader = LOADER.get(arch, "")
    inner = "".join(_entry(one.replace("{isa}", isa).replace("{loader}", loader)) for one in capabilities)
    return f"<rpm:{kind}>{inner}</rpm:{kind}>"


def _entry(capability: str) -> str:
    name, relation, evr = capability, "", ""
    if not capability.startswith("("):
        name, _, rest = capability.partition(" ")
        relation, _, evr = rest.partition(" ")
    if not relation:
        return f"<rpm:entry name={quoteattr(name)}/>"
    epoch, _, version = evr.partition(":")
    ver, _, release = version.partition("-")
    flags = {"=": "EQ", ">=": "GE"}[relation]
    return f'<rpm:entry name={quoteattr(name)} flags="{flags}" epoch="{epoch}" ver="{ver}" rel="{release}"/>'


def _filelist(package: Package, arch: str) -> str:
    paths = "".join(f"<file>{escape(path)}</file>" for path in (*package.files, *package.hidden))
    return (
        f'<package pkgid="{_identity(package, arch)}" name="{package.name}" arch="{_arch(package, arch)}">'
        f"{_version(package)}{paths}</package>\n"
    )


TARGET_FILE = """\
name = "bench"
title = "Generated distribution"
releasever = "9"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:el9"
cpu_baseline = "POWER9"

[python]
version = "3.9.25"
glibc = "2.34"

[[repositories]]
id = "target"
side = "target"
baseurl = "./target/"

[[repositories]]
id = "reference"
side = "reference"
baseurl = "./reference/"

[[repositories]]
id = "source"
side = "source"
baseurl = "./source/"
"""


def main() -> None:
    """Write what the command line asks for."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.generate")
    options.add_argument("folder", type=Path)
    options.add_argument("--packages", type=int, default=60_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    write_distribution(given.folder, given.packages, given.seed)
    print(given.folder / "target.toml")


if __name__ == "__main__":
    main()
