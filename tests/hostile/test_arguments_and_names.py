"""Text from a file is no option of a program, and no part of a path: at every door it is a value with a grammar."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from damage import tar_of
from door import unpack
from doortrial import SECRET, Bring, Scene
from plandoors import TARGET, empty_plan, plan_json, snapshot_tar
from pythondoors import METADATA as WHEEL_METADATA
from pythondoors import lock_on, wheel_of
from repositorydoors import plan_on, repository

from ppcdeps.base.digests import sha256_of

OPTIONS = (
    "--setopt=pluginpath=/tmp/x",
    "--installroot=/x",
    "-c/etc/passwd",
    "-y",
    "--",
    "http://127.0.0.1:9/x.rpm",
    "file:///tmp/x.rpm",
    "/tmp/x.rpm",
    "./x.rpm",
    "@core",
    "a\nb",
    "a b c",
    "%(touch x)",
    "\u202eevil",
)
"""Roots that dnf would take for something else than a package, a capability or a path of a file in a package."""
NAMES = (
    "x/../../victim",
    "../victim",
    "/victim",
    "..",
    ".",
    "",
    "a/b",
    "-x",
    "x\ny",
    "x\0y",
    "\u202ex",
    ".hidden/../x",
)


def plan_with(place: Scene, **changed: Any) -> Path:
    """The plan that takes no build, with these members changed, fit for the small repository."""
    repository(place)
    document = json.loads(empty_plan()) | changed
    digest = sha256_of(place.inputs / "repo/repodata/repomd.xml")
    return place.file("p.json", json.dumps(document).replace("@DIGEST@", digest).encode())


def base(place: Scene) -> tuple[str, ...]:
    return ("--repofrompath", f"base,{(place.inputs / 'repo').as_uri()}")


def toml_text(text: str) -> str:
    return json.dumps(text)


# Roots ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", OPTIONS)
def test_a_root_of_a_workload_file_is_a_capability_or_refused(root: str, place: Scene, bring: Bring) -> None:
    file = place.file("w.toml", f'name = "w"\ntitle = "t"\nroots = ["app", {toml_text(root)}]\n'.encode())
    outcome = bring("plan", file, "--repofrompath", f"base,{repository(place)}", "--python", "rpm", code=3)
    assert "roots" in outcome.err


@pytest.mark.parametrize("root", OPTIONS)
def test_a_root_of_the_command_line_is_a_capability_or_refused(root: str, place: Scene, bring: Bring) -> None:
    command = plan_on(repository(place), "app")
    # What begins as a path is taken for a file or folder of one's own packages.
    bring(*command, "--", root, code=3 if root.startswith("./") else 2)


@pytest.mark.parametrize("command", ["build", "verify", "diff", "check-lock"])
@pytest.mark.parametrize("root", OPTIONS[:8])
def test_a_root_of_a_plan_is_a_capability_or_refused(
    root: str, command: str, place: Scene, bring: Bring, recording_dnf: Path
) -> None:
    plan = plan_with(place, roots=["app", root])
    lines: dict[str, tuple[object, ...]] = {
        "build": ("build", plan, *base(place), "--engine", "none"),
        "verify": ("verify", plan, *base(place), "--repository", repository_folder(place)),
        "diff": ("diff", plan, plan),
        "check-lock": ("check", "lock", plan),
    }
    bring(*lines[command], code=3, PATH=f"{recording_dnf.parent}:{os.environ['PATH']}")
    assert not (recording_dnf.parent / "calls").exists()


def repository_folder(place: Scene) -> Path:
    repository(place, name="local")
    return place.inputs / "local"


@pytest.fixture
def recording_dnf(place: Scene) -> Path:
    """A dnf that writes its arguments down, one a line, and fails."""
    folder = place.inputs / "bin"
    folder.mkdir()
    program = folder / "dnf"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "end of call" >>{folder}/calls\nexit 1\n')
    program.chmod(0o755)
    return program


def test_operands_of_dnf_come_after_the_two_dashes(place: Scene, bring: Bring, recording_dnf: Path) -> None:
    plan = plan_with(place, roots=["app"])
    bring(
        *("verify", plan, *base(place), "--repository", repository_folder(place)),
        PATH=f"{recording_dnf.parent}:{os.environ['PATH']}",
    )
    if not (recording_dnf.parent / "calls").exists():
        pytest.skip("nothing was to be installed on this machine")
    for call in (recording_dnf.parent / "calls").read_text().split("end of call\n"):
        words = call.splitlines()
        if "app" in words:
            assert "--" in words[: words.index("app")], words


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("closure", "--installroot=/x-1-1.noarch"),
        ("closure", "a b-1-1.noarch"),
        ("closure", "../../x-1-1.noarch"),
        ("waves", "../../victim"),
        ("waves", "--define=x"),
        ("source", "../../victim"),
        ("wanted", "--setopt=x"),
        ("needs", "-x"),
    ],
)
def test_names_in_a_plan_have_a_grammar(where: str, value: str, place: Scene, bring: Bring) -> None:
    document = json.loads(plan_json())
    match where:
        case "closure":
            document["closure"][0]["nevra"] = value
        case "waves":
            document["waves"] = [[value]]
        case "source":
            document["gaps"][0]["source"] = value
        case "wanted":
            document["gaps"][0]["wanted"] = [value]
        case "needs":
            document["needs"] = {"lib": [value]}
    file = place.file("p.json", json.dumps(document).encode())
    bring("diff", file, file, code=3)


# Names as path parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["build", "verify", "resume"])
def test_the_workload_of_a_plan_is_no_path(name: str, command: str, place: Scene, bring: Bring) -> None:
    victim = place.run / "victim"
    (victim / "scratch").mkdir(parents=True)
    (victim / ".lock").touch()
    (victim / "scratch/precious").touch()
    (place.work / "build-x").mkdir()
    plan = plan_with(place, workload=name)
    lines: dict[str, tuple[object, ...]] = {
        "build": ("build", plan, *base(place), "--engine", "none"),
        "verify": ("verify", plan, *base(place), "--no-install"),
        "resume": ("build", "--resume", plan),
    }
    bring(*lines[command], code=3)
    assert sorted(path.name for path in victim.rglob("*")) == [".lock", "precious", "scratch"]
    assert sorted(path.name for path in place.work.rglob("*")) == ["build-x"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "x\0y"])
@pytest.mark.parametrize("command", ["plan", "constraints"])
def test_the_name_of_a_workload_file_is_no_path(name: str, command: str, place: Scene, bring: Bring) -> None:
    file = place.file("w.toml", f'name = {toml_text(name)}\ntitle = "t"\nroots = ["app"]\n'.encode())
    before = {path for path in place.run.rglob("*") if "cache" not in path.parts}
    bring(command, file, "--repofrompath", f"base,{repository(place)}", "--python", "rpm", code=3)
    after = [path for path in place.run.rglob("*") if "cache" not in path.parts and "in" not in path.parts]
    # What the run itself writes beside: its streams, where it hung, what it imported.
    own = {place.run / name for name in ("stdout", "stderr", "stacks", "modules")}
    assert {path for path in after if path.is_file()} - before <= own


@pytest.mark.parametrize("name", ["../../victim", "a/b", "-x", "..", "x\ny"])
@pytest.mark.parametrize("key", ["name", "buildroot", "id"])
def test_names_in_a_target_file_are_no_paths(name: str, key: str, place: Scene, bring: Bring) -> None:
    text = TARGET.replace(b"@URL@", repository(place).encode())
    old = {"name": b'name = "t"', "buildroot": b'buildroot = "centos-stream-9"', "id": b'id = "base"'}[key]
    file = place.file("t.toml", text.replace(old, f"{key} = {toml_text(name)}".encode(), 1))
    outcome = bring("plan", "app", "--target", file, "--no-output", "--python", "rpm", code=3)
    assert f'"{key}"' in outcome.err


@pytest.mark.parametrize("word", ["gcc\nRUN touch /x", "gcc; touch x", "--installroot=/", "$(id)", "a b", "../x"])
def test_build_packages_of_a_target_are_names_of_packages(word: str, place: Scene, bring: Bring) -> None:
    text = TARGET.replace(b"@URL@", repository(place).encode())
    file = place.file("t.toml", text.replace(b'"gcc"', toml_text(word).encode()))
    outcome = bring("plan", "app", "--target", file, "--no-output", "--python", "rpm", code=3)
    assert '"build_packages"' in outcome.err


@pytest.mark.parametrize("name", ["../victim", "..", "a/b", "-x"])
def test_repository_ids_of_a_repo_file_are_no_paths(name: str, place: Scene, bring: Bring) -> None:
    file = place.file("a.repo", f"[{name}]\nbaseurl={repository(place)}\n".encode())
    bring("plan", "app", "--repo-file", file, "--no-output", "--python", "rpm", code=3)


@pytest.mark.parametrize("name", ["../victim", "/victim", "a/../../victim", "..", "-x"])
def test_repository_ids_of_a_snapshot_are_no_paths(name: str, place: Scene, bring: Bring) -> None:
    unpack(snapshot_tar(), place.inputs / "saved")
    index = place.inputs / "saved/snapshot.json"
    document = json.loads(index.read_text())
    document["repositories"][0]["id"] = name
    index.write_text(json.dumps(document))
    bring("snapshot", "info", place.inputs / "saved", code=3)


@pytest.mark.parametrize("key", ["source", "spec", "patch"])
@pytest.mark.parametrize("name", ["../../../canary/secret.txt", "/etc/passwd", "..", "-x", "a\nb"])
def test_names_in_a_recipe_are_no_paths_out_of_it(key: str, name: str, place: Scene, bring: Bring) -> None:
    lines = {"source": "app", "spec": "app.spec.j2", "patch": "own.patch"} | {key: name}
    patch = f'[[patches]]\nfile = {toml_text(lines["patch"])}\nwhy = "w"\n' if key == "patch" else ""
    text = f"""source = {toml_text(lines["source"])}
