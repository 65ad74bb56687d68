"""`ppcdeps export` of what is not a pipeline, as the readers of each format take it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from indexes import pkg_info, sdist
from program import Program
from rpmmd import Package, write_repository
from smalltarget import small_target

from ppcdeps.building.publishing.repository import Manifest, PublishedPackage
from ppcdeps.metadata.package_locks import read_package_lock
from ppcdeps.model.nevra import Nevra

PLAIN = ("--python", "rpm")
TOOL = ("tool", "3-1", "ref")
MANIFEST_SCHEMA = {
    # What libpkgmanifest's schemas/manifest.json 0.2.2 asks for, in words of ours.
    "type": "object",
    "required": ["document", "version", "data"],
    "properties": {
        "document": {"const": "rpm-package-manifest"},
        "version": {"type": "string", "pattern": r"^\d+(\.\d+){0,2}$"},
        "data": {
            "required": ["repositories", "packages"],
            "properties": {
                "repositories": {
                    "items": {
                        "required": ["id"],
                        "anyOf": [{"required": [one]} for one in ("baseurl", "metalink", "mirrorlist")],
                        "additionalProperties": {"type": "string"},
                    }
                },
                "packages": {
                    "patternProperties": {
                        "^[a-z0-9_]+$": {
                            "items": {
                                "required": ["name", "repo_id", "checksum", "size", "evr"],
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1},
                                    "evr": {"type": "string", "pattern": r"^(\d+:)?[^:]+-[^-]+$"},
                                    "srpm": {"type": "string", "pattern": r"^[a-z0-9].*-.+-.+\.src$"},
                                    "checksum": {"type": "string", "pattern": "^sha256:[0-9a-f]+$"},
                                    "parent_archs": {"type": "array", "items": {"type": "string"}},
                                },
                            }
                        }
                    },
                    "additionalProperties": False,
                },
            },
        },
    },
}


def repository(folder: Path, *packages: tuple[str, str] | tuple[str, str, dict[str, tuple[str, ...]]]) -> str:
    made = [Package(Nevra.parse(one[0]), one[1], relations=one[2] if len(one) > 2 else None) for one in packages]
    return write_repository(folder, made).as_uri()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program with a plan of app: base is there, tool is reused, and native is to be built."""
    place = tmp_path_factory.mktemp("world")
    (place / "user").mkdir()
    program = Program(place / "user", {})
    needs: dict[str, tuple[str, ...]] = {"requires": ("native", "tool", "base >= 2:1.10")}
    target = repository(place / "t", ("base-2:1.10-3.ppc64le", "base-1.10-3"))
    reference = repository(
        place / "r",
        ("app-1-1.noarch", "app-1-1", needs),
        ("native-1-1.x86_64", "native-1-1"),
        ("base-2:1.9-1.x86_64", "base-1.9-1"),
        ("base-2:1.11-1.x86_64", "base-1.11-1"),
        ("tool-3-1.noarch", "Tool-3-1"),
    )
    source = repository(place / "s", ("native-1-1.src", ""), ("base-2:1.10-3.src", ""))
    program("plan", "app", *PLAIN, "--repofrompath", f"base,{target}",
            "--reference", f"ref,{reference}", "--source", f"src,{source}", code=1)  # fmt: skip
    return program


@pytest.fixture
def planned(world: Program, tmp_path: Path) -> Program:
    """A folder of its own with that plan; the cache is the same."""
    (tmp_path / "user").mkdir()
    shutil.copy(world.folder / "plan-app.json", tmp_path / "user")
    return Program(tmp_path / "user", {"PPCDEPS_CACHE": str(world.cache)})


def publish(folder: Path) -> Path:
    """A local repository as far as its manifest goes."""
    packages = [
        PublishedPackage(nevra, f"packages/x/{nevra}.rpm", "5" * 64, "5" * 64, source, "MIT", "", 1, 99)
        for nevra, source in (
            ("native-1-9.ppc64le", "native-1-9.src.rpm"),
            ("app-1-1.noarch", "app-1-1.src.rpm"),
            ("tool-3-1.noarch", "tool-3-1.src.rpm"),
        )
    ]
    (folder / "current").mkdir(parents=True)
    (folder / "current/manifest.json").write_text(Manifest(1, tuple(packages)).to_json())
    return folder


