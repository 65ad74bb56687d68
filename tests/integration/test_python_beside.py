"""A Python beside the platform's: on EL8 in a module, on EL9 in plain packages. dnf judges what the plan says.

Each world has real packages: a platform whose Python lacks a library, an interpreter beside it, and software for
both.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from indexes import pkg_info, sdist, serving, wheel
from program import Program

from ppcdeps.building.run.tasks import Bridge, tasks_of
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.recipebook.book import load_book
from ppcdeps.recipebook.rendering import render, render_bridge
from ppcdeps.verifying.dnf import Dnf
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.replan import as_planned

MISSING = [name for name in ("dnf", "rpmbuild", "createrepo_c", "modifyrepo_c") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")

TARGET = """\
name = "test-{release}"
title = "A target for tests"
releasever = "{release}"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:el{release}"
cpu_baseline = "POWER8"

[python]
version = "{platform}"
glibc = "2.28"

[[pythons]]
version = "{version}"
package = "{package}"
{module}

[[repositories]]
id = "base"
side = "target"
baseurl = "base/"
metadata_expire = 0

[[repositories]]
id = "reference"
side = "reference"
baseurl = "reference/"
metadata_expire = 0
"""
SPEC = """\
Name: {name}
Version: {version}
Release: {release}
Summary: -
License: -
AutoReqProv: no
{more}
%description
-
%install
mkdir -p %{{buildroot}}/usr/share/worlds
touch %{{buildroot}}/usr/share/worlds/{name}
%files
/usr/share/worlds/{name}
"""
MODULES = """\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: 1
  context: aaaaaaaa
  arch: {arch}
  summary: "-"
  description: "-"
  license: {{module: ["-"]}}
  dependencies:
  - requires: {{platform: [el{release}]}}
  artifacts: {{rpms: [{rpms}]}}
...
"""


@dataclass(frozen=True)
class Kind:
    """How a distribution has its second interpreter. ``module`` is the stream that it is in, or empty."""

    release: str
    platform: str
    version: str
    package: str
    module: str = ""

    @property
    def tag(self) -> str:
        return ".".join(self.version.split(".")[:2])

    @property
    def platform_tag(self) -> str:
        return ".".join(self.platform.split(".")[:2])

    def distribution(self, name: str, version: str) -> list[str]:
        """What rpm's generator provides for the second interpreter: that of EL8 adds the name without version."""
        found = [f"Provides: python{self.tag}dist({name}) = {version}"]
        return [*found, f"Provides: python3dist({name}) = {version}"] if self.release == "8" else found


EL8 = Kind("8", "3.6.8", "3.9.20", "python39", "python39:3.9")
EL9 = Kind("9", "3.9.25", "3.11.13", "python3.11")


@dataclass
class World:
    """A folder with the repositories of a kind, and the program in it."""

    kind: Kind
    program: Program
    specs: int = 0
    options: tuple[str, ...] = ("--target", "target.toml")
    built: dict[str, list[Path]] = field(default_factory=dict)
    sdist: tuple[str, bytes] = ("", b"")
    """File name and content of the distribution `native`, which the index has as source only."""

    @property
    def folder(self) -> Path:
        return self.program.folder

    def rpm(self, name: str, version: str, *lines: str, arch: str = "noarch", to: str, modular: bool = False) -> Path:
        """A package for a repository of the world."""
        self.specs += 1
        top = self.folder / "tops" / str(self.specs)
        top.mkdir(parents=True)
        release = f"1.module_el{self.kind.release}" if modular else f"1.el{self.kind.release}"
        more = "\n".join([*(["BuildArch: noarch"] if arch == "noarch" else []), *lines])
        (top / "a.spec").write_text(SPEC.format(name=name, version=version, release=release, more=more))
        command = ["rpmbuild", "-bb", "--quiet", "--target", arch, "--define", f"_topdir {top}", str(top / "a.spec")]
        run(*command)
        place = self.folder / to
        place.mkdir(exist_ok=True)
        (found,) = top.glob(f"RPMS/*/{name}-*.rpm")
        self.built.setdefault(to, []).append(Path(shutil.copy(found, place)))
        return self.built[to][-1]

    def index(self, to: str, modular: tuple[str, ...] = (), arch: str = "ppc64le") -> None:
        run("createrepo_c", "--quiet", str(self.folder / to))
        if not self.kind.module:
            return
        name, _, stream = self.kind.module.partition(":")
        rpms = ", ".join(f'"{one}"' for one in modular)
        text = MODULES.format(name=name, stream=stream, release=self.kind.release, arch=arch, rpms=rpms)
        (self.folder / "modules.yaml").write_text(text)
        run("modifyrepo_c", "--mdtype=modules", str(self.folder / "modules.yaml"), str(self.folder / to / "repodata"))

    def plan(self, *roots: str, more: tuple[str, ...] = ()) -> Plan:
        self.program("plan", *roots, *self.options, *more, "-o", "plan.json", code=1)
        return load_plan(self.folder / "plan.json")

    def dnf(self, place: str, *words: str, **repositories: Path) -> subprocess.CompletedProcess[str]:
        """dnf as on a machine of the distribution that has these repositories."""
        command = [
            "dnf", "--forcearch=ppc64le", f"--releasever={self.kind.release}",
            "--setopt=reposdir=/dev/null", f"--setopt=cachedir={self.folder / place / 'cache'}", "--nogpgcheck",
            f"--setopt=module_platform_id=platform:el{self.kind.release}", "--setopt=install_weak_deps=0",
            "--noplugins", f"--installroot={self.folder / place / 'root'}",
            *(f"--repofrompath={name},{url}" for name, url in repositories.items()),
        ]  # fmt: skip
        return subprocess.run([*command, *words], capture_output=True, text=True, check=False)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=[EL8, EL9], ids=["el8", "el9"])
