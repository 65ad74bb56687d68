"""What ppcdeps ships of what people write themselves: targets and workloads, and their files as templates."""

import json

from ppcdeps.base.datafiles import find_file
from ppcdeps.base.toml import TomlFile
from ppcdeps.metadata import targets
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.names import LOCK_ENDINGS
from ppcdeps.model.target import Target
from ppcdeps.model.workload import Workload
from ppcdeps.planning import workloads


def shipped_targets() -> tuple[Target, ...]:
    """The targets that ppcdeps ships, by name."""
    return tuple(map(targets.load_target, targets.list_targets()))


def shipped_workloads() -> tuple[Workload, ...]:
    """The workloads that ppcdeps ships, by name."""
    return tuple(map(workloads.load_workload, workloads.list_workloads()))


def target_file(name: str) -> str:
    """The text of a shipped target's file, or of one that is given by its path and has no faults.

    Raises UsageError for an unknown name, ConfigError with all faults of a file.
    """
    file = _file(targets.FOLDER, name, "target")
    targets.load_target(name)
    return file.read_bytes().decode()


def workload_file(name: str) -> str:
    """The same of a workload. Of a lock file, the workload file that it amounts to."""
    if name.endswith(LOCK_ENDINGS):
        return _as_toml(workloads.load_workload(name))
    file = _file(workloads.FOLDER, name, "workload")
    workloads.load_workload(name)
    return file.read_bytes().decode()


def _as_toml(workload: Workload) -> str:
    # What JSON writes in ASCII is a text of TOML, too.
    roots = "".join(f"    {json.dumps(root)},\n" for root in workload.roots)
    return f"name = {json.dumps(workload.name)}\ntitle = {json.dumps(workload.title)}\nroots = [\n{roots}]\n"


def _file(folder: str, name: str, what: str) -> TomlFile:
    file = find_file(folder, name, what)
    if not file.is_file():
        # A pipe is empty once it was looked at for faults.
        raise ConfigError(f"the {what} {file} is not a file", hint="save it to one, and name that")
    return file
