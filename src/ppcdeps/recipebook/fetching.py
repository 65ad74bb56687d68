"""Fetching the sources that a recipe, a source package or a Python distribution is built from."""

from collections.abc import Callable, Sequence

from ppcdeps.base.cache import Cache
from ppcdeps.base.toml import closest
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import FetchedSource, RepositoryPackage, fetch_file, fetch_srpm, source_packages
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import RepositoryError, UsageError
from ppcdeps.model.evr import evr_key
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.recipebook.book import RecipeBook, is_named, recipe_for, sources_of

PYPI = "pypi:"

FetchSdist = Callable[[str, str], FetchedSource]
"""Fetches a source distribution by name and version."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Gets sources for a target. ``repositories`` gives the metadata of its source repositories when it is needed."""

    target: Target
    book: RecipeBook
    repositories: Callable[[], Sequence[RepoMetadata]]
    sdist: FetchSdist
    cache: Cache
    reporter: Reporter
    offline: bool = False

    def fetch(self, name: str, version: str | None = None) -> tuple[FetchedSource, ...]:
        """The sources of a recipe, of a source package, or of a Python distribution (``pypi:NAME==VERSION``).

        ``version`` is the upstream version; None is the newest that there is and that the recipe is for.

        Raises UsageError where nothing of that name and version is known, RepositoryError where it cannot be had.
        """
        if name.startswith(PYPI):
            return (self._of_index(name, version),)
        recipe = self._recipe(name)
        if recipe is None:
            return (self._srpm([name], version, None),)
        match recipe.kind:
            case RecipeKind.REUSE:
                raise UsageError(
                    f"nothing of {recipe.source} is built: its noarch packages are used as they are",
                    hint=f"see `{command_line('recipes', 'show', recipe.folder.name)}`",
                )
            case RecipeKind.SRPM:
                return (self._srpm([recipe.source, *recipe.names], version, recipe),)
            case RecipeKind.SPEC | RecipeKind.COMPILE | RecipeKind.SDIST:
                return self._files(recipe, version)

    def source_package(self, name: str, version: str | None = None) -> RepositoryPackage:
        """The source RPM that `fetch` takes for a name, as its repository's metadata has it. Raises as that."""
        recipe = self._recipe(name)
        return self._chosen([name] if recipe is None else [recipe.source, *recipe.names], version, recipe)

    def _recipe(self, name: str) -> Recipe | None:
        """The recipe that is meant; None where the name can only be that of a source package."""
        by_folder = [one for one in self.book if one.folder.name == name]
        if by_folder or not any(is_named(one, name) for one in self.book):
            return by_folder[0] if by_folder else None
        return self.book.named(name)

    def _files(self, recipe: Recipe, version: str | None) -> tuple[FetchedSource, ...]:
        chosen, sources = sources_of(recipe, version)
        return tuple(
            fetch_file(
                source.url,
                source.sha256,
                self.cache,
                self.reporter,
                file=source.file,
                name=recipe.source,
                version=chosen,
                origin=f"recipe {recipe.folder.name}",
                offline=self.offline,
            )
            for source in sources
        )

    def _of_index(self, name: str, version: str | None) -> FetchedSource:
        distribution, _, pinned = name.removeprefix(PYPI).partition("==")
        chosen = version or pinned
        if not distribution or not chosen:
            raise UsageError(f"{name}: which version?", hint="write pypi:NAME==VERSION")
        return self.sdist(distribution, chosen)

    def _srpm(self, names: Sequence[str], version: str | None, recipe: Recipe | None) -> FetchedSource:
        package = self._chosen(names, version, recipe)
        if recipe is not None:
            fits = recipe_for(self.book, package.nevra.name, package.nevra.version, self.target)
            if fits is not recipe:
                self.reporter.warn(f"recipe {recipe.folder.name} is not for {package.nevra} on {self.target.name}")
        return fetch_srpm(package, self.cache, self.reporter, offline=self.offline)

    def _chosen(self, names: Sequence[str], version: str | None, recipe: Recipe | None) -> RepositoryPackage:
        """The newest source package that fits; of equal ones that of the first repository, in the target's order."""
        repositories = [each for each in self.repositories() if not each.problem]
        where = ", ".join(each.config.id for each in repositories)
        if not where:
            raise RepositoryError(
                f"no source repository of {self.target.name} could be read",
                hint="name one that has the source packages: --source ID,URL",
            )
        order = {each.config.id: place for place, each in enumerate(repositories)}
        found = self._packages(repositories, names, recipe)
        if not found:
            raise UsageError(
                f"{where}: no source package {names[0]}, and no such recipe",
                hint=closest(names[0], [one.folder.name for one in self.book]) or "pypi:NAME==VERSION for Python",
            )
        fitting = [
            one
            for one in found
            if (version is None or one.nevra.version == version)
            and (recipe is None or version is not None or one.nevra.version in recipe.versions)
        ]
        if not fitting:
            there = ", ".join(sorted({str(one.nevra) for one in found}))
            wanted = f"of version {version}" if version else f"of {recipe.versions if recipe else 'any version'}"
            raise UsageError(f"{where}: no {names[0]} {wanted}", hint=f"there is {there}")
        newest = max(evr_key(one.nevra.evr) for one in fitting)
        equal = [one for one in fitting if evr_key(one.nevra.evr) == newest]
        return min(equal, key=lambda one: order[one.repository.config.id])

    def _packages(
        self, repositories: Sequence[RepoMetadata], names: Sequence[str], recipe: Recipe | None
    ) -> tuple[RepositoryPackage, ...]:
        def fits(name: str) -> bool:
            return name in names or (recipe is not None and is_named(recipe, name))

        return source_packages(repositories, fits)
