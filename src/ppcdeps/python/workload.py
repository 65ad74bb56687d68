"""The lock of a workload and its files: resolved anew, with what the former files pinned kept where it fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, read_constraints
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.index import Index
from ppcdeps.python.lock import DEFAULT_POLICY, LockPolicy, LockRequest, PythonLock, PythonRoot
from ppcdeps.python.lockfiles import FilePlaces, LockFiles, former_pins, render_files
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.resolution import resolve


@dataclass(frozen=True, slots=True)
class WorkloadPython:
    """What a workload asks of Python on a target, once its RPM side is known.

    ``constraints`` is the release's curated file and ``constraints_name`` how messages and files call it.
    """

    workload: str
    python: PythonEnvironment
    roots: tuple[PythonRoot, ...]
    machine: str = "ppc64le"
    fixed: tuple[FixedDistribution, ...] = ()
    reference: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    constraints: Path | None = None
    constraints_name: str = ""
    policy: LockPolicy = DEFAULT_POLICY
    available: tuple[FixedDistribution, ...] = ()


def constraints_for(
    asked: WorkloadPython,
    index: Index,
    reporter: Reporter | None = None,
    *,
    former: Path | None = None,
    command: str = "",
    places: FilePlaces = FilePlaces.PATH,
) -> tuple[PythonLock, LockFiles]:
    """The lock of a workload and the files that hold it, not yet written.

    ``former`` is the directory of the files of an earlier run: their pins are kept where they still fit.
    Raises what ``ppcdeps.python.resolution.resolve`` and ``read_constraints`` raise; nothing is written in any
    case.
    """
    environment = TargetEnvironment.of(asked.python, asked.machine)
    constraints = NO_CONSTRAINTS
    if asked.constraints is not None:
        shown = asked.constraints_name or asked.constraints.name
        constraints = read_constraints(asked.constraints, environment, shown=shown)
    request = LockRequest(
        python=asked.python,
        roots=asked.roots,
        machine=asked.machine,
        fixed=asked.fixed,
        constraints=constraints,
        reference=dict(asked.reference),
        hints=former_pins(former, asked.workload, environment) if former is not None else {},
        policy=asked.policy,
        available=asked.available,
    )
    lock = resolve(request, index, reporter)
    shown_command = command or f"ppcdeps constraints {asked.workload}"
    return lock, render_files(lock, asked.workload, command=shown_command, places=places)
