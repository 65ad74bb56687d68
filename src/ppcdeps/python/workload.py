"""The lock of a workload and its files: resolved anew, with the former files' pins where they still fit."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.model.values import dataclass
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, read_constraints
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.index import Index
from ppcdeps.python.lock import DEFAULT_POLICY, LockPolicy, LockRequest, PythonLock, PythonRoot
from ppcdeps.python.lockfiles import FilePlaces, LockFiles, former_pins, render_files
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.resolution import resolve


@dataclass(frozen=True, slots=True)
class WorkloadPython:
    """What a workload needs of Python on a target, once its RPM side is known.

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
    hints: Mapping[str, str] = field(default_factory=dict)
    """Versions that are taken wherever they fit, those of files from an earlier run apart."""


def constraints_for(
    needs: WorkloadPython,
    index: Index,
    reporter: Reporter | None = None,
    *,
    former: Path | None = None,
    command: str = "",
    places: FilePlaces = FilePlaces.PATH,
) -> tuple[PythonLock, LockFiles]:
    """The lock of a workload and its files, not yet written.

    ``former`` is the directory of the files of an earlier run: their pins are used where they still fit.
    Raises what ``ppcdeps.python.resolution.resolve`` and ``read_constraints`` raise; nothing is written in any
    case.
    """
    environment = TargetEnvironment.of(needs.python, needs.machine)
    constraints = NO_CONSTRAINTS
    if needs.constraints is not None:
        shown = needs.constraints_name or needs.constraints.name
        constraints = read_constraints(needs.constraints, environment, shown=shown)
        for option, where in constraints.unfollowed:
            index.warn_once(f"{where}: {option} is not followed: indexes and links are those of pip's configuration")
    request = LockRequest(
        python=needs.python,
        roots=needs.roots,
        machine=needs.machine,
        fixed=needs.fixed,
        constraints=constraints,
        reference=dict(needs.reference),
        hints={
            **needs.hints,
            **(former_pins(former, needs.workload, environment) if former is not None else {}),
        },
        policy=needs.policy,
        available=needs.available,
    )
    lock = resolve(request, index, reporter)
    shown_command = command or f"ppcdeps constraints {needs.workload}"
    return lock, render_files(lock, needs.workload, command=shown_command, places=places)
