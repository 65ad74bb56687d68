"""A plan's question asked again, with the local repository before all others."""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.targets import list_targets
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.gap import RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.workload import Workload
from ppcdeps.planning.workloads import list_workloads, load_workload
from ppcdeps.verifying.verification import LOCAL, LOCAL_PRIORITY
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import plan_for
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.request import PlanRequest

WHEELS = "wheels/simple"
"""Where a local repository has the index of its wheels."""


def plan_again(
    plan: Plan,
    repository: Path,
    choice: RepositoryChoice,
    reporter: Reporter,
    *,
    workload: str | None = None,
    recipes: tuple[Path, ...] = (),
) -> tuple[PlanRequest, Plan]:
    """The plan of the same workload on the same target, where the repository in this folder comes first.

    ``workload`` names what the plan was made of, where that is a workload file. The plan's Python pins are kept.

    Raises UsageError where the target or the workload is another than the plan's, ConfigError where there is no
    repository, and what planning raises.
    """
    found = resolve_target(with_local(choice, plan, repository), reporter)
    if found.target.name != plan.target or found.target.arch != plan.arch:
        raise UsageError(
            f"the plan is for {plan.target} ({plan.arch}), not for {found.target.name} ({found.target.arch})",
            hint="give the options that it was planned with: --target FILE, --repofrompath, ...",
        )
    requested = _workload(plan, workload, found.target.openstack, found.cache)
    request = PlanRequest(requested, (), found, choice.refresh, None, recipes)
    python = "rpm" if plan.python is None else "pip"
    made, _ = plan_for(request, python, reporter)
    wheels = (repository / WHEELS).absolute()
    if wheels.is_dir() and any(gap.route.kind is RouteKind.BUILD_SDIST for gap in made.gaps):
        # No RPM has them: then a wheel that was built will do.
        request = replace(request, wheels=wheels)
        made, _ = plan_for(request, python, reporter)
    return request, made


def with_local(choice: RepositoryChoice, plan: Plan, repository: Path) -> RepositoryChoice:
    """The choice with the local repository added to the target's side, before all others.

    Raises ConfigError where the folder has no repository.
    """
    place = repository.absolute()
    if not (place / "repodata" / "repomd.xml").is_file():
        what = "there is no repository" if place.is_dir() else "there is no folder"
        raise ConfigError(
            f"{what} {repository}", hint="make it with `ppcdeps build`, or name another with --repository DIR"
        )
    if choice.target is None and choice.snapshot is None and not choice.is_ad_hoc and plan.target in list_targets():
        choice = replace(choice, target=plan.target)
    settings = (f"{LOCAL}.priority={LOCAL_PRIORITY}", f"{LOCAL}.metadata_expire=0", f"{LOCAL}.module_hotfixes=1")
    if choice.target is None and choice.snapshot is None and not choice.is_ad_hoc:
        raise UsageError(
            f"the plan is for {plan.target}, which is not a target that ppcdeps ships",
            hint="give the options that it was planned with: --target FILE, or --repofrompath ID,URL",
        )
    return replace(
        choice,
        repofrompath=(*choice.repofrompath, f"{LOCAL},{place.as_uri()}/"),
        setopt=(*choice.setopt, *settings),
        only=(*choice.only, LOCAL) if choice.only else (),
    )


def _workload(plan: Plan, named: str | None, release: str | None, cache: Cache) -> Workload:
    name = named or (plan.workload if plan.workload in list_workloads() else None)
    if name is not None:
        found = load_workload(name, release)
        if set(found.roots) == set(plan.roots):
            return found
        if named is not None:
            raise UsageError(
                f"the workload {found.name} has other roots than the plan", hint="plan it anew with `ppcdeps plan`"
            )
    return Workload(
        name=plan.workload,
        title=plan.workload,
        roots=plan.roots,
        constraints=_pins(plan, cache),
    )


def _pins(plan: Plan, cache: Cache) -> str | None:
    """A constraints file that pins what the plan pinned, None where it pinned nothing."""
    if plan.python is None or not plan.python.distributions:
        return None
    pins = sorted(f"{each.name}=={each.version}" for each in plan.python.distributions)
    text = "\n".join(pins) + "\n"

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    return str(cache.store_derived(f"pins {text}", ".txt", write))
