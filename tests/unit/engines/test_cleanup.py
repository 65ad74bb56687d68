"""The register of what runs have on this machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mirror import PATIENCE
from reporters import Recorder

from ppcdeps.engines.cleanup import RunRegister, descendants_of, started_at, sweep
from ppcdeps.engines.engine import EngineFailedError
from ppcdeps.model.reporter import Silence


def abandoned_claim(home: Path, **changed: object) -> Path:
    """A claim as a dead process leaves it."""
    claim = RunRegister(home).claim("run")
    scratch = home / "scratch" / "run"
    claim.add("folder", scratch)
    (scratch / "deep").mkdir(parents=True)
    (scratch / "deep" / "file").write_text("x")
    file = home / "runs" / "run.json"
    entry = json.loads(file.read_text())
    file.write_text(json.dumps({**entry, **changed}))
    return scratch


def dead_process() -> tuple[int, str | None]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        return process.pid, started_at(process.pid)


def test_what_a_living_owner_has_is_not_touched(tmp_path: Path) -> None:
    scratch = abandoned_claim(tmp_path)
    assert sweep(tmp_path, Silence()) == ()
    assert scratch.is_dir()


def test_what_a_dead_owner_left_is_removed_and_reported(tmp_path: Path) -> None:
    pid, started = dead_process()
    scratch = abandoned_claim(tmp_path, pid=pid, started=started)
    removed = sweep(tmp_path, Silence())
    assert [(thing.kind, thing.name) for thing in removed] == [("folder", str(scratch))]
    assert not scratch.exists()
    assert sweep(tmp_path, Silence()) == ()


def test_one_name_is_one_run_at_a_time(tmp_path: Path) -> None:
    first = RunRegister(tmp_path).claim("run")
    with pytest.raises(EngineFailedError, match="a run named run is under way"):
        RunRegister(tmp_path).claim("run")
    first.finish()
    RunRegister(tmp_path).claim("run").finish()


def test_a_killed_run_makes_way_for_one_of_the_same_name(tmp_path: Path) -> None:
    pid, started = dead_process()
    scratch = abandoned_claim(tmp_path, pid=pid, started=started)
    RunRegister(tmp_path).claim("run").finish()
    assert not scratch.exists()


def test_a_number_that_is_used_again_is_no_living_owner(tmp_path: Path) -> None:
    scratch = abandoned_claim(tmp_path, pid=os.getpid(), started="1")
    assert len(sweep(tmp_path, Silence())) == 1
    assert not scratch.exists()


def test_after_a_boot_no_owner_lives(tmp_path: Path) -> None:
    scratch = abandoned_claim(tmp_path, boot="another")
    assert len(sweep(tmp_path, Silence())) == 1
    assert not scratch.exists()


def test_what_another_machine_has_in_the_same_home_is_not_touched(tmp_path: Path) -> None:
    scratch = abandoned_claim(tmp_path, boot="another", machine="another")
    assert sweep(tmp_path, Silence()) == ()
    assert scratch.is_dir()
    with pytest.raises(EngineFailedError, match="a run named run is under way"):
        RunRegister(tmp_path).claim("run")


def test_a_file_that_is_not_a_claim_is_forgotten(tmp_path: Path) -> None:
    RunRegister(tmp_path).claim("run").release()
    (tmp_path / "runs" / "odd.json").write_text("{")
    assert sweep(tmp_path, Silence()) == ()
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_cannot_be_removed_now_stays_recorded(tmp_path: Path) -> None:
    pid, started = dead_process()
    things = [{"kind": "container", "name": "c", "command": ["/no/such/podman"]}]
    abandoned_claim(tmp_path, pid=pid, started=started, things=things)
    reporter = Recorder()
    assert sweep(tmp_path, reporter) == ()
    assert "could not remove the container c of a run that was killed" in reporter.warnings[0]
    assert (tmp_path / "runs" / "run.json").exists()


def test_a_process_of_a_dead_owner_is_killed_with_those_below(tmp_path: Path) -> None:
    pid, started = dead_process()
    with subprocess.Popen(["sh", "-c", "sleep 600 & wait"]) as process:
        things = [{"kind": "process", "name": f"{process.pid}:{started_at(process.pid)}", "command": []}]
        abandoned_claim(tmp_path, pid=pid, started=started, things=things)
        until = time.monotonic() + PATIENCE
        while not (below := descendants_of(process.pid)):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert len(sweep(tmp_path, Silence())) == 1
        assert process.wait(PATIENCE) == -9
        # Killed too, and not waited for by this process.
        while any(started_at(one) for one in below):
            assert time.monotonic() < until
            time.sleep(0.01)
