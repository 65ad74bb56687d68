"""The program as a user runs it: a process, its output, its exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mirror import PATIENCE


@dataclass(frozen=True)
class Program:
    """ppcdeps with a cache and a home of its own, in an empty folder."""

    folder: Path
    variables: Mapping[str, str]
    patience: float = PATIENCE
    """Seconds after which a run is surely stuck."""

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def environment(self, **more: str) -> dict[str, str]:
        # Without the proxies and the settings of whoever runs the tests.
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "PPCDEPS_CACHE": str(self.cache),
            "NO_COLOR": "1",
            **self.variables,
            **more,
        }

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "ppcdeps", *map(str, arguments)]

    def __call__(self, *arguments: str | Path, code: int = 0, **variables: str) -> "Run":
        """Run to the end. The exit code must be ``code``, and no run may show a traceback."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, f"ended with {done.returncode}: {done.stderr}"
        return Run(done.stdout, done.stderr)


@dataclass(frozen=True)
class Run:
    """What a run wrote."""

    out: str
    err: str

    @property
    def fault(self) -> str:
        """The one line that tells the fault."""
        lines = [line for line in self.err.splitlines() if line.startswith("ppcdeps: ")]
        assert len(lines) == 1, self.err
        return lines[0]
