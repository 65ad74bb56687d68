"""Plans for the commands: remembered where the same was asked of the same metadata before, else made."""

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO

from ppcdeps.model.errors import ConfigError, RepositoryError
from ppcdeps.model.gap import GapKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.planning.workloads import PYTHON_PREFIX
from ppcdeps.workflows.request import PlanRequest

if TYPE_CHECKING:
    from ppcdeps.planning.plan import PythonPart
    from ppcdeps.planning.solution import Solution
    from ppcdeps.python.index import Index

_SUFFIX = ".plan.json"


def plan_for(request: PlanRequest, python: str, reporter: Reporter) -> tuple[Plan, str]:
    """The plan and its text. ``python`` is who installs Python packages: pip or rpm.

    Where the Python index cannot be read, or what it has does not fit together, the packages stay RPMs, with a
    warning, and the plan is not remembered; a workload with roots on the index has no other way. Raises what
    `PlanRequest.solve_run` raises.
    """
    cache, key = request.repositories.cache, f"{request.key()} python {python} {_index_settings(python)}"
    remembered = cache.derived_path(key, _SUFFIX)
    if not request.again and remembered.exists():
        with contextlib.suppress(ConfigError, OSError):
            return load_plan(remembered), remembered.read_text("utf-8")
    from ppcdeps.planning.plan import plan_of
    from ppcdeps.planning.solution import solve_builds

    run = request.solve_run(reporter)
    failed = False
    part: PythonPart | None = None
    if python == "pip":
        try:
            part = _python_part(request, run, reporter)
        except (RepositoryError, ConfigError) as fault:
            if any(root.startswith(PYTHON_PREFIX) for root in request.workload.roots):
                raise  # nothing but an index has these roots
            failed = True
            reporter.warn(f"Python packages stay RPMs in this plan: {fault}")
    solution = solve_builds(run, part.closed if part else ())
    made = plan_of(solution, request.repositories.metadata, part)
    text = dump_plan(made)
    if not failed:
        cache.store_derived(key, _SUFFIX, lambda file: _write(file, text))
    return made, text


def solution_of(plan: Plan, request: PlanRequest, reporter: Reporter) -> "Solution":
    """The solution behind a plan, with the builds that the plan takes."""
    from ppcdeps.planning.solution import solve_builds

    by_pip = {gap.name for gap in plan.gaps if gap.kind is GapKind.PYTHON}
    return solve_builds(request.solve_run(reporter), by_pip)


def _python_part(request: PlanRequest, run: "Solution", reporter: Reporter) -> "PythonPart | None":
    from ppcdeps.planning.pythonside import concerns_python, python_part, python_side

    if not concerns_python(run):
        return None
    from ppcdeps.planning.workloads import curated_constraints

    pins = curated_constraints(request.workload)
    with index_for(request, reporter) as index:
        return python_part(run, python_side(run, index, reporter, constraints=pins))


def index_for(request: PlanRequest, reporter: Reporter) -> "Index":
    """The Python index that a question is asked of: pip's, after the question's own wheels. Raises ConfigError."""
    from dataclasses import replace

    from ppcdeps.python.index import Index
    from ppcdeps.python.pipconfig import read_pip_config

    config, found = read_pip_config(), request.repositories
    if request.wheels is not None:
        config = replace(config, indexes=(request.wheels.absolute().as_uri(), *config.indexes))
    return Index(config, found.cache, offline=found.offline, refresh=request.again, reporter=reporter)


def _index_settings(python: str) -> str:
    """What the environment says of the index: another index may give another plan."""
    if python != "pip":
        return ""
    return repr(sorted((name, value) for name, value in os.environ.items() if name.startswith("PIP_")))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode())
