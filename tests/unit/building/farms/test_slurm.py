"""What Slurm's programs say, in lines that Slurm 22.05.8 printed, and such as later versions print by their code."""

from pathlib import Path

import pytest

from ppcdeps.base.programs import ProgramResult
from ppcdeps.building.farms.slurm import (
    JobEnd,
    JobState,
    SlurmFullError,
    SlurmRefusesError,
    SlurmUnreachableError,
    _refusal,
    _seconds,
    end_of,
    states,
    submit,
)
from ppcdeps.model.exitcodes import ExitCode


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        (
            "sbatch: error: invalid partition specified: nope\n"
            "sbatch: error: Batch job submission failed: Invalid partition name specified\n",
            SlurmRefusesError,
            "invalid partition specified: nope",
        ),
        (
            "sbatch: error: Memory specification can not be satisfied\n"
            "sbatch: error: Batch job submission failed: Requested node configuration is not available\n",
            SlurmRefusesError,
            "Memory specification can not be satisfied",
        ),
        (
            "sbatch: error: Batch job submission failed: Invalid feature specification\n",
            SlurmRefusesError,
            "Invalid feature specification",
        ),
        ("sbatch: error: Invalid --time specification\n", SlurmRefusesError, "Invalid --time specification"),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n",
            SlurmUnreachableError,
            "Unable to contact slurm controller (connect failure)",
        ),
        (
            "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
            "accounting/QOS policy (job submit limit, user's size and/or time limits)\n",
            SlurmFullError,
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        ),
    ],
)
def test_a_refusal_is_the_users_slurms_or_passes(said: str, kind: type, told: str) -> None:
    error = _refusal(ProgramResult("sbatch", 1, b"", said.encode()))
    assert isinstance(error, kind)
    assert error.message.endswith(f": {told}")
    expected = ExitCode.USAGE if kind is SlurmRefusesError else ExitCode.ENVIRONMENT_LACKS
    assert error.exit_code is expected


@pytest.mark.parametrize(("text", "seconds"), [("00:00:02", 2), ("1-02:03:04", 93784), ("UNLIMITED", 0), ("", 0)])
def test_times_are_days_hours_minutes_and_seconds(text: str, seconds: float) -> None:
    assert _seconds(text) == seconds


def test_a_job_that_is_requeued_is_not_over() -> None:
    assert JobState("1", "PENDING", "BeginTime").is_active
    assert JobState("1", "REQUEUED").is_active
    assert not JobState("1", "NODE_FAIL").is_active


@pytest.mark.parametrize("state", ["EXPEDITING", "REQUEUE_HOLD", "SPECIAL_EXIT", "STOPPED", "OF_A_LATER_VERSION"])
def test_a_state_that_is_not_an_end_is_waited_for(state: str) -> None:
    assert JobState("1", state).is_active


@pytest.mark.parametrize(
    ("state", "reason", "is_by_node"),
    [
        ("NODE_FAIL", "NodeDown", True),
        ("BOOT_FAIL", "None", True),
        ("FAILED", "JobLaunchFailure", True),
        ("FAILED", "SystemFailure", True),
        ("FAILED", "NonZeroExitCode", False),
        ("FAILED", "RaisedSignal", False),
        ("OUT_OF_MEMORY", "OutOfMemory", False),
        ("TIMEOUT", "TimeLimit", False),
        ("DEADLINE", "DeadLine", False),
    ],
)
def test_a_node_is_at_fault_or_the_build(state: str, reason: str, is_by_node: bool) -> None:
    end = JobEnd(state, reason, "node1", 0, 0)
    assert end.is_by_node is is_by_node
    assert not end.is_active


@pytest.mark.parametrize("state", ["PENDING", "REQUEUE_HOLD"])
@pytest.mark.parametrize("reason", ["launch failed requeued held", "launch failure limit exceeded requeued held"])
def test_a_job_that_slurm_gives_up_to_start_is_held(state: str, reason: str) -> None:
    assert JobState("1", state, reason).is_held_unstarted
    assert not JobState("1", state, "JobHeldUser").is_held_unstarted


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first in PATH."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def write(program: Path, *lines: str) -> None:
    program.write_text("\n".join(("#!/bin/sh", *lines)))
    program.chmod(0o755)


def test_a_site_may_have_sbatch_greet_and_name_its_cluster(programs: Path) -> None:
    write(programs / "sbatch", "echo Welcome to 2 clusters", "echo '12;power'")
    assert submit("job.sh", (), {}, ()) == "12"
    write(programs / "sbatch", "echo Welcome to 2 clusters")
    with pytest.raises(SlurmRefusesError, match="does not say the number of the job: Welcome to 2 clusters"):
        submit("job.sh", (), {}, ())


def test_whatever_keeps_squeue_from_answering_is_waited_for(programs: Path) -> None:
    write(programs / "squeue", "echo 'slurm_load_jobs error: Protocol authentication error' >&2", "exit 1")
    with pytest.raises(SlurmUnreachableError, match="does not answer: Protocol authentication error"):
        states()


def test_jobs_of_a_cluster_with_arrays_and_a_state_of_its_own_are_read(programs: Path) -> None:
    lines = ("12_[3-9%2]|PENDING|JobArrayTaskLimit||(null)", "13|EXPEDITING|None||ppcdeps 1a one")
    write(programs / "squeue", *(f"echo '{line}'" for line in lines))
    found = states()
    assert found["13"] == JobState("13", "EXPEDITING", "None", "", "ppcdeps 1a one")
    assert found["12_[3-9%2]"].state == "PENDING"


def test_how_a_job_ended_is_read_whatever_else_is_said_of_it(programs: Path) -> None:
    write(
        programs / "scontrol",
        "echo 'JobId=13 JobName=one SLUID=sCMH0A1B2C3D4E UserId=u(1) GroupId=u(1) MCS_label=N/A Priority=1 Nice=0 "
        "Account=a QOS=normal JobState=NODE_FAIL Reason=NodeDown FailedNode=node7 Dependency=(null) Requeue=1 "
        "Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:9 DerivedExitCode=0:0 RunTime=1-00:00:05 TimeLimit=UNLIMITED "
        "TimeMin=N/A NodeList=node7 BatchHost=node7 Comment=ppcdeps 1a one WorkDir=/tmp/a JobState=COMPLETED b'",
    )
    end = end_of("13")
    assert end == JobEnd("NODE_FAIL", "NodeDown", "node7", 0, 9, "UNLIMITED", 86405.0)


@pytest.mark.parametrize(
    ("line", "state", "code", "signal"),
    [
        ("CANCELLED by 1000|0:15|node1|01:00:00", "CANCELLED", 0, 15),
        ("OUT_OF_MEMORY|0:125|node1|Partition_Limit", "OUT_OF_MEMORY", 0, 125),
        ("DEADLINE|0:1|None assigned|00:30:00", "DEADLINE", 0, 1),
    ],
)
def test_the_accounting_says_it_where_the_controller_forgot(
    programs: Path, line: str, state: str, code: int, signal: int
) -> None:
    write(programs / "scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2", "exit 1")
    write(programs / "sacct", f"echo '{line}'")
    end = end_of("13")
    assert end is not None
    assert (end.state, end.code, end.signal) == (state, code, signal)
    write(programs / "sacct", "echo 'Slurm accounting storage is disabled' >&2", "exit 1")
    assert end_of("13") is None
