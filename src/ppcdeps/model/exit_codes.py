"""The exit codes of `ppcdeps`: what a script learns without reading the output."""

DONE = 0
"""Done, and nothing is missing."""
GAPS_REMAIN = 1
USAGE = 2
"""The command line asks for what does not exist."""
CONFIGURATION = 3
"""A configuration or input file is unreadable or wrong."""
BUILD_FAILED = 10
ENVIRONMENT_LACKS = 20
"""A program or library that is needed is not on this machine, or the disk is full."""
REPOSITORY = 30
"""A repository or an index could not be read."""
DEFECT = 70
"""A defect of ppcdeps itself (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130
"""Ended by SIGINT, as shells report it: 128 and the signal's number."""
