"""A target resolved once: its repositories, their metadata, and how to get more of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sync import DEFAULT_KINDS, ensure, fetch_repositories
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig
from ppcdeps.model.target import Target
from ppcdeps.workflows.basis import MetadataBasis, MetadataOrigin
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.targets import target_and_basis


@dataclass(frozen=True, slots=True)
class ChosenTarget:
    """A target whose repositories are chosen and not read yet.

    ``target.repositories`` are all that are known, enabled or not. ``refresh`` means: use nothing that is
    remembered without asking for news; ``offline``: use no network.
    """

    target: Target
    basis: MetadataBasis
    cache: Cache
    reporter: Reporter
    offline: bool = False
    refresh: bool = False

    def read(self, kinds: Sequence[str] = DEFAULT_KINDS) -> "ResolvedTarget":
        """The same with the metadata of the enabled repositories. Raises RepositoryError, EnvironmentLacksError."""
        metadata = self.fetch([config for config in self.target.repositories if config.enabled], kinds)
        absent = tuple(sorted({*self.basis.absent, *(one.config.id for one in metadata if one.problem)}))
        basis = replace(self.basis, absent=absent)
        if basis.origin is not MetadataOrigin.SNAPSHOT:
            basis = replace(basis, dates=tuple(one.date for one in metadata if one.date is not None))
        mine = {each.name: getattr(self, each.name) for each in fields(ChosenTarget)}
        return ResolvedTarget(**{**mine, "basis": basis}, metadata=metadata)

    def fetch(self, configs: Sequence[RepoConfig], kinds: Sequence[str] = DEFAULT_KINDS) -> tuple[RepoMetadata, ...]:
        """The metadata of these repositories, as fresh as was requested."""
        return tuple(
            fetch_repositories(
                configs, self.cache, self.reporter, refresh=self.refresh, offline=self.offline, kinds=kinds
            )
        )


@dataclass(frozen=True, slots=True)
class ResolvedTarget(ChosenTarget):
    """A target and what its enabled repositories hold: what workflows work on.

    ``metadata`` is that of the enabled repositories, in their order.
    """

    metadata: tuple[RepoMetadata, ...] = field(kw_only=True)

    def fetch_filelists(self, repositories: Sequence[RepoMetadata]) -> Sequence[RepoMetadata]:
        """The repositories with their file lists: what a universe reads when a path needs its owner."""
        return ensure(repositories, ("filelists",), self.cache, self.reporter, offline=self.offline)

    def with_repository(self, config: RepoConfig) -> "ResolvedTarget":
        """The same target with one more repository, whose metadata is read now.

        Raises UsageError where the target has another of this id, and what reading it raises.
        """
        if any(each.id == config.id for each in self.target.repositories):
            raise UsageError(f'the repository id "{config.id}" is taken: it is that of what ppcdeps builds')
        target = replace(self.target, repositories=(*self.target.repositories, config))
        return replace(self, target=target, metadata=(*self.metadata, *self.fetch([config])))


def choose_target(choice: RepositoryChoice, reporter: Reporter, *, live: bool = False) -> ChosenTarget:
    """The target that the choice means. Fetches nothing.

    ``live`` leaves a remembered or shipped snapshot aside. Raises UsageError, ConfigError.
    """
    cache = Cache.open(choice.cache_directory, reporter)
    target, basis = target_and_basis(choice, cache, reporter, live=live)
    return ChosenTarget(target, basis, cache, reporter, choice.offline, choice.refresh)


def resolve_target(choice: RepositoryChoice, reporter: Reporter) -> ResolvedTarget:
    """The target that the choice means, with the metadata of its repositories.

    Raises UsageError, ConfigError, RepositoryError, EnvironmentLacksError.
    """
    return choose_target(choice, reporter).read()
