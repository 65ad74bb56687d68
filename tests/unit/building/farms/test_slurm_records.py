"""The records of builds on Slurm: whole, cut off, and those of others."""

from pathlib import Path

from ppcdeps.building.farms.slurm_records import RunRecords, StepResult, SubmittedJob
from ppcdeps.building.run.events import BuildOutcome
from ppcdeps.building.run.failures import FailureCause

DIGEST = "ab" * 32


def test_records_are_read_as_it_was_recorded(tmp_path: Path) -> None:
    records = RunRecords.of(tmp_path, DIGEST)
    assert records.is_finished
    records.begin(Path("plan.json"))
    records.submit("one (with bootstrap)", SubmittedJob("7", "ab", "cd", 1.0))
    records.submit("one (with bootstrap)", SubmittedJob("9", "ef", "cd", 2.0))
    found = RunRecords.of(tmp_path, DIGEST)
    assert (found.id, found.is_finished) == (records.id, False)
    assert found.jobs == {"one (with bootstrap)": SubmittedJob("9", "ef", "cd", 2.0)}
    assert [each.id for each in RunRecords.others(tmp_path, "cd" * 32)] == [records.id]
    records.finish(3.0)
    assert RunRecords.of(tmp_path, DIGEST).is_finished
    assert not list(RunRecords.others(tmp_path, "cd" * 32))


def test_what_a_killed_submitter_wrote_half_is_passed_over(tmp_path: Path) -> None:
    records = RunRecords.of(tmp_path, DIGEST)
    records.begin(Path("plan.json"))
    records.submit("one", SubmittedJob("1", "ab", "cd", 1.0))
    record = records.folder / "jobs.jsonl"
    record.write_text(record.read_text()[:-9])
    found = RunRecords.of(tmp_path, DIGEST)
    assert found.jobs == {}
    job = SubmittedJob("2", "ab", "cd", 2.0)
    found.submit("two", job)
    assert RunRecords.of(tmp_path, DIGEST).jobs == {"two": job}


def test_a_job_that_an_older_ppcdeps_recorded_is_known_by_its_number(tmp_path: Path) -> None:
    records = RunRecords.of(tmp_path, DIGEST)
    records.begin(Path("plan.json"))
    with (records.folder / "jobs.jsonl").open("a") as record:
        record.write('{"task": "one", "job": "7", "submitted": 1.0}\n')
    assert RunRecords.of(tmp_path, DIGEST).jobs == {"one": SubmittedJob("7", "", "", 1.0)}


def test_a_result_is_what_was_put(tmp_path: Path) -> None:
    records = RunRecords.of(tmp_path, DIGEST)
    records.begin(Path("plan.json"))
    cause = FailureCause("the disk is full", "free some", by_machine=True)
    result = StepResult("a (with b)", "3", BuildOutcome.FAILED, "node1", 1.0, 2.0, cause=cause, tail=("x",))
    records.put(result)
    assert records.result("a (with b)") == result
    assert records.result("other") is None
    records.forget("a (with b)")
    assert records.result("a (with b)") is None
    records.put(result)
    records.begin(Path("plan.json"))
    assert records.result("a (with b)") is None
