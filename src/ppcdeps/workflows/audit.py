"""A whole distribution audited, and what a month changed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.auditing.audit import USABLE, Audit, Enabled
from ppcdeps.base.compression import DamagedError
from ppcdeps.base.toml import closest
from ppcdeps.metadata.comps import KIND, PackageGroup, read_groups
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sync import ensure
from ppcdeps.model.errors import ConfigError, PpcdepsError, RepositoryError, UsageError
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.repository import Side
from ppcdeps.model.visible import visible
from ppcdeps.model.workload import Workload
from ppcdeps.workflows.basis import MetadataOrigin
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.requested import record_of

if TYPE_CHECKING:
    from ppcdeps.rpm.universe import Universe


def audit(
    resolved: ResolvedTarget,
    reporter: Reporter,
    *,
    only: Sequence[str] = (),
    recipes: Sequence[Path] = (),
) -> Audit:
    """Every package of a target and its reference, and what each missing build would open.

    ``only`` are globs of names of packages and sources, ``recipes`` folders laid over the shipped recipes.
    Raises UsageError where none has such a name, RepositoryError, ConfigError, EnvironmentLacksError.
    """
    from ppcdeps.rpm.loading import converting

    target = resolved.target
    with converting(resolved.metadata, target.arch, target.reference_arch, resolved.cache):
        from ppcdeps.auditing.assembly import audit_of
        from ppcdeps.auditing.groups import audited_groups
        from ppcdeps.planning.solution import open_search
        from ppcdeps.recipebook.book import load_book
    search, adaptation = open_search(
        target, resolved.metadata, resolved.cache, resolved.fetch_filelists, load_book(recipes)
    )
    for problem in search.universe.module_problems:
        reporter.warn(problem)
    _check_packages(search.universe, reporter)
    workloads = _workloads(target.openstack)
    found = audit_of(search, adaptation, target, reporter, only=only, workloads=workloads)
    names = {name for each in found.packages for name in (each.name, each.source)}
    unfit = [glob for glob in only if not any(fnmatchcase(name, glob) for name in names)]
    if unfit:
        text = f"no package or source is called {visible(', '.join(unfit))}"
        hint = closest(unfit[0], search.universe.package_names())
        if len(unfit) == len(only):
            raise UsageError(text, hint=hint)
        reporter.warn(f"{text}{'; ' if hint else ''}{hint}")
    found = replace(
        found,
        groups=audited_groups(_groups(resolved, reporter), found.packages),
        request=record_of((), resolved.choice, recipes=recipes),
    )
    if not resolved.known or found.is_complete:
        return found
    del search, adaptation
    return replace(found, enabling=_enabling(found, resolved, resolved.look_at_known(), reporter))


def _check_packages(universe: "Universe", reporter: Reporter) -> None:
    """Warn of repositories without any package that counts. Raises RepositoryError where the target has none."""
    counts: dict[Side, dict[str, int]] = {}
    for part in universe.parts:
        config = part.metadata.config
        of_side = counts.setdefault(config.side, {})
        of_side[config.id] = of_side.get(config.id, 0) + part.count
    target, reference = counts.get(Side.TARGET, {}), counts.get(Side.REFERENCE, {})
    hint = "is it of another architecture?"
    if not any(target.values()):
        names = ", ".join(sorted(target)) or "none is enabled"
        raise RepositoryError(f"no target repository has a package for {universe.arch}: {names}", hint=hint)
    for name, count in sorted({**target, **reference}.items()):
        if not count:
            reporter.warn(f"repository {name} has no package that counts here: {hint}")
    if not reference:
        reporter.warn("there is no reference repository: what the target lacks is not known")


def _groups(resolved: ResolvedTarget, reporter: Reporter) -> Iterator[PackageGroup]:
    """The package groups of the repositories. What cannot be read is reported, and left out."""
    metadata: Sequence[RepoMetadata] = resolved.metadata
    if resolved.basis.origin is not MetadataOrigin.SNAPSHOT:
        try:
            metadata = ensure(metadata, (KIND,), resolved.cache, reporter, offline=resolved.offline)
        except RepositoryError as fault:
            reporter.warn(f"package groups are not known: {fault.line}")
    for one in metadata:
        if KIND in one.files:
            try:
                yield from read_groups(one.files[KIND].intact_path())
            except DamagedError as fault:
                reporter.warn(f"the package groups of {one.config.id} are not known: {fault}")


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
    from ppcdeps.recipebook.book import RecipeBook

    # Nothing is built here.
    no_recipes = RecipeBook(())
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
            search, _ = open_search(
                changed.target, changed.metadata, changed.cache, changed.fetch_filelists, no_recipes
            )
            usable = usable_names(search.universe, Silence())
        except PpcdepsError as fault:
            opened.append(Enabled(one.config.id, problem=str(fault)))
            continue
        opened.append(Enabled(one.config.id, tuple(sorted(name for name in waiting if usable.get(name)))))
    return tuple(sorted(opened, key=lambda each: (-len(each.opens), each.repository)))
