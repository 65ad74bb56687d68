"""Plans: what is missing, how each gap is closed, in which order it is built, and why.

A plan that was made before of the same metadata is remembered: then nothing is solved, and no solver imported.
"""

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO

from ppcdeps.base.toml import closest
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.gap import GapKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.planning.workloads import PYTHON_PREFIX, curated_constraints, list_workloads
from ppcdeps.workflows.index import open_index
from ppcdeps.workflows.request import PlanRequest

if TYPE_CHECKING:
    from ppcdeps.planning.explanation import Explanation
    from ppcdeps.planning.plan import PythonPart
    from ppcdeps.planning.solution import Solution
    from ppcdeps.python.index import Index
    from ppcdeps.rpm.own import OwnSource

_SUFFIX = ".plan.json"


def plan(request: PlanRequest, reporter: Reporter) -> Plan:
    """The plan for a request: remembered, or solved now.

    Where the Python index cannot be read, or what it has does not fit together, the packages stay RPMs, with a
    warning, and the plan is not remembered; a workload with roots on the index then raises. Raises UsageError for a
    root that no repository knows, RepositoryError and ConfigError for metadata that cannot be read.
    """
    return plan_and_text(request, reporter)[0]


def plan_and_text(request: PlanRequest, reporter: Reporter) -> tuple[Plan, str]:
    """The plan, and the text of its file. Raises what `plan` raises."""
    resolved = request.resolved
    key = f"{request.key()} python {request.python} {_index_settings(request.python)}"
    remembered = resolved.cache.derived_path(key, _SUFFIX)
    if not resolved.refresh and remembered.exists():
        with contextlib.suppress(ConfigError, OSError):
            return load_plan(remembered), remembered.read_text("utf-8")
    from ppcdeps.planning.plan import plan_of
    from ppcdeps.planning.solution import solve_builds

    solved = solve(request, reporter)
    part: PythonPart | None = None
    complete = True
    if request.python == "pip":
        try:
            part = _python_part(request, solved, reporter)
        except (RepositoryError, ConfigError) as fault:
            if any(root.startswith(PYTHON_PREFIX) for root in request.workload.roots):
                raise  # nothing but an index has these roots
            complete = False
            reporter.warn(f"Python packages stay RPMs in this plan: {fault}")
    solution = solve_builds(solved, part.closed if part else ())
    made = plan_of(solution, resolved.metadata, part)
    text = dump_plan(made)
    if complete:
        resolved.cache.store_derived(key, _SUFFIX, lambda file: _write(file, text))
    return made, text


def explain(name: str, request: PlanRequest, reporter: Reporter) -> "Explanation":
    """Why a package, source, NEVRA, capability or path is in the plan for a request, and what was tried.

    Raises UsageError where nothing of that name is in the plan, and what `plan` raises.
    """
    from ppcdeps.planning.explanation import explain as explanation_of

    found = plan(request, reporter)
    return explanation_of(_solution_of(found, request, reporter), name, found.gaps)


def solve(request: PlanRequest, reporter: Reporter) -> "Solution":
    """What the workload needs at run time, as the solver has it.

    Raises UsageError for a root that no repository knows, and what reading the metadata raises.
    """
    from ppcdeps.planning.evaluation import Evaluations
    from ppcdeps.planning.solution import solve_run, unknown_roots
    from ppcdeps.recipebook.book import load_book

    resolved = request.resolved
    evaluations = None
    if request.srpms is not None:
        evaluations = Evaluations.in_folder(request.srpms, resolved.target, reporter)
    solution = solve_run(
        request.workload,
        resolved.target,
        resolved.metadata,
        resolved.cache,
        resolved.fetch_filelists,
        load_book(request.recipes),
        evaluations,
        _own(request, reporter),
    )
    for problem in solution.universe.module_problems:
        reporter.warn(problem)
    unknown = tuple(root for root in unknown_roots(solution) if root in request.typed)
    if unknown:
        near = closest(unknown[0], list_workloads()) or closest(unknown[0], solution.universe.package_names())
        raise UsageError(
            f"no repository of {solution.target.name} knows {', '.join(unknown)}: not a workload, and no package's "
            "name, capability or path",
            hint=near,
        )
    return solution


def _own(request: PlanRequest, reporter: Reporter) -> "tuple[OwnSource, ...]":
    """The user's own packages of a request, evaluated."""
    from ppcdeps.planning.own import read_own
    from ppcdeps.rpm.own import OWN

    if not request.own:
        return ()
    if any(each.id == OWN for each in request.resolved.target.repositories):
        raise UsageError(f'the repository id "{OWN}" is taken: it is that of one\'s own packages')
    return read_own(request.own, request.resolved.target, reporter)


def index_for(request: PlanRequest, reporter: Reporter) -> "Index":
    """The Python index of a request: pip's, after the request's own wheels. Raises ConfigError."""
    resolved = request.resolved
    return open_index(
        resolved.cache, reporter, offline=resolved.offline, refresh=resolved.refresh, wheels=request.wheels
    )


def _solution_of(made: Plan, request: PlanRequest, reporter: Reporter) -> "Solution":
    """The solution behind a plan, with the builds that the plan has."""
    from ppcdeps.planning.solution import solve_builds

    by_pip = {gap.name for gap in made.gaps if gap.kind is GapKind.PYTHON}
    return solve_builds(solve(request, reporter), by_pip)


def _python_part(request: PlanRequest, solved: "Solution", reporter: Reporter) -> "PythonPart | None":
    from ppcdeps.planning.pythonside import concerns_python, python_part, python_side

    if not concerns_python(solved):
        return None
    pins = curated_constraints(request.workload)
    with index_for(request, reporter) as index:
        return python_part(solved, python_side(solved, index, reporter, constraints=pins))


def _index_settings(python: str) -> str:
    """What the environment says of the index: another index may give another plan."""
    if python != "pip":
        return ""
    return repr(sorted((name, value) for name, value in os.environ.items() if name.startswith("PIP_")))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode())
