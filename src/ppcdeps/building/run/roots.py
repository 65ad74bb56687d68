"""The buildroots of a run: which ones it takes, made ready with what finds the packages to install in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ppcdeps.building.buildroots.buildroots import Buildroots, Created, LockedRoot
from ppcdeps.building.buildroots.definitions import DebianMaking, Definition, packages_for
from ppcdeps.building.run.options import BuildBasis, BuildOptions
from ppcdeps.building.run.resolver import PackageResolver
from ppcdeps.building.run.setup import ProvisionedRoot
from ppcdeps.building.run.sources import TaskSources
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.emulation import ensure_emulation
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import Target

_CROSS = "-cross"
"""The end of the name of a buildroot that cross-compiles; before it stands the name of the native one."""


def root_name(options: BuildOptions, target: Target) -> str:
    """The name of the buildroot that the options, or else the target, name. Raises ConfigError where none does."""
    name = options.buildroot or target.buildroot
    if name is None:
        raise ConfigError(f"the target {target.name} names no buildroot", hint="name one with --buildroot NAME")
    return name


@dataclass(frozen=True, slots=True)
class WantedRoot:
    """A buildroot that a run takes, and what the cache has of it: None where it is not made yet."""

    definition: Definition
    mode: BuildMode
    packages: tuple[str, ...]
    created: Created | None


@dataclass(frozen=True, slots=True)
class RootProvider:
    """Chooses and creates the buildroots of a run. ``locked`` has those that a lock pins."""

    roots: Buildroots
    tasks: Sequence[Task]
    sources: TaskSources
    basis: BuildBasis
    options: BuildOptions
    reporter: Reporter
    locked: Mapping[tuple[str, tuple[str, ...]], LockedRoot] = field(default_factory=dict)

    def wanted(self) -> tuple[WantedRoot, ...]:
        """The root to build in, then the one to test in, where that is another. None is made.

        Raises ConfigError where the target names none.
        """
        root = self._wanted(root_name(self.options, self.basis.target), self.options.mode)
        if root.mode is not BuildMode.CROSS:
            return (root,)
        return (root, self._wanted(root.definition.name.removesuffix(_CROSS), None))

    def _wanted(self, name: str, mode: BuildMode | None) -> WantedRoot:
        definition = self.roots.definitions.named(name)
        packages = self._packages(definition)
        created = self.roots.find(name, packages)
        return WantedRoot(definition, mode or self.roots.best_mode(definition, created), packages, created)

    def provide(self) -> tuple[ProvisionedRoot, ProvisionedRoot | None]:
        """The root to build in, and the one to test in; None where no program of the target runs here."""
        target = self.basis.target
        name = root_name(self.options, target)
        root = self._created(name, self.options.mode)
        if root.target != target.arch:
            raise ConfigError(f"the buildroot {name} builds for {root.target}, and the target is {target.arch}")
        own = (target.buildroot or "").removesuffix(_CROSS) == name.removesuffix(_CROSS)
        if not own and self.roots.of(root).repository is not None:
            self.reporter.warn(
                f"{name} is not a root of {target.title}: "
                "packages built in it show that the build works, and are not for that target"
            )
        build_root = self._provisioned(root)
        if root.mode is not BuildMode.CROSS:
            return build_root, build_root
        emulation = ensure_emulation(root.target, self.reporter)
        if not emulation.works:
            self.reporter.warn(
                f"packages are not tested, as programs of {root.target} do not run here: {emulation.fix}"
            )
            return build_root, None
        return build_root, self._provisioned(self._created(name.removesuffix(_CROSS), None))

    def _created(self, name: str, mode: BuildMode | None) -> Buildroot:
        packages = self._packages(self.roots.definitions.named(name))
        locked = self.locked.get((name, packages))
        if self.basis.locked and locked is None:
            raise ConfigError(
                f"the lock does not say what the buildroot {name} is made of",
                hint="build with it once where there is network, and lock again with `ppcdeps lock PLAN`",
            )
        return self.roots.create(name, mode=mode, packages=packages, mirror=self.options.mirror, locked=locked)

    def _packages(self, definition: Definition) -> tuple[str, ...]:
        """What the root has beside its definition's packages."""
        if not isinstance(definition.making, DebianMaking):
            return ()
        # Nothing can be installed in a Debian root later: it gets what all tasks need when it is made.
        # The packages are tested where the target's programs run.
        runs = definition.arch == definition.target
        required = {each for task in self.tasks for each in self._requirements(task, runs)}
        packages, _ = packages_for(definition, sorted(required))
        return packages

    def _requirements(self, task: Task, runs: bool) -> Sequence[str]:
        requires = task.recipe.requires if isinstance(task.recipe, Recipe) and runs else ()
        try:
            return (*self.sources.build_requires(task), *requires)
        except (RepositoryError, ConfigError, UsageError):
            # Its own build will fail with this error, and the others go on.
            return requires

    def _provisioned(self, root: Buildroot) -> ProvisionedRoot:
        """The root with the repositories of its packages: the target's, or its own where it is not made of RPMs."""
        basis = self.basis
        own = self.roots.of(root).repository
        if own is None:
            metadata = tuple(each for each in basis.metadata if each.config.side is Side.TARGET)
        else:
            url = own.absolute().as_uri() + "/"
            config = RepoConfig(id=root.name, side=Side.TARGET, baseurl=(url,), metadata_expire=0)
            metadata = tuple(fetch_repositories([config], basis.cache, self.reporter))
        resolver = PackageResolver(
            basis.target, metadata, basis.cache, self.reporter, basis.fetch_filelists, basis.offline
        )
        return ProvisionedRoot(root, resolver)
