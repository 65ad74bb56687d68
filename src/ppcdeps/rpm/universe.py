"""All packages of the target and the reference in one pool, looked up by name, source and capability."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.nevra import Nevra
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.index import PoolIndex
from ppcdeps.rpm.isa import dependencies, dependency
from ppcdeps.rpm.loading import Part, Role
from ppcdeps.rpm.own import is_own
from ppcdeps.rpm.paths import PathOwners, answered_by_primary
from ppcdeps.rpm.symbols import SymbolProviders, symbols_in

_OWN_RANK = 3_000_000
"""Above the target's, see `ppcdeps.rpm.loading.set_priorities`."""


class Universe:
    """The pool, and what each package in it is; packages are libsolv's solvable ids.

    It is made by `ppcdeps.rpm.opening` for one plan and thrown away: `ppcdeps.rpm.additions` changes it as a search
    goes on. ``declared`` maps packages that no repository has to the source that gives them, ``placeholders`` the
    placeholder providers to the requirement that they satisfy; ``multiversion`` are packages that may be installed
    beside others of their name.
    """

    def __init__(
        self,
        pool: Any,
        arch: str,
        parts: Iterable[Part],
        index: PoolIndex,
        paths: PathOwners,
        symbols: SymbolProviders,
        find_duplicates: Callable[[], Collection[int]],
        module_problems: Iterable[str],
        not_rebuilt: Mapping[int, str],
    ) -> None:
        self.pool = pool
        self.arch = arch
        self.parts = tuple(parts)
        self.index = index
        self.paths = paths
        self._symbols = symbols
        self._find_duplicates = find_duplicates
        self.module_problems = tuple(module_problems)
        """Which wanted module streams could not be active, in words."""
        self.not_rebuilt = not_rebuilt
        """Packages of the reference that no rebuild gives, and why; no search sees them."""
        self._filled = [part for part in self.parts if part.count]
        self._starts = [part.start for part in self._filled]
        self.requests = pool.add_repo("@requests")
        self.declared_packages = pool.add_repo("@declared")
        self.placeholder_providers = pool.add_repo("@placeholders")
        # Below all repositories, so that libsolv takes these where nothing else will do.
        self.declared_packages.priority = -1_000
        self.placeholder_providers.priority = -10_000_000
        self.declared: dict[int, str] = {}
        self.placeholders: dict[int, str] = {}
        self.multiversion: list[int] = []
        self.standins = {
            i for part in self._filled if part.role is Role.STANDIN for i in part.ids if i not in index.excluded
        }
        self.own = {source for part in self._filled if is_own(part) for source in part.sources}
        """The names of the sources that are the user's own."""
        # Each call of libsolv's makes Python objects, and closures share most of their packages and requirements.
        self._nevras: dict[int, Nevra] = {}
        self._roles: dict[int, Role | None] = {}
        self._labels: dict[int, str] = {}
        self._sources: dict[int, str] = {}
        self._requirements: dict[int, Sequence[int]] = {}
        self._texts: dict[int, str] = {}
        self._satisfying: dict[int, tuple[int, ...]] = {}
        self._generation = 0

    @cached_property
    def duplicates(self) -> Collection[int]:
        """The stand-ins that the target has in the same version. Found when a solver first asks."""
        return self._find_duplicates()

    # What a package is --------------------------------------------------------------------------------------

    def part_of(self, package: int) -> Part | None:
        """The part that a package belongs to; None for a request, a declared package or a placeholder."""
        found = bisect_right(self._starts, package) - 1
        if found < 0 or package not in self._filled[found].ids:
            return None
        return self._filled[found]

    def role_of(self, package: int) -> Role | None:
        """What a package is to the solver; None for what is in no repository."""
        if package not in self._roles:
            part = self.part_of(package)
            self._roles[package] = part.role if part else None
        return self._roles[package]

    def is_standin(self, package: int) -> bool:
        """Whether the package stands for a rebuild."""
        return package in self.standins

    def is_assumed(self, package: int) -> bool:
        """Whether the package is assumed of a source package's name: no repository says what that source gives."""
        source = self.declared.get(package)
        return source is not None and all(i in self.declared for i in self.standins_of(source))

    def nevra(self, package: int) -> Nevra:
        """The identity of a package. Raises RepositoryError where its metadata has no proper version."""
        if package not in self._nevras:
            try:
                self._nevras[package] = Nevra.parse(str(self.pool.id2solvable(package)))
            except ValueError as error:
                part = self.part_of(package)
                where = f"repository {part.metadata.config.id}: " if part else ""
                raise RepositoryError(f"{where}{error}") from error
        return self._nevras[package]

    def label(self, package: int) -> str:
        """A package as people read it; a placeholder by the requirement that it satisfies."""
        known = self._labels.get(package)
        if known is None:
            known = self._labels[package] = self.placeholders.get(package) or str(self.pool.id2solvable(package))
        return known

    def name_of(self, package: int) -> str:
        """The name of a package."""
        return str(self.pool.id2solvable(package).name)

    def source_of(self, package: int) -> str:
        """The name of the source package that a package was built from."""
        known = self._sources.get(package)
        if known is None:
            source = self.source_package_of(package)
            known = self.declared.get(package) or (source.rsplit("-", 2)[0] if source else self.name_of(package))
            self._sources[package] = known
        return known

    def source_package_of(self, package: int) -> str:
        """The source package's file name without its ending (name-version-release), or nothing."""
        file_name = self.pool.id2solvable(package).lookup_sourcepkg() or ""
        return str(file_name).removesuffix(".rpm").rpartition(".")[0]

    def size_of(self, package: int) -> int:
        """The size of a package's file in bytes; 0 where the metadata does not say."""
        return int(self.pool.id2solvable(package).lookup_num(libsolv().SOLVABLE_DOWNLOADSIZE) or 0)

    def requirements_of(self, package: int) -> Sequence[int]:
        """What a package requires, as ids of libsolv's dependencies."""
        known = self._requirements.get(package)
        if known is None:
            known = dependencies(self.pool.id2solvable(package), libsolv().SOLVABLE_REQUIRES)
            self._requirements[package] = known
        return known

    def forget_requirements(self, package: int) -> None:
        """Say that what a package requires has changed."""
        self._requirements.pop(package, None)

    def text_of(self, dep: int) -> str:
        """The dependency of an id as rpm writes it."""
        known = self._texts.get(dep)
        if known is None:
            known = self._texts[dep] = self.pool.dep2str(dep)
        return known

    def conflicts_of(self, package: int) -> list[int]:
        """What a package conflicts with, as ids of libsolv's dependencies."""
        return dependencies(self.pool.id2solvable(package), libsolv().SOLVABLE_CONFLICTS)

    def provides_of(self, package: int) -> tuple[str, ...]:
        """What a package provides, as text."""
        return tuple(map(str, self.pool.id2solvable(package).lookup_deparray(libsolv().SOLVABLE_PROVIDES)))

    def compare_versions(self, one: int, other: int) -> int:
        """Negative, zero or positive, as the first package's version is older, equal or newer (rpmvercmp)."""
        return int(self.pool.id2solvable(one).evrcmp(self.pool.id2solvable(other)))

    def prefer_own(self, *, but: Collection[str] = ()) -> None:
        """Rank the user's own packages above all others, and those of the sources ``but`` as any stand-ins.

        What is installed comes from the user's own repository first. What a build needs of its own source does not:
        that would have to be there before.
        """
        for part in self._filled:
            if is_own(part) and part.role is Role.STANDIN:
                part.repo.priority = 0 if but and set(but).intersection(part.sources) else _OWN_RANK

    # Packages by source and name ----------------------------------------------------------------------------

    def standins_of(self, source: str) -> list[int]:
        """The considered stand-ins that a source package builds, declared ones included."""
        declared = [i for i, declared_by in self.declared.items() if declared_by == source]
        return self._built_from(source, Role.STANDIN) + declared

    def built_for_target(self, source: str) -> list[int]:
        """The packages of the target's repositories that are built from a source of this name."""
        return self._built_from(source, Role.TARGET)

    def source_packages(self, source: str) -> list[int]:
        """The source packages of a name, as the source repositories have them, without excluded ones."""
        return self._built_from(source, Role.SOURCE)

    def package_names(self) -> set[str]:
        """The names of all packages, those of sources too."""
        return {str(solvable.name) for part in self._filled for solvable in part.repo.solvables_iter()}

    def named(self, name: str, role: Role) -> list[int]:
        """The considered packages of a name that have a role."""
        self.index.widen()
        found = self.pool.select(name, libsolv().Selection.SELECTION_NAME).solvables()
        return [s.id for s in found if s.id not in self.index.excluded and self.role_of(s.id) is role]

    def has_name(self, standin: int) -> bool:
        """Whether the target's own repositories have a package of the stand-in's name."""
        return bool(self.named(self.name_of(standin), Role.TARGET))

    def considered_count(self, part: Part) -> int:
        """How many packages of a part are left after exclusions."""
        return part.count - sum(1 for i in self.index.excluded if i in part.ids and i not in self.not_rebuilt)

    def _built_from(self, source: str, role: Role) -> list[int]:
        return [
            part.start + position
            for part in self._filled
            if part.role is role
            for position in part.sources.get(source, ())
            if part.start + position not in self.index.excluded
        ]

    # Packages by capability ---------------------------------------------------------------------------------

    def satisfying(self, dep: int) -> Sequence[int]:
        """The considered packages that satisfy the plain dependency of an id, placeholders included."""
        index = self.index
        if index.is_outdated:
            index.refresh()
        if self._generation != index.generation:
            self._generation = index.generation
            self._satisfying.clear()
        known = self._satisfying.get(dep)
        if known is None:
            known = self._satisfying[dep] = tuple(s.id for s in self.pool.whatprovides(dep))
        return known

    def providers(self, dep: int) -> Sequence[int]:
        """The considered packages that satisfy the plain dependency of an id, placeholders left out."""
        found = self.satisfying(dep)
        return [i for i in found if i not in self.placeholders] if self.placeholders else found

    def providers_of(self, requirement: str) -> Sequence[int]:
        """The considered packages that satisfy a requirement given as text, placeholders left out.

        Of boolean requirements only those with `with` and `without` are satisfied by one package.
        """
        self.provide_symbols(requirement)
        return self.providers(dependency(self.pool, requirement).id)

    def unbuildable_providers(self, requirement: str) -> list[int]:
        """The packages of `not_rebuilt` that would satisfy a requirement given as text, of boolean ones none."""
        if not self.not_rebuilt or requirement.startswith("("):
            return []
        self.provide_symbols(requirement)
        dep = dependency(self.pool, requirement)
        provides = libsolv().SOLVABLE_PROVIDES
        return sorted(i for i in self.not_rebuilt if self.pool.id2solvable(i).matchesdep(provides, dep))

    def provide_symbols(self, requirement: str) -> None:
        """Have packages provide what they have of the symbols in a requirement given as text."""
        if self._symbols.provide(symbols_in(requirement)):
            self.index.outdate()

    def provide_symbols_like(self, glob: str) -> None:
        """Have packages provide what they have of the symbols that a glob fits."""
        if self._symbols.provide_like(glob):
            self.index.outdate()

    def owners_of(self, path: str) -> Sequence[int]:
        """The considered packages that own a path, whichever metadata lists it."""
        if not answered_by_primary(path):
            self.paths.request([path])
            self.paths.look_up()
            return self.providers_of(path)
        solv = libsolv()
        how = solv.Dataiterator.SEARCH_STRING | solv.Dataiterator.SEARCH_FILES
        found = {match.solvid for match in self.pool.Dataiterator(solv.SOLVABLE_FILELIST, path, how)}
        return sorted(found - self.index.excluded)

    def obsoleting(self, package: Nevra) -> list[int]:
        """The considered packages that obsolete a package, which need not be in a repository."""
        solv = libsolv()
        self.index.widen()
        # rpm's obsoletes speak of names, not of what a package provides.
        dep = dependency(self.pool, f"{package.name} = {package.evr}")
        return [
            one.id
            for one in self.pool.whatmatchesdep(solv.SOLVABLE_OBSOLETES, dep)
            if self.role_of(one.id) not in (None, Role.SOURCE) and one.id not in self.index.excluded
        ]
