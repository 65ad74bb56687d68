"""Snapshots of metadata: saved, used from now on, and looked at."""

from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.base.named_files import expanded
from ppcdeps.metadata.snapshot import Snapshot, shipped_snapshots
from ppcdeps.metadata.snapshot import use as read_snapshot
from ppcdeps.metadata.snapshot_writer import save as write_snapshot
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.values import dataclass
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.remembered import remember_snapshot, title_of
from ppcdeps.workflows.repositories import choose_target
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
    place: Path,
    choice: RepositoryChoice,
    reporter: Reporter,
    *,
    name: str | None = None,
    note: str = "",
    with_disabled: bool = False,
) -> Snapshot:
    """Save the metadata of a target's live repositories to a folder, or to a file where ``place`` ends in .tar.

    ``name`` is by default the target's with its release. ``with_disabled`` saves the repositories too that are known
    and not enabled, and they stay so; one of them that does not answer is absent. Raises UsageError where something
    else is at ``place``, RepositoryError for an enabled repository that cannot be read, EnvironmentLacksError where
    it cannot be written.
    """
    resolved = choose_target(choice, reporter, live=True).read(ALL_KINDS)
    known = resolved.look_at_known() if with_disabled else ()
    return write_snapshot(
        (*resolved.metadata, *known),
        name or title_of(resolved.target),
        place,
        resolved.cache,
        reporter,
        note=note,
        offline=resolved.offline,
    )


def use_snapshot(name: str, choice: RepositoryChoice, reporter: Reporter) -> Snapshot:
    """Let a snapshot (a shipped one's name, a folder or a tar file) answer for its target from now on.

    Raises UsageError where there is none or its target cannot be known, ConfigError where it is damaged.
    """
    cache = Cache.open(choice.cache_directory, reporter)
    found = read_snapshot(name, cache)
    target = target_of_snapshot(choice, found, reporter)
    path = expanded(name)
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
