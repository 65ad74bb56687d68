"""Small things to build for a Debian root: recipes with sources of their own, and a plan's worth of repositories."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra

LIBRARY = """\
int {name}_answer(void) {{ return 42; }}
"""
MAKEFILE = """\
all: lib{name}.so
lib{name}.so: {name}.c
\t$(or $(CC),cc) -shared -fPIC -Wl,-soname,lib{name}.so.1 -o $@ $<
install:
\tmkdir -p $(DESTDIR)$(LIBDIR) $(DESTDIR)$(PREFIX)/share/{name}
\tcp lib{name}.so $(DESTDIR)$(LIBDIR)/lib{name}.so.1
\techo hello >$(DESTDIR)$(PREFIX)/share/{name}/hello
"""
RECIPE = """\
source = "{name}"
kind = "{kind}"
summary = "the test library {name}"
reason = "a test builds it"
links = ["https://example.org/{name}"]
packages = ["{name}"]
requires = [{requires}]
{spec}smoke_test = '''
{smoke}
'''

[build]
requires = [{build_requires}]
without = [{without}]
{upstream}
[[sources]]
version = "{version}"
url = "https://example.org/{name}-{version}.tar.gz"
sha256 = "{digest}"
"""
UPSTREAM = """
[upstream]
summary = "A test library"
license = "MIT"
url = "https://example.org/{name}"
description = "A test library."
system = "make"
check = '''
{check}
'''
"""
TARGET = """\
name = "debian-12"
title = "Debian 12 for tests"
releasever = "12"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:debian12"
cpu_baseline = "POWER8"
buildroot = "{buildroot}"

[python]
version = "3.11.2"
glibc = "2.36"

[[repositories]]
id = "base"
side = "target"
baseurl = "{base}"

[[repositories]]
id = "reference"
side = "reference"
baseurl = "{reference}"
"""


@dataclass
class Thing:
    """Something to build: a library that a Makefile makes, unless a test has another ``makefile``.

    ``needs`` are the BuildRequires, ``requires`` the Requires, beside those of any such recipe.
    """

    name: str
    needs: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    makefile: str = ""
    check: str = ":"
    smoke: str = "true"
    version: str = "1.0"
    spec: str = ""
    """The spec template of a recipe of kind ``spec``, which it is then."""
    without: tuple[str, ...] = ()
    """Build conditions that are off."""
    files: Mapping[str, str] = field(default_factory=dict)


def bad(name: str, *commands: str) -> Thing:
    """Something that runs these commands while it is built, and then is built as any other."""
    extra = "\n".join(f"\t{command}" for command in commands)
    rest = MAKEFILE.format(name=name).partition("\n")[2]
    return Thing(name, makefile=f"all: bad lib{name}.so\nbad:\n{extra}\n{rest}")


def write_target(folder: Path, sources: Mapping[str, str], base: Path, buildroot: str) -> None:
    """Write (again) target.toml into a folder, and the reference of that target: a package of each source's name.

    ``sources`` are names and versions. ``base`` is the target's own repository.
    """
    packages = [Package(Nevra.parse(f"{name}-{version}-1.x86_64"), name) for name, version in sources.items()]
    reference = folder / "reference"
    if reference.exists():
        for path in sorted((reference / "repodata").iterdir()):
            path.unlink()
        (reference / "repodata").rmdir()
    write_repository(reference, packages)
    text = TARGET.format(buildroot=buildroot, base=base.as_uri(), reference=reference.as_uri())
    (folder / "target.toml").write_text(text)


@dataclass
class BuildWorld:
    """A folder with recipes, sources, repositories and a target, and the program to build there."""

    program: Program
    base: Path
    """The repository of the Debian root."""
    buildroot: str = "debian-12-cross"

    @property
    def folder(self) -> Path:
        return self.program.folder

    def make(self, *things: Thing) -> None:
        """Write (again) all that these things take."""
        for thing in things:
            self._recipe(thing)
        sources = {thing.name: thing.version for thing in things}
        write_target(self.folder, sources, self.base, self.buildroot)

    def _recipe(self, thing: Thing) -> None:
        inside = {
            f"{thing.name}.c": LIBRARY.format(name=thing.name),
            "Makefile": thing.makefile or MAKEFILE.format(name=thing.name),
            **thing.files,
        }
        tarball = self.folder / "sources" / f"{thing.name}-{thing.version}.tar.gz"
        tarball.parent.mkdir(exist_ok=True)
        with tarfile.open(tarball, "w:gz") as archive:
            for name, text in inside.items():
                member = tarfile.TarInfo(f"{thing.name}-{thing.version}/{name}")
                member.size, member.mtime = len(text.encode()), 1_700_000_000
                archive.addfile(member, io.BytesIO(text.encode()))
        place = self.folder / "recipes" / thing.name
        place.mkdir(parents=True, exist_ok=True)
        if thing.spec:
            (place / f"{thing.name}.spec.j2").write_text(thing.spec)
        text = RECIPE.format(
            name=thing.name,
            kind="spec" if thing.spec else "compile",
            spec=f'spec = "{thing.name}.spec.j2"\n' if thing.spec else "",
            upstream="" if thing.spec else UPSTREAM.format(name=thing.name, check=thing.check),
            without=_quoted(thing.without),
            version=thing.version,
            digest=hashlib.sha256(tarball.read_bytes()).hexdigest(),
            build_requires=_quoted(thing.needs),
            requires=_quoted(thing.requires),
            smoke=thing.smoke,
        )
        (place / "recipe.toml").write_text(text)

    @property
    def place(self) -> tuple[str, ...]:
        """The options that say where all is, for every command that plans."""
        return ("--target", "target.toml", "--recipes", "recipes")

    def plan(self, *roots: str) -> Path:
        """The plan for these roots, made by the program."""
        self.program("plan", *roots, *self.place, "-o", "plan.json", code=1)
        return self.folder / "plan.json"

    def build_command(self, *options: str) -> tuple[str, ...]:
        """The arguments of a build of the plan."""
        return ("build", "plan.json", *self.place, "--sources", "sources", *options)


def _quoted(words: tuple[str, ...]) -> str:
    return ", ".join(f'"{one}"' for one in words)