def test_a_manifest_has_both_sides_as_far_as_they_are_there(planned: Program) -> None:
    run = planned("export", "plan-app.json", "manifest")
    assert run.out == "app.manifest.yaml\n"
    assert "not in it for ppc64le, as they are not built yet: native" in run.err
    document = yaml.safe_load((planned.folder / "app.manifest.yaml").read_text())
    jsonschema.validate(document, MANIFEST_SCHEMA)
    lock = read_package_lock(planned.folder / "app.manifest.yaml")
    builds = {side: {(one.name, one.evr, one.repo) for one in found} for side, found in lock.sides.items()}
    assert builds == {
        "ppc64le": {("base", "2:1.10-3", "base"), ("app", "1-1", "ref"), ("tool", "3-1", "ref")},
        # The same build is not there: the newest is.
        "x86_64": {("base", "2:1.11-1", "ref"), ("app", "1-1", "ref"), ("native", "1-1", "ref"), TOOL},
    }
    # A name with a capital letter is no source package of the schema.
    assert {one.source for one in lock.sides["x86_64"]} == {"base-1.11-1.src", "app-1-1.src", "native-1-1.src", ""}
    assert [one["name"] for one in document["data"]["packages"]["src"]] == ["base", "native"]


def test_with_what_was_built_a_manifest_has_all_of_it(planned: Program) -> None:
    publish(planned.folder / "repository-app")
    run = planned("export", "plan-app.json", "manifest", "--url", "https://repo.example/local", "-o", "m.yaml")
    assert "not built yet" not in run.err
    lock = read_package_lock(planned.folder / "m.yaml")
    assert {(one.name, one.evr, one.repo) for one in lock.sides["ppc64le"]} == {
        ("base", "2:1.10-3", "base"),
        ("app", "1-1", "ppcdeps-local"),
        ("tool", "3-1", "ppcdeps-local"),
        ("native", "1-9", "ppcdeps-local"),
    }
    assert {one.baseurl for one in lock.repositories if one.id == "ppcdeps-local"} == {"https://repo.example/local/"}


def test_a_side_without_native_packages_has_its_sources(tmp_path: Path) -> None:
    program = Program(tmp_path, {})
    target = repository(tmp_path / "t", ("app-1-1.noarch", "app-1-1"))
    source = repository(tmp_path / "s", ("app-1-1.src", ""), ("other-1-1.src", ""))
    program("plan", "app", *PLAIN, "--repofrompath", f"base,{target}", "--reference", f"ref,{target}",
            "--source", f"src,{source}")  # fmt: skip
    program("export", "plan-app.json", "rpm-lockfile")
    document = yaml.safe_load((tmp_path / "app.rpms.lock.yaml").read_text())
    assert {side["arch"]: [one["name"] for one in side["source"]] for side in document["arches"]} == {
        "ppc64le": ["app"],
        "x86_64": ["app"],
    }


def test_a_lock_of_konflux_is_written_and_planned_again(planned: Program) -> None:
    planned("export", "plan-app.json", "rpm-lockfile")
    text = (planned.folder / "app.rpms.lock.yaml").read_text()
    document = yaml.safe_load(text)
    assert [side["arch"] for side in document["arches"]] == ["ppc64le", "x86_64"]
    keys = ["url", "repoid", "size", "checksum", "name", "evr", "sourcerpm"]
    assert all(list(one) == keys for side in document["arches"] for one in side["packages"])
    assert all(one["url"].startswith("file:///") for side in document["arches"] for one in side["packages"])
    # The plan of the lock's own x86_64 side has the same gap.
    plan = json.loads((planned.folder / "plan-app.json").read_text())
    options = [word for name, values in plan["request"]["options"].items() if name != "python" for value in values
               for word in (f"--{name}", value)]  # fmt: skip
    planned("plan", "./app.rpms.lock.yaml", "--python", "rpm", *options, code=1)
    again = json.loads((planned.folder / "plan-app.rpms.json").read_text())
    assert [gap["name"] for gap in again["gaps"]] == [gap["name"] for gap in plan["gaps"]]


def test_what_is_built_of_sdists_is_an_order_for_fromager(planned: Program, world: Program) -> None:
    simple = world.folder.parent / "simple"
    setup = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"
    made = [
        sdist(
            "alpha", "1", {"PKG-INFO": pkg_info("alpha", "1", "Requires-Dist: beta", metadata="2.2"), "setup.py": ""}
        ),
        sdist("beta", "2", {"PKG-INFO": pkg_info("beta", "2", metadata="2.2"), "setup.py": setup, "x.c": ""}),
    ]
    for name, (file, content) in zip(("alpha", "beta"), made, strict=True):
        (simple / name).mkdir(parents=True)
        (simple / name / file).write_bytes(content)
        link = f'<a href="{file}#sha256={sha256(content).hexdigest()}">{file}</a>'
        (simple / name / "index.html").write_text(f"<!DOCTYPE html>\n{link}")
    index = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": simple.as_uri()}
    program = replace(planned, variables={**planned.variables, **index})
    target = (world.folder.parent / "t").as_uri()
    program("plan", "pypi:alpha", "--repofrompath", f"base,{target}", "-o", "alpha.json", code=1)
    run = program("export", "alpha.json", "fromager", "-o", "build-order.json")
    assert run.out == "build-order.json\n"
    order = json.loads((planned.folder / "build-order.json").read_text())
    assert [(one["type"], one["dist"], one["version"]) for one in order] == [
        ("install", "beta", "2"),
        ("toplevel", "alpha", "1"),
    ]
    assert order[0]["source_url"] == f"{simple.as_uri()}/beta/{made[1][0]}#sha256={sha256(made[1][1]).hexdigest()}"
    assert "has no Python distribution to build" in planned("export", "plan-app.json", "fromager", code=2).err


