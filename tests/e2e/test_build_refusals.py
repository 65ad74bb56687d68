"""What cannot be built is told in one line, with the documented exit code, and nothing is lost."""

import contextlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from buildworld import BuildWorld, Thing
from debianroots import beside, lacks
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import Buildroot

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
    assert "is a folder; name a file with --output" in fault(*export, "-o", "recipes", code=3)
    os.mkfifo(world.folder / "pipe")
    assert "pipe is a device or a pipe; name a file with --output" in fault(*export, "-o", "pipe", code=3)
    (world.folder / "ppcdeps-one" / "rendered").mkdir(parents=True)
    (world.folder / "ppcdeps-one" / "rendered" / "thesis").write_text("x")
    assert "holds what was not rendered by ppcdeps" in fault(*export, "-o", "new/../pipeline", code=3)
    (world.folder / "file").write_text("x")
    assert "cannot write " in fault(*export, "-o", "file/Makefile", code=3)
    assert "'ant' is not one of" in world.program("export", "plan.json", "ant", code=2).fault
    (world.folder / "sources" / "one-1.0.tar.gz").rename(world.folder / "elsewhere.tar.gz")
    assert "one-1.0.tar.gz" in fault(*export, "-o", "empty/Makefile", code=30)
    assert not list((world.folder / "empty").iterdir())
    assert not (world.folder / "pipeline").exists()


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
