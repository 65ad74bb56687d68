"""Doors of what ppcdeps and its users write: snapshots, targets, workloads, recipes, plans, states of runs."""

import functools
import hashlib
import json
import tempfile
from pathlib import Path

from damage import damage_json, damage_tar, damage_toml, damage_yaml, tar_of
from door import TESTS, door, quietly, unpack
from doortrial import Scene, run_line
from mirror import serving
from pageaudits import AUDIT
from pageplans import PLAN
from pythondoors import METADATA, WHEEL, offer, wheel_of
from repositorydoors import PLAIN, ROOTS, on_server, packages, plan_on, repository, repository_files
from rpmmd import write_repository

from ppcdeps.auditing.audit_file import dump_audit
from ppcdeps.model.verification import Check, CheckOutcome, ClosedGap, GapReview, Verification
from ppcdeps.report.verification import dump_verification


@functools.cache
def snapshot_tar() -> bytes:
    """A snapshot of the small repository, as `snapshot save` writes it."""
    from ppcdeps.cli.main import main

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_repository(folder / "repo", packages())
        command = ["snapshot", "save", f"{folder}/saved", "--repofrompath", f"base,{(folder / 'repo').as_uri()}"]
        command += ["-q", "--json", "--cache-dir", f"{folder}/cache"]
        with quietly():
            assert main(command) == 0
        saved = folder / "saved"
        return tar_of(
            {str(path.relative_to(saved)): path.read_bytes() for path in sorted(saved.rglob("*")) if path.is_file()}
        )


@door("snapshot-tar", damage_tar, snapshot_tar, ".tar")
def _snapshot_tar(scene: Scene, document: bytes) -> list[str]:
    return ["plan", *ROOTS, "--snapshot", str(scene.file("s.tar", document)), "--target", "centos-stream-9", *PLAIN]


@door("snapshot-folder", damage_tar, snapshot_tar, ".tar")
def _snapshot_folder(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "saved")
    return ["plan", *ROOTS, "--snapshot", str(scene.inputs / "saved"), "--target", "centos-stream-9", *PLAIN]


@door("snapshot-info", damage_tar, snapshot_tar, ".tar")
def _snapshot_info(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "saved")
    return ["snapshot", "info", str(scene.inputs / "saved")]


WORKLOAD = b"""name = "w"
title = "A workload"
roots = ["app", "lib >= 1", "/opt/lib/data"]
advice = ["cpu-baseline"]
[openstack]
default = "yoga"
releases = ["yoga", "zed"]
[constraints]
yoga = "pins.txt"
"""


