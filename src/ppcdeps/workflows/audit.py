"""A whole distribution audited, and what a month changed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ppcdeps.auditing.audit import USABLE, Audit, Enabled
from ppcdeps.base.toml import closest
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.errors import ConfigError, PpcdepsError, UsageError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.visible import visible
from ppcdeps.model.workload import Workload
from ppcdeps.workflows.repositories import ResolvedTarget


def audit(
    resolved: ResolvedTarget,
    reporter: Reporter,
    *,
    only: Sequence[str] = (),
    recipes: Sequence[Path] = (),
) -> Audit:
    """Every package of a target and its reference, and what each missing build would open.

    ``only`` are globs of names of packages and sources, ``recipes`` folders laid over the shipped recipes. Raises
    UsageError where no package has such a name, RepositoryError, ConfigError, EnvironmentLacksError.
    """
    from ppcdeps.rpm.loading import converting

    target = resolved.target
    with converting(resolved.metadata, target.arch, target.reference_arch, resolved.cache):
        from ppcdeps.auditing.assembly import audit_of
        from ppcdeps.planning.solution import open_search
        from ppcdeps.recipebook.book import load_book
    search, adaptation = open_search(
        target, resolved.metadata, resolved.cache, resolved.fetch_filelists, load_book(recipes)
    )
    for problem in search.universe.module_problems:
        reporter.warn(problem)
    # With globs the question is of packages.
    workloads = () if only else _workloads(target.openstack)
    found = audit_of(search, adaptation, target, reporter, only=only, workloads=workloads)
    if only and not found.packages:
        names = search.universe.package_names()
        near = closest(only[0], names)
        raise UsageError(f"no package or source is called {visible(', '.join(only))}", hint=near)
    if not resolved.known or found.is_complete:
        return found
    del search, adaptation
    return replace(found, enabling=_enabling(found, resolved, resolved.look_at_known(), reporter))


def _workloads(release: str | None) -> list[Workload]:
    """The shipped workloads that are for the target's OpenStack release."""
    from ppcdeps.planning.workloads import list_workloads, load_workload

    found = []
    for name in list_workloads():
        try:
            found.append(load_workload(name, release))
        except (ConfigError, UsageError):
            # It is of other releases.
            continue
    return found


def _enabling(
    found: Audit, resolved: ResolvedTarget, known: Sequence[RepoMetadata], reporter: Reporter
) -> tuple[Enabled, ...]:
    """What each known repository that is not enabled would open, one at a time."""
    from ppcdeps.auditing.assembly import usable_names
    from ppcdeps.planning.solution import open_search

    waiting = {package.name for package in found.packages if package.state not in USABLE}
    waiting -= {package.name for package in found.packages if package.state in USABLE}
    opened = []
    for one in known:
        if one.problem:
            opened.append(Enabled(one.config.id, problem=one.problem))
            continue
        reporter.note(f"looking at {one.config.id}, which is not enabled")
        changed = resolved.with_enabled([one])
        try:
            search, _ = open_search(changed.target, changed.metadata, changed.cache, changed.fetch_filelists)
            usable = usable_names(search.universe, Silence())
        except PpcdepsError as fault:
            opened.append(Enabled(one.config.id, problem=str(fault)))
            continue
        opened.append(Enabled(one.config.id, tuple(sorted(name for name in waiting if usable.get(name)))))
    return tuple(sorted(opened, key=lambda each: (-len(each.opens), each.repository)))