def stocked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world of each kind, its packages built once."""
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp("world")
    here = World(kind, Program(folder, {}))
    module = f'module = "{kind.module}"' if kind.module else ""
    text = TARGET.format(
        release=kind.release, platform=kind.platform, version=kind.version, package=kind.package, module=module
    )
    (folder / "target.toml").write_text(text)
    name, version, tag = kind.package, kind.version, kind.tag
    for part, lines in {
        name: (f"Provides: python(abi) = {tag}", f"Provides: /usr/bin/python{tag}"),
        f"{name}-pip": (f"Requires: {name}",),
        f"{name}-devel": (f"Requires: {name}",),
        f"{name}-setuptools": (f"Requires: {name}", *kind.distribution("setuptools", "50.3")),
    }.items():
        arch = "ppc64le" if part in (name, f"{name}-devel") else "noarch"
        here.rpm(part, version, *lines, arch=arch, to="base", modular=bool(kind.module))
    here.rpm("python3", kind.platform, f"Provides: python(abi) = {kind.platform_tag}", arch="ppc64le", to="base")
    here.index("base", tuple(_artifact(path) for path in here.built["base"] if ".module_" in path.name))
    # What x86_64 has beside it: a service and a library for each interpreter.
    here.rpm("app", "1.0", f"Requires: {name}-cfg >= 2", f"Requires: python{tag}dist(cfg) >= 2", to="reference")
    here.rpm(f"{name}-cfg", "2.0", f"Requires: python(abi) = {tag}", *kind.distribution("cfg", "2"), to="reference")
    here.rpm("oldapp", "1.0", f"Requires: python{kind.platform_tag}dist(cfg) < 2", to="reference")
    provides = (f"Provides: python{kind.platform_tag}dist(cfg) = 1", "Provides: python3dist(cfg) = 1")
    here.rpm("python3-cfg", "1.0", f"Requires: python(abi) = {kind.platform_tag}", *provides, to="reference")
    run("createrepo_c", "--quiet", str(folder / "reference"))
    return here


@pytest.fixture
def world(stocked: World, tmp_path: Path) -> Iterator[World]:
    """A copy of the world, with an index."""
    shutil.copytree(stocked.folder, tmp_path, dirs_exist_ok=True)
    extension = "Extension('native', ['n.c'])"
    setup = f"from setuptools import setup, Extension\nsetup(name='native', ext_modules=[{extension}])"
    info = pkg_info("native", "1.0", "Requires-Dist: cfg", metadata="2.2")
    native = sdist("native", "1.0", {"PKG-INFO": info, "setup.py": f"{setup}\n", "n.c": EXTENSION})
    with serving() as shop:
        for version in ("2.1", "1.4"):
            shop.add("cfg", wheel("cfg", version))
        shop.add("native", native)
        index = {"PIP_INDEX_URL": f"{shop.url}/simple", "PIP_CONFIG_FILE": os.devnull}
        yield replace(stocked, program=Program(tmp_path, index), sdist=native)


EXTENSION = """\
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "native", 0, -1, 0};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&definition); }
"""


def _artifact(path: Path) -> str:
    name, version, rest = path.name.removesuffix(".rpm").rsplit("-", 2)
    return f"{name}-0:{version}-{rest}"


def routes(plan: Plan) -> dict[str, str]:
    return {gap.name: str(gap.route.kind) for gap in plan.gaps}


def test_the_plan_is_for_the_interpreter_that_was_asked_for(world: World) -> None:
    kind = world.kind
    plan = world.plan("app", "oldapp", "pypi:native", more=("--python-version", kind.tag))
    assert plan.python is not None
    assert (plan.python.python, plan.python.package) == (kind.version, kind.package)
    assert plan.modules == ((kind.module,) if kind.module else ())
    # The platform's library stays an RPM: what pip installs for the other interpreter is not it.
    assert routes(plan) == {
        "app": "reuse",
        "oldapp": "reuse",
        "python3-cfg": "reuse",
        f"{kind.package}-cfg": "pip-wheel",
        "native": "build-sdist",
    }
    assert {each.name: each.version for each in plan.python.distributions if not each.rpm} == {
        "cfg": "2.1",
        "native": "1.0",
    }
    assert set(plan.python.bridge) == {f"{kind.package}-cfg = 2.1", f"python{kind.tag}dist(cfg) = 2.1"}
    assert {kind.package, f"{kind.package}-pip"} <= {package.nevra.name for package in plan.closure}
    shown = world.program("plan", "app", *world.options, "--python-version", kind.tag, "--no-output", code=1).out
    assert f"python{kind.tag} -m pip" in shown
    assert (f"dnf module enable {kind.module}" in shown) == bool(kind.module)


def test_dnf_installs_what_the_plan_says_with_the_bridge_and_not_without(world: World) -> None:
    kind = world.kind
    plan = world.plan("app", "oldapp", more=("--python-version", kind.tag))
    local = world.folder / "local"
    local.mkdir()
    reused = {package.nevra.name for package in plan.closure if package.side == "reference"}
    by_pip = {gap.name for gap in plan.gaps if gap.route.kind is RouteKind.PIP_WHEEL}
    for path in world.built["reference"]:
        name = path.name.rsplit("-", 2)[0]
        if name in reused - by_pip:
            shutil.copy(path, local)
    run("createrepo_c", "--quiet", str(local))
    wanted = ("install", "--assumeno", "app", "oldapp", kind.package, f"{kind.package}-pip")
    repositories = {"base": world.folder / "base", "local": local}

    def enabled(place: str) -> None:
        for stream in plan.modules:
            done = world.dnf(place, "module", "enable", "--assumeyes", stream, **repositories)
            assert done.returncode == 0, done.stderr

    enabled("without")
    refused = world.dnf("without", *wanted, **repositories)
    assert f"nothing provides {kind.package}-cfg >= 2 needed by app" in refused.stderr

    (task,) = tasks_of(plan, load_book())
    assert isinstance(task.recipe, Bridge)
    rendering = render_bridge(task.recipe.workload, task.recipe.provides, world.folder / "bridge", serial=1)
    run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {world.folder / 'bridge'}", str(rendering.spec))
    for path in (world.folder / "bridge").glob("RPMS/noarch/*.rpm"):
        shutil.copy(path, local)
    run("createrepo_c", "--quiet", str(local))
    enabled("with")
    done = world.dnf("with", *wanted, **repositories)
    assert "Operation aborted." in done.stderr  # all is solved, and --assumeno is the answer
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(" ")]
    installed = {row[0] for row in rows if len(row) > 3 and row[1] in ("noarch", "ppc64le")}
    planned = {package.nevra.name for package in plan.closure} - by_pip
    assert installed == planned | {f"ppcdeps-bridge-{plan.workload}"}


def test_a_module_that_is_not_enabled_is_named_and_not_used_in_silence(world: World) -> None:
    kind = world.kind
    if not kind.module:
        pytest.skip("EL9's interpreters are in no module")
    # The stream is not the default one here: dnf does not see its packages either.
    refused = world.dnf("plain", "install", "--assumeno", kind.package, base=world.folder / "base")
    assert "Unable to find a match" in refused.stderr
    plain = world.plan("app", "oldapp")
    assert plain.modules == ()
    assert kind.package not in {package.nevra.name for package in plain.closure}
    with_module = world.plan("app", "oldapp", more=("--module", kind.module))
    assert with_module.modules == (kind.module,)


def test_constraints_are_those_of_the_interpreter(world: World) -> None:
    kind = world.kind
    document = json.loads(
        world.program(
            "constraints", "app", "pypi:native", *world.options, "--python-version", kind.tag, "--json", "-o", "pip"
        ).out
    )
    assert (document["python"], document["package"]) == (kind.version, kind.package)
    (requirements,) = (world.folder / "pip").glob("requirements-*.txt")
    assert "cfg==2.1" in requirements.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--python-version", "3.7"), "has no Python 3.7; known: "),
        (("--python-version", "$(x)"), "has no Python $(x); known: "),
        (("--module", "python39"), "--module is to be NAME:STREAM, not python39"),
        (("--module", "no:1", "--module", "no:2"), "two streams of module no are to be enabled: no:1 and no:2"),
        (("--module", "no:1"), "the module stream no:1 is not in any repository"),
    ],
)
def test_what_is_not_there_is_one_line(world: World, words: tuple[str, ...], message: str) -> None:
    done = world.program("plan", "app", *world.options, *words, "--no-output", code=2)
    assert message in done.err
    assert done.err.count("error:") == 1


def test_the_extension_template_builds_for_the_interpreter_that_was_asked_for(world: World) -> None:
    kind = world.kind
    plan = world.plan("pypi:native", more=("--python-version", kind.tag))
    task = next(one for one in tasks_of(plan, load_book()) if one.source == "native")
    assert isinstance(task.recipe, Recipe)
    assert task.expected.packages == (f"{kind.package}-native",)
    archive = world.folder / world.sdist[0]
    archive.write_bytes(world.sdist[1])
    rendering = render(task.recipe, world.folder / "rendered", sources=[archive])
    spec = rendering.spec.read_text()
    assert rendering.spec.name == f"{kind.package}-native.spec"
    required = {line.split()[1] for line in spec.splitlines() if line.startswith("BuildRequires:")}
    wanted = {f"{kind.package}-{part}" for part in ("devel", "pip", "setuptools", "wheel")}
    assert wanted <= required
    program = Path(f"/usr/bin/python{kind.tag}")
    if not program.exists():
        pytest.skip(f"{program} is not on this machine")
    _build(world, rendering.folder)


def _build(world: World, folder: Path) -> None:
    """rpmbuild makes the package for this machine's own architecture."""
    kind = world.kind
    # This machine's Python is Debian's, which installs below local/ unless it is told not to.
    command = ["rpmbuild", "-bb", "--quiet", "--nodeps", "--define", f"_topdir {folder}", "--define", "dist .el9"]
    environment = {**os.environ, "DEB_PYTHON_INSTALL_LAYOUT": "deb"}
    command.append(str(next(folder.glob("SPECS/*.spec"))))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (package,) = folder.glob("RPMS/*/*.rpm")
    files = run("rpm", "-qpl", str(package)).splitlines()
    digits = kind.tag.replace(".", "")
    assert any(f"native.cpython-{digits}-" in path and path.endswith(".so") for path in files)
    assert f"python{kind.tag}dist(native) = 1.0" in run("rpm", "-qp", "--provides", str(package))


