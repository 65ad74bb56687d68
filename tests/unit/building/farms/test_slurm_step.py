"""One build as a job of Slurm: what is recorded where it cannot begin."""

from pathlib import Path

from ppcdeps.building.farms.slurm_records import RunRecords
from ppcdeps.building.farms.slurm_step import write_failure
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.exitcodes import ExitCode

DIGEST = "ab" * 32


def test_all_faults_of_a_plan_are_recorded_that_cannot_be_built_as_it_is(tmp_path: Path) -> None:
    records = RunRecords.of(tmp_path, DIGEST)
    records.begin(Path("plan.json"))
    error = ConfigError("the plan cannot be built", hint="plan again", faults=("one was changed", "two was changed"))
    assert write_failure(tmp_path, DIGEST, "one", error, 1.0) is ExitCode.BUILD_FAILED
    result = records.result("one")
    assert result is not None
    assert result.cause == FailureCause("the plan cannot be built: one was changed; two was changed", "plan again")
