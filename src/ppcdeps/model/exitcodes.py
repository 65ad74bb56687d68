"""The exit codes of the command line."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ends. From 70 on, the numbers are those of sysexits.h and of shells."""

    DONE = 0
    GAPS_REMAIN = 1
    """Also: a check found an error or a warning; `diff --exit-code` found a difference."""
    USAGE = 2
    CONFIG = 3
    BUILD_FAILED = 10
    ENVIRONMENT_LACKS = 20
    REPOSITORY = 30
    CLOUD = 40
    """A cloud cannot be reached, does not let the user do what is needed, or has no room for it."""
    DEFECT = 70
    """EX_SOFTWARE of sysexits.h."""
    INTERRUPTED = 130
    """128 and SIGINT."""
    BROKEN_PIPE = 141
    """128 and SIGPIPE."""