def test_verifying_enables_the_modules_of_the_plan_before_it_installs(world: World) -> None:
    kind = world.kind
    if not kind.module:
        pytest.skip("EL9's interpreters are in no module")
    base = RepoConfig("base", Side.TARGET, baseurl=(f"{(world.folder / 'base').as_uri()}/",))
    dnf = Dnf(world.folder / "dnf", "ppc64le", kind.release, (base,), platform_id=f"platform:el{kind.release}")
    root, place = world.folder / "trial", world.folder / "fetched"
    assert not dnf.download(root, [kind.package], place).is_well
    enabled = dnf.enable_modules(root, [kind.module])
    assert enabled.is_well, enabled.output
    done = dnf.download(root, [kind.package, f"{kind.package}-pip"], place)
    assert done.is_well, done.output
    assert not dnf.enable_modules(root, ["nothing:1"]).is_well


def test_a_plan_brings_its_interpreter_and_modules_to_what_is_done_with_it(world: World) -> None:
    kind = world.kind
    plan = world.plan("app", "oldapp", more=("--python-version", kind.tag))
    choice = as_planned(plan, RepositoryChoice(target="target.toml"))
    assert (choice.python_version, choice.modules) == (kind.tag, plan.modules)
    given = as_planned(plan, RepositoryChoice(python_version="3.12", modules=("a:1",)))
    assert (given.python_version, given.modules) == ("3.12", ("a:1",))
    # Over nothing but what the plan says: the gaps are closed by pip and by noarch packages as they are.
    (world.folder / "local").mkdir()
    run("createrepo_c", "--quiet", str(world.folder / "local"))
    words = ("verify", "plan.json", "--repository", "local", *world.options, "--no-install", "--json")
    after = json.loads(world.program(*words, code=1).out)
    assert [gap["name"] for gap in after["gaps"]["new"]] == []
    assert f"{kind.package}-cfg" in {each["gap"]["name"] for each in after["gaps"]["closed"]}
