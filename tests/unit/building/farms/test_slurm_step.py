"""One build as a job of Slurm: what it is not built from, and what is said where it cannot begin."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ppcdeps.building.farms.slurm_records import RunRecords
from ppcdeps.building.farms.slurm_step import _SubmittedSources, write_failure
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.sources import RenderedBuild
from ppcdeps.building.run.tasks import Task
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.recipebook.book import rebuild_recipe

DIGEST = "ab" * 32
TASK = Task("one", "one", rebuild_recipe("one", ["one"]), "1.0")


@dataclass
class Sources:
    """Sources that are rendered with this digest."""

    digest: str

    def prepare(self, task: Task, folder: Path) -> RenderedBuild:
        return RenderedBuild(folder, "one.spec", "one", "1.0", (), self.digest, "")

    def build_requires(self, task: Task) -> tuple[str, ...]:
        return ("make",)


def test_sources_that_changed_since_a_build_was_submitted_are_refused(tmp_path: Path) -> None:
    same = _SubmittedSources(Sources("1"), "1")
    assert same.prepare(TASK, tmp_path).digest == "1"
    assert same.build_requires(TASK) == ("make",)
    with pytest.raises(ConfigError, match="the sources of one changed since it was submitted; run the same command"):
        _SubmittedSources(Sources("2"), "1").prepare(TASK, tmp_path)


def test_all_faults_of_a_plan_are_recorded_that_cannot_be_built_as_it_is(tmp_path: Path) -> None:
    records = RunRecords.of(tmp_path, DIGEST)
    records.begin(Path("plan.json"))
    error = ConfigError("the plan cannot be built", hint="plan again", faults=("one was changed", "two was changed"))
    assert write_failure(tmp_path, DIGEST, "one", error, 1.0) is ExitCode.BUILD_FAILED
    result = records.result("one")
    assert result is not None
    assert result.cause == FailureCause("the plan cannot be built: one was changed; two was changed", "plan again")
