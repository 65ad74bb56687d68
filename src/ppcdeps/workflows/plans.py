"""Plans: what is missing, how each gap is closed, in which order it is built, and why.

A plan that was made before of the same metadata is remembered: then nothing is solved, and no solver imported.
"""

import contextlib
import hashlib
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ppcdeps.base.toml import closest
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.errors import ConfigError, PpcdepsError, RepositoryError, UsageError
from ppcdeps.model.gap import GapKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, parse_plan
from ppcdeps.model.python_plan import PythonFallback
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.planning.workloads import PYTHON_PREFIX, list_workloads
from ppcdeps.workflows.index import open_index
from ppcdeps.workflows.opening import open_beside
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.request import PlanRequest

if TYPE_CHECKING:
    from ppcdeps.base.beside import Beside
    from ppcdeps.planning.explained import Explanation
    from ppcdeps.planning.plan import PythonPart
    from ppcdeps.planning.solution import Solution
    from ppcdeps.python.index import Index
    from ppcdeps.rpm.own import OwnSource
    from ppcdeps.rpm.universe import Universe

_SUFFIX = ".plan.json"
_TAKEN_LATER = ("ppcdeps.metadata.altarch", "ppcdeps.workflows.enabling")
"""Modules that most plans come to take, loaded beside the opening of the universe."""


class UnknownRootsError(UsageError):
    """No enabled repository knows these ``roots`` in any version."""

    def __init__(self, message: str, *, hint: str | None, roots: tuple[str, ...]) -> None:
        super().__init__(message, hint=hint)
        self.roots = roots


def plan(request: PlanRequest, reporter: Reporter) -> Plan:
    """The plan for a request: remembered, or solved now.

    Where the Python index cannot be read, or what it has does not fit together, the packages stay RPMs, the plan says
    why (``python_fallback``), and it is not remembered; a workload with roots on the index then raises. Raises
    UsageError for a root that no repository knows, RepositoryError and ConfigError for metadata that cannot be read.
    """
    return plan_and_text(request, reporter)[0]


def plan_and_text(
    request: PlanRequest, reporter: Reporter, opening: "Beside[Universe] | None" = None
) -> tuple[Plan, str]:
    """The plan, and the text of its file. Raises what `plan` raises.

    ``opening`` is what `open_beside` gave for the request's target.
    """
    key = _enabled_key(request)
    try:
        if request.resolved.known and _has_asked(key, request.resolved):
            # The plan on what is enabled alone need not be read then.
            made = _with_known(key, lambda: _as_enabled(key, request, reporter, opening), request)
        else:
            made = enabled = _as_enabled(key, request, reporter, opening)
            if request.resolved.known and _asks(enabled.plan):
                made = _with_known(key, lambda: enabled, request)
    except UnknownRootsError as fault:
        made = _of_roots_known_elsewhere(request, reporter, fault)
    if made.plan.request != request.record:
        # The same plan was requested in other words before.
        planned = replace(made.plan, request=request.record)
        return planned, dump_plan(planned)
    return made.plan, made.text


class _Made:
    """A plan with the text of its file. One that is not complete is not remembered: it would be another next time."""

    def __init__(self, key: str, plan: Plan, text: str | None = None, *, is_complete: bool = True) -> None:
        self.key = key
        self.plan = plan
        self.is_complete = is_complete
        self._text = text

    @cached_property
    def text(self) -> str:
        """The text of the plan's file."""
        return dump_plan(self.plan) if self._text is None else self._text


