"""The errors a user can cause or meet, each with its exit code."""

import errno

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the operating system says where nothing more can be written."""


class PpcdepsError(Exception):
    """A fault told in one line: what, where, and what to do next. Never shown as a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(PpcdepsError):
    """The command line asks for what does not exist: an unknown workload, target or root."""

    exit_code = 2


class ConfigError(PpcdepsError):
    """A configuration or input file is unreadable or says something impossible.

    Several faults of one file are told at once: ``faults`` holds them all, a line each.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *(f"  {fault}" for fault in self.faults)))


class BuildError(PpcdepsError):
    """A build failed."""

    exit_code = 10


class EnvironmentLacksError(PpcdepsError):
    """A program or library that ppcdeps needs is not on this machine, or the disk is full."""

    exit_code = 20


class RepositoryError(PpcdepsError):
    """A repository or an index could not be read, or what it sent cannot be trusted."""

    exit_code = 30
