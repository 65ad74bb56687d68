"""What cannot be built is told in one line, with the documented exit code, and nothing is lost."""

import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from buildworld import BuildWorld, Thing
from debianroots import beside, lacks
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.definitions import shipped_definitions
from ppcdeps.engines.job import Buildroot
from ppcdeps.recipebook.book import load_recipe, recipe_digest

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks() or "-")


@pytest.fixture
def world(tmp_path: Path, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot) -> BuildWorld:
    """A world with a plan for one library."""
    folder = tmp_path / "world"
    folder.mkdir()
    program = Program(folder, {"PPCDEPS_CACHE": str(beside(debian_cache, tmp_path / "cache"))}, patience=600)
    made = BuildWorld(program, debian_cross_root.path.parent / "repository")
    made.make(Thing("one"))
    made.plan("one")
    return made


def refused(world: BuildWorld, *options: str, code: int, **variables: str) -> str:
    """The one line that a build of the plan ends with; nothing was published."""
    fault = world.program(*world.build_command("--work", "run", *options), code=code, **variables).fault
    assert not (world.folder / "repository-one" / "repodata").exists()
    return fault


def test_a_plan_that_is_not_there_or_of_another_schema(world: BuildWorld) -> None:
    assert "cannot read the plan none.json" in world.program("build", "none.json", code=3).fault
    plan = world.folder / "plan.json"
    plan.write_text(plan.read_text().replace('"schema": 3', '"schema": 99'))
    fault = refused(world, code=3)
    assert "is a plan of schema 99, and schema 3 is read here; make it anew with `ppcdeps plan one " in fault


def test_a_plan_from_older_metadata(world: BuildWorld) -> None:
    world.make(Thing("one"), Thing("another"))
    fault = refused(world, code=3)
    assert "the plan rests on other metadata than there is now: reference changed; plan again with" in fault


def test_a_plan_of_another_target(world: BuildWorld) -> None:
    fault = world.program("build", "plan.json", "--work", "run", "--target", "centos-stream-9", code=3).fault
    assert "the plan is for the target debian-12, and this is centos-stream-9; name its target" in fault


def test_a_recipe_that_was_changed_since_the_plan(world: BuildWorld) -> None:
    recipe = world.folder / "recipes" / "one" / "recipe.toml"
    recipe.write_text(recipe.read_text() + "\n# changed\n")
    run = world.program(*world.build_command("--work", "run"), code=3)
    assert "the recipe one was changed since the plan was made" in run.err
    assert "plan again with `ppcdeps plan one " in run.err


def test_options_that_do_not_go_together_are_refused_before_anything_is_read(world: BuildWorld) -> None:
    # Reading the target would be refused with another exit code.
    (world.folder / "target.toml").unlink()
    for options, told in (
        (("--on", "copr"), "--on copr takes a project; name it with --project OWNER/NAME"),
        (("--on", "copr", "--project", "power"), "--project: "),
        (("--on", "copr", "--project", "me/power", "--no-check"), "--no-check says nothing to COPR"),
        (("--on", "copr", "--project", "me/power", "-j", "3"), "--jobs says nothing to COPR"),
        (("--on", "copr", "--project", "me/power", "--buildroots", "roots"), "--buildroots says nothing to COPR"),
        (("--on", "slurm", "--connection", "power"), "by the engine of its nodes; leave --connection out"),
        (("--on", "slurm", "--engine", "podmann"), 'there is no engine "podmann"'),
        (("--on", "slurm", "--buildroot", "debian-13"), 'there is no buildroot "debian-13"'),
        (("--on", "slurm", "--buildroot", "debian-12", "--mode", "cross"), "debian-12 has no build mode cross"),
        (("--project", "me/power"), "give --on copr as well"),
        (("--slurm", "partition=all"), "give --on slurm as well"),
        (("--on", "slurmy"), 'called "slurmy"; --on takes slurm'),
        (("--on", "ssh://"), "not the address of a machine"),
        (("--on", "ssh://power9", "--engine", "bwrap"), "by the podman of those machines"),
    ):
        run = world.program(*world.build_command("--work", "run", *options), code=2)
        assert told in run.fault
    assert not (world.folder / "run").exists()


def test_what_the_plan_does_not_build(world: BuildWorld) -> None:
    assert "does not build two; it builds one" in refused(world, "--only", "two", code=2)


