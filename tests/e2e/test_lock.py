"""From a plan to its lock, to a folder with all files, and from there again without network: over small repositories.

What is built from a lock is in test_lock_builds.py.
"""

import difflib
import gzip
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import pkg_info, sdist, wheel
from lockworld import FIRST, SECOND, LockWorld, rpm
from mirror import send, serving
from rpmmd import write_files

from ppcdeps.model.lock import LockedBuild, LockedBuildroot, LockedPackage, LockedRootPackage
from ppcdeps.model.lock_file import dump_lock, load_lock


@pytest.fixture
def world(tmp_path: Path) -> LockWorld:
    return LockWorld(tmp_path)


def test_a_lock_names_every_file_by_digest_and_no_host(world: LockWorld) -> None:
    lock = json.loads(world.lock().read_text())
    by_name = {one["nevra"]: one for one in lock["packages"]}
    for package in FIRST:
        locked = by_name[str(package.nevra)]
        assert locked["checksum"] == f"sha256:{hashlib.sha256(package.content or b'').hexdigest()}"
        assert locked["path"] == f"{package.nevra}.rpm"
        assert locked["needed_by"] == ["run"]
    (distribution,) = lock["python"]
    assert (distribution["file"], distribution["index"]) == ("pure-1.0-py3-none-any.whl", "index-url")
    del lock["request"]  # it has what was typed
    assert "://" not in json.dumps(lock)


def test_what_makes_a_wheel_of_a_pure_sdist_is_locked_too(world: LockWorld) -> None:
    build = '[build-system]\nrequires = ["pure"]\nbuild-backend = "pure"\n'
    project = f'{build}[project]\nname = "src"\nversion = "1.0"\n'
    files = {"pyproject.toml": project, "PKG-INFO": pkg_info("src", "1.0", metadata="2.2"), "src.py": ""}
    world.put("src", *sdist("src", "1.0", files))
    world.put("wheel", *wheel("wheel", "1.0"))
    world.program("plan", "pypi:src", *world.options, "-o", "plan.json", code=1)
    world.program("lock", "plan.json")
    lock = json.loads((world.program.folder / "ppcdeps.lock").read_text())
    assert {one["file"]: one["needed_by"] for one in lock["python"]} == {
        "src-1.0.tar.gz": "run",
        "pure-1.0-py3-none-any.whl": "build-system",
        "wheel-1.0-py3-none-any.whl": "build-system",
    }


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bwrap, in which specs are evaluated")
@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="needs rpmbuild")
def test_own_packages_are_brought_with_what_lies_beside_their_specs(world: LockWorld) -> None:
    spec = "Name: mine\nVersion: 1\nRelease: 1\nSummary: M\nLicense: MIT\nSource0: a.tar\n%description\nM\n%files\n"
    (world.program.folder / "specs").mkdir()
    (world.program.folder / "specs" / "mine.spec").write_text(spec)
    (world.program.folder / "specs" / "a.tar").write_text("a")
    world.program("plan", "specs/mine.spec", "--python", "rpm", *world.options, "-o", "plan.json", code=1)
    world.program("lock", "plan.json")
    world.program("fetch", "ppcdeps.lock", "--to", "files")
    assert (world.program.folder / "files/sources/mine/mine.spec").read_text() == spec
    assert (world.program.folder / "files/sources/mine/a.tar").read_text() == "a"


def test_the_same_is_locked_again_in_the_same_bytes(world: LockWorld) -> None:
    first = world.lock().read_bytes()
    assert world.lock().read_bytes() == first