@pytest.mark.parametrize("kind", ["cyclonedx", "spdx"])
def test_a_bill_of_a_plan_is_replaced_as_plans_are(kind: str, planned: Program) -> None:
    planned("export", "plan-app.json", kind)
    run = planned("export", "plan-app.json", kind, "--json")
    text = (planned.folder / json.loads(run.out)["file"]).read_text()
    assert {"app", "base", "native", "tool"} == {
        one["name"] for one in json.loads(text)["components" if kind == "cyclonedx" else "packages"]
    }
    if kind == "cyclonedx":
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_kickstart_lines_are_taken_by_pykickstart(planned: Program) -> None:
    pykickstart = pytest.importorskip("pykickstart.parser")
    from pykickstart.version import makeVersion

    publish(planned.folder / "repository-app")
    planned("export", "plan-app.json", "kickstart", "--url", "https://repo.example/it's/")
    parser = pykickstart.KickstartParser(makeVersion("RHEL9"))
    parser.readKickstart(str(planned.folder / "app.ks"))
    repos = {one.name: one for one in parser.handler.repo.repoList}
    assert list(repos) == ["ppcdeps-local", "base"]
    assert repos["ppcdeps-local"].baseurl == "https://repo.example/it's/" and repos["base"].install
    assert parser.handler.packages.packageList == ["app-1-1.noarch"]


def test_an_ansible_play_is_without_faults_for_its_linter(planned: Program) -> None:
    linter = Path(sys.executable).with_name("ansible-lint")
    if not linter.exists():
        pytest.skip("needs ansible-lint")
    publish(planned.folder / "repository-app")
    planned("export", "plan-app.json", "ansible", "--url", "https://repo.example/local")
    done = subprocess.run(
        [linter, "--offline", "--profile", "production", "--nocolor", "app.yml"],
        cwd=planned.folder, capture_output=True, text=True,
        env={**os.environ, "PATH": f"{linter.parent}:{os.environ['PATH']}", "HOME": str(planned.folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    tasks: list[dict[str, Any]] = yaml.safe_load((planned.folder / "app.yml").read_text())[0]["tasks"]
    assert tasks[0]["ansible.builtin.yum_repository"]["baseurl"] == "https://repo.example/local/"


def test_machines_get_the_live_repositories_of_a_snapshot_and_keep_their_own_settings(tmp_path: Path) -> None:
    program = Program(tmp_path, {})
    program("plan", "bash", "--target", "centos-stream-9", *PLAIN, "-o", "plan.json")
    assert "the machines get its live repositories" in program("export", "plan.json", "ansible").err
    (play,) = yaml.safe_load((tmp_path / "bash.yml").read_text())
    repositories = [task["ansible.builtin.yum_repository"] for task in play["tasks"][:3]]
    assert [one["name"] for one in repositories] == ["baseos", "appstream", "crb"]
    for one in repositories:
        assert one["baseurl"].startswith("https://"), one
        # Whether packages must be signed is for the machine's dnf.conf to say, as these repositories do not.
        assert one.keys() == {"name", "description", "file", "baseurl"}


def test_the_commands_of_a_containerfile_do_what_they_say(planned: Program, tmp_path: Path) -> None:
    publish(planned.folder / "repository-app")
    planned("export", "plan-app.json", "containerfile", "--image", "localhost/base:9")
    text = (planned.folder / "Containerfile.app").read_text()
    assert text.splitlines()[1:3] == [
        "FROM localhost/base:9",
        'COPY ["repository-app/", "/usr/share/ppcdeps/repository/"]',
    ]
    first, second = re.findall(r"^RUN ((?:.*\\\n)*.*)", text, re.MULTILINE)
    # The first is run, in a folder; what the second would run is read as the shell reads it.
    first = first.replace("/etc/yum.repos.d", shlex.quote(str(tmp_path)))
    subprocess.run([shutil.which("sh") or "sh", "-c", first], check=True)
    repo = (tmp_path / "ppcdeps-app.repo").read_text()
    assert "[ppcdeps-local]\n" in repo and "baseurl=file:///usr/share/ppcdeps/repository/\n" in repo
    assert "[base]\n" in repo and "[ref]\n" not in repo
    words = shlex.split(second.replace("\\\n", " "))
    words = words[words.index("dnf") :]
    assert words[:6] == ["dnf", "-y", "--setopt=install_weak_deps=0", "install", "--", "app-1-1.noarch"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["containerfile"], "a Containerfile begins from an image of the target, with dnf"),
        (["containerfile", "--image", "base\nRUN id"], "not the name of an image: 'base"),
        (["kickstart", "--url", "https://repo.example/x\n%post"], "not an address: 'https://repo.example/x"),
        (["manifest", "--runner", "x"], "--runner was given, which says how a pipeline builds"),
        (["make", "--url", "https://repo.example"], "--url was given, which a pipeline has no use for"),
    ],
)
def test_what_a_format_does_not_take_is_said(arguments: list[str], said: str, planned: Program) -> None:
    assert said in planned("export", "plan-app.json", *arguments, code=2).err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("kickstart", "--image", "x"),
            2,
            "--image was given, from which a Containerfile begins, and nothing of kickst",
        ),
        (("spdx", "--url", "https://x"), 2, "--url was given, and spdx says nothing of what was built; leave it out"),
        (("fromager", "--repository", "x"), 2, "--repository was given, and fromager says nothing of what was built"),
        (
            ("ansible", "--repository", "x"),
            3,
            "there is no repository in x; make it with `ppcdeps build plan-app.json",
        ),
        (("manifest", "--repository", "x"), 3, "there is no repository in x"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: tuple[str, ...], code: int, said: str, planned: Program
) -> None:
    assert said in planned("export", "plan-app.json", *arguments, code=code).fault
    assert [path.name for path in planned.folder.iterdir() if path.is_file()] == ["plan-app.json"]


