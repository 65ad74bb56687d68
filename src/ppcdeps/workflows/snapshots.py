"""Snapshots of metadata: saved, used from now on, and looked at."""

from dataclasses import dataclass, replace
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repofile import select_repositories
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.snapshot import Snapshot, shipped_snapshots
from ppcdeps.metadata.snapshot import use as read_snapshot
from ppcdeps.metadata.snapshot_writer import save as write_snapshot
from ppcdeps.model.reporter import Reporter
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.remembered import remember_snapshot, title_of
from ppcdeps.workflows.repositories import ResolvedTarget, choose_target
from ppcdeps.workflows.sync import ALL_KINDS
from ppcdeps.workflows.targets import load_chosen, snapshot_for, target_of_snapshot


@dataclass(frozen=True, slots=True)
class AnsweringMetadata:
    """What answers for a target, by its title: a snapshot, or its live repositories where that is None."""

    target: str
    snapshot: Snapshot | None
    shipped: tuple[str, ...]
    """The names of the snapshots that came with ppcdeps."""


def save_snapshot(
    place: Path, choice: RepositoryChoice, reporter: Reporter, *, name: str | None = None, note: str = ""
) -> Snapshot:
    """Save the metadata of a target's live repositories to a folder, or to a file where ``place`` ends in .tar.

    Those that the target knows and has not enabled are in it, too, and stay off, so that a plan from the snapshot
    can say what they would close. ``choice.disable`` and ``choice.only`` leave out what they leave out.
    ``name`` is by default the target's with its release. Raises UsageError where something else is at ``place``,
    RepositoryError for a repository that cannot be read, EnvironmentLacksError where it cannot be written.
    """
    resolved = choose_target(choice, reporter, live=True).read(ALL_KINDS)
    return write_snapshot(
        _with_known(resolved, choice),
        name or title_of(resolved.target),
        place,
        resolved.cache,
        reporter,
        note=note,
        offline=resolved.offline,
    )


def _with_known(resolved: ResolvedTarget, choice: RepositoryChoice) -> list[RepoMetadata]:
    """The metadata of the enabled repositories and of those that are known and off, in the target's order."""
    known = resolved.target.repositories
    kept = select_repositories(
        [replace(config, enabled=True) for config in known], disable=choice.disable, only=choice.only
    )
    # What is off is needed by no plan: it may be absent where the target says nothing of that.
    off = [
        replace(config, optional=True)
        for config, wanted in zip(known, kept, strict=True)
        if wanted.enabled and not config.enabled
    ]
    by_id = {one.config.id: one for one in (*resolved.metadata, *resolved.fetch(off, ALL_KINDS))}
    return [by_id[config.id] for config in known if config.id in by_id]


def use_snapshot(name: str, choice: RepositoryChoice, reporter: Reporter) -> Snapshot:
    """Let a snapshot (a shipped one's name, a folder or a tar file) answer for its target from now on.

    Raises UsageError where there is none or its target cannot be known, ConfigError where it is damaged.
    """
    cache = Cache.open(choice.cache_directory, reporter)
    found = read_snapshot(name, cache)
    target = target_of_snapshot(choice, found, reporter)
    path = Path(name).expanduser()
    is_shipped = not path.exists() and name in shipped_snapshots()
    remember_snapshot(target, name if is_shipped else str(path.resolve()), cache)
    reporter.note(f"from now on the snapshot {found.name} answers for {title_of(target)}")
    return found


def show_snapshot(name: str, choice: RepositoryChoice, reporter: Reporter) -> Snapshot:
    """What a snapshot holds. Raises UsageError where there is none, ConfigError where it is damaged."""
    return read_snapshot(name, Cache.open(choice.cache_directory, reporter))


def metadata_source(choice: RepositoryChoice, reporter: Reporter) -> AnsweringMetadata:
    """What answers for the target now. Raises UsageError, ConfigError."""
    cache = Cache.open(choice.cache_directory, reporter)
    target = load_chosen(choice, reporter)
    return AnsweringMetadata(title_of(target), snapshot_for(target, choice, cache), shipped_snapshots())