def _remembered(
    key: str,
    request: PlanRequest,
    make: Callable[[], tuple[Plan, bool]],
    is_kept: Callable[[Plan], bool] | None = None,
) -> _Made:
    """The plan of a key, as it was made before, or made now with whether it is complete.

    ``is_kept`` says of a complete plan whether it is to be remembered (default: it is).
    """
    resolved = request.resolved
    remembered = resolved.cache.derived_path(key, _SUFFIX)
    if not resolved.refresh and remembered.exists():
        with contextlib.suppress(ConfigError, OSError):
            text = remembered.read_text("utf-8")
            return _Made(key, parse_plan(text, remembered), text)
    plan, is_complete = make()
    made = _Made(key, plan, is_complete=is_complete)
    if is_complete and (is_kept is None or is_kept(plan)):
        # Where a loss of power leaves an empty file, the plan is made again.
        resolved.cache.store_content(key, _SUFFIX, made.text.encode())
    return made


def _enabled_key(request: PlanRequest, more: str = "") -> str:
    """The key of the plan on what is enabled. ``more`` tells it from that of a plan with other roots."""
    return f"{request.key()} python {request.python} {_index_settings(request.python)}{more}"


def _as_enabled(
    key: str, request: PlanRequest, reporter: Reporter, opening: "Beside[Universe] | None" = None
) -> _Made:
    """The plan on the repositories that are enabled.

    Where it asks for further repositories, it is the plan with those that is remembered.
    """

    def make() -> tuple[Plan, bool]:
        made, is_complete = _solved_plan(request, reporter, opening)
        if is_complete and request.resolved.known:
            request.resolved.cache.remember(f"{key} asks", _asks(made))
        return made, is_complete

    return _remembered(key, request, make, lambda made: not (request.resolved.known and _asks(made)))


def _asks(plan: Plan) -> bool:
    """Whether a plan has gaps that further repositories are looked at for."""
    from ppcdeps.planning.enabling import asks

    return any(map(asks, plan.gaps))


def _has_asked(key: str, resolved: ResolvedTarget) -> bool:
    """Whether the remembered plan on what is enabled has gaps that further repositories are looked at for."""
    return not resolved.refresh and resolved.cache.recall(f"{key} asks") is True


def _with_known(
    key: str,
    make_enabled: Callable[[], _Made],
    request: PlanRequest,
    looked_at: Sequence[RepoMetadata] | None = None,
) -> _Made:
    """The plan with what the known repositories that are not enabled would close.

    ``make_enabled`` gives the one without, whose key is ``key``; it is called where this one is not remembered.
    """
    known = request.resolved.look_at_known() if looked_at is None else looked_at
    states = "\n".join(sorted(f"{each.digest} {each.problem} {each.config}" for each in known))

    def make() -> tuple[Plan, bool]:
        from ppcdeps.workflows.enabling import with_known

        enabled = make_enabled()
        complete = [enabled.is_complete]

        def replan(resolved: ResolvedTarget) -> Plan:
            again = replace(request, resolved=resolved, typed=())
            made = _as_enabled(_enabled_key(again, _any_roots(request)), again, Silence())
            complete.append(made.is_complete)
            return made.plan

        found = with_known(enabled.plan, request.resolved, known, replan)
        return found, all(complete)

    return _remembered(f"{key} known {hashlib.sha256(states.encode()).hexdigest()}", request, make)


def _any_roots(request: PlanRequest) -> str:
    """What a key has where roots may be unknown: with the same key, they would not be a fault next time."""
    return " of any roots" if request.typed else ""


def _of_roots_known_elsewhere(request: PlanRequest, reporter: Reporter, fault: UnknownRootsError) -> _Made:
    """The plan, where a known repository has the roots that no enabled one knows. Raises the fault where none has."""
    if not request.resolved.known:
        raise fault
    known = request.resolved.look_at_known()
    of_any = replace(request, typed=())
    enabled = _as_enabled(_enabled_key(of_any, _any_roots(request)), of_any, reporter)
    made = _with_known(enabled.key, lambda: enabled, request, known)
    closable = {name for enabling in made.plan.enablings for name in enabling.closes}
    if closable.issuperset(fault.roots):
        return made
    for state in made.plan.repositories:
        if state.problem and not state.enabled:
            reporter.warn(f"{state.id}, which is not enabled, was not looked at: {state.problem}")
    raise fault


