"""A target resolved once: its repositories, their metadata, and how to get more of it."""

import fnmatch
from collections.abc import Collection, Iterable, Sequence
from dataclasses import field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sync import DEFAULT_KINDS, ensure, fetch_repositories
from ppcdeps.model.errors import PpcdepsError, UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.workflows.basis import MetadataBasis, MetadataOrigin
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.targets import target_and_basis

if TYPE_CHECKING:
    from ppcdeps.model.lock import HeldPackage, Lock

_NEVER_REQUIRED = ("-debuginfo", "-debug", "-debug-rpms", "-source", "-source-rpms")


@dataclass(frozen=True, slots=True)
class ChosenTarget:
    """A target whose repositories are chosen and not read yet.

    ``target.repositories`` are all that are known, enabled or not; ``known`` those of the target's side that are not
    enabled and that the user did not turn off, which a plan may look at. ``refresh`` means: use nothing that is
    remembered without asking for news; ``offline``: use no network. ``choice`` is what the user said.
    """

    target: Target
    basis: MetadataBasis
    cache: Cache
    reporter: Reporter
    offline: bool = False
    refresh: bool = False
    known: tuple[RepoConfig, ...] = ()
    choice: RepositoryChoice = field(default_factory=RepositoryChoice)

    @property
    def index_folder(self) -> Path | None:
        """The simple index that stands in for those of pip's configuration: that of a lock, None without one."""
        return self.choice.locked.index if self.choice.locked is not None else None

    def read(
        self, kinds: Sequence[str] = DEFAULT_KINDS, *, sides: Collection[Side] = frozenset(Side)
    ) -> "ResolvedTarget":
        """The same with the metadata of the enabled repositories of these sides.

        Raises RepositoryError, EnvironmentLacksError.
        """
        enabled = [config for config in self.target.repositories if config.enabled and config.side in sides]
        metadata = self.fetch(enabled, kinds)
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

    def look_at_known(self) -> tuple[RepoMetadata, ...]:
        """The metadata of the known repositories that are not enabled. What cannot be read has a ``problem``."""
        left_out = {config.id for config in self.basis.left_out}
        configs = [config for config in self.known if config.id not in left_out]
        try:
            found = self.fetch([replace(config, optional=True) for config in configs])
        except PpcdepsError:
            # One of them takes what this machine lacks: the others are read all the same.
            found = tuple(self._looked_at(replace(config, optional=True)) for config in configs)
        read = {one.config.id: one for one in found}
        missing = f"not in the snapshot {self.basis.name}"
        return tuple(
            replace(read.get(config.id) or RepoMetadata(config, problem=missing), config=config)
            for config in self.known
        )

    def _looked_at(self, config: RepoConfig) -> RepoMetadata:
        try:
            return self.fetch([config])[0]
        except PpcdepsError as fault:
            return RepoMetadata(config, problem=str(fault))

    def with_enabled(self, repositories: Sequence[RepoMetadata]) -> "ResolvedTarget":
        """The same target with known repositories enabled, whose metadata was read."""
        ids = {one.config.id for one in repositories}
        configs = tuple(replace(each, enabled=True) if each.id in ids else each for each in self.target.repositories)
        enabled = (replace(one, config=replace(one.config, enabled=True)) for one in repositories)
        order = {each.id: place for place, each in enumerate(configs)}
        return replace(
            self,
            target=replace(self.target, repositories=configs),
            metadata=tuple(sorted((*self.metadata, *enabled), key=lambda one: order[one.config.id])),
            known=tuple(each for each in self.known if each.id not in ids),
        )

    def with_repository(self, config: RepoConfig) -> "ResolvedTarget":
        """The same target with one more repository, whose metadata is read now.

        Raises UsageError where the target has another of this id, and what reading it raises.
        """
        if any(each.id == config.id for each in self.target.repositories):
            raise UsageError(f'the repository id "{config.id}" is taken: it is that of what ppcdeps builds')
        target = replace(self.target, repositories=(*self.target.repositories, config))
        return replace(self, target=target, metadata=(*self.metadata, *self.fetch([config])))


def holding(resolved: ResolvedTarget, held: "Sequence[HeldPackage]") -> ResolvedTarget:
    """The same target without these packages of its repositories."""
    if not held:
        return resolved

    def without(config: RepoConfig) -> RepoConfig:
        mine = tuple(one.nevra for one in held if one.repo == config.id)
        return replace(config, excludepkgs=(*config.excludepkgs, *mine)) if mine else config

    return replace(
        resolved,
        target=replace(resolved.target, repositories=tuple(map(without, resolved.target.repositories))),
        metadata=tuple(replace(one, config=without(one.config)) for one in resolved.metadata),
    )


def choose_target(choice: RepositoryChoice, reporter: Reporter, *, live: bool = False) -> ChosenTarget:
    """The target that the choice means. Fetches nothing.

    ``live`` leaves a remembered or shipped snapshot aside. Raises UsageError, ConfigError.
    """
    cache = Cache.open(choice.cache_directory, reporter)
    target, basis = target_and_basis(choice, cache, reporter, live=live or choice.locked is not None)
    if choice.locked is not None:
        _check_locked(target, choice.locked.lock)
        found = map(choice.locked.repository, target.repositories)
        target = replace(target, repositories=tuple(each for each in found if each is not None))
        basis = MetadataBasis(MetadataOrigin.LOCK, str(choice.locked.folder))
    known = known_repositories((*target.repositories, *basis.left_out), choice)
    return ChosenTarget(target, basis, cache, reporter, choice.offline, choice.refresh, known, choice)


def _check_locked(target: Target, lock: "Lock") -> None:
    """Raise UsageError where the target is not the lock's, or has an enabled repository that the lock has not."""
    if target.name != lock.target:
        raise UsageError(
            f"the lock is for the target {lock.target}, and this is {target.name}",
            hint="name its target, or the file of it, with --target",
        )
    known = {one.id for one in lock.repositories}
    unknown = sorted(each.id for each in target.repositories if each.enabled and each.id not in known)
    if unknown:
        raise UsageError(
            f"the lock has nothing of the repository {unknown[0]}",
            hint="leave it out, or plan with it and lock that plan",
        )


def known_repositories(configs: Iterable[RepoConfig], choice: RepositoryChoice) -> tuple[RepoConfig, ...]:
    """Of these, the repositories of the target's side that are not enabled, as far as the user leaves a choice.

    What ``--disablerepo`` names, and all that ``--repo`` does not, is off because the user says so. Debug information
    and sources, which dnf knows by their names, are nothing that a workload requires.
    """
    if choice.only:
        return ()
    turned_off = [pattern for option in choice.disable for pattern in option.replace(",", " ").split()]
    return tuple(
        config
        for config in configs
        if not config.enabled
        and config.side is Side.TARGET
        and not config.id.endswith(_NEVER_REQUIRED)
        and not any(fnmatch.fnmatchcase(config.id, pattern) for pattern in turned_off)
    )


def resolve_target(choice: RepositoryChoice, reporter: Reporter) -> ResolvedTarget:
    """The target that the choice means, with the metadata of its repositories.

    Raises UsageError, ConfigError, RepositoryError, EnvironmentLacksError.
    """
    return choose_target(choice, reporter).read()