def test_a_source_that_is_nowhere_and_one_that_is_another(world: BuildWorld) -> None:
    command = ("build", "plan.json", *world.place, "--work", "run", "--offline")
    run = world.program(*command, code=10)
    assert "one: failed" in run.err
    assert "one-1.0.tar.gz" in run.out
    (tarball,) = (world.folder / "sources").iterdir()
    tarball.write_bytes(tarball.read_bytes() + b"x")
    run = world.program(*world.build_command("--work", "run"), code=10)
    assert "is not the source that is meant: its SHA-256 is" in run.out


def test_an_engine_that_is_none_or_is_not_here(world: BuildWorld, tmp_path: Path) -> None:
    assert 'there is no engine "podmann"' in refused(world, "--engine", "podmann", code=2)
    # A path with what ppcdeps itself needs, and no engine.
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if program.name not in {"podman", "docker", "bwrap"} and not (tools / program.name).exists():
                (tools / program.name).symlink_to(program)
    fault = refused(world, code=20, PATH=str(tools))
    assert "no container engine works here" in fault
    for engine in ("podman", "docker", "bwrap"):
        assert f"{engine}: " in fault


def test_a_buildroot_that_nobody_knows(world: BuildWorld) -> None:
    fault = refused(world, "--buildroot", "debian-13", code=2)
    assert "debian-13" in fault
    assert "debian-12" in fault


def test_a_repository_folder_of_somebody_else(world: BuildWorld) -> None:
    thesis = world.folder / "repository-one" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("x")
    fault = refused(world, code=3)
    assert "repository-one" in fault
    assert [path.name for path in thesis.parent.iterdir()] == ["thesis.tex"]
    assert not (world.folder / "run").exists()


def test_there_is_nothing_to_resume(world: BuildWorld) -> None:
    assert "there is no run here to resume" in world.program("build", "--resume", code=2).fault
    fault = world.program("build", "--attach", "--work", "none", code=2).fault
    assert fault.endswith("there is no run in none to resume; begin one with `ppcdeps build PLAN --work none`")
    world.program(*world.build_command("--work", "run", "--offline"))
    fault = world.program("build", "--attach", "--on", "slurm", code=2).err
    assert "goes on with the options that the run began with: leave --on out" in fault
    other = world.folder / "other.json"
    other.write_text((world.folder / "plan.json").read_text() + "\n")
    fault = world.program("build", "other.json", "--resume", "--work", "run", code=3).fault
    assert "the run in run builds another plan than other.json" in fault
    fault = world.program("build", "nosuch.json", "--attach", "--work", "run", code=3).fault
    assert "cannot read the plan nosuch.json: No such file or directory" in fault
    assert json.loads(world.program("build", "plan.json", "--resume", "--work", "run", "--json").out)["results"]


def test_a_run_goes_on_from_another_folder(world: BuildWorld, tmp_path: Path) -> None:
    world.program(*world.build_command("--work", "run"))
    there = replace(world.program, folder=tmp_path / "elsewhere", variables=world.program.environment())
    there.folder.mkdir()
    run = json.loads(there("build", "--attach", "--work", "../world/run", "--json").out)
    assert [one["outcome"] for one in run["results"]] == ["unchanged"]
    assert list(there.folder.iterdir()) == []
    assert world.program("build", "--resume", "--work", "run", "--target", "target.toml")
    assert "leave --target out" in there("build", "--resume", "--work", "../world/run", "--target", "o", code=2).err


def test_the_results_are_told_as_json_too(world: BuildWorld) -> None:
    told = json.loads(world.program(*world.build_command("--work", "run", "--json")).out)
    assert [(one["name"], one["outcome"], one["packages"]) for one in told["results"]] == [
        ("one", "built", ["one-1.0-1.deb12.ppc64le"])
    ]
    assert told["published"] == 1


