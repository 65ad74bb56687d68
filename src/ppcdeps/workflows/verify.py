"""Is the gap of a plan closed? Planned again with what was built, installed, and run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.verification import Verification
from ppcdeps.recipebook.book import load_book
from ppcdeps.verifying.provenance import check_provenance
from ppcdeps.verifying.verification import (
    LOCAL,
    VerificationBasis,
    enabled_of_target,
    signed_by,
    without_installation,
)
from ppcdeps.verifying.verification import verify as verify_plan
from ppcdeps.workflows.basis import MetadataOrigin
from ppcdeps.workflows.plans import index_for
from ppcdeps.workflows.replan import replan
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.request import PlanRequest


def verify(
    before: Plan,
    repository: Path,
    resolved: ResolvedTarget,
    reporter: Reporter,
    *,
    workload: str | None = None,
    recipes: tuple[Path, ...] = (),
    engine: str | None = None,
    install: bool = True,
    buildroots: Sequence[Path] = (),
) -> Verification:
    """The verdict on a plan, with the repository in this folder.

    ``workload`` names the workload file that the plan was made of, if it was one; ``engine`` what runs programs, None
    for the first that works; ``buildroots`` are folders of buildroots. Without ``install`` the verdict rests on
    planning alone. Nothing stays on this machine.

    Raises EnvironmentLacksError where this machine cannot do it, and what `ppcdeps.workflows.replan.replan` raises.
    """
    request, after = replan(before, repository, resolved, reporter, workload=workload, recipes=recipes)
    return verdict_on(
        before, after, request, repository, reporter, engine=engine, install=install, buildroots=buildroots
    )


def verdict_on(
    before: Plan,
    after: Plan,
    request: PlanRequest,
    repository: Path,
    reporter: Reporter,
    *,
    engine: str | None = None,
    install: bool = True,
    buildroots: Sequence[Path] = (),
) -> Verification:
    """The verdict on the plan ``before``, where ``after`` is what `replan` made of it, with its request."""
    resolved = request.resolved
    configs = tuple(
        signed_by(each, repository) if each.id == LOCAL else each
        for each in enabled_of_target(resolved.target.repositories)
    )
    local = next(each for each in configs if each.id == LOCAL)
    provenance = check_provenance(repository)
    locked = resolved.choice.locked
    if locked is not None:
        configs = tuple(map(locked.narrowed, configs))
    if not install:
        return replace(without_installation(before, after, local, "--no-install was given"), provenance=provenance)
    grounds = VerificationBasis(
        target=resolved.target,
        repositories=configs,
        local=local,
        book=load_book(request.recipes),
        open_index=lambda: index_for(request, reporter),
        cache=resolved.cache,
        engine=engine,
        buildroots=buildroots,
        locked_base=locked.roots.get((resolved.target.buildroot or "", ())) if locked is not None else None,
        snapshot=resolved.basis.name if resolved.basis.origin is MetadataOrigin.SNAPSHOT else "",
    )
    return replace(verify_plan(before, after, grounds, reporter), provenance=provenance)
