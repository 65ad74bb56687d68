"""The world of the demo: a target without the workload's packages, a reference that has them, sources, recipes.

Everything in it is real: the sources are Debian's upstream tarballs, the reference packages are built from them for
this machine, and the target is a Debian root for ppc64le, which one RPM stands for.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from ppcdeps.base.cache import Cache
from ppcdeps.base.copying import copy_tree
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.buildroots.buildroots import Buildroots
from ppcdeps.building.buildroots.debiansources import SourceArchive, Tarball, os_release
from ppcdeps.building.buildroots.definitions import DebianMaking
from ppcdeps.building.createrepo import index_folder
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.engines.engine import engines_home
from ppcdeps.engines.job import BuildMode, Buildroot, Job
from ppcdeps.engines.probe import choose_engine
from ppcdeps.model.errors import BuildError, ConfigError, EnvironmentLacksError
from ppcdeps.model.reporter import Reporter
from ppcdeps.planning.workloads import PYTHON_PREFIX
from ppcdeps.recipebook.book import load_book
from ppcdeps.recipebook.rendering import render

NAME = "power-demo"
MARKER = ".ppcdeps-demo.json"
ARCH = "ppc64le"
NATIVE_ROOT = "debian-12-cross"
"""A root of this machine's own architecture."""
TARGET_ROOT = "debian-12"
PACKAGES = ("yajl", "numactl")
"""What the demo has as RPMs: yajl by a recipe, numactl from a source RPM."""
PYTHON = ("msgpack", "debtcollector")
"""What it has from the Python index. msgpack, and the wrapt of debtcollector, are compiled and have no wheel."""

SOURCES = "debian-sources"
"""Where source packages are kept in the cache."""

_RELEASE = "2024.1"
_MACROS = "/etc/rpm/macros.ppcdeps"
_SCRIPT = """\
set -e
for spec in /build/*/SPECS/*.spec; do
  top=${spec%/SPECS/*}
  rpmbuild -ba --nodeps --define "_topdir $top" "$spec"
done
"""


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """A demo's folder. All paths are absolute; ``roots`` are those of its workload."""

    folder: Path
    name: str
    target_file: Path
    workload_file: Path
    recipes: Path
    sources: Path
    target: Path
    """The target's repository, for ppc64le."""
    reference: Path
    """The repository of this machine's architecture."""
    srpms: Path
    """The repository of source packages."""
    repository: Path
    """Where `ppcdeps build` publishes by default."""
    roots: tuple[str, ...] = ()


def make_world(
    folder: Path,
    cache: Cache,
    reporter: Reporter,
    *,
    packages: Sequence[str] = PACKAGES,
    python: Sequence[str] = PYTHON,
    name: str = NAME,
    engine: str | None = None,
    mirror: str | None = None,
) -> DemoWorld:
    """Make a demo's folder, which must be new or empty, and the buildroots that it takes in the cache.

    ``packages`` are some of PACKAGES, ``python`` are distributions of the Python index. Raises ConfigError where the
    folder has anything in it, EnvironmentLacksError where a tool is missing, RepositoryError where the machine's apt
    has no sources, BuildError where a reference package cannot be built.
    """
    folder = folder.absolute()
    check_place(folder)
    machine = machine_arch()
    world = _world(folder, name, (*packages, *(f"{PYTHON_PREFIX}{each}" for each in python)))
    try:
        _fill(world, packages, cache, reporter, engine, mirror, machine)
    except BaseException:
        # Half of it is of no use, and the next run would refuse a folder that is not empty.
        remove_tree(folder, strict=False)
        raise
    return world


