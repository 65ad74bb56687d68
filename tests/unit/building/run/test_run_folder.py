"""The folder of a run."""

import subprocess
import sys
from pathlib import Path

import pytest

from ppcdeps.building.run.events import BuildOutcome, TaskResult
from ppcdeps.building.run.run_folder import open_run_folder, read_state
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.model.errors import ConfigError, UsageError


def test_a_run_that_was_killed_is_not_over(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ppcdeps.building.run.run_folder import open_run_folder\n"
        "with open_run_folder(Path(sys.argv[1])) as session:\n"
        "    session.begin(Path('plan.json'), '0', ['-j', '2'])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "run"], check=False)
    assert done.returncode == -9
    state = read_state(tmp_path / "run")
    assert state is not None
    assert state.finished is None
    assert state.arguments == ("-j", "2")
    with open_run_folder(tmp_path / "run") as session:  # and its lock died with it
        session.begin(Path("plan.json"), "0", [])
        session.note(TaskResult(Task("a", "a", Bridge("a", (), 1)), BuildOutcome.BUILT))
        session.finish()
    state = read_state(tmp_path / "run")
    assert state is not None
    assert state.finished is not None
    assert state.results == {"a": "built"}


def test_two_do_not_build_in_one_folder(tmp_path: Path) -> None:
    with open_run_folder(tmp_path / "run"), pytest.raises(UsageError, match="another ppcdeps builds in"):  # noqa: SIM117
        with open_run_folder(tmp_path / "run"):
            pass


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="none of a build run"), open_run_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_damaged_state_is_one_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"schema": 1, "plan":')
    with pytest.raises(ConfigError, match=r"run\.json cannot be read: .*; remove it"):
        read_state(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(ConfigError, match="it is of schema 99"):
        read_state(tmp_path)