@door("workload", damage_toml, lambda: WORKLOAD, ".toml")
def _workload(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("w.toml", document)
    scene.file("pins.txt", b"six===1.16.0\n")
    return ["plan", str(file), "--repofrompath", f"base,{repository(scene)}", "--python", "rpm"]


LOCK = b"""document: rpm-package-manifest
version: 0.2.2
data:
  repositories:
    - {id: base, baseurl: https://repo.example/}
  packages:
    ppc64le:
      - {name: app, repo_id: base, checksum: "sha256:00", size: 1, evr: 1-1, srpm: app-1-1.src, location: a.rpm}
    noarch:
      - {name: docs, repo_id: base, checksum: "sha256:00", size: 1, evr: 0:1-1, parent_archs: [ppc64le]}
"""


@door("package-lock", damage_yaml, lambda: LOCK, ".yaml")
def _package_lock(scene: Scene, document: bytes) -> list[str]:
    return ["plan", str(scene.file("w.yaml", document)), "--repofrompath", f"base,{repository(scene)}", *PLAIN]


TARGET = b"""name = "t"
title = "A target"
releasever = "9"
arch = "ppc64le"
reference_arch = "x86_64"
platform_id = "platform:el9"
cpu_baseline = "POWER9"
buildroot = "centos-stream-9"
build_packages = ["bash", "gcc"]
install_weak_deps = false
module_streams = ["m:1"]
[python]
version = "3.9.25"
glibc = "2.34"
[openstack]
default = "yoga"
releases = ["yoga"]
[variables]
ceph = "x"
[[repositories]]
id = "base"
side = "target"
name = "B $ceph"
baseurl = "@URL@"
enabled = true
priority = 50
cost = 10
excludepkgs = ["docs"]
timeout = 2
retries = 1
metadata_expire = "2d"
optional = true
[[repositories]]
id = "ref"
side = "reference"
baseurl = ["@URL@"]
"""


@door("target", damage_toml, lambda: TARGET, ".toml")
def _target(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("t.toml", document.replace(b"@URL@", repository(scene).encode()))
    return ["plan", *ROOTS, "--target", str(file), *PLAIN]


@functools.cache
def recipe_tar() -> bytes:
    """A recipe of each kind."""
    shipped = TESTS.parent / "recipes" / "guestfs-tools" / "recipe.toml"
    compiled = """source = "app"
kind = "compile"
summary = "The program"
reason = "a test"
links = ["https://example.org/app"]
packages = ["app"]
requires = ["lib"]
smoke_test = "app --version"
[build]
macros = { x = "1" }
requires = ["gcc", "lib-devel >= 1"]
without = ["docs"]
release_suffix = ".ppc1"
[upstream]
summary = "A program"
license = "MIT"
url = "https://example.org/"
description = "A program."
system = "make"
options = ["--fast"]
check = "true"
[[sources]]
version = "1.0"
url = "https://example.org/app-1.0.tar.gz"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
"""
    spec = compiled.replace('kind = "compile"', 'kind = "spec"\nspec = "lib.spec.j2"').replace('"app"', '"lib"')
    spec = spec.partition("[upstream]")[0] + "[[sources]]" + spec.partition("[[sources]]")[2]
    template = (
        "Name: {{ name }}\nVersion: {{ version }}\nRelease: 1\nSummary: L\nLicense: MIT\n"
        "{% for one in sources %}Source{{ loop.index0 }}: {{ one.url }}\n{% endfor %}%description\nL\n%files\n"
    )
    files = {
        "app/recipe.toml": compiled,
        "lib/recipe.toml": spec,
        "lib/lib.spec.j2": template,
        "guestfs-tools/recipe.toml": shipped.read_text(),
    }
    return tar_of({name: text.encode() for name, text in files.items()})


@door("recipe-show", damage_tar, recipe_tar, ".tar")
def _recipe_show(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    return ["recipes", "show", "app", "--recipes", str(scene.inputs / "recipes")]


@door("recipe-plan", damage_tar, recipe_tar, ".tar")
def _recipe_plan(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    reference = repository(scene, name="reference")
    return [
        *plan_on(repository(scene), "lost", "app"),
        *("--reference", f"x86,{reference}", "--recipes", str(scene.inputs / "recipes")),
    ]


@door("recipe-render", damage_tar, recipe_tar, ".tar")
def _recipe_render(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    return ["recipes", "render", "app", "--to", "out", "--recipes", str(scene.inputs / "recipes")]


@door("recipe-template", damage_tar, recipe_tar, ".tar")
def _recipe_template(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "recipes")
    return ["recipes", "render", "lib", "--to", "out", "--recipes", str(scene.inputs / "recipes")]


@functools.cache
def buildroot_tar() -> bytes:
    """Two definitions of buildroots."""
    containers = TESTS.parent / "containers"
    names = ("centos-stream-9", "debian-12")
    return tar_of(
        {
            f"own-{name}/{path.relative_to(containers / name)}": path.read_bytes()
            for name in names
            for path in sorted((containers / name).rglob("*"))
            if path.is_file()
        }
    )


@door("buildroot", damage_tar, buildroot_tar, ".tar")
def _buildroot(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "roots")
    return ["buildroot", "list", "--buildroots", str(scene.inputs / "roots")]


@functools.cache
def plan_json() -> bytes:
    """A plan with gaps, a Python part, waves, and advice."""
    digest = "a" * 64
    document = _plan(digest)
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _plan(digest: str) -> dict[str, object]:
    by = [{"by": "w", "requirement": "app"}]
    return {
        "schema": 3,
        "workload": "w",
        "target": "ad-hoc",
        "arch": "ppc64le",
        "roots": ["app", "pypi:six"],
        "created_from": {
            "base": {
                "date": 1700000000,
                "digest": digest,
                "enabled": True,
                "packages": 4,
                "problem": "",
                "revision": "1700000000",
                "side": "target",
            },
            "extra": {
                "date": 1700000000,
                "digest": digest,
                "enabled": False,
                "packages": 4,
                "problem": "",
                "revision": "1700000000",
                "side": "target",
            },
        },
        "summary": {
            "packages": 1,
            "target": 1,
            "reference": 0,
            "standins": 0,
            "gaps": {"build": 0, "run": 2},
            "routes": {"enable": 1, "blocked": 1},
        },
        "closure": [
            {"nevra": "app-1.0-1.ppc64le", "repo": "base", "required_by": by, "side": "target", "source": "app"},
            {"nevra": "lib-1.0-1.x86_64", "repo": "ref", "required_by": by, "side": "standin", "source": "lib"},
        ],
        "gaps": [
            {
                "cause": "absent",
                "detail": "",
                "kind": "rpm",
                "name": "lib-1.0-1.x86_64",
                "phase": "run",
                "required_by": by,
                "route": {
                    "digest": "",
                    "help": "--enablerepo extra",
                    "kind": "enable",
                    "minutes": {},
                    "timed_by": "",
                    "reason": "extra has lib-2.0-1.ppc64le",
                    "subject": ["extra"],
                },
                "alternative": {
                    "digest": "",
                    "help": "",
                    "kind": "rebuild",
                    "minutes": {"native": 1},
                    "timed_by": "",
                    "reason": "as it is",
                    "subject": ["lib"],
                },
                "source": "lib",
                "wanted": ["lib-1.0-1.x86_64"],
            },
            {
                "cause": "unknown",
                "detail": "",
                "kind": "rpm",
                "name": "gone",
                "phase": "run",
                "required_by": by,
                "route": {
                    "digest": "",
                    "help": "name a repository",
                    "kind": "blocked",
                    "minutes": {},
                    "timed_by": "",
                    "reason": "nothing provides gone",
                    "subject": [],
                },
                "alternative": None,
                "source": None,
                "wanted": [],
            },
        ],
        "needs": {"lib": ["gcc"]},
        "blocked_by": {"lib": ["gone"]},
        "cycles": [
            {
                "chain": ["gcc", "lib"],
                "members": ["gcc", "lib"],
                "broken_by": {"source": "lib", "condition": "bootstrap", "without": ["gcc"]},
                "text": "gcc needs lib needs gcc",
            }
        ],
        "waves": [["lib"]],
        "dropped_requirements": [],
        "advice": ["a word"],
        "enabling": [
            {
                "repositories": ["extra"],
                "closes": ["lib-1.0-1.x86_64"],
                "opens": ["other"],
                "replaces": [{"package": "app-1.0-1.ppc64le", "by": "app-2.0-1.ppc64le", "needed": True}],
                "apart_from": ["another"],
            }
        ],
        "own": [
            {
                "source": "lib",
                "file": "./lib.spec",
                "sha256": "0" * 64,
                "packages": ["lib-1-1.ppc64le"],
                "build_requires": ["gcc"],
                "files": ["lib-1.tar.gz"],
                "notes": [],
            }
        ],
        "python": {
            "python": "3.9.25",
            "machine": "ppc64le",
            "glibc": "2.34",
            "added_rpms": [],
            "notes": [],
            "bridge": [],
            "bridge_requires": [],
            "distributions": [
                {
                    "name": "evil",
                    "version": "1.0",
                    "provision": "wheel",
                    "pinned_by": "w",
                    "required_by": [{"by": "w", "specifier": ">=1"}],
                    "files": [{"name": WHEEL, "sha256": hashlib.sha256(wheel_of(METADATA)).hexdigest()}],
                }
            ],
        },
    }


@door("plan-diff", damage_json, plan_json, ".json")
def _plan_diff(scene: Scene, document: bytes) -> list[str]:
    return ["diff", str(scene.file("a.json", plan_json())), str(scene.file("b.json", document))]


@door("plan-lock", damage_json, plan_json, ".json")
def _plan_lock(scene: Scene, document: bytes) -> list[str]:
    offer(scene, {WHEEL: wheel_of(METADATA)}, METADATA)
    return ["check", "lock", str(scene.file("p.json", document))]


@door("plan-report", damage_json, plan_json, ".json")
def _plan_report(scene: Scene, document: bytes) -> list[str]:
    return [*_report(scene), str(scene.file("p.json", document))]


def _report(scene: Scene) -> list[str]:
    return ["report", "-o", str(scene.work / "page.html")]


def audit_json() -> bytes:
    """An audit with packages of every state."""
    return dump_audit(AUDIT).encode()


@door("audit-report", damage_json, audit_json, ".json")
def _audit_report(scene: Scene, document: bytes) -> list[str]:
    return [*_report(scene), str(scene.file("a.json", document))]


@door("audits-report", damage_json, audit_json, ".json")
def _audits_report(scene: Scene, document: bytes) -> list[str]:
    return [*_report(scene), str(scene.file("a.json", audit_json())), str(scene.file("b.json", document))]


def build_json() -> bytes:
    """What `build --json` prints: a build that worked, and one that failed."""
    built = {
        "name": "lib",
        "outcome": "built",
        "seconds": 61.5,
        "packages": ["lib-2-1.ppc64le"],
        "cause": None,
        "help": None,
        "log": "build-w/logs/lib.log",
        "tail": ["the last line"],
        "files": [{"file": "lib-2-1.ppc64le.rpm", "sha256": "ab" * 32, "bytes": 2_000_000}],
        "inspection": {"findings": ["a path of the build"]},
    }
    failed = {
        **built,
        "name": "tool",
        "outcome": "failed",
        "files": [],
        "cause": "no space left",
        "help": "free some",
    }
    document = {
        "workload": "w",
        "target": "ad-hoc",
        "mode": "cross",
        "buildroot": "debian-12-cross",
        "engine": "bwrap",
        "repository": "repository-w",
        "published": 2,
        "results": [built, failed],
    }
    return json.dumps(document).encode()


@door("build-report", damage_json, build_json, ".json")
def _build_report(scene: Scene, document: bytes) -> list[str]:
    plan = str(scene.file("p.json", plan_json()))
    return [*_report(scene), plan, "--build", str(scene.file("build.json", document))]


def verify_json() -> bytes:
    """What `verify --json` prints: a gap is closed, and one remains."""
    ok = Check(CheckOutcome.OK, "2 packages", seconds=4.0)
    failed = Check(CheckOutcome.FAILED, "it broke", log=("the last line",))
    review = GapReview((ClosedGap(PLAN.gaps[2], ("lib-2-2.ppc64le",)),), PLAN.gaps[3:4])
    verdict = Verification("w", "ad-hoc", "ppc64le", "repository-w", review, ok, ok, ok, ok, (failed,))
    return dump_verification(verdict).encode()


@door("verify-report", damage_json, verify_json, ".json")
def _verify_report(scene: Scene, document: bytes) -> list[str]:
    plan = str(scene.file("p.json", plan_json()))
    return [*_report(scene), plan, "--verify", str(scene.file("verify.json", document))]


@functools.cache
def empty_plan() -> bytes:
    """A plan that takes no build, of the small repository."""
    plan = _plan("a" * 64)
    del plan["python"]
    plan |= {
        "python": {},
        "waves": [],
        "gaps": [],
        "needs": {},
        "blocked_by": {},
        "cycles": [],
        "own": [],
        "closure": plan["closure"][:1],  # type: ignore[index]
        "created_from": {"base": {**plan["created_from"]["base"], "digest": "@DIGEST@"}},  # type: ignore[index]
        "summary": {"packages": 1, "target": 1, "reference": 0, "standins": 0, "gaps": {}, "routes": {}},
    }
    return json.dumps(plan, indent=1, sort_keys=True).encode()


@door("plan-build", damage_json, empty_plan, ".json")
def _plan_build(scene: Scene, document: bytes) -> list[str]:
    """Nothing is to be built here: it goes as far as the folders of the run and the repository."""
    url = repository(scene)
    digest = hashlib.sha256((scene.inputs / "repo/repodata/repomd.xml").read_bytes()).hexdigest()
    file = scene.file("p.json", document.replace(b"@DIGEST@", digest.encode()))
    return ["build", str(file), "--repofrompath", f"base,{url}", "--engine", "none"]


@door("plan-verify", damage_json, empty_plan, ".json", slow=True, needs=("dnf",))
def _plan_verify(scene: Scene, document: bytes) -> list[str]:
    url = repository(scene)
    digest = hashlib.sha256((scene.inputs / "repo/repodata/repomd.xml").read_bytes()).hexdigest()
    file = scene.file("p.json", document.replace(b"@DIGEST@", digest.encode()))
    repository(scene, name="local")
    return [
        *("verify", str(file), "--repofrompath", f"base,{url}", "--repository", str(scene.inputs / "local")),
        *("--no-install",),
    ]


@functools.cache
def run_state() -> bytes:
    """The state of an interrupted run of the plan that takes no build."""
    return json.dumps(
        {
            "schema": 1,
            "plan": "@PLAN@",
            "digest": "@SHA@",
            "arguments": ["--repofrompath", "base,@URL@", "--engine", "none"],
            "results": {"lib": "failed"},
            "started": 1700000000.5,
            "finished": None,
        }
    ).encode()


@door("run-state", damage_json, run_state, ".json")
def _run_state(scene: Scene, document: bytes) -> list[str]:
    url = repository(scene)
    digest = hashlib.sha256((scene.inputs / "repo/repodata/repomd.xml").read_bytes()).hexdigest()
    plan = scene.file("p.json", empty_plan().replace(b"@DIGEST@", digest.encode()))
    document = document.replace(b"@PLAN@", str(plan).encode()).replace(b"@URL@", url.encode())
    document = document.replace(b"@SHA@", hashlib.sha256(plan.read_bytes()).hexdigest().encode())
    file = scene.file("build-w/run.json", document)
    return ["build", "--resume", "--work", str(file.parent)]


@functools.cache
def cache_state() -> bytes:
    """What the cache says of the small repository on a server, with the repository's URL as a mark."""
    from ppcdeps.cli.main import main

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in repository_files().items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        with serving(folder) as mirror, quietly():
            command = ["sync", "--repofrompath", f"base,{mirror.url}", "-q", "--cache-dir", f"{folder}/cache"]
            assert main(command) == 0
            (state,) = (folder / "cache").glob("v*/repositories/*.json")
            return state.read_bytes().replace(mirror.url.encode(), b"@URL@")


@door("cache-state", damage_json, cache_state, ".json")
def _cache_state(scene: Scene, document: bytes) -> list[str]:
    """The state that an earlier run recorded for a repository, damaged: the run after it."""
    url = on_server(scene)
    # The program itself makes the state and the objects: it knows what they are called.
    run_line(["sync", "--repofrompath", f"base,{url}"], scene)
    for state in scene.cache.glob("v*/repositories/*.json"):
        state.write_bytes(document.replace(b"@URL@", url.encode()))
    return plan_on(url)
