"""The errors a user can cause or meet, each with its exit code."""

import errno

from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.visible import visible

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The error numbers of a write that finds no room."""


class PpcdepsError(Exception):
    """A fault as one line: what, where, and what to do next. Never shown as a traceback.

    Several faults are reported together: ``faults`` has them, a line each. As text, no line breaks are there but
    those between these lines: what the message names may be from outside.
    """

    exit_code = ExitCode.DEFECT

    def __init__(self, message: str, *, hint: str | None = None, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.faults = faults

    def __str__(self) -> str:
        first = f"{self.message}; {self.hint}" if self.hint else self.message
        return "\n".join((visible(first), *(f"  {visible(fault)}" for fault in self.faults)))

    @property
    def line(self) -> str:
        """All of it in one line, for tables and lists."""
        return "; ".join(line.strip() for line in str(self).split("\n"))


class UsageError(PpcdepsError):
    """The command line names what does not exist: an unknown workload, target or root."""

    exit_code = ExitCode.USAGE


class ConfigError(PpcdepsError):
    """A configuration or input file is unreadable or says something impossible."""

    exit_code = ExitCode.CONFIG


class BuildError(PpcdepsError):
    """A build failed."""

    exit_code = ExitCode.BUILD_FAILED


class EnvironmentLacksError(PpcdepsError):
    """A program or library that ppcdeps needs is not on this machine, or the disk is full."""

    exit_code = ExitCode.ENVIRONMENT_LACKS


class RepositoryError(PpcdepsError):
    """A repository or an index could not be read, or what it sent cannot be trusted."""

    exit_code = ExitCode.REPOSITORY


class CloudError(PpcdepsError):
    """A cloud's API did not answer, refused what was requested, or has no room for it."""

    exit_code = ExitCode.CLOUD
