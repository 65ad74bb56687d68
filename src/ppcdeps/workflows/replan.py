"""A plan's request made again, with what was built as one more repository of the target."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.primary import read_primary
from ppcdeps.metadata.targets import list_targets
from ppcdeps.model.errors import ConfigError, PpcdepsError, UsageError
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.workload import Workload
from ppcdeps.planning.own_files import OwnFile
from ppcdeps.planning.workloads import list_workloads, load_workload, together
from ppcdeps.rpm.own import OWN
from ppcdeps.verifying.gapreview import changed_metadata
from ppcdeps.verifying.verification import LOCAL, LOCAL_PRIORITY
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.last_plan import FormerPlan
from ppcdeps.workflows.plans import explain, plan
from ppcdeps.workflows.repositories import ChosenTarget, ResolvedTarget, choose_target, resolve_target
from ppcdeps.workflows.request import GIVEN, Installer, PlanRequest, recorded_request
from ppcdeps.workflows.requested import as_requested, recipes_of, srpms_of
from ppcdeps.workflows.words import sorted_words

if TYPE_CHECKING:
    from ppcdeps.planning.explained import Explanation

WHEELS = "wheels/simple"
"""Where a local repository has the index of its wheels."""


def replan(
    before: Plan,
    repository: Path,
    resolved: ResolvedTarget,
    reporter: Reporter,
    *,
    workload: str | None = None,
    recipes: tuple[Path, ...] = (),
) -> tuple[PlanRequest, Plan]:
    """The plan of the same workload on the same target, where the repository in this folder comes before all others.

    ``workload`` names the workload file, and ``recipes`` the folders of recipes, that the plan was made of, where
    these are others than the plan says. The plan's Python pins are kept.

    Raises UsageError where the target or the workload is another than the plan's, ConfigError where there is no
    repository, and what planning raises.
    """
    local = local_repository(repository)
    target = resolved.target
    with_local = resolved.with_repository(local)
    if target.name != before.target or target.arch != before.arch:
        raise UsageError(
            f"the plan is for {before.target} ({before.arch}), not for {target.name} ({target.arch})",
            hint="give the options that it was planned with: --target FILE, --repofrompath, ...",
        )
    request = PlanRequest(
        workload=_workload(before, workload, resolved, reporter),
        typed=(),
        resolved=with_local,
        python="pip" if before.python else "rpm",
        srpms=srpms_of(before.request),
        recipes=recipes_of(before.request, recipes),
        own=_own_left(before, with_local),
        record=before.request,
    )
    after = plan(request, reporter)
    wheels = (repository / WHEELS).absolute()
    if wheels.is_dir() and any(gap.route_without_enabling.kind is RouteKind.BUILD_SDIST for gap in after.gaps):
        # No RPM has them: then a wheel that was built will do.
        request = replace(request, wheels=wheels)
        after = plan(request, reporter)
    if after.python_fallback is not None and before.python_fallback is None:
        reporter.warn(f"Python packages stay RPMs in the plan made again: {after.python_fallback.reason}")
    return request, after


def explain_former(
    name: str,
    former: FormerPlan,
    choice: RepositoryChoice,
    reporter: Reporter,
    *,
    python: Installer | None = None,
    srpms: Path | None = None,
    recipes: tuple[Path, ...] = (),
) -> "tuple[PlanRequest, Explanation]":
    """Why a name is in a plan that was made before, and the request behind it.

    The plan is made again as it was requested, but for what is given here: where metadata changed since, a warning
    says so. Raises UsageError where nothing of the name is in it, and what planning raises.
    """
    if former.plan is not None:
        resolved = resolve_planned(former.plan, choice, reporter)
        request = planned_request(former.plan, resolved, reporter, python=python, srpms=srpms, recipes=recipes)
        changed = changed_metadata(former.plan, plan(request, reporter))
        if changed:
            reporter.warn(
                f"the metadata of {', '.join(changed)} changed since {former.file} was made, and this explains the "
                "plan as it is now; make it anew with `ppcdeps plan WORKLOAD`"
            )
    else:
        assert former.request is not None
        resolved = resolve_target(as_requested(former.request, choice), reporter)
        request = recorded_request(former.request, resolved, python=python, srpms=srpms, recipes=recipes)
    return request, explain(name, request, reporter)


def local_repository(folder: Path) -> RepoConfig:
    """The configuration of what was built. Raises ConfigError where the folder has no repository."""
    place = folder.absolute()
    if not (place / "repodata" / "repomd.xml").is_file():
        what = "there is no repository" if place.is_dir() else "there is no folder"
        raise ConfigError(
            f"{what} {folder}", hint="make it with `ppcdeps build PLAN`, or name another with --repository DIR"
        )
    return RepoConfig(
        id=LOCAL,
        side=Side.TARGET,
        name=LOCAL,
        baseurl=(f"{place.as_uri()}/",),
        priority=LOCAL_PRIORITY,
        metadata_expire=0,
        module_hotfixes=True,
        origin="what was built",
    )


def planned_request(
    before: Plan,
    resolved: ResolvedTarget,
    reporter: Reporter,
    *,
    python: Installer | None = None,
    srpms: Path | None = None,
    recipes: tuple[Path, ...] = (),
) -> PlanRequest:
    """The request that a plan answers, made again: its words and options, but for what is given here.

    A plan that does not say how it was requested is taken by its workload and roots. Raises what
    `ppcdeps.workflows.request.plan_request` raises.
    """
    if before.request is not None:
        return recorded_request(before.request, resolved, python=python, srpms=srpms, recipes=recipes)
    return PlanRequest(
        workload=_workload(before, None, resolved, reporter),
        typed=(),
        resolved=resolved,
        python=python or ("pip" if before.python else "rpm"),
        srpms=srpms,
        recipes=recipes,
        own=tuple(OwnFile(Path(own.file), own.file) for own in before.own),
    )


def _own_left(before: Plan, resolved: ResolvedTarget) -> tuple[OwnFile, ...]:
    """The user's own specs and source RPMs of which the local repository has nothing yet."""
    if not before.own:
        return ()
    primary = next(each for each in resolved.metadata if each.config.id == LOCAL).files["primary"]
    built = {package.source.rsplit("-", 2)[0] for package in read_primary(primary.intact_path())}
    return tuple(OwnFile(Path(own.file), own.file) for own in before.own if own.source not in built)


