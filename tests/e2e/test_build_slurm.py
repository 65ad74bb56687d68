"""Builds on a real Slurm with two nodes on this machine: their order, what goes wrong, and that it goes on."""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from buildworld import BuildWorld, Thing, bad
from debianroots import beside, emulates
from debianroots import lacks as lacks_roots
from mirror import PATIENCE
from program import Program, Run
from slurmcluster import SlurmCluster, wait_for

from ppcdeps.base.cache import Cache
from ppcdeps.building.farms.slurm_records import MemoryPeaks
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.engines.job import Buildroot

REASON = lacks_roots()
# A build that says so and goes on once `held` is removed where it runs, or after five minutes, for nobody.
HELD = "touch held; echo now; for try in `seq 3000`; do [ -e held ] || break; sleep 0.1; done"
SPEC = """\
Name: hello
Version: 1.0
Release: 1
Summary: A test
License: MIT
Source0: hello.txt
%description
A test.
%install
install -D -m 644 %{SOURCE0} %{buildroot}/usr/share/hello/hello.txt
%files
/usr/share/hello
"""
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON or "-")


@pytest.fixture
def world(
    tmp_path: Path, cluster: SlurmCluster, debian_cache: Cache, debian_cross_root: Buildroot, debian_root: Buildroot
) -> Iterator[BuildWorld]:
    cache = beside(debian_cache, tmp_path / "cache")
    folder = tmp_path / "world"
    folder.mkdir()
    program = Program(folder, {"PPCDEPS_CACHE": str(cache), "PATH": cluster.path}, patience=600)
    yield BuildWorld(program, debian_cross_root.path.parent / "repository")
    # What a test that failed left would be in the way of the next one.
    cluster("scancel", "--me")