kind = "spec"
spec = {toml_text(lines["spec"])}
summary = "s"
reason = "r"
links = ["https://example.org/"]
packages = ["app"]
smoke_test = "true"
{patch}[[sources]]
version = "1.0"
url = "https://example.org/app-1.0.tar.gz"
sha256 = "{"a" * 64}"
"""
    place.file("recipes/app/recipe.toml", text.encode())
    place.file("recipes/app/app.spec.j2", b"Name: app\n")
    bring("recipes", "show", "app", "--recipes", place.inputs / "recipes", code=3)
    bring("recipes", "render", "app", "--recipes", place.inputs / "recipes", "--to", "out", code=3)
    assert not list(place.work.rglob("*.spec"))


@pytest.mark.parametrize("kind", ["recipe.toml", "app.spec.j2"])
def test_a_link_in_a_recipe_is_not_followed_out_of_it(kind: str, place: Scene, bring: Bring) -> None:
    from plandoors import recipe_tar

    unpack(recipe_tar(), place.inputs / "recipes")
    victim = place.inputs / "recipes/lib" / {"recipe.toml": "recipe.toml", "app.spec.j2": "lib.spec.j2"}[kind]
    victim.unlink()
    victim.symlink_to(place.canary / "secret.txt")
    outcome = bring("recipes", "render", "lib", "--recipes", place.inputs / "recipes", "--to", "out", code=3)
    assert SECRET not in outcome.err


@pytest.mark.parametrize(
    "name", ["../../../evil-1.0-py3-none-any.whl", "/tmp/evil-1.0-py3-none-any.whl", "evil-1.0-py3-none-any.whl\n"]
)
def test_file_names_of_an_index_are_no_paths(name: str, place: Scene, bring: Bring) -> None:
    content = wheel_of(WHEEL_METADATA.replace(b'Requires-Dist: six >=1 ; python_version >= "3"\n', b""))
    place.serve("files/w.whl", content)
    import hashlib

    entry = {"filename": name, "url": "/files/w.whl", "hashes": {"sha256": hashlib.sha256(content).hexdigest()}}
    page = {"meta": {"api-version": "1.1"}, "name": "evil", "files": [entry]}
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    bring(*lock_on(place), code={3, 30})


def test_members_of_an_sdist_lead_nowhere(place: Scene, bring: Bring) -> None:
    from pythondoors import SDIST, offer

    members = {"evil-1.0/PKG-INFO": WHEEL_METADATA.partition(b"Requires-Dist")[0], "../../../canary/x": b"x"}
    offer(place, {SDIST: tar_of(members, "gz")})
    bring(*lock_on(place), code={0, 3, 30})
