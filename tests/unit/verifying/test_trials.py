"""What was tried leaves results that are read as such, and nothing else."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from ppcdeps.engines.engine import Output
from ppcdeps.engines.job import BuildMode, Buildroot, Ended, Ending, Job
from ppcdeps.model.verification import CheckOutcome
from ppcdeps.verifying.trials import TrialContents, try_packages


@dataclass
class _Leaving:
    """An engine whose run leaves these things among the results."""

    how: str
    secret: Path
    name: str = "leaving"

    def run(self, root: Buildroot, job: Job, output: Output, stop: threading.Event | None = None) -> Ended:
        results = job.workspace / "results"
        if self.how == "folder":
            results.rmdir()
            results.symlink_to(self.secret.parent)
        for name in ("20-imports.log", "20-imports.code", "imports.json", "30-tool.log", "30-tool.code"):
            match self.how:
                case "link":
                    (results / name).symlink_to(self.secret)
                case "FIFO":
                    os.mkfifo(results / name)
                case "endless":
                    (results / name).symlink_to("/dev/zero")
                case "text":
                    (results / name).write_text("0 0" if name.endswith(".code") else '[{"module": 1}')
        return Ended(Ending.EXITED, 0, 1.0)


@pytest.mark.parametrize("how", ["folder", "link", "FIFO", "endless", "text"])
def test_results_that_are_none_are_not_followed(how: str, tmp_path: Path) -> None:
    secret = tmp_path / "host" / "imports.json"
    secret.parent.mkdir()
    secret.write_text("Hosts0wnSecret")
    root = Buildroot("trial", BuildMode.NATIVE, tmp_path, "ppc64le", "ppc64le", "key")
    wanted = TrialContents(modules={"thing": False}, smoke_tests={"tool": "true"})
    found = try_packages(root, wanted, _Leaving(how, secret), tmp_path / "work")
    assert found.imports.outcome is CheckOutcome.FAILED
    assert "Hosts0wnSecret" not in repr(found)
    (smoke,) = found.smoke_tests
    assert smoke.outcome is (CheckOutcome.OK if how == "text" else CheckOutcome.FAILED)