@pytest.mark.parametrize("kind", ["ansible", "manifest"])
def test_credentials_stay_here(kind: str, planned: Program) -> None:
    secrets = ["--setopt", "base.username=me", "--setopt", "base.password=geheim"]
    run = planned("export", "plan-app.json", kind, *secrets)
    assert "geheim" not in (planned.folder / run.out.strip()).read_text() + run.err
    assert ("credentials of base" in run.err) == (kind == "ansible")


def test_a_file_of_somebody_else_is_not_overwritten(planned: Program) -> None:
    (planned.folder / "app.yml").write_text("- hosts: all\n")
    assert "was not written by ppcdeps" in planned("export", "plan-app.json", "ansible", code=3).err
    assert (planned.folder / "app.yml").read_text() == "- hosts: all\n"


@pytest.mark.parametrize("kind", ["cyclonedx", "spdx"])
def test_a_json_document_replaces_its_like_alone(kind: str, planned: Program) -> None:
    plan, mine = planned.folder / "plan-app.json", planned.folder / "mine.json"
    before = plan.read_bytes()
    fault = planned("export", "plan-app.json", kind, "-o", "plan-app.json", code=2).fault
    assert "plan-app.json would be written over by the document" in fault
    for content in (before, b"{", b"[]", b'{"mine": 1}'):
        mine.write_bytes(content)
        fault = planned("export", "plan-app.json", kind, "-o", "mine.json", code=3).fault
        assert "mine.json is no such document, and would be written over" in fault
        assert mine.read_bytes() == content
    mine.unlink()
    mine.symlink_to("nothing")
    assert (
        "mine.json is a link that leads to no file"
        in planned("export", "plan-app.json", kind, "-o", "mine.json", code=3).fault
    )
    mine.unlink()
    mine.write_bytes(b"")
    for _ in range(2):
        planned("export", "plan-app.json", kind, "-o", "mine.json")
    assert plan.read_bytes() == before


def test_a_source_rpm_that_is_none_is_its_repositorys_fault(tmp_path: Path) -> None:
    program = Program(tmp_path, {"PIP_CONFIG_FILE": os.devnull})
    write_repository(tmp_path / "base", [Package(Nevra.parse("app-1-1.noarch"))])
    write_repository(tmp_path / "source", [Package(Nevra.parse("gadget-1-1.src"), content=b"nothing of rpm's")])
    write_repository(tmp_path / "reference", [Package(Nevra.parse("gadget-1-1.x86_64"))])
    (tmp_path / "target.toml").write_text(small_target("base", "reference", "source"))
    program("plan", "gadget", "--target", "target.toml", *PLAIN, "-o", "plan.json", code=1)
    run = program("export", "plan.json", "make", code=30)
    assert "repository source: gadget-1-1.src.rpm is no RPM package, or damaged: it does not begin as one" in run.err
    assert not (tmp_path / "Makefile").exists()