def resolve_planned(plan: Plan, choice: RepositoryChoice, reporter: Reporter) -> ResolvedTarget:
    """The target that `choose_planned` gives, read. Raises what that and reading raise."""
    return choose_planned(plan, choice, reporter).read()


def resolve_replanned(plan: Plan, repository: Path, choice: RepositoryChoice, reporter: Reporter) -> ResolvedTarget:
    """The same for a plan that `replan` may have made with the repository in this folder."""
    others = tuple(state for state in plan.repositories if state.id != LOCAL)
    resolved = resolve_planned(replace(plan, repositories=others), choice, reporter)
    return resolved if others == plan.repositories else resolved.with_repository(local_repository(repository))


def choose_planned(plan: Plan, choice: RepositoryChoice, reporter: Reporter) -> ChosenTarget:
    """The target that a plan was made for, as it was planned with where the choice says nothing else.

    That is what the plan was requested with, its target, OpenStack release, interpreter and module streams, and the
    repositories that were enabled. Raises UsageError where only the user can say what the plan's target is, and
    what choosing raises.
    """
    choice = as_planned(plan, as_requested(plan.request, choice))
    if choice.target is None and choice.snapshot is None and not choice.is_ad_hoc:
        if plan.target not in list_targets():
            raise UsageError(
                f"the plan is for {plan.target}, which is not a target that ppcdeps ships",
                hint="give the options that it was planned with: --target FILE, or --repofrompath ID,URL",
            )
        choice = replace(choice, target=plan.target)
    return choose_target(_with_planned_repositories(plan, choice), reporter)


def _with_planned_repositories(plan: Plan, choice: RepositoryChoice) -> RepositoryChoice:
    """The choice with the plan's release and repositories, and no others, where the user chooses none."""
    target = choose_target(choice, Silence()).target
    if target.name != plan.target:
        return choice  # which is refused, and not for its repositories
    if choice.release is None and plan.release in target.openstack_releases:
        choice = replace(choice, release=plan.release)
        target = choose_target(choice, Silence()).target
    if choice.only or choice.enable or choice.disable:
        return choice
    planned = {state.id for state in plan.repositories if state.enabled and state.id != OWN}
    there = {config.id: config.enabled for config in target.repositories}
    absent = sorted(planned.difference(there))
    if absent:
        raise UsageError(
            f"the plan has repositories that are not of {target.title or target.name}: {', '.join(absent)}",
            hint="give the options that it was planned with: --repofrompath ID,URL, --repo-file FILE, --snapshot",
        )
    enable = tuple(sorted(one for one in planned if not there[one]))
    disable = tuple(one for one, enabled in there.items() if enabled and one not in planned)
    return replace(choice, enable=enable, disable=disable)


def as_planned(plan: Plan, choice: RepositoryChoice) -> RepositoryChoice:
    """The choice with the plan's interpreter and module streams, where the user names none."""
    if choice.python_version is None and plan.python is not None and plan.python.is_beside:
        choice = replace(choice, python_version=plan.python.tag)
    return choice if choice.modules else replace(choice, modules=plan.modules)


def _workload(plan: Plan, named: str | None, resolved: ResolvedTarget, reporter: Reporter) -> Workload:
    target, cache = resolved.target, resolved.cache
    arches = (target.reference_arch, target.arch)
    words = (named,) if named is not None else _requested_workloads(plan)
    try:
        found = together([load_workload(word, target.openstack, arches) for word in words]) if words else None
    except PpcdepsError as fault:
        if named is not None:
            raise
        found = None
        reporter.warn(f"the plan's own roots and versions are used, as its workload cannot be read: {fault}")
    if found is not None:
        if set(found.roots) == set(plan.roots):
            given = plan.python is not None and plan.python.versions_by.endswith(GIVEN)
            return replace(found, constraints=_pins(plan, cache)) if given else found
        changed = f"the workload {found.name} has other roots than the plan"
        if named is not None:
            raise UsageError(changed, hint="plan it anew with `ppcdeps plan WORKLOAD`")
        if plan.request is not None:
            reporter.warn(f"{changed}, whose own roots and versions are used")
    return Workload(
        name=plan.workload,
        title=plan.workload,
        roots=plan.roots,
        constraints=_pins(plan, cache),
    )


def _requested_workloads(plan: Plan) -> tuple[str, ...]:
    """The workloads and workload files that the plan was made of, where it was made of nothing else."""
    if plan.request is None:
        return (plan.workload,) if plan.workload in list_workloads() else ()
    sorted_ = sorted_words(plan.request.words)
    return () if sorted_.own or sorted_.roots else sorted_.workloads


def _pins(plan: Plan, cache: Cache) -> str | None:
    """A constraints file that pins what the plan pinned, None where it pinned nothing."""
    if plan.python is None or not plan.python.distributions:
        return None
    pins = sorted(f"{each.name}=={each.version}" for each in plan.python.distributions)
    text = "\n".join(pins) + "\n"

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    return str(cache.store_derived(f"pins {text}", ".txt", write))