def _solved_plan(request: PlanRequest, reporter: Reporter, opening: "Beside[Universe] | None") -> tuple[Plan, bool]:
    """A plan that is solved now, and whether it is complete."""
    from ppcdeps.rpm.loading import converting

    resolved = request.resolved
    if request.own or request.srpms is not None:
        # The user's files say what else is in the universe.
        opening = None
    elif opening is None:
        opening = open_beside(resolved)
    with converting(resolved.metadata, resolved.target.arch, resolved.target.reference_arch, resolved.cache):
        # Here, as they take a while to load, and other processes convert meanwhile, or a thread opens the universe.
        from ppcdeps.planning.plan import load_rules, plan_of
        from ppcdeps.planning.pythonpackages import native_python_advice
        from ppcdeps.planning.solution import solve_builds

        load_rules()
        for module in _TAKEN_LATER:
            importlib.import_module(module)
    solved = solve(request, reporter, opening)
    part: PythonPart | None = None
    fallback: PythonFallback | None = None
    if request.python == "pip":
        try:
            part = _python_part(request, solved, reporter)
        except (RepositoryError, ConfigError) as fault:
            if any(root.startswith(PYTHON_PREFIX) for root in request.workload.roots):
                _check_locked_roots(request)
                raise  # nothing but an index has these roots
            fallback = _fallback_for(fault)
    solution = solve_builds(solved, part.closed if part else ())
    advice = native_python_advice(solution) if request.python == "rpm" else ()
    made = plan_of(solution, resolved.metadata, part, fallback, advice)
    return replace(made, request=request.record), fallback is None


def explain(name: str, request: PlanRequest, reporter: Reporter) -> "Explanation":
    """Why a package, source, NEVRA, capability, path or distribution is in the plan of a request, and what was tried.

    Raises UsageError where nothing of that name is in the plan, and what `plan` raises.
    """
    from ppcdeps.planning.explanation import explain as explanation_of
    from ppcdeps.planning.explanation import find_explanation
    from ppcdeps.planning.python_explanation import explain_distribution

    found = plan(request, reporter)
    solution = solution_of(found, request, reporter)
    explanation = find_explanation(solution, name, found.gaps) or explain_distribution(found, name)
    return explanation or explanation_of(solution, name, found.gaps)


def solve(request: PlanRequest, reporter: Reporter, opening: "Beside[Universe] | None" = None) -> "Solution":
    """What the workload needs at run time, as the solver has it, in the universe that is being opened, if one is.

    Raises UsageError for a root that no repository knows, and what reading the metadata raises.
    """
    from ppcdeps.metadata.altarch import of_other_architecture
    from ppcdeps.planning.solution import solve_run, unknown_roots
    from ppcdeps.planning.unsaid import NO_REFERENCE, has_reference
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.rpm.loading import Role

    resolved = request.resolved
    evaluations, book = None, load_book(request.recipes)
    if request.srpms is not None:
        from ppcdeps.planning.evaluation import Evaluations

        evaluations = Evaluations.in_folder(request.srpms, resolved.target, reporter, book)
    solution = solve_run(
        request.workload,
        resolved.target,
        resolved.metadata,
        resolved.cache,
        resolved.fetch_filelists,
        book,
        evaluations,
        _own(request, reporter),
        opening.result() if opening is not None else None,
    )
    for problem in solution.universe.module_problems:
        reporter.warn(problem)
    target = resolved.target
    for part in solution.universe.parts:
        said = of_other_architecture(part.metadata.config, target.arch, target.reference_arch)
        if said and part.role is Role.TARGET and all(str(s.arch) == "noarch" for s in part.repo.solvables_iter()):
            reporter.warn(said)
    unknown = tuple(root for root in unknown_roots(solution) if root in request.typed)
    if unknown:
        name, _, arch = unknown[0].rpartition(".")
        if name and arch in (solution.target.reference_arch, "i686", "aarch64", "s390x"):
            near = f"the plan is for {solution.target.arch}: leave .{arch} out"
        else:
            near = closest(unknown[0], list_workloads()) or closest(unknown[0], solution.universe.package_names())
        if not has_reference(solution.universe):
            lack = f"{target.name} has no reference, so that what only {target.reference_arch} has is not known: "
            near = "; ".join(part for part in (near, lack + NO_REFERENCE) if part)
        raise UnknownRootsError(
            f"no repository of {solution.target.name} knows {', '.join(unknown)}: not a workload, and no package's "
            "name, capability or path",
            hint=near,
            roots=unknown,
        )
    return solution