@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace without network takes root")
def test_the_plan_is_the_same_from_the_folder_without_network_on_another_cache(world: LockWorld) -> None:
    folder = world.fetched()
    before = (world.program.folder / "plan.json").read_bytes()
    shutil.rmtree(world.repository)
    shutil.rmtree(world.index)
    options = ["--locked", str(folder / "ppcdeps.lock"), "-o", "again.json"]
    command = world.program.command("plan", "app", "pypi:pure", *world.options, *options)
    environment = world.program.environment(PPCDEPS_CACHE=str(world.folder / "other-cache"), PIP_INDEX_URL="")
    done = subprocess.run(
        ["unshare", "--net", *command], cwd=world.program.folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert "answered from the lock in" in done.stderr
    assert (world.program.folder / "again.json").read_bytes() == before


def test_what_the_plan_was_requested_with_is_taken_from_the_lock(world: LockWorld) -> None:
    folder = world.fetched()
    run = world.program("plan", "app", "pypi:pure", "--locked", folder / "ppcdeps.lock", "-o", "again.json", code=1)
    assert "answered from the lock in" in run.err
    assert json.loads((world.program.folder / "again.json").read_text())["closure"]


def test_options_that_do_not_go_with_a_lock(world: LockWorld) -> None:
    lock = world.fetched() / "ppcdeps.lock"
    for options, words in (
        (("--refresh",), "--refresh reads repositories elsewhere"),
        (("--snapshot", "centos-stream-9-yoga"), "--snapshot reads repositories elsewhere"),
        (("--target", "centos-stream-9"), "the lock is for the target ad-hoc, and this is centos-stream-9"),
        (("--repofrompath", "other,http://o.invalid"), "the lock has nothing of the repository other"),
        (("--repo", "other"), '--repo: no repository matches "other"; known: base'),
    ):
        assert words in world.program("plan", "app", "pypi:pure", "--locked", lock, *options, code=2).fault


def test_another_plan_than_the_locked_one_is_said_to_be_one(world: LockWorld) -> None:
    lock = world.fetched() / "ppcdeps.lock"
    for words, code in ((("app",), 0), (("app", "pypi:pure", "--release", "yoga"), 1), (("tool",), 0)):
        run = world.program("plan", *words, "--locked", lock, "-o", "other.json", code=code)
        assert "warning: this is not the plan that " in run.err
    run = world.program("plan", "app", "pypi:pure", "--locked", lock, "-o", "other.json", code=1)
    assert "warning: " not in run.err


def test_nothing_is_fetched_twice_and_what_is_missing_is_brought(world: LockWorld) -> None:
    folder = world.fetched()
    (folder / "repositories" / "base" / "lib-1-1.ppc64le.rpm").write_bytes(b"half")
    run = world.program("fetch", "ppcdeps.lock", "--to", "files", "--json")
    assert json.loads(run.out)["brought"] == 1
    # Without network there is nothing left to bring.
    shutil.rmtree(world.repository)
    run = world.program("fetch", "ppcdeps.lock", "--to", "files", "--json")
    assert json.loads(run.out)["brought"] == 0


# What moves --------------------------------------------------------------------------------------------------


def test_all_is_there_until_a_repository_loses_a_package(world: LockWorld) -> None:
    world.lock()
    assert "All of it is there." in world.program("lock", "--check").out
    world.has(package for package in SECOND if package.nevra.name != "tool")
    world.offers("2.0")
    run = world.program("lock", "--check", code=1)
    gone = [line.split()[1].rstrip(":") for line in run.out.splitlines() if line.startswith("  gone")]
    assert gone == ["base", "tool-1-1.ppc64le", "pure-1.0-py3-none-any.whl"]


def gone(world: LockWorld, code: int = 1) -> list[str]:
    """What `lock --check` says of each thing that is not there."""
    run = world.program("lock", "--check", code=code)
    return [line.strip() for line in run.out.splitlines() if line.startswith(("  gone", "  not known"))]


def test_a_mirror_is_asked_for_the_files_themselves(world: LockWorld) -> None:
    with serving(world.repository) as mirror:
        world.options = ("--repofrompath", f"base,{mirror.url}")
        world.lock()
        assert gone(world, code=0) == []
        file = world.repository / "lib-1-1.ppc64le.rpm"
        content = file.read_bytes()
        file.write_bytes(b"another")
        assert gone(world) == [
            "gone  lib-1-1.ppc64le: another file is in its place, of 7 bytes instead of 19",
        ]
        file.unlink()
        assert gone(world) == ["gone  lib-1-1.ppc64le: it is not there any more"]
        file.write_bytes(content)
        mirror.answers[file.name] = send(b"<html>", Content_Type="text/html")
        assert gone(world) == ["gone  lib-1-1.ppc64le: a web page answers in its place"]
        mirror.answers[file.name] = send(b"", 503)
        (line,) = gone(world, code=30)
        assert line.startswith("not known  lib-1-1.ppc64le: ")
        assert "503" in line
        # Under its name and of its size, but with metadata that says so.
        mirror.answers.clear()
        world.has([replace(one, content=content.upper()) if one.nevra.name == "lib" else one for one in FIRST])
        assert gone(world) == [
            "gone  base: has other metadata now, of the same revision (1)",
            "gone  lib-1-1.ppc64le: base has another file of that name and version",
        ]
        mirror.answers["repomd.xml"] = send(b"", 503)
        (line,) = gone(world, code=30)
        assert line.startswith("not known  base: repomd.xml could not be fetched") and "answers 503" in line
    assert "Connection refused" in gone(world, code=30)[0]


def test_an_index_that_does_not_answer_is_not_said_to_have_lost_anything(world: LockWorld) -> None:
    world.lock()
    run = world.program("lock", "--check", code=30, PIP_INDEX_URL="http://127.0.0.1:1/simple")
    assert "not known  pure-1.0-py3-none-any.whl" in run.out


def test_the_hint_for_a_lock_that_cannot_be_read_can_be_typed(world: LockWorld) -> None:
    (world.lock()).write_text("[]")
    assert world.program("lock", "--check", code=3).fault.endswith("write one with `ppcdeps lock PLAN`")
    assert world.program("lock", "plan.json", "--update", "lib", code=3).fault.endswith(
        "write one with `ppcdeps lock plan.json`"
    )


def test_a_plan_whose_lock_is_lost_is_not_locked_as_another(world: LockWorld) -> None:
    lock = world.lock()
    world.has(SECOND)
    world.program("lock", "plan.json", "--update", "tool")
    lock.unlink()
    fault = world.program("lock", "plan.json", code=3).fault
    assert "plan.json takes app-1-1.ppc64le, which is not what its repositories give for it now" in fault
    assert not lock.exists()
    fault = world.program("lock", "plan.json", "-o", "plan.json", code=2).fault
    assert "plan.json would be written over by the lock; give the lock a file of its own" in fault


def test_one_package_moves_and_all_else_stays(world: LockWorld) -> None:
    before = world.lock().read_text().splitlines()
    world.has(SECOND)
    world.offers("1.0", "2.0")
    run = world.program("lock", "plan.json", "--update", "tool", "--json")
    moved = {(one["kind"], one["name"]) for one in json.loads(run.out)["moved"]}
    assert moved == {("package", "tool")}
    assert sorted(world.nevras()) == ["app-1-1.ppc64le", "lib-1-1.ppc64le", "tool-2-1.ppc64le"]
    after = (world.program.folder / "ppcdeps.lock").read_text().splitlines()
    added = [line for line in difflib.ndiff(before, after) if line.startswith("+ ")]
    # The package; what is held of app and lib; the metadata; the plan and the digest of all.
    assert sum('"nevra": "tool-2-1' in line for line in added) == 1
    assert len(added) < 12
    # The plan is that of the lock, and can be locked again.
    world.program("lock", "plan.json")
    assert (world.program.folder / "ppcdeps.lock").read_text().splitlines() == after


def test_what_a_package_needs_moves_with_it(world: LockWorld) -> None:
    world.lock()
    world.has(SECOND)
    world.program("lock", "plan.json", "--update", "app")
    assert sorted(world.nevras()) == ["app-2-1.ppc64le", "lib-2-1.ppc64le", "tool-1-1.ppc64le"]


def test_the_plan_of_a_moved_lock_comes_from_its_folder(world: LockWorld) -> None:
    world.lock()
    world.has(SECOND)
    world.program("lock", "plan.json", "--update", "app")
    world.program("fetch", "ppcdeps.lock", "--to", "files")
    world.program("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json", code=1)
    again = json.loads((world.program.folder / "again.json").read_text())
    assert again["closure"] == json.loads((world.program.folder / "plan.json").read_text())["closure"]


def test_a_python_distribution_moves_alone_and_everything_moves_on_request(world: LockWorld) -> None:
    world.lock()
    world.has(SECOND)
    world.offers("1.0", "2.0")
    world.program("lock", "plan.json", "--update", "pure")
    document = json.loads((world.program.folder / "ppcdeps.lock").read_text())
    assert [one["version"] for one in document["python"]] == ["2.0"]
    assert sorted(world.nevras()) == ["app-1-1.ppc64le", "lib-1-1.ppc64le", "tool-1-1.ppc64le"]
    world.program("lock", "plan.json", "--update", "all")
    assert sorted(world.nevras()) == ["app-2-1.ppc64le", "lib-2-1.ppc64le", "tool-2-1.ppc64le"]


def test_a_buildroot_and_builds_stay_locked_where_this_machine_has_neither(world: LockWorld) -> None:
    world.has((*FIRST, rpm("part-1-1")))
    file = world.lock()
    lock = load_lock(file)
    (app,) = (one for one in lock.packages if one.nevra.startswith("app"))
    content = (world.repository / "part-1-1.ppc64le.rpm").read_bytes()
    part = LockedPackage(
        "part-1-1.ppc64le",
        "base",
        "part-1-1.ppc64le.rpm",
        f"sha256:{hashlib.sha256(content).hexdigest()}",
        len(content),
        ("myroot",),
    )
    root = LockedBuildroot(
        "myroot", "emulated", "image", "a" * 64, "ppc64le", origin=(f"x@sha256:{'c' * 64}",), image="b" * 64
    )
    builds = tuple(
        LockedBuild(f"{name}-1-1.ppc64le", name, digest, digest, digest, digest, 1, "emulated", "myroot", "0.1.0")
        for name, digest in (("hello", "d" * 64), ("tool", "e" * 64))
    )
    made = replace(
        lock,
        packages=(*(one for one in lock.packages if one != app), replace(app, needed_by=("myroot", "run")), part),
        buildroots=(root,),
        root_packages=(LockedRootPackage("part.ppc64le", "1-1", "", "", None, ("myroot",)),),
        builds=builds,
    )
    file.write_text(dump_lock(made))
    world.has((*SECOND, rpm("part-1-1")))
    run = world.program("lock", "plan.json", "--update", "tool")
    assert "what was built stays locked as it was" in run.err
    after = load_lock(file)
    assert (after.buildroots, after.root_packages) == (made.buildroots, made.root_packages)
    assert {one.nevra: one.needed_by for one in after.packages} == {
        "app-1-1.ppc64le": ("myroot", "run"),
        "lib-1-1.ppc64le": ("run",),
        "part-1-1.ppc64le": ("myroot",),
        "tool-2-1.ppc64le": ("run",),
    }
    assert after.builds == builds[:1], "tool is another one now"


# What is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("lock",), ("build", "--sources", ".")])
def test_a_plan_that_is_read_again_is_no_pipe(command: tuple[str, ...], world: LockWorld) -> None:
    world.plan()
    words = shlex.join(world.program.command(*command))
    script = f"exec {words} <(cat plan.json)"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=world.program.folder,
        env=world.program.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert re.search(
        r"error: /dev/fd/\d+ is a pipe, and the plan is read again later; write the plan to", done.stderr
    )


def test_a_name_that_the_lock_does_not_have_is_told(world: LockWorld) -> None:
    world.lock()
    fault = world.program("lock", "plan.json", "--update", "tol", code=2).fault
    assert fault == 'ppcdeps: error: the lock has nothing called "tol"; did you mean "tool"?'


def test_a_file_that_is_gone_from_the_mirror_is_named_and_the_rest_stays(world: LockWorld) -> None:
    with serving(world.repository) as mirror:
        world.options = ("--repofrompath", f"base,{mirror.url}")
        world.lock()
        (world.repository / "lib-1-1.ppc64le.rpm").unlink()
        fault = world.program("fetch", "ppcdeps.lock", "--to", "files", code=30).fault
        assert "lib-1-1.ppc64le" in fault
        assert "404" in fault
        folder = world.program.folder / "files"
        assert not (folder / "ppcdeps.lock").exists()
        assert not [path for path in folder.rglob("*") if path.name.startswith(".new-")]
        world.has(FIRST)
        done = json.loads(world.program("fetch", "ppcdeps.lock", "--to", "files", "--json").out)
    assert (done["files"], done["brought"]) == (7, 1)
    assert sorted(path.name for path in folder.iterdir()) == ["ppcdeps.lock", "python", "repositories"]


def test_a_fetch_that_fails_leaves_the_folder_as_it_was(world: LockWorld) -> None:
    folder = world.fetched()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    world.has(SECOND)
    world.lock()
    (world.repository / "lib-2-1.ppc64le.rpm").unlink()
    assert "lib-2-1" in world.program("fetch", "ppcdeps.lock", "--to", "files", code=30).fault
    assert {path: path.read_bytes() for path in before} == before
    world.program("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json", code=1)
    world.has(SECOND)
    world.program("fetch", "ppcdeps.lock", "--to", "files")
    packages = [path.name for path in (folder / "repositories/base").glob("*.rpm")]
    assert sorted(packages) == ["app-2-1.ppc64le.rpm", "lib-2-1.ppc64le.rpm", "tool-2-1.ppc64le.rpm"]


def test_a_folder_in_the_way_of_a_file_is_said_before_any_is_put(world: LockWorld) -> None:
    folder = world.fetched()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    world.has(SECOND)
    world.lock()
    way = folder / "repositories/base/lib-2-1.ppc64le.rpm"
    (way / "x").mkdir(parents=True)
    fault = world.program("fetch", "ppcdeps.lock", "--to", "files", code=3).fault
    assert "lib-2-1.ppc64le.rpm is a folder, where a file of the lock goes; remove it" in fault
    assert {path: path.read_bytes() for path in before} == before
    world.program("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json", code=1)
    shutil.rmtree(way, ignore_errors=True)
    world.program("fetch", "ppcdeps.lock", "--to", "files")


def test_a_part_of_the_folder_may_lie_on_another_file_system(world: LockWorld) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == world.folder.stat().st_dev:
        pytest.skip("needs another file system")
    with tempfile.TemporaryDirectory(dir=other) as place:
        (world.program.folder / "files").mkdir()
        (world.program.folder / "files/repositories").symlink_to(place)
        world.fetched()
        world.program("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json", code=1)
        assert (Path(place) / "base/app-1-1.ppc64le.rpm").is_file()


def test_only_what_the_lock_names_is_read_from_its_folder(world: LockWorld) -> None:
    folder = world.fetched()
    for place in ("python/evil/evil-6.6-py3-none-any.whl", "sources/mine/mine.spec"):
        (folder / place).parent.mkdir(parents=True)
        (folder / place).write_text("mine")
        locked = ("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json")
        fault = world.program(*locked, code=3).fault
        assert f"files has what is not of its lock: {place}; remove it, or bring" in fault
        fault = world.program("fetch", "ppcdeps.lock", "--to", "files", code=3).fault
        assert f"files has other things in it: {place}" in fault
        assert (folder / place).read_text() == "mine"
        shutil.rmtree((folder / place).parent)


def test_a_link_that_leads_to_itself_is_no_file_of_a_lock(world: LockWorld) -> None:
    folder = world.fetched()
    wheel = folder / "python/pure/pure-1.0-py3-none-any.whl"
    wheel.unlink()
    wheel.symlink_to(wheel.name)
    locked = ("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json")
    assert "whl cannot be read: Too many levels of symbolic links" in world.program(*locked, code=3).err
    world.program("fetch", "ppcdeps.lock", "--to", "files")
    world.program(*locked, code=1)


def test_metadata_that_the_index_serves_gives_the_same_plan_from_the_folder(world: LockWorld) -> None:
    (file,) = (world.index / "pure").glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        text = archive.read("pure-1.0.dist-info/METADATA")
    (world.index / "pure" / f"{file.name}.metadata").write_bytes(text)
    page = file.with_name("index.html")
    served = f'data-core-metadata="sha256={hashlib.sha256(text).hexdigest()}"'
    page.write_text(page.read_text().replace("<a ", f"<a {served} "))
    with serving(world.index) as index:
        index.answers["pure/"] = send(page.read_bytes(), Content_Type="text/html")
        world.program = replace(world.program, variables={**world.program.variables, "PIP_INDEX_URL": index.url})
        plan = world.plan()
        assert json.loads(plan.read_text())["python"]["distributions"][0]["metadata"] == "index"
        world.program("lock", "plan.json")
        world.program("fetch", "ppcdeps.lock", "--to", "files")
        # The cache has the wheel now, and the plan is the same.
        before = plan.read_bytes()
        assert world.plan().read_bytes() == before
    for cache in ("cache", "another"):
        locked = ("--locked", "files/ppcdeps.lock", "-o", "again.json")
        run = world.program("plan", "app", "pypi:pure", *locked, code=1, PPCDEPS_CACHE=str(world.folder / cache))
        assert "warning: " not in run.err
        assert plan.with_name("again.json").read_bytes() == before


def test_a_file_with_another_digest_is_not_brought(world: LockWorld) -> None:
    world.lock()
    (world.repository / "lib-1-1.ppc64le.rpm").write_bytes(b"THE FILE OF lib-1-1")
    fault = world.program("fetch", "ppcdeps.lock", "--to", "files", code=30).fault
    assert "lib-1-1.ppc64le" in fault
    assert "has another sha256 checksum than the lock says" in fault
    assert not (world.program.folder / "files/repositories/base/lib-1-1.ppc64le.rpm").exists()


def test_metadata_that_moved_on_is_said_so_where_no_cache_has_it(world: LockWorld) -> None:
    world.lock()
    world.has(SECOND)
    fault = world.program("fetch", "ppcdeps.lock", "--to", "files", code=30, PPCDEPS_CACHE=str(world.folder / "new"))
    assert "repository base does not have the metadata any more that was locked" in fault.err
    assert "ppcdeps lock PLAN --update all" in fault.err


def test_a_lock_without_its_files_is_no_place_to_work_from(world: LockWorld) -> None:
    world.lock()
    fault = world.program("plan", "app", "--locked", "ppcdeps.lock", code=3).fault
    assert fault == (
        "ppcdeps: error: the files of ppcdeps.lock are not beside it; bring them into a folder with "
        "`ppcdeps fetch LOCK --to DIR`, and name the lock in that folder"
    )


def test_a_file_that_was_changed_in_the_folder_is_refused(world: LockWorld) -> None:
    folder = world.fetched()
    path = folder / "repositories/base/lib-1-1.ppc64le.rpm"
    path.write_bytes(path.read_bytes()[:-1])
    (folder / "python/pure/pure-1.0-py3-none-any.whl").unlink()
    run = world.program("plan", "app", "pypi:pure", "--locked", folder / "ppcdeps.lock", code=3)
    assert "2 of 7 files of" in run.err
    assert "python/pure/pure-1.0-py3-none-any.whl is not there" in run.err
    assert "lib-1-1.ppc64le.rpm has 18 bytes instead of 19" in run.err


def test_pages_of_the_index_that_were_changed_are_written_anew(world: LockWorld) -> None:
    folder = world.fetched()
    page = folder / "python/pure/index.html"
    before = page.read_bytes()
    page.write_bytes(before.replace(b"pure-1.0", b"pure-9.0"))
    world.program("plan", "app", "pypi:pure", "--locked", folder / "ppcdeps.lock", "-o", "again.json", code=1)
    assert page.read_bytes() == before


def test_no_password_is_in_a_lock_nor_needed_for_its_folder(world: LockWorld) -> None:
    with serving(world.repository) as mirror:
        secret = ("--repofrompath", f"base,{mirror.url.replace('//', '//me:s3cr3t@')}")
        world.options = secret
        world.plan()
        world.program("lock", "plan.json", *secret)
        world.program("fetch", "ppcdeps.lock", "--to", "files", *secret)
    assert "s3cr3t" not in (world.program.folder / "ppcdeps.lock").read_text()
    lock = ("--locked", "files/ppcdeps.lock")
    world.program("plan", "app", "pypi:pure", *lock, "-o", "again.json", code=1)
    assert (world.program.folder / "again.json").read_bytes() == (world.program.folder / "plan.json").read_bytes()
    world.program("build", "plan.json", *lock)


@pytest.mark.parametrize(
    ("place", "code"), [("a b.rpm", 0), ("../out.rpm", 30), ("/etc/passwd", 30), ("http://o.invalid/lib.rpm", 30)]
)
def test_a_package_outside_of_its_repository_is_not_locked(world: LockWorld, place: str, code: int) -> None:
    primary = world.repository / "repodata/primary.xml.gz"
    text = gzip.decompress(primary.read_bytes()).decode().replace('href="lib-1-1.ppc64le.rpm"', f'href="{place}"')
    shutil.rmtree(world.repository / "repodata")
    write_files(world.repository, {"primary": text})
    (world.repository / "a b.rpm").write_bytes((world.repository / "lib-1-1.ppc64le.rpm").read_bytes())
    world.plan()
    run = world.program("lock", "plan.json", code=code)
    if code:
        assert f"lib-1-1.ppc64le cannot be locked, as the metadata has it at '{place}'" in run.fault
        return
    world.program("fetch", "ppcdeps.lock", "--to", "files")
    assert (world.program.folder / "files/repositories/base" / place).read_bytes() == b"the file of lib-1-1"


def test_a_lock_of_another_plan_builds_nothing(world: LockWorld) -> None:
    folder = world.fetched()
    world.program("plan", "tool", *world.options, "-o", "other.json")
    world.program("plan", "app", *world.options, "-o", "less.json")
    lock = folder / "ppcdeps.lock"
    other = world.program("build", "other.json", "--locked", lock, code=3).err
    assert "is of a plan for " in other
    less = world.program("verify", "less.json", "--locked", lock, "--no-install", code=3).err
    assert "there is no" in less  # the repository comes first
    assert not (world.program.folder / "build-tool").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system is mounted by root")
def test_a_folder_that_cannot_be_written_to_or_is_full(world: LockWorld) -> None:
    world.lock()
    user = world.program.folder
    (user / "file").write_text("x")
    (user / "link").symlink_to("nowhere")
    (user / "mounted").mkdir()
    fetch = ("fetch", "ppcdeps.lock", "--to")
    assert (
        "cannot write to file/sub: Not a directory; name another" in world.program(*fetch, "file/sub", code=3).fault
    )
    assert "since link is a link to nothing" in world.program(*fetch, "link", code=3).fault
    for place in ("/proc/none/files", f"new/{'x' * 300}"):
        assert f"cannot write to {place}: " in world.program(*fetch, place, code=3).fault
    assert not (user / "new").exists()
    for option, code, words in (("ro", 3, "cannot write to mounted"), ("size=16k", 20, "no space left")):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", option, "none", user / "mounted"], check=False).returncode:
            pytest.skip("this root may not mount")
        try:
            assert words in world.program(*fetch, "mounted", code=code).fault
            assert not (user / "mounted" / "ppcdeps.lock").exists()
            assert not [path for path in (user / "mounted").rglob("*") if path.name.startswith(".new-")]
        finally:
            subprocess.run(["umount", user / "mounted"], check=True)


def test_a_fetch_that_was_killed_is_taken_up_again(world: LockWorld) -> None:
    with serving(world.repository) as mirror:
        world.options = ("--repofrompath", f"base,{mirror.url}")
        world.lock()
        mirror.answers["tool-1-1.ppc64le.rpm"] = mirror.hang
        command = world.program.command("fetch", "ppcdeps.lock", "--to", "files")
        run = subprocess.Popen(
            command, cwd=world.program.folder, env=world.program.environment(), stderr=subprocess.DEVNULL
        )
        assert mirror.asked.wait(60)
        run.kill()
        run.wait()
        assert not (world.program.folder / "files/ppcdeps.lock").exists()
        del mirror.answers["tool-1-1.ppc64le.rpm"]
        world.program("fetch", "ppcdeps.lock", "--to", "files")
        assert json.loads(world.program("fetch", "ppcdeps.lock", "--to", "files", "--json").out)["brought"] == 0


def test_several_fetches_fill_one_folder(world: LockWorld) -> None:
    world.lock()
    command = world.program.command("fetch", "ppcdeps.lock", "--to", "files", "--json", "-q")
    runs = [
        subprocess.Popen(
            command,
            cwd=world.program.folder,
            env=world.program.environment(PPCDEPS_CACHE=str(world.folder / f"cache-{number}")),
            stdout=subprocess.PIPE,
        )
        for number in range(3)
    ]
    assert [json.loads(run.communicate()[0])["files"] for run in runs] == [7, 7, 7]
    lock = world.program.folder / "files" / "ppcdeps.lock"
    world.program("plan", "app", "pypi:pure", "--locked", lock, "-o", "again.json", code=1)


def test_a_folder_of_an_older_lock_is_filled_for_the_new_one(world: LockWorld) -> None:
    world.fetched()
    world.has(SECOND)
    world.lock()
    world.program("fetch", "ppcdeps.lock", "--to", "files")
    world.program("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json", code=1)
    assert (world.program.folder / "again.json").read_bytes() == (world.program.folder / "plan.json").read_bytes()


def test_a_folder_may_have_any_name(world: LockWorld) -> None:
    name = "a b,ü:#1%41'\"\n"
    world.lock()
    world.program("fetch", "ppcdeps.lock", "--to", name)
    locked = ("--locked", f"{name}/ppcdeps.lock")
    world.program("plan", "app", "pypi:pure", *locked, "-o", "again.json", code=1)
    assert (world.program.folder / "again.json").read_bytes() == (world.program.folder / "plan.json").read_bytes()


def test_a_folder_with_other_things_is_left_alone(world: LockWorld) -> None:
    world.lock()
    (world.program.folder / "mine").mkdir()
    (world.program.folder / "mine" / "letter.txt").write_text("x")
    fault = world.program("fetch", "ppcdeps.lock", "--to", "mine", code=3).fault
    assert "mine has other things in it: letter.txt" in fault
    assert [path.name for path in (world.program.folder / "mine").iterdir()] == ["letter.txt"]


def test_a_lock_of_a_snapshot_has_nothing_to_fetch(world: LockWorld) -> None:
    world.program("snapshot", "save", "saved", *world.options)
    world.program(
        "plan", "app", "--snapshot", "saved", "--target", "centos-stream-9", "-o", "plan.json", "--python", "rpm"
    )
    world.program("lock", "plan.json")
    fault = world.program("fetch", "ppcdeps.lock", "--to", "files", code=3).fault
    assert "is of the snapshot" in fault
    assert not (world.program.folder / "files").exists()


def test_a_distribution_that_is_held_is_the_same_plan_from_the_folder(world: LockWorld) -> None:
    world.lock()
    world.has(SECOND)
    world.offers("1.0", "2.0")
    world.program("lock", "plan.json", "--update", "app")
    world.program("fetch", "ppcdeps.lock", "--to", "files")
    run = world.program("plan", "app", "pypi:pure", "--locked", "files/ppcdeps.lock", "-o", "again.json", code=1)
    assert "warning: " not in run.err


def test_an_update_that_moves_nothing_leaves_plan_and_lock_as_they_are(world: LockWorld) -> None:
    files = (world.lock(), world.program.folder / "plan.json")
    before = [one.read_bytes() for one in files]
    assert "Nothing moved" in world.program("lock", "plan.json", "--update", "app").out
    assert [one.read_bytes() for one in files] == before


def test_a_repository_that_does_not_answer_hides_nothing_of_the_others(world: LockWorld) -> None:
    lock = world.lock()
    world.repository.rename(world.folder / "away")
    # The cache has all of its metadata, and none of its packages.
    assert (
        "repository base: repomd.xml could not be fetched"
        in world.program("fetch", lock, "--to", "files", code=30).fault
    )
    world.offers("2.0")
    first, second = gone(world)
    assert first == "gone  pure-1.0-py3-none-any.whl: the Python index does not have it any more"
    assert second.startswith("not known  base: repomd.xml could not be fetched")


@pytest.mark.parametrize("name", ["mine", "python"])
def test_a_file_of_the_user_in_the_folder_is_left_alone(name: str, world: LockWorld) -> None:
    lock = world.lock()
    (world.program.folder / "files").mkdir()
    (world.program.folder / "files" / name).write_text("mine")
    fault = world.program("fetch", lock, "--to", "files", code=3).fault
    assert f"files has other things in it: {name}; name a new folder with --to DIR" in fault
    assert [one.name for one in (world.program.folder / "files").iterdir()] == [name]


def test_a_distribution_that_the_lock_does_not_have_is_named(world: LockWorld) -> None:
    world.fetched()
    fault = world.program("plan", "app", "pypi:other", "--locked", "files/ppcdeps.lock", "-o", "b.json", code=3).fault
    assert "files/ppcdeps.lock has no file of the Python distribution other; plan without --locked" in fault


def test_a_file_that_is_no_lock_is_not_written_over(world: LockWorld) -> None:
    plan = world.plan()
    other = plan.with_name("other.json")
    other.write_bytes(plan.read_bytes())
    fault = world.program("lock", "plan.json", "-o", "other.json", code=3).fault
    assert "other.json is not a lock of ppcdeps, and would be written over" in fault
    assert other.read_bytes() == plan.read_bytes()
    for mine in ('{"buildroots": "mine"}', '{"arch": "x", "mine": 1}', '{"buildroots": ['):
        other.write_text(mine)
        code = 0 if mine.endswith("[") else 3
        world.program("lock", "plan.json", "-o", "other.json", code=code)
        assert (other.read_text() == mine) == bool(code), "damaged ones are written anew"


def test_what_a_folder_is_filled_from_is_no_part_of_the_build_s_command(world: LockWorld) -> None:
    world.lock()
    said = world.program("fetch", "ppcdeps.lock", "--to", "files", "--mirror", "http://mirror.example/debian").out
    assert "ppcdeps build PLAN --locked files/ppcdeps.lock\n" in said