def build(world: BuildWorld, *options: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """The results of a build by name."""
    return results_of(world.program(*command(world, *options), "--json", code=code))


def command(world: BuildWorld, *options: str, work: str = "run") -> tuple[str, ...]:
    place = ("--repository", "repository", "--work", work)
    return world.build_command("--on", "slurm", "--engine", "bwrap", *place, *options)


def results_of(run: Run) -> dict[str, dict[str, Any]]:
    return {result["name"]: result for result in json.loads(run.out)["results"]}


def outcomes(results: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: result["outcome"] for name, result in results.items()}


@contextlib.contextmanager
def started(
    world: BuildWorld, *options: str, work: str = "run", output: str = "output"
) -> "Iterator[subprocess.Popen[bytes]]":
    """A build in the background, which ends with the test."""
    with (world.folder / output).open("wb") as stream:
        process = subprocess.Popen(
            world.program.command(*command(world, *options, work=work)),
            cwd=world.folder,
            env=world.program.environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


def said(world: BuildWorld, output: str = "output") -> str:
    return (world.folder / output).read_text()


def log_says(world: BuildWorld, name: str, words: str) -> bool:
    log = world.folder / "run" / "logs" / f"{name}.log"
    return log.exists() and words in log.read_text(errors="replace")


def wait_for_held(world: BuildWorld, name: str, *others: str) -> None:
    """Wait until a build is held, and the jobs of others are submitted."""

    def is_held() -> bool:
        submitted = "\n".join(re.findall("submitted to Slurm: (.*)", said(world)))
        return log_says(world, name, "\nnow") and all(other in submitted for other in others)

    wait_for(is_held, lambda: said(world))


def release(cluster: SlurmCluster) -> None:
    """Have builds that are held on the nodes go on."""
    for node in cluster.folder.glob("tmp-*"):
        # What a job works in comes and goes meanwhile: os.walk passes over it.
        for place, _, files in os.walk(node):
            if "held" in files:
                Path(place, "held").unlink(missing_ok=True)


def end_of(process: "subprocess.Popen[bytes]", world: BuildWorld, cluster: SlurmCluster) -> int:
    """The exit code of a build in the background whose jobs are held no longer, also where they begin anew."""

    def has_ended() -> bool:
        release(cluster)
        return process.poll() is not None

    wait_for(has_ended, lambda: said(world))
    return process.returncode


def newest(cluster: SlurmCluster, name: str) -> tuple[str, dict[str, str]]:
    """The newest job that builds something of that name, and what Slurm says of it."""
    jobs = [each for each in cluster.jobs().items() if each[1]["name"].startswith(f"ppcdeps-{name}-")]
    return max(jobs, key=lambda each: int(each[0]))


def number_of(cluster: SlurmCluster, name: str) -> str:
    return newest(cluster, name)[0]


def job_of(cluster: SlurmCluster, name: str) -> dict[str, str]:
    return newest(cluster, name)[1]


@contextlib.contextmanager
def waiting(cluster: SlurmCluster) -> Iterator[None]:
    """Have jobs wait."""
    cluster("scontrol", "update", "PartitionName=all", "State=DOWN")
    try:
        yield
    finally:
        cluster("scontrol", "update", "PartitionName=all", "State=UP")


def changed_states(world: BuildWorld, cluster: SlurmCluster) -> Path:
    """A file with the state that `scontrol` gives for CANCELLED from now on."""
    (world.folder / "bin").mkdir()
    scontrol, state = world.folder / "bin" / "scontrol", world.folder / "state"
    scontrol.write_text(
        f'#!/bin/sh\n{cluster.folder}/bin/scontrol "$@" | sed "s/JobState=CANCELLED/JobState=$(cat {state})/"\n'
    )
    scontrol.chmod(0o755)
    path = f"{scontrol.parent}:{cluster.path}"
    world.program = replace(world.program, variables={**world.program.variables, "PATH": path})
    return state


def published(world: BuildWorld) -> list[str]:
    manifest = read_manifest(world.folder / "repository")
    return [] if manifest is None else [package.nevra.rsplit("-", 2)[0] for package in manifest.packages]


def test_builds_run_on_both_nodes_in_their_order_and_once(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(Thing("first"), Thing("other"), Thing("second", needs=("first",)))
    recipe = world.folder / "recipes" / "second" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[build]\n", '[build]\nmemory = "1G"\n'))
    target = world.folder / "target.toml"
    target.write_text(f'{target.read_text()}\n[slurm]\npartition = "all"\ntime = "1:00:00"\n')
    world.plan("first", "other", "second")
    results = build(world, "--slurm", "time=20")
    assert set(outcomes(results).values()) == {"built"}
    assert {results["first"]["job"]["node"], results["other"]["job"]["node"]} == {"node1", "node2"}
    starts = {name: job_of(cluster, name)["start"] for name in results}
    assert starts["second"] > max(starts["first"], starts["other"])
    shown = cluster("scontrol", "show", "job", results["second"]["job"]["id"])
    assert "TimeLimit=00:20:00" in shown
    assert "MinMemoryNode=1.50G" in shown
    assert published(world) == ["first", "other", "second"]
    before = cluster.jobs()
    assert set(outcomes(build(world)).values()) == {"unchanged"}
    assert cluster.jobs() == before


def test_a_job_requests_the_memory_that_builds_took_before(world: BuildWorld, cluster: SlurmCluster) -> None:
    def requested(job: str) -> str:
        (memory,) = re.findall(r"MinMemory(?:Node|CPU)=(\S+)", cluster("scontrol", "show", "job", job))
        return str(memory)

    world.make(Thing("one"))
    world.plan("one")
    first = build(world)["one"]["job"]
    assert requested(first["id"]) == "1000M"  # the default of this Slurm
    world.make(Thing("one", version="2.0"))
    world.plan("one")
    # What users set for themselves is not to hide jobs, or to have sbatch wait.
    own = replace(world.program, variables={**world.program.variables, "SQUEUE_STATES": "FAILED", "SBATCH_WAIT": "1"})
    second = results_of(own(*command(world, "--json")))["one"]["job"]
    assert requested(second["id"]) == f"{math.ceil(1.5 * first['memory'] / (1 << 20)) + 512}M"
    # More than any node has: then as if nothing was known.
    MemoryPeaks(Cache.open(Path(world.program.environment()["PPCDEPS_CACHE"])), "debian-12").add("one", 1 << 40)
    world.make(Thing("one", version="3.0"))
    world.plan("one")
    assert requested(build(world)["one"]["job"]["id"]) == "1000M"


def test_nodes_build_from_a_lock_and_take_no_build_that_was_made_without_one(
    world: BuildWorld, cluster: SlurmCluster
) -> None:
    world.make(Thing("one"), Thing("second", needs=("one",)))
    world.plan("one", "second")
    first = build(world)
    world.program("lock", "plan.json", *world.place, "--sources", "sources", "--repository", "repository")
    # The roots are those that all tests share.
    fetched = ("fetch", "ppcdeps.lock", "--to", "files", "--sources", "sources", "--no-buildroots")
    world.program(*fetched, "--target", "target.toml")
    for path in (world.folder / "sources").iterdir():
        path.unlink()
    jobs = len(cluster.jobs())
    run = world.program(*command(world, "--locked", "files/ppcdeps.lock", "--json"))
    assert len(cluster.jobs()) == jobs + 2
    document = json.loads(run.out)
    assert {one["nevra"]: one["is_same"] for one in document["reproduced"]} == {
        package: True for result in first.values() for package in result["packages"]
    }
    (script,) = (world.folder / "run" / "slurm").glob("*/job.sh")
    assert f"--locked {world.folder / 'files' / 'ppcdeps.lock'} " in script.read_text()
    run = world.program(*command(world, "--locked", "files/ppcdeps.lock", "--json"))
    assert set(outcomes(results_of(run)).values()) == {"unchanged"}


def test_a_node_of_another_architecture_runs_its_own_ppcdeps(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(Thing("one"))
    world.plan("one")
    world.program(*command(world, "--slurm", "partition=gpu"), code=2)
    (script,) = (world.folder / "run" / "slurm").glob("*/job.sh")
    programs = world.folder / "programs"
    programs.mkdir()

    def run(**texts: str) -> str:
        for name, text in texts.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        variables = {"PATH": f"{programs}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "power1"}
        subprocess.run(["sh", script, "one (with it)", "abc"], env=variables, check=False, timeout=PATIENCE)
        return (script.parent / "output" / "7").read_text()

    assert run(uname="echo ppc64le") == "ppcdeps is not installed on power1, or not in its PATH\n"
    said = run(ppcdeps='printf "%s\\n" "$PPCDEPS_CACHE" "$@"').splitlines()
    assert said[:2] == [world.program.environment()["PPCDEPS_CACHE"], "build"]
    assert said[-5:] == ["--step", "one (with it)", "abc", "--", str(world.folder / "plan.json")]


def test_a_failed_and_a_cancelled_build_take_along_only_what_needs_them(
    world: BuildWorld, cluster: SlurmCluster
) -> None:
    world.make(
        bad("broken", "false"),
        bad("slow", HELD),
        Thing("after", needs=("broken",)),
        Thing("later", needs=("slow",)),
        Thing("good"),
    )
    world.plan("broken", "slow", "after", "later", "good")
    with started(world) as process:
        wait_for_held(world, "slow", "later")
        job = number_of(cluster, "slow")
        cluster("scancel", job)
        assert process.wait(PATIENCE) == 10, said(world)
    assert re.search(rf"slow: failed after \d+ s on node[12]: its job {job} was cancelled", said(world)), said(world)
    assert re.search(r"broken: failed after \d+ s on node[12]: its %build failed", said(world)), said(world)
    assert "| make: *** [Makefile:3: bad] Error 1" in said(world)
    assert "after: skipped: it needs broken, which was not built" in said(world)
    assert "later: skipped: it needs slow, which was not built" in said(world)
    assert published(world) == ["good"]
    # Slurm itself had them wait, and cancelled them: that needs nobody who looks.
    for name in ("after", "later"):
        job_state = job_of(cluster, name)
        assert (job_state["state"], job_state["reason"]) == ("CANCELLED", "DependencyNeverSatisfied")


def test_a_build_whose_node_is_lost_runs_on_another(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("slow", HELD))
    world.plan("slow")
    with started(world) as process:
        wait_for_held(world, "slow")
        node = job_of(cluster, "slow")["node"]
        cluster.kill(node)
        try:
            wait_for(lambda: job_of(cluster, "slow")["state"] == "PENDING", cluster.log)
            # Slurm waits two minutes before it starts a job again.
            cluster("scontrol", "update", f"JobId={number_of(cluster, 'slow')}", "StartTime=now")
            assert end_of(process, world, cluster) == 0, said(world)
        finally:
            cluster.start_node(node)
            cluster.wait()
    assert published(world) == ["slow"]
    (other,) = {"node1", "node2"} - {node}
    assert "slow: built in" in said(world)
    assert f"on {other}: slow-1.0" in said(world)


def test_a_build_goes_to_another_node_where_the_disk_of_one_is_full(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("big", "dd if=/dev/zero of=filler bs=1M count=60 && rm filler"), Thing("after", needs=("big",)))
    world.plan("big", "after")
    with cluster.mounted("node1", cluster.folder / "tmp-node1", "40m"):
        run = world.program(*command(world))
    assert "big: job" in run.err
    assert "tried again elsewhere" in run.err
    assert published(world) == ["after", "big"]


def test_a_build_goes_to_another_node_where_one_does_not_start_jobs_or_store_builds(
    world: BuildWorld, cluster: SlurmCluster
) -> None:
    world.make(Thing("one"), Thing("after", needs=("one",)))
    world.plan("one", "after")
    with cluster.unable("node1"):
        run = world.program(*command(world))
    assert re.search(r"one: its job \d+ could not be started \(launch failed requeued held\); tried again", run.err)
    assert published(world) == ["after", "one"]
    world.make(Thing("one", version="2.0"))
    world.plan("one")
    (store,) = Path(world.program.environment()["PPCDEPS_CACHE"]).glob("v*/builds")
    with cluster.read_only("node1", store):
        run = world.program(*command(world))
    assert re.search(r"one: job \d+ on node1: .*: Read-only file system; tried again elsewhere", run.err), run.err
    assert "on node2: one-2.0" in run.err


def test_a_job_that_is_preempted_or_lacks_what_builds_took_before_runs_again(
    world: BuildWorld, cluster: SlurmCluster
) -> None:
    """The jobs are cancelled, and only what `scontrol` says of it is made up: this Slurm cannot do either."""
    world.make(bad("slow", HELD))
    world.plan("slow")
    MemoryPeaks(Cache.open(Path(world.program.environment()["PPCDEPS_CACHE"])), "debian-12").add("slow", 1)
    state = changed_states(world, cluster)
    with started(world) as process:
        memory = []
        wait_for(lambda: "submitted" in said(world), lambda: said(world))
        for name, told in (
            ("OUT_OF_MEMORY", "tried again with Slurm's default"),
            ("PREEMPTED", "was preempted; tried"),
            ("BOOT_FAIL", "(BOOT_FAIL); tried again elsewhere"),
        ):
            state.write_text(name)
            wait_for(lambda: job_of(cluster, "slow")["state"] == "RUNNING", lambda: said(world))
            job = number_of(cluster, "slow")
            memory += re.findall(r"MinMemory\w+=(\S+)", cluster("scontrol", "show", "job", job))
            cluster("scancel", job)
            wait_for(lambda told=told: told in said(world), lambda: said(world))  # type: ignore[misc]
        assert end_of(process, world, cluster) == 0, said(world)
    assert memory == ["513M", "1000M", "1000M"]
    assert published(world) == ["slow"]


def test_a_job_that_slurm_will_not_end_well_again_is_a_failure(world: BuildWorld, cluster: SlurmCluster) -> None:
    """Made up as above."""
    names = {"late": ("DEADLINE", "could not end before its deadline"), "away": ("REVOKED", "by another cluster of")}
    world.make(*(bad(name, HELD) for name in names))
    world.plan(*names)
    state = changed_states(world, cluster)
    with started(world) as process:
        for name, (said_by_slurm, told) in names.items():
            state.write_text(said_by_slurm)
            wait_for_held(world, name)
            cluster("scancel", number_of(cluster, name))
            wait_for(lambda told=told: told in said(world), lambda: said(world))  # type: ignore[misc]
        assert process.wait(PATIENCE) == 10, said(world)
    assert "tried again" not in said(world)


def test_what_an_administrator_does_is_said_and_followed(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("slow", HELD), Thing("after", needs=("slow",)))
    world.plan("slow", "after")
    with started(world) as process:
        wait_for_held(world, "slow", "after")
        slow, after = (number_of(cluster, name) for name in ("slow", "after"))
        cluster("scontrol", "suspend", slow)
        wait_for(lambda: f"slow: job {slow} is suspended" in said(world), lambda: said(world))
        cluster("scontrol", "resume", slow)
        cluster("scontrol", "hold", after)
        wait_for(lambda: f"after: job {after} waits: JobHeld" in said(world), lambda: said(world))
        cluster("scontrol", "requeue", slow)
        wait_for(lambda: f"slow: job {slow} was put back into the queue (BeginTime)" in said(world), cluster.log)
        cluster("scontrol", "update", f"JobId={slow}", "StartTime=now")
        cluster("scontrol", "update", "PartitionName=all", "State=DRAIN")
        try:
            cluster("scontrol", "release", after)
            assert end_of(process, world, cluster) == 0, said(world)
        finally:
            cluster("scontrol", "update", "PartitionName=all", "State=UP")
    assert published(world) == ["after", "slow"]


def test_jobs_are_named_where_the_folder_of_their_run_was_removed(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("slow", HELD))
    world.plan("slow")
    with started(world) as process:
        wait_for_held(world, "slow")
        shutil.rmtree(world.folder / "run")
        assert process.wait(PATIENCE) == 20, said(world)
    fault = said(world).splitlines()[-1]
    assert "cannot be read: No such file or directory; end its jobs with `scancel " in fault
    cluster(*re.findall(r"`(.*)`", fault)[0].split()[:2])


def test_a_build_whose_result_is_cut_off_is_found_by_another_job(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(Thing("one"))
    world.plan("one")
    with started(world) as process:
        wait_for(lambda: "submitted" in said(world), lambda: said(world))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    job = number_of(cluster, "one")
    wait_for(lambda: job_of(cluster, "one")["state"] == "COMPLETED", cluster.log)
    (result,) = (world.folder / "run" / "slurm").glob("*/results/one.json")
    result.write_text(result.read_text()[:40])
    run = world.program("build", "--resume")
    assert f"one: its job {job} ended well, and left no result that can be read; tried again" in run.err
    assert published(world) == ["one"]


@pytest.mark.skipif(not emulates(), reason="programs of ppc64le do not run here")
def test_until_closed_submits_what_is_left_of_the_plan_made_again(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.buildroot = "debian-12"
    slow = bad("slow", HELD)
    world.make(bad("broken", "false"), slow)
    world.plan("broken", "slow")
    # On one node, one after the other.
    options = ("--until-closed", "--buildroot", "debian-12-cross", "--slurm", "nodelist=node1")
    with started(world, *options) as process:
        # By then its job has read its recipe.
        wait_for_held(world, "slow")
        world.make(Thing("broken"), slow)
        assert end_of(process, world, cluster) == 0, said(world)
    assert "what is left takes 1 more build: run/plan-2.json" in said(world)
    assert "Gaps: 2 closed, 0 remain, 0 new" in said(world)
    assert published(world) == ["broken", "slow"]


def test_a_submitter_that_is_killed_is_followed_by_the_same_command(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("slow", HELD), Thing("after", needs=("slow",)))
    world.plan("slow", "after")
    with started(world) as process:
        wait_for_held(world, "slow", "after")
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    before = set(cluster.jobs())
    (record,) = (world.folder / "run" / "slurm").glob("*/jobs.jsonl")
    # As if it had been killed while it recorded the last job.
    record.write_text(record.read_text()[:-20])
    release(cluster)
    run = world.program("build", "--attach", "--work", "run")
    assert "picking up 2 jobs" in run.err
    assert set(cluster.jobs()) == before
    assert published(world) == ["after", "slow"]
    assert "unchanged" not in run.err


def plan_own_spec(world: BuildWorld) -> Path:
    """Plan a spec of the user's own. Returns the file that it is built from, which says "one"."""
    world.make(Thing("other"))
    target = world.folder / "target.toml"
    # Specs of one's own are evaluated by macros, which are those of EL.
    target.write_text(target.read_text().replace("platform:debian12", "platform:el9"))
    (world.folder / "hello.spec").write_text(SPEC)
    source = world.folder / "hello.txt"
    source.write_text("one\n")
    world.program("plan", "hello.spec", *world.place, "-o", "plan.json", code=1)
    return source


def test_a_build_whose_sources_changed_since_it_was_submitted_fails_and_is_not_taken_for_another(
    world: BuildWorld, cluster: SlurmCluster
) -> None:
    source = plan_own_spec(world)
    with waiting(cluster), started(world) as process:
        wait_for(lambda: "submitted" in said(world), lambda: said(world))
        source.write_text("two\n")
        cluster("scontrol", "update", "PartitionName=all", "State=UP")
        assert process.wait(PATIENCE) == 10, said(world)
    assert "the sources of hello changed since it was submitted" in said(world)
    assert "run the same command again" in said(world)
    source.write_text("one\n")
    assert outcomes(build(world)) == {"hello": "built"}


def test_a_job_whose_sources_cannot_be_read_goes_on_and_is_followed_once_they_can(
    world: BuildWorld, cluster: SlurmCluster
) -> None:
    source = plan_own_spec(world)
    with waiting(cluster):
        with started(world) as process:
            wait_for(lambda: "submitted" in said(world), lambda: said(world))
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        job = number_of(cluster, "hello")
        source.rename(world.folder / "elsewhere")
        run = world.program(*command(world), code=3)
        assert f"hello: job {job} may be of other sources" in run.err
        assert f"1 job goes on in Slurm; end with `scancel {job}`" in run.err
        assert job_of(cluster, "hello")["state"] == "PENDING"
        (world.folder / "elsewhere").rename(source)
    result = build(world)["hello"]
    assert (result["outcome"], result["job"]["id"]) == ("built", job)


def test_jobs_that_were_submitted_with_other_options_are_cancelled_and_submitted_again(
    world: BuildWorld, cluster: SlurmCluster
) -> None:
    world.make(Thing("one", check="touch checked"), Thing("after", needs=("one",)))
    world.plan("one", "after")

    def submitted(*options: str, output: str) -> tuple[str, str]:
        """The jobs that a submitter leaves behind that is killed."""
        with started(world, *options, output=output) as process:
            wait_for(lambda: "submitted to Slurm: one, after" in said(world, output), lambda: said(world, output))
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        return number_of(cluster, "one"), number_of(cluster, "after")

    with waiting(cluster):
        unchecked = submitted("--no-check", output="first")
        checked = submitted(output="second")
        limited = submitted("--timeout", "60", output="third")
    for jobs, output in ((unchecked, "second"), (checked, "third")):
        cancelled = f"cancelled, and submitted again: one, after (job {jobs[0]} to {jobs[1]})"
        assert f"submitted with other options or sources, {cancelled}" in said(world, output)
        assert {cluster.jobs()[job]["state"] for job in jobs} == {"CANCELLED"}
    run = world.program(*command(world, "--timeout", "60"))
    assert "picking up 2 jobs" in run.err
    assert (number_of(cluster, "one"), number_of(cluster, "after")) == limited
    assert published(world) == ["after", "one"]
    # With %check, as the builds that count were submitted.
    assert set(outcomes(build(world)).values()) == {"unchanged"}


def test_a_job_that_runs_with_other_limits_goes_on_and_is_named(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("slow", HELD), Thing("after", needs=("slow",)))
    world.plan("slow", "after")
    with started(world) as process:
        wait_for_held(world, "slow", "after")
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    slow, after = (number_of(cluster, name) for name in ("slow", "after"))
    with started(world, "--timeout", "60", output="second") as process:
        wait_for(lambda: "submitted to Slurm: after" in said(world, "second"), lambda: said(world, "second"))
        assert end_of(process, world, cluster) == 0, said(world, "second")
    told = said(world, "second")
    assert "picking up 1 job submitted before" in told
    assert f"slow: job {slow} runs with the limits and options that it was submitted with" in told
    assert f"end it with `scancel {slow}`, and build again" in told
    assert f"cancelled, and submitted again: after (job {after})" in told
    assert published(world) == ["after", "slow"]


def test_two_submitters_build_each_once(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("one", "sleep 2"), Thing("after", needs=("one",)))
    world.plan("one", "after")
    with started(world, work="run-2", output="second") as process:
        results = build(world)
        assert process.wait(PATIENCE) == 0, said(world, "second")
    others = said(world, "second")
    for name, result in results.items():
        mine, theirs = result["outcome"] == "built", f"{name}: built" in others
        assert mine != theirs, others


def test_who_comes_second_to_a_folder_is_refused(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("slow", HELD))
    world.plan("slow")
    with started(world) as process:
        wait_for_held(world, "slow")
        assert "another ppcdeps builds in run" in world.program(*command(world), code=2).fault
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    (words,) = re.findall(r"1 job goes on in Slurm; end with `(scancel \d+)`", said(world))
    world.make(Thing("slow", version="2.0"))
    world.plan("slow")
    fault = world.program(*command(world), code=2).fault
    assert f"1 job of another plan goes on in run; wait, end with `{words}`, or name" in fault
    cluster(*words.split())
    wait_for(lambda: job_of(cluster, "slow")["state"] == "CANCELLED", cluster.log)


def test_what_slurm_does_not_have_is_one_line(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(Thing("one"))
    world.plan("one")
    fault = world.program(*command(world, "--slurm", "partition=gpu"), code=2).fault
    assert "Slurm refuses the job: invalid partition specified: gpu; give what it has with --slurm" in fault
    fault = world.program(*command(world, "--memory", "9G"), code=2).fault
    assert "Memory specification can not be satisfied" in fault
    locally = world.build_command("--slurm", "partition=all")
    assert "give --on slurm as well" in world.program(*locally, code=2).err
    assert 'called "slurmy"; --on takes slurm' in world.program(*world.build_command("--on", "slurmy"), code=2).fault
    fault = world.program(*command(world), code=2, SLURM_CLUSTERS="power").fault
    assert "SLURM_CLUSTERS is set, and ppcdeps uses the Slurm that this machine belongs to; unset" in fault
    assert "is not NAME=VALUE" in world.program(*command(world, "--slurm", "wrap=rm"), code=2).err
    fault = world.program(*command(world), code=20, PATH="/usr/bin:/bin").fault
    assert "squeue is not installed, and builds are run by Slurm; install Slurm's programs" in fault
    assert published(world) == []


def test_a_cache_that_nodes_do_not_see_is_one_line(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(Thing("one"), Thing("two"))
    world.plan("one", "two")
    cache = Path(world.program.environment()["PPCDEPS_CACHE"])
    with cluster.mounted("node1", cache.parent, "1m"), cluster.mounted("node2", cache.parent, "1m"):
        fault = world.program(*command(world), code=20).err.splitlines()[-1]
    assert f"does not see {world.folder / 'run'} and {cache}; both are to be on a file system that" in fault


def test_a_store_that_nodes_do_not_see_is_a_failure_that_names_it(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(Thing("one"), Thing("two", needs=("one",)))
    world.plan("two")
    store = world.folder / "apart" / "store"
    with cluster.mounted("node1", store.parent, "50m"), cluster.mounted("node2", store.parent, "50m"):
        run = world.program(*command(world, "--store", "apart/store"), code=10)
    assert "built it, and this machine does not find it in apart/store" in run.out
    assert "it is to be on a file system that this machine and all nodes have: name another with --store" in run.out
    assert published(world) == []


def test_what_runs_goes_on_without_the_controller(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(bad("slow", HELD))
    world.plan("slow")
    with started(world) as process:
        wait_for_held(world, "slow")
        cluster.kill("slurmctld")
        try:
            wait_for(lambda: "controller does not answer" in said(world), lambda: said(world))
            assert "Slurm's controller does not answer" in world.program(*command(world, work="other"), code=20).fault
            release(cluster)
        finally:
            cluster.start_controller()
            cluster.wait()
        assert process.wait(PATIENCE) == 0, said(world)
    assert published(world) == ["slow"]


def test_the_exported_script_builds_publishes_and_verifies(world: BuildWorld, cluster: SlurmCluster) -> None:
    world.make(Thing("one"), Thing("two", needs=("one",)))
    world.plan("two")
    options = ("--sources", "sources", "--engine", "bwrap", "--no-install")
    world.program("export", "plan.json", "slurm", *world.place, *options)
    work = world.folder / "ppcdeps-two" / "work"
    jobs = cluster.run_script(world.folder, world.program.environment(), work)
    assert list(jobs) == ["build-one", "build-two", "publish", "verify"]
    manifest = read_manifest(world.folder / "repository-two")
    assert manifest is not None
    assert len(manifest.packages) == 2
    assert ", 0 remain, 0 new" in (work / "verify.out").read_text()