def _own(request: PlanRequest, reporter: Reporter) -> "tuple[OwnSource, ...]":
    """The user's own packages of a request, evaluated."""
    if not request.own:
        return ()
    from ppcdeps.planning.own import read_own
    from ppcdeps.rpm.own import OWN

    if any(each.id == OWN for each in request.resolved.target.repositories):
        raise UsageError(f'the repository id "{OWN}" is taken: it is that of one\'s own packages')
    return read_own(request.own, request.resolved.target, reporter)


def index_for(request: PlanRequest, reporter: Reporter) -> "Index":
    """The Python index of a request: pip's, after the request's own wheels. Raises ConfigError."""
    resolved = request.resolved
    return open_index(
        resolved.cache,
        reporter,
        offline=resolved.offline,
        refresh=resolved.refresh,
        wheels=request.wheels,
        only=resolved.index_folder,
    )


def solution_of(made: Plan, request: PlanRequest, reporter: Reporter) -> "Solution":
    """The solution behind a plan, with the builds that the plan has. Raises what `solve` raises."""
    from ppcdeps.planning.solution import solve_builds

    by_pip = {gap.name for gap in made.gaps if gap.kind is GapKind.PYTHON}
    # The plan is there, so its roots are known, perhaps to a repository that is not enabled.
    return solve_builds(solve(replace(request, typed=()), reporter), by_pip)


def _python_part(request: PlanRequest, solved: "Solution", reporter: Reporter) -> "PythonPart | None":
    from ppcdeps.planning.pythonpackages import concerns_python

    if not concerns_python(solved):
        return None
    from ppcdeps.planning.pythonside import python_part, python_side

    with index_for(request, reporter) as index:
        part = python_part(
            solved, python_side(solved, index, reporter, constraints=request.pins(), hints=dict(request.former_pins))
        )
    return replace(part, planned=replace(part.planned, versions_by=request.pinned_by()))


def _check_locked_roots(request: PlanRequest) -> None:
    """Raise ConfigError where a root is a distribution of which the lock, in place of an index, has no file."""
    locked = request.resolved.choice.locked
    if locked is None:
        return
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    from ppcdeps.locking.folder import LOCK_FILE

    known = {canonicalize_name(one.name) for one in locked.lock.python}
    for root in request.workload.roots:
        if not root.startswith(PYTHON_PREFIX):
            continue
        name = Requirement(root.removeprefix(PYTHON_PREFIX)).name
        if canonicalize_name(name) not in known:
            raise ConfigError(
                f"{locked.folder / LOCK_FILE} has no file of the Python distribution {name}",
                hint="plan without --locked, lock that plan, and fetch its files",
            )


def _fallback_for(fault: PpcdepsError) -> PythonFallback:
    """What a plan says of a fault that keeps all Python packages RPMs."""
    from ppcdeps.python.explain import ConflictError

    if not isinstance(fault, ConflictError):
        return PythonFallback(fault.message, fault.hint or "")
    return PythonFallback(fault.reason, "; or ".join(fault.ways_out) or fault.hint or "")


def _index_settings(python: str) -> str:
    """What the environment says of the index: another index may give another plan."""
    if python != "pip":
        return ""
    return repr(sorted((name, value) for name, value in os.environ.items() if name.startswith("PIP_")))
