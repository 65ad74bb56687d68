"""Folders of trials are gone with the trial, even with one that was killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ppcdeps.verifying.trialroot import trial_folder


def test_the_folder_is_removed_however_the_trial_ends(tmp_path: Path) -> None:
    with trial_folder(tmp_path) as folder:
        (folder / "root").mkdir()
        (folder / "root" / "file").write_text("x")
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), trial_folder(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_trial_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom ppcdeps.verifying.trialroot import trial_folder\n"
        "with trial_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'file').write_text('x')\n    print('ready', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with trial_folder(tmp_path):
            alive = [path for path in tmp_path.iterdir() if (path / "file").exists()]
            assert len(alive) == 1, "what a living trial has stays"
        process.send_signal(signal.SIGKILL)
    with trial_folder(tmp_path) as mine:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [mine]
    assert list(tmp_path.iterdir()) == []
