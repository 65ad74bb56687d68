"""What a plan would be with repositories that are known and not enabled: looked at because gaps remain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.model.plan import Plan, RepositoryState
from ppcdeps.planning.enabling import Survey, propose
from ppcdeps.planning.survey import has_to_do_with, survey
from ppcdeps.rpm.opening import open_universe
from ppcdeps.rpm.universe import Universe
from ppcdeps.workflows.repositories import ResolvedTarget

Replan = Callable[[ResolvedTarget], Plan]
"""The plan of the same request on another target. Raises PpcdepsError."""


def with_known(plan: Plan, resolved: ResolvedTarget, looked_at: Sequence[RepoMetadata], replan: Replan) -> Plan:
    """The plan with the route `enable` where known repositories close gaps, and what was looked at for it.

    ``looked_at`` are the known repositories, each with its metadata or why it could not be read. A repository that
    cannot be used is no fault of the plan: its state says why.
    """
    faults: dict[str, str] = {one.config.id: one.problem for one in looked_at if one.problem}
    usable = {one.config.id: one for one in looked_at if not one.problem}
    found = _surveyed(plan, resolved, usable, faults)

    def with_enabled(ids: frozenset[str]) -> Plan:
        return replan(resolved.with_enabled([usable[name] for name in sorted(ids)]))

    proposed = propose(plan, found, with_enabled)
    faults.update(proposed.faults)
    states = (_state(one, faults, found.packages) for one in looked_at)
    ordered = sorted((*plan.repositories, *states), key=lambda state: state.id)
    return replace(proposed.plan, repositories=tuple(ordered))


def _surveyed(
    plan: Plan, resolved: ResolvedTarget, usable: Mapping[str, RepoMetadata], faults: dict[str, str]
) -> Survey:
    """A look at all usable repositories together; ``faults`` takes those that the solver cannot read."""
    try:
        return _survey_of(plan, resolved, usable)
    except PpcdepsError as together:
        sound = {}
        for name, one in usable.items():
            try:
                _survey_of(plan, resolved, {name: one})
            except PpcdepsError as fault:
                faults[name] = str(fault)
            else:
                sound[name] = one
        if len(sound) == len(usable):
            # Each is well alone, and the plan is well without them.
            faults.update(dict.fromkeys(sound, str(together)))
            sound = {}
    return _survey_of(plan, resolved, sound)


def _survey_of(plan: Plan, resolved: ResolvedTarget, usable: Mapping[str, RepoMetadata]) -> Survey:
    if not usable:
        return Survey({}, frozenset(), {}, {})
    enabled = resolved.with_enabled(tuple(usable.values()))
    # What the reference has was looked for when the plan was made.
    metadata = [one for one in enabled.metadata if one.config.side == "target"]
    if not enabled.target.module_streams and not any("modules" in one.files for one in metadata):
        # Most repositories have nothing to do with a plan's gaps, and then those that are enabled need not be loaded.
        # Only modules of one repository hide packages of another.
        alone = _universe_of(enabled, [one for one in metadata if one.config.id in usable])
        if not has_to_do_with(plan, alone):
            counts = {part.metadata.config.id: alone.considered_count(part) for part in alone.parts}
            return Survey(counts, frozenset(), {}, {})
    return survey(plan, _universe_of(enabled, metadata), usable.keys())


def _universe_of(resolved: ResolvedTarget, metadata: Sequence[RepoMetadata]) -> Universe:
    target = resolved.target
    return open_universe(
        metadata,
        target.arch,
        target.reference_arch,
        resolved.cache,
        resolved.fetch_filelists,
        module_streams=target.module_streams,
        platform_id=target.platform_id,
    )


def _state(one: RepoMetadata, faults: Mapping[str, str], packages: Mapping[str, int]) -> RepositoryState:
    config = one.config
    return RepositoryState(
        id=config.id,
        side=config.side,
        revision=one.revision,
        date=one.date,
        digest=one.digest,
        packages=packages.get(config.id, 0),
        problem=faults.get(config.id, ""),
        enabled=False,
    )