def test_an_export_that_cannot_be(world: BuildWorld) -> None:
    def fault(*words: str, code: int) -> str:
        return world.program(*words, "--sources", "sources", code=code).fault

    export = ("export", "plan.json", "make")
    (world.folder / "Makefile").write_text("all:\n\techo theirs\n")
    assert "Makefile was not written by ppcdeps; name another place with --output" in fault(*export, code=3)
    assert (world.folder / "Makefile").read_text() == "all:\n\techo theirs\n"
    assert "'recipes' is a directory" in fault(*export, "-o", "recipes", code=2)
    assert "standard output is for the command's answer" in fault(*export, "-o", "-", code=2)
    assert "stdout is a device or a pipe; name a file" in fault(*export, "-o", "/dev/stdout", code=3)
    os.mkfifo(world.folder / "pipe")
    assert "pipe is a device or a pipe; name a file with --output" in fault(*export, "-o", "pipe", code=3)
    (world.folder / "ppcdeps-one" / "rendered").mkdir(parents=True)
    (world.folder / "ppcdeps-one" / "rendered" / "thesis").write_text("x")
    assert "holds what was not rendered by ppcdeps" in fault(*export, "-o", "new/../pipeline", code=3)
    (world.folder / "file").write_text("x")
    assert "cannot write " in fault(*export, "-o", "file/Makefile", code=3)
    (world.folder / "loop").symlink_to("loop")
    assert "cannot write " in fault(*export, "-o", "loop/Makefile", code=3)
    assert "is a link that leads to no file; name another place" in fault(*export, "-o", "loop", code=3)
    assert "File name too long; name another place with --output" in fault(*export, "-o", "x" * 300, code=3)
    assert "'ant' is not one of" in world.program("export", "plan.json", "ant", code=2).fault
    (world.folder / "sources" / "one-1.0.tar.gz").rename(world.folder / "elsewhere.tar.gz")
    assert "one-1.0.tar.gz" in fault(*export, "-o", "empty/below/Makefile", code=30)
    assert not (world.folder / "empty").exists()
    assert not (world.folder / "pipeline").exists()


@pytest.mark.parametrize(("kind", "file"), [("github", ".github/workflows/x.yml"), ("gitlab", "ci/x.yml")])
def test_an_export_whose_file_has_no_place_leaves_nothing(world: BuildWorld, kind: str, file: str) -> None:
    code = world.folder / "code"
    (code / ".git").mkdir(parents=True)
    export = ("export", "plan.json", kind, "-o", f"code/{file}", "--sources")
    world.program(*export, "none", code=30)
    assert [one.name for one in code.iterdir()] == [".git"]
    in_the_way = code / Path(file).parts[0]
    in_the_way.write_text("x")
    fault = world.program(*export, "sources", code=3).fault
    assert f"{in_the_way}" in fault
    assert "name another place with --output" in fault
    assert sorted(one.name for one in code.iterdir()) == sorted([".git", in_the_way.name])
    in_the_way.unlink()
    world.program(*export, "sources")


def test_a_plan_in_a_pipe_is_not_exported_or_resumed(world: BuildWorld) -> None:
    for words in (("export", "/dev/fd/0", "make"), ("build", "/dev/fd/0", "--resume", "--work", "run")):
        done = subprocess.run(
            world.program.command(*words),
            cwd=world.folder,
            env=world.program.environment(),
            input=(world.folder / "plan.json").read_bytes(),
            capture_output=True,
        )
        assert done.returncode == 2, done.stderr
        assert b"/dev/fd/0 is a pipe, and the plan is read again later; write the plan to a file" in done.stderr


def test_an_export_replaces_no_file_of_somebody_else(world: BuildWorld) -> None:
    folder = world.folder / "ppcdeps-one"
    export = ("export", "plan.json", "make", "--sources", "sources")
    for name in ("recipes/mine/notes", "plan.json"):
        theirs = folder / name
        theirs.parent.mkdir(parents=True)
        theirs.write_text("x")
        fault = world.program(*export, code=3).fault
        assert "ppcdeps-one holds files, and none of an export of ppcdeps; name another place" in fault
        assert files_in(folder) == {name: b"x"}
        shutil.rmtree(folder)
    folder.mkdir()
    (folder / ".new-killed").mkdir()
    world.program(*export)
    world.program(*export)
    # One that was killed, and whoever had no use for it.
    (folder / "rendered" / "rendered.json").unlink()
    world.program(*export)
    shutil.rmtree(folder / "rendered")
    world.program(*export)
    assert (folder / "rendered" / "rendered.json").is_file()