def check_place(folder: Path) -> None:
    """Raise ConfigError where a folder has anything in it, EnvironmentLacksError on a machine of the target's own
    architecture.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder", hint="name a new one with --to DIR")
    if machine_arch() == ARCH:
        raise EnvironmentLacksError(
            f"this machine is {ARCH} itself: the demo shows how to do without one",
            hint="plan a real workload: ppcdeps plan nova-compute",
        )


def _fill(
    world: DemoWorld,
    packages: Sequence[str],
    cache: Cache,
    reporter: Reporter,
    engine: str | None,
    mirror: str | None,
    machine: str,
) -> None:
    roots = Buildroots(cache, reporter=reporter)
    target_root = roots.create(TARGET_ROOT, mode=BuildMode.EMULATED, mirror=mirror)
    native_root = roots.create(NATIVE_ROOT, mode=BuildMode.CROSS, mirror=mirror)
    for place in (world.sources, world.recipes, world.reference, world.srpms):
        place.mkdir(parents=True)
    making = roots.definitions.named(TARGET_ROOT).making
    assert isinstance(making, DebianMaking)
    tarballs = _fetch(packages, making.suite, world, cache, reporter)
    _write_recipes(tarballs, world)
    created = roots.of(target_root)
    _write_target(world, created.packages, machine)
    _write_workload(world)
    assert created.repository is not None  # it is a Debian root
    copy_tree(created.repository, world.target)
    _build_reference(tarballs, world, native_root, target_root, engine, engines_home(cache.directory), reporter)
    # Written last: a folder without it is not whole.
    (world.folder / MARKER).write_text(f"{json.dumps({'name': world.name, 'roots': world.roots})}\n", "utf-8")


def find_world(folder: Path) -> DemoWorld | None:
    """The demo that an earlier run made in the folder; None where there is none that is whole."""
    try:
        document = json.loads((folder / MARKER).read_text("utf-8"))
        return _world(folder.absolute(), str(document["name"]), tuple(document["roots"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _world(folder: Path, name: str, roots: tuple[str, ...]) -> DemoWorld:
    return DemoWorld(
        folder=folder,
        name=name,
        target_file=folder / "target.toml",
        workload_file=folder / "workload.toml",
        recipes=folder / "recipes",
        sources=folder / "sources",
        target=folder / "repositories" / "target",
        reference=folder / "repositories" / "reference",
        srpms=folder / "repositories" / "source",
        repository=folder / f"repository-{name}",
        roots=roots,
    )


def _fetch(
    packages: Sequence[str], suite: str, world: DemoWorld, cache: Cache, reporter: Reporter
) -> dict[str, Tarball]:
    task = f"Debian's sources of {', '.join(packages)}"
    reporter.begin(task, None)
    try:
        archive = SourceArchive(cache.root / SOURCES)
        found = {}
        for name in packages:
            # Those of the roots' release: its packages are known to build there.
            tarball = archive.fetch(name, suite if os_release().get("ID") == "debian" else None)
            place = world.sources / tarball.file.name
            shutil.copyfile(tarball.file, place)
            found[name] = Tarball(place, tarball.version)
        return found
    finally:
        reporter.end(task)


def _write_recipes(tarballs: dict[str, Tarball], world: DemoWorld) -> None:
    if "yajl" not in tarballs:
        return
    tarball = tarballs["yajl"]
    text = _filled(
        "yajl/recipe.toml",
        version=tarball.version,
        file=tarball.file.name,
        sha256=sha256_of(tarball.file),
    )
    (world.recipes / "yajl").mkdir()
    (world.recipes / "yajl" / "recipe.toml").write_text(text, "utf-8")


def _write_target(world: DemoWorld, packages: Mapping[str, str], machine: str) -> None:
    text = _filled(
        "target.toml",
        reference_arch=machine,
        python=_version(packages, "python3"),
        glibc=_version(packages, "libc6"),
        release=_RELEASE,
    )
    world.target_file.write_text(text, "utf-8")


def _write_workload(world: DemoWorld) -> None:
    text = _filled(
        "workload.toml",
        name=world.name,
        roots=", ".join(f'"{root}"' for root in world.roots),
        release=_RELEASE,
    )
    world.workload_file.write_text(text, "utf-8")
    (world.folder / "constraints.txt").write_text(_filled("constraints.txt"), "utf-8")


def _build_reference(
    tarballs: dict[str, Tarball],
    world: DemoWorld,
    root: Buildroot,
    target_root: Buildroot,
    engine: str | None,
    home: Path,
    reporter: Reporter,
) -> None:
    """Build the packages for this machine: the reference has them, and the source repository their sources."""
    work = world.folder / ".reference"
    book = {recipe.source: recipe for recipe in load_book((world.recipes,))}
    for name, tarball in tarballs.items():
        if name in book and book[name].folder.is_relative_to(world.recipes):
            render(book[name], work / name, sources=[tarball.file])
            continue
        for place in ("SPECS", "SOURCES"):
            (work / name / place).mkdir(parents=True)
        shutil.copyfile(tarball.file, work / name / "SOURCES" / tarball.file.name)
        spec = _filled(f"{name}.spec", version=tarball.version, file=tarball.file.name)
        (work / name / "SPECS" / f"{name}.spec").write_text(spec, "utf-8")
    macros = work / "macros"
    macros.write_text(_native_macros(target_root, root.arch), "utf-8")
    task = f"the {root.arch} packages of {', '.join(tarballs)}"
    reporter.begin(task, None)
    output: list[bytes] = []
    try:
        job = Job(
            name=f"ppcdeps-demo-{hashlib.sha256(str(world.folder).encode()).hexdigest()[:12]}",
            command=("/bin/sh", "-c", _SCRIPT),
            workspace=work,
            inputs={_MACROS: macros},
        )
        ended = choose_engine(root, engine, home=home, reporter=reporter).run(root, job, output.append)
    finally:
        reporter.end(task)
    if not ended.is_well:
        # The demo's own folder goes. A name in the shared folder is to be one that nobody could take before.
        handle, log = tempfile.mkstemp(prefix="ppcdeps-demo-", suffix=".log")
        with os.fdopen(handle, "wb") as stream:
            stream.writelines(output)
        raise BuildError(f"the {root.arch} packages cannot be built: {ended.ending} {ended.code}", hint=f"see {log}")
    for package in work.glob("*/RPMS/*/*.rpm"):
        shutil.move(package, world.reference / package.name)
    for package in work.glob("*/SRPMS/*.rpm"):
        shutil.move(package, world.srpms / package.name)
    remove_tree(work)
    for repository in (world.reference, world.srpms):
        index_folder(repository)


def _native_macros(target_root: Buildroot, arch: str) -> str:
    """The macros of the target's root, for this machine's architecture instead."""
    text = target_root.path.joinpath(_MACROS[1:]).read_text("utf-8")
    text = re.sub(r" -m(?:cpu|tune)=\S+", "", text)
    return text.replace("powerpc64le-linux-gnu", f"{arch}-linux-gnu").replace("powerpc64le", arch)


def _version(packages: Mapping[str, str], name: str) -> str:
    """The upstream version of one of the root's Debian packages: 3.11.2 of 3.11.2-1+b1."""
    for key, version in packages.items():
        found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", version)
        if key.partition(":")[0] == name and found is not None:
            return found[1]
    raise EnvironmentLacksError(f"the buildroot {TARGET_ROOT} has no {name}", hint="remove it, and run this again")


def _filled(file: str, /, **values: str) -> str:
    text = files("ppcdeps").joinpath("data", "demo", *file.split("/")).read_text("utf-8")
    return Template(text).substitute(values)