def test_exports_to_one_place_wait_for_each_other(world: BuildWorld) -> None:
    command = world.program.command("export", "plan.json", "make", "--sources", "sources", "-o", "there/Makefile")
    environment = world.program.environment()
    started = [
        subprocess.Popen(command, cwd=world.folder, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for one in started:
        errors = one.communicate(timeout=600)[1]
        assert one.returncode == 0, errors
    assert (world.folder / "there" / "ppcdeps-one" / "rendered" / "rendered.json").is_file()
    assert not list((world.folder / "there" / "ppcdeps-one").glob(".new-*"))


def test_what_an_export_hands_on_is_checked(world: BuildWorld) -> None:
    def fault(kind: str, *options: str) -> str:
        return world.program("export", "plan.json", kind, "--sources", "sources", *options, code=2).fault

    assert 'there is no buildroot "nonsense"' in fault("make", "--buildroot", "nonsense")
    assert 'there is no engine "nonsense"' in fault("make", "--engine", "nonsense")
    assert "debian-12-cross has no build mode native" in fault("make", "--mode", "native")
    assert "--image says nothing to make" in fault("make", "--image", "a/b")
    assert "--runner takes KEY=VALUE" in fault("tekton", "--runner", "foo")
    assert not (world.folder / "ppcdeps-one").exists()


@pytest.mark.parametrize(
    ("kind", "file"), [("gitlab", "ci/build.yml"), ("github", "ci/build.yml"), ("github", ".github/workflows/x.yml")]
)
def test_steps_run_at_the_top_of_the_repository(world: BuildWorld, kind: str, file: str) -> None:
    export = ("export", "plan.json", kind, "--sources", "sources")
    (world.folder / "code" / ".git").mkdir(parents=True)
    run = world.program(*export, "-o", f"code/{file}")
    assert "Git" not in run.err
    assert (world.folder / "code" / "ppcdeps-one" / "plan.json").is_file()
    assert (world.folder / "code" / file).is_file()
    run = world.program(*export, "-o", f"plain/{file}")
    if "workflows" in file:
        assert (world.folder / "plain" / "ppcdeps-one" / "plan.json").is_file()
    else:
        assert "plain/ci/build.yml is not in a Git repository: its steps are to be run in " in run.err
        assert (world.folder / "plain" / "ci" / "ppcdeps-one" / "plan.json").is_file()


def test_all_that_the_steps_take_is_in_the_folder(world: BuildWorld, tmp_path: Path) -> None:
    """Links are followed, constraints and what they include travel, and so does a buildroot of one's own."""
    recipe = world.folder / "recipes" / "one" / "recipe.toml"
    (world.folder / "common").mkdir()
    recipe.rename(world.folder / "common" / "recipe.toml")
    recipe.symlink_to("../../common/recipe.toml")
    pins = world.folder / "pins"
    pins.mkdir()
    (pins / "constraints.txt").write_text("-c more.txt\nfoo==1.0\n")
    (pins / "more.txt").write_text("bar==2.0\n")
    (world.folder / "work.toml").write_text(
        'name = "work"\ntitle = "Work"\nroots = ["one"]\n'
        '[openstack]\nreleases = ["2024.1"]\ndefault = "2024.1"\n[constraints]\n"2024.1" = "pins/constraints.txt"\n'
    )
    own = world.folder / "roots" / "mine"
    shutil.copytree(shipped_definitions() / "debian-12", own)
    (own / ".#buildroot.toml").symlink_to("somebody@machine.1")
    world.program("plan", "work.toml", *world.place, "-o", "work.json", code=1)
    there = tmp_path / "there"
    roots = ("--buildroots", "roots", "--buildroot", "mine")
    world.program("export", "work.json", "make", "--sources", "sources", *roots, "-o", there / "Makefile")
    moved = there.rename(tmp_path / "moved")
    world.folder.rename(tmp_path / "away")
    folder = moved / "ppcdeps-work"
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert (folder / "constraints.txt").read_text().split() == ["bar==2.0", "foo==1.0"]
    assert "--buildroots ppcdeps-work/buildroots" in (moved / "Makefile").read_text()
    program = replace(world.program, folder=moved, variables=world.program.environment())
    shown = program("buildroot", "list", "--buildroots", "ppcdeps-work/buildroots").out
    assert "mine" in shown
    # All that a plan reads is there, but for the repositories, which have moved.
    target = folder / "target.toml"
    target.write_text(target.read_text().replace(str(world.folder), str(tmp_path / "away")))
    given = ("--target", "ppcdeps-work/target.toml", "--recipes", "ppcdeps-work/recipes")
    program("plan", "ppcdeps-work/workload.toml", *given, "-o", "again.json", code=1)
    waves = [json.loads((moved / name).read_text())["waves"] for name in ("again.json", "ppcdeps-work/plan.json")]
    assert waves[0] == waves[1]
    digests = [
        [gap["route"].get("digest") for gap in json.loads((moved / name).read_text())["gaps"]]
        for name in ("again.json", "ppcdeps-work/plan.json")
    ]
    assert digests[0] == digests[1]


def test_a_recipe_travels_with_its_links(world: BuildWorld) -> None:
    recipe = world.folder / "recipes" / "one"
    (recipe / "files-1").mkdir()
    (recipe / "files-1" / "notes").write_text("x")
    (recipe / "files").symlink_to("files-1")
    (recipe / ".#recipe.toml").symlink_to("somebody@machine.1")
    world.plan("one")
    world.program("export", "plan.json", "make", "--sources", "sources")
    copied = world.folder / "ppcdeps-one" / "recipes" / "one"
    assert (copied / "files" / "notes").read_text() == "x"
    assert recipe_digest(load_recipe(copied / "recipe.toml")) == recipe_digest(load_recipe(recipe / "recipe.toml"))


@pytest.mark.parametrize("to", ["{world}/recipes/one/more", "../two", "../../recipes/one/more"])
def test_a_recipe_that_would_be_another_one_elsewhere_is_refused(world: BuildWorld, to: str) -> None:
    for name in ("one/more", "two"):
        (world.folder / "recipes" / name).mkdir()
    link = world.folder / "recipes" / "one" / "link"
    link.symlink_to(to.format(world=world.folder))
    world.plan("one")
    fault = world.program("export", "plan.json", "make", "--sources", "sources", code=3).fault
    assert "recipes/one/link is a link to a folder that is not in the recipe: it would lead elsewhere" in fault
    assert not (world.folder / "ppcdeps-one").exists()


def test_a_patch_of_a_recipe_that_another_one_replaces_is_refused(world: BuildWorld) -> None:
    beside = world.folder / "recipes" / "two"
    beside.mkdir()
    (beside / "x.patch").write_text("--- a/Makefile\n+++ b/Makefile\n@@ -1,0 +1,1 @@\n+# one\n")
    recipe = world.folder / "recipes" / "one" / "recipe.toml"
    patch = 'file = "../two/x.patch"\nwhy = "a test"\norigin = "ppcdeps"\nversions = ">=9"\n'
    recipe.write_text(f"{recipe.read_text()}\n[[patches]]\n{patch}")
    world.plan("one")
    export = ("export", "plan.json", "make", "--sources", "sources", *world.place)
    world.program(*export)
    packed = world.folder / "ppcdeps-one" / "recipes"
    assert (packed / "two" / "x.patch").read_text() == (beside / "x.patch").read_text()
    other = world.folder / "more" / "two" / "recipe.toml"
    other.parent.mkdir(parents=True)
    other.write_text((world.folder / "recipes" / "one" / "recipe.toml").read_text().replace('"one"', '"two"'))
    (other.parent / "x.patch").write_text("--- a/Makefile\n+++ b/Makefile\n@@ -1,0 +1,1 @@\n+# two\n")
    other.write_text(other.read_text().replace("../two/", ""))
    fault = world.program(*export, "--recipes", "more", code=3).fault
    assert "recipes/one/../two/x.patch is not the patch that it would be in the exported folder" in fault


def test_files_that_lie_beside_stay_there_with_the_links_that_lead_to_them(world: BuildWorld, tmp_path: Path) -> None:
    def options(*words: str) -> str:
        world.program("export", "plan.json", "gitlab", "--sources", "sources")
        text = (world.folder / ".gitlab-ci.yml").read_text()
        return " ".join(word for word in words if f"{word} " in text.replace("'", " "))

    target = world.folder / "target.toml"
    target.rename(world.folder / "t9.toml")
    copy, beside = "--target ppcdeps-one/target.toml", "--target target.toml"
    target.symlink_to("t9.toml")
    assert options(copy, beside) == beside
    outside = tmp_path / "outside.toml"
    shutil.copyfile(target, outside)
    for to in (outside, world.folder / "t9.toml", f"../{world.folder.name}/t9.toml"):
        target.unlink()
        target.symlink_to(to)
        assert options(copy, beside) == copy


@pytest.mark.parametrize(("more", "is_packed"), [("more.txt", False), ("../q/more.txt", True)])
def test_constraints_travel_unless_all_that_they_include_lies_beside(
    world: BuildWorld, tmp_path: Path, more: str, is_packed: bool
) -> None:
    (tmp_path / "q").mkdir()
    (world.folder / more).write_text("bar==2.0\n")
    (world.folder / "pins.txt").write_text(f"-c {more}\nfoo==1.0\n")
    (world.folder / "work.toml").write_text(
        'name = "work"\ntitle = "Work"\nroots = ["one"]\nconstraints = "pins.txt"\n'
    )
    world.program("plan", "work.toml", *world.place, "-o", "work.json", code=1)
    world.program("export", "work.json", "make", "--sources", "sources")
    packed = world.folder / "ppcdeps-work" / "constraints.txt"
    assert packed.is_file() == is_packed
    if is_packed:
        assert packed.read_text().split() == ["bar==2.0", "foo==1.0"]
    named = "ppcdeps-work/workload.toml" if is_packed else "work.toml"
    assert f"--workload {named}" in (world.folder / "Makefile").read_text()


def test_an_export_that_fails_leaves_the_one_before(world: BuildWorld) -> None:
    there = world.folder / "there"
    there.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", there], check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        export = ("export", "plan.json", "make", "--sources", "sources", "-o", "there/Makefile")
        world.program(*export)
        before = files_in(there)
        world.make(Thing("one", version="2.0"))
        (world.folder / "recipes" / "one" / "README.md").write_bytes(bytes(64 * 1024))
        world.plan("one")
        filling = there / "filling"
        for room in range(0, 400 * 1024, 4096):
            with filling.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
                while stream.write(bytes(1024)):
                    continue
            os.truncate(filling, filling.stat().st_size - room)
            done = subprocess.run(
                world.program.command(*export),
                cwd=world.folder,
                env=world.program.environment(),
                capture_output=True,
                text=True,
            )
            filling.unlink()
            if done.returncode == 0:
                break
            assert (done.returncode, "no space left" in done.stderr) == (20, True), done.stderr
            assert files_in(there) == before
        assert room > 5 * 4096
        added = {"rendered/one/SOURCES/one-2.0.tar.gz", "recipes/one/README.md"}
        assert files_in(there).keys() - before.keys() == {f"ppcdeps-one/{one}" for one in added}
    finally:
        subprocess.run(["umount", there], check=True)


def files_in(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "options", [(), ("--on", "slurm"), ("--on", "ssh://no.invalid"), ("--on", "copr", "--project", "a/b")]
)
def test_a_plan_that_builds_nothing_asks_no_engine(world: BuildWorld, options: tuple[str, ...]) -> None:
    world.program("plan", "debian-12-base", *world.place, "-o", "none.json")
    run = world.program("build", "none.json", *world.place, *options)
    said = "debian-12-base on debian-12: there is nothing to build\n\nNo repository was written: nothing was built.\n"
    assert run.out == said


def test_a_pipeline_whose_plan_was_changed(world: BuildWorld) -> None:
    world.program("export", "plan.json", "make", "--sources", "sources", "-o", "there/Makefile")
    again = ("export", "there/ppcdeps-one/plan.json", "make", *world.place, "-o", "there/Makefile")
    assert "is the copy that travels with a pipeline; export the plan" in world.program(*again, code=2).fault
    world.program("export", "plan.json", "make", "--sources", "sources", "-o", "there/Makefile")
    step = ("--rendered", "there/ppcdeps-one/rendered", "--no-publish")
    assert "--until-closed plans anew and publishes" in refused(world, *step, "--until-closed", code=2)
    assert "give --on copr as well" in refused(world, "--project", "me/power", code=2)
    assert 'nothing to build on that is called "nowhere"' in refused(world, "--on", "nowhere", code=2)
    world.make(Thing("one"), Thing("two"))
    world.plan("one", "two")
    fault = world.program(*world.build_command("--work", "run", *step), code=3).fault
    assert "was rendered for another plan, or the plan was changed since; make it with `ppcdeps export" in fault
    fault = world.program(*world.build_command("--work", "run", "--rendered", "recipes"), code=3).fault
    assert "nothing was rendered in recipes: there is no rendered.json" in fault


def test_a_pipeline_in_another_folder_reads_the_repositories_that_the_target_names(world: BuildWorld) -> None:
    target = world.folder / "target.toml"
    target.write_text(target.read_text().replace(world.folder.as_uri() + "/", ""))
    assert '"reference' in target.read_text()
    world.plan("one")
    run = world.program("export", "plan.json", "slurm", "--sources", "sources", "-o", "there/submit.sh")
    said = "not in the exported folder, and read by the steps where they run"
    assert f"{said}: {world.folder}/reference" in run.err
    copy = "there/ppcdeps-one/target.toml"
    before, after = (world.program("plan", "one", "--target", each, "--json", code=1).out for each in (target, copy))
    assert json.loads(after)["gaps"] == json.loads(before)["gaps"]
