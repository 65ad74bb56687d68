"""All packages of the target, the reference and the stand-ins in one pool, ready to solve."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.capability import Capability, Requirement, Rich, capabilities_in, parse_requirement
from ppcdeps.model.errors import UsageError
from ppcdeps.rpm.binding import disable, libsolv
from ppcdeps.rpm.exclusions import excluded_ids
from ppcdeps.rpm.facts import recall, remember
from ppcdeps.rpm.filelists import owners_of
from ppcdeps.rpm.isa import dependencies, dependency, plain_dependency
from ppcdeps.rpm.loading import Part, Role, load_parts, set_priorities
from ppcdeps.rpm.modularity import hidden_ids
from ppcdeps.rpm.primary import answered_by_primary

FetchFilelists = Callable[[Sequence[RepoMetadata]], Sequence[RepoMetadata]]
"""Fetches the filelists of the given repositories and returns these with the files added."""


@dataclass(frozen=True, slots=True)
class Request:
    """A package that exists only to be asked for: its requirements are what must be satisfied together."""

    id: int
    title: str


_ISA = {"ppc64le": "ppc-64", "x86_64": "x86-64", "aarch64": "aarch-64"}
"""How rpm marks the architecture in capabilities (rpm's platform macros, __isa)."""


class Universe:
    """The pool, and what each package in it is.

    Packages are libsolv's solvable ids. The stand-ins' requirements can be lightened, and providers for what
    nobody provides can be invented (``add_placeholder``): a universe is made for one plan and thrown away.
    """

    def __init__(
        self,
        repositories: Iterable[RepoMetadata],
        arch: str,
        reference_arch: str,
        cache: Cache,
        fetch_filelists: FetchFilelists,
        *,
        module_streams: Sequence[str] = (),
        platform_id: str | None = None,
    ) -> None:
        """Load the repositories; neither their order nor that of the packages in them changes an answer.

        ``module_streams`` are the enabled ones as ``name:stream``, ``platform_id`` is ``platform:el9`` or the
        like. Raises RepositoryError where metadata is damaged, UsageError where no repository has an enabled
        stream, EnvironmentLacksError where libsolv is missing.
        """
        solv = libsolv()
        self.arch = arch
        self.pool = solv.Pool()
        self.pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self.pool.setarch(arch)
        self._cache = cache
        self._fetch_filelists = fetch_filelists
        usable = sorted((r for r in repositories if not r.problem), key=lambda r: (r.config.side, r.config.id))
        self.parts = [part for r in usable for part in load_parts(self.pool, r, arch, reference_arch, cache)]
        set_priorities(self.parts)
        self._filled = [part for part in self.parts if part.count]
        self._starts = [part.start for part in self._filled]
        self._questions = self.pool.add_repo("@questions")
        self._declared_repo = self.pool.add_repo("@promised")
        self._declared_repo.priority = -1_000
        self._declared: dict[int, str] = {}
        self._placeholder_repo = self.pool.add_repo("@imagined")
        self._placeholder_repo.priority = -10_000_000
        self.placeholders: dict[int, str] = {}
        self.multiversion: list[int] = []
        self._narrowed = False
        self._paths_answered = False
        self._paths_asked: set[str] = set()
        modularity = hidden_ids(
            self._filled, arch, reference_arch, cache, streams=module_streams, platform_id=platform_id
        )
        self.module_problems = modularity.problems
        """Which wanted module streams could not be active, in words."""
        self._excluded = excluded_ids(self._filled, reference_arch) | modularity.ids
        self._standins = {
            i for part in self._filled if part.role is Role.STANDIN for i in part.ids if i not in self._excluded
        }
        self._duplicates = self._standins_of_same_version()
        self._reindex = True
        self._new_paths = True

    def request_packages(self, title: str, requirements: Iterable[str]) -> Request:
        """A question for packages that satisfy all requirements.

        As with `dnf install`, the bare name of a package asks for that package or for one that obsoletes it.
        Raises UsageError where a requirement is not well-formed.
        """
        deps = []
        for text in sorted(set(requirements)):
            try:
                deps.append(self._as_dnf_means(text, dependency(self.pool, text)))
                paths = {c.name for c in capabilities_in(parse_requirement(text)) if c.is_path}
            except ValueError as error:
                raise UsageError(f"{title}: {error}") from error
            self._new_paths |= bool(paths)
            self._reindex |= bool(paths)
            unanswered = {path for path in paths if not answered_by_primary(path)}
            if not unanswered <= self._paths_asked:
                self._paths_asked |= unanswered
                self._paths_answered = False
        return self.request_dependencies(title, deps)

    def _as_dnf_means(self, name: str, dep: Any) -> Any:
        """The dependency that stands for `dnf install` of a bare name.

        Where the target has packages of the name, others that only provide it do not count; packages that obsolete
        one of the name do. Where that is not what the name alone says, the right ones are marked.
        """
        solv = libsolv()
        named = {role: self.named(name, role) for role in (Role.TARGET, Role.REFERENCE, Role.STANDIN)}
        meant = {i for found in named.values() for i in found}
        if not meant:
            return dep
        obsoleting = {i for package in meant for i in self._obsoleting(package)}
        providers = set(self.providers(dep))
        meant |= obsoleting
        if not named[Role.TARGET]:
            meant |= providers
        if meant == providers:
            return dep
        mark = self.pool.Dep(f"package({name})")
        for package in meant.difference(s.id for s in self.pool.whatprovides(mark)):
            self.pool.id2solvable(package).add_deparray(solv.SOLVABLE_PROVIDES, mark)
            self._reindex = True
        return mark

    def _obsoleting(self, package: int) -> list[int]:
        """The packages that obsolete a package."""
        solv = libsolv()
        self._widen()
        obsolete = self.pool.id2solvable(package)
        # libsolv finds those that obsolete a provide as well; rpm's obsoletes speak of names only.
        return [
            one.id
            for one in self.pool.whatmatchessolvable(solv.SOLVABLE_OBSOLETES, obsolete)
            if self._role(one.id) not in (None, Role.SOURCE)
            and one.id not in self._excluded
            and any(
                obsolete.matchesdep(solv.SOLVABLE_NAME, each) for each in one.lookup_deparray(solv.SOLVABLE_OBSOLETES)
            )
        ]

    def request_dependencies(self, title: str, deps: Iterable[Any], conflicts: Iterable[Any] = ()) -> Request:
        """A question made of libsolv's own dependencies, such as the BuildRequires of a source package.

        ``conflicts`` are what must not be in the answer.
        """
        solv = libsolv()
        asked = self._questions.add_solvable()
        asked.name, asked.evr, asked.arch = f"@{title}", "0-0", "noarch"
        for dep in deps:
            asked.add_deparray(solv.SOLVABLE_REQUIRES, dep)
        for dep in conflicts:
            asked.add_deparray(solv.SOLVABLE_CONFLICTS, dep)
        return Request(asked.id, title)

    def declare(self, source: str, name: str) -> None:
        """Let a package stand in that a rebuild of the source gives though the reference does not have it.

        It has the version of the source's other stand-ins, and no requirements: nobody knows them yet.
        """
        solv = libsolv()
        model = self.pool.id2solvable(self.standins_of(source)[0])
        declared = self._declared_repo.add_solvable()
        declared.name, declared.evr, declared.arch = name, model.evr, self.arch
        for capability in (name, f"{name}({_ISA.get(self.arch, self.arch)})"):
            dep = self.pool.Dep(capability).Rel(solv.REL_EQ, model.evrid)
            declared.add_deparray(solv.SOLVABLE_PROVIDES, dep)
        self._declared[declared.id] = source
        self._standins.add(declared.id)
        self._reindex = True

    def add_placeholder(self, requirement: str) -> None:
        """Invent a provider of what nobody provides, taken where there is no other way."""
        solv = libsolv()
        unknown = self._placeholder_repo.add_solvable()
        unknown.name, unknown.evr, unknown.arch = f"unknown({requirement})", "0-0", "noarch"
        for capability in _satisfying(requirement):
            unknown.add_deparray(solv.SOLVABLE_PROVIDES, plain_dependency(self.pool, capability))
        self.placeholders[unknown.id] = requirement
        self._reindex = True

    def answer_paths(self, extra: Collection[str] = ()) -> bool:
        """Find the owners of all paths that dependencies name and primary metadata does not list.

        Fetches filelists where they are not there yet. Returns whether anything may have changed; only the
        first call, or one with further paths, can change something.
        """
        self._paths_asked.update(path for path in extra if not answered_by_primary(path))
        if self._paths_answered and not extra:
            return False
        named = {path for part in self._filled for path in part.paths if not answered_by_primary(path)}
        wanted = named | self._paths_asked
        self._paths_answered = True
        if not wanted:
            return False
        binary = [part for part in self._filled if part.role is not Role.SOURCE]
        fetched = {r.config.id: r for r in self._fetch_filelists([part.metadata for part in binary])}
        solv = libsolv()
        for part in binary:
            part.metadata = fetched.get(part.metadata.config.id, part.metadata)
            for path, positions in owners_of(part, wanted, self._cache).items():
                dep = self.pool.Dep(path)
                for position in positions:
                    self.pool.id2solvable(part.start + position).add_deparray(solv.SOLVABLE_PROVIDES, dep)
        self._reindex = True
        return True

    def path_wanted(self, requirement: str) -> bool:
        """Whether the requirement names a path that only filelists can answer."""
        if "/" not in requirement or (requirement[0] not in "/("):
            return False
        return any(c.is_path and not answered_by_primary(c.name) for c in capabilities_in(_parsed(requirement)))

    def solve(
        self,
        requests: Sequence[Request],
        sources: Collection[str] | None = None,
        *,
        duplicates: bool = False,
        without: Collection[int] = (),
        placeholders: Collection[int] | None = None,
        weak: bool = False,
    ) -> "Attempt":
        """One run of the solver for all questions together.

        ``sources`` are those whose stand-ins may be used (None: all, and those that duplicate a package of
        the target only if ``duplicates`` says so), ``without`` further packages that may not be, ``placeholders``
        the imagined providers that may be (None: all); ``weak`` follows weak dependencies.
        """
        solv = libsolv()
        if self._reindex:
            self._index()
        forbidden = [*self._excluded, *self._forbidden(sources, duplicates), *without]
        if placeholders is not None:
            forbidden += [placeholder for placeholder in self.placeholders if placeholder not in placeholders]
        disable(self.pool, forbidden)
        self._narrowed = True
        one = solv.Job.SOLVER_SOLVABLE
        jobs = [self.pool.Job(solv.Job.SOLVER_INSTALL | one, request.id) for request in requests]
        jobs += [self.pool.Job(solv.Job.SOLVER_MULTIVERSION | one, each) for each in self.multiversion]
        solver = self.pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 0 if weak else 1)
        problems = solver.solve(jobs)
        if problems:
            return Attempt((), solver, tuple(problems))
        asked = {request.id for request in requests}
        return Attempt(tuple(s.id for s in solver.transaction().newsolvables() if s.id not in asked), solver, ())

    def _forbidden(self, sources: Collection[str] | None, duplicates: bool) -> Collection[int]:
        """The stand-ins that must not be used."""
        if sources is None:
            return () if duplicates else self._duplicates
        allowed = {i for source in sources for i in self.standins_of(source)}
        return [i for i in self._standins if i not in allowed]

    def part_of(self, package: int) -> Part | None:
        """The part that a package belongs to; None for a question or an imagined package."""
        found = bisect_right(self._starts, package) - 1
        if found < 0 or package not in self._filled[found].ids:
            return None
        return self._filled[found]

    def is_standin(self, package: int) -> bool:
        """Whether the package stands for a rebuild."""
        return package in self._standins

    def source_of(self, package: int) -> str:
        """The name of the source package that a package was built from."""
        if package in self._declared:
            return self._declared[package]
        solvable = self.pool.id2solvable(package)
        source = self.source_package_of(package)
        return source.rsplit("-", 2)[0] if source else str(solvable.name)

    def source_package_of(self, package: int) -> str:
        """The source package's file name without its ending (name-version-release), or nothing."""
        file_name = self.pool.id2solvable(package).lookup_sourcepkg() or ""
        return str(file_name).removesuffix(".rpm").rpartition(".")[0]

    def standins_of(self, source: str) -> list[int]:
        """The considered stand-ins that a source package builds, promised ones included."""
        declared = [i for i, promised_by in self._declared.items() if promised_by == source]
        return self._packages_of(source, Role.STANDIN) + declared

    def built_for_target(self, source: str) -> list[int]:
        """The packages of the target's repositories that are built from a source of this name."""
        return self._packages_of(source, Role.TARGET)

    def source_packages(self, source: str) -> list[int]:
        """The source packages of a name, as the source repositories have them, without excluded ones."""
        return [
            part.start + position
            for part in self._filled
            if part.role is Role.SOURCE
            for position in part.sources.get(source, ())
            if part.start + position not in self._excluded
        ]

    def package_names(self) -> set[str]:
        """The names of all packages, those of sources too."""
        return {str(solvable.name) for part in self._filled for solvable in part.repo.solvables_iter()}

    def compare_versions(self, one: int, other: int) -> int:
        """Negative, zero or positive, as the first package's version is older, equal or newer (rpmvercmp)."""
        return int(self.pool.id2solvable(one).evrcmp(self.pool.id2solvable(other)))

    def named(self, name: str, role: Role) -> list[int]:
        """The considered packages of a name that have a role."""
        solv = libsolv()
        self._widen()
        found = self.pool.select(name, solv.Selection.SELECTION_NAME).solvables()
        return [s.id for s in found if s.id not in self._excluded and self._role(s.id) is role]

    def providers(self, dep: Any) -> list[int]:
        """The considered packages that satisfy a plain dependency, imagined ones left out."""
        if self._reindex:
            self._index()
        return [s.id for s in self.pool.whatprovides(dep) if s.id not in self.placeholders]

    def providers_of(self, requirement: str) -> list[int]:
        """The considered packages that satisfy a requirement given as text, imagined ones left out.

        Of boolean requirements only those with `with` and `without` speak of one package.
        """
        return self.providers(dependency(self.pool, requirement))

    def owners_of(self, path: str) -> list[int]:
        """The considered packages that own a path, whichever metadata lists it."""
        if not answered_by_primary(path):
            self.answer_paths([path])
            return self.providers_of(path)
        solv = libsolv()
        how = solv.Dataiterator.SEARCH_STRING | solv.Dataiterator.SEARCH_FILES
        found = {match.solvid for match in self.pool.Dataiterator(solv.SOLVABLE_FILELIST, path, how)}
        return sorted(found - self._excluded)

    def requirements_of(self, package: int) -> list[Any]:
        """What a package requires, as libsolv's dependencies."""
        return dependencies(self.pool.id2solvable(package), libsolv().SOLVABLE_REQUIRES)

    def conflicts_of(self, package: int) -> list[Any]:
        """What a package conflicts with, as libsolv's dependencies."""
        return dependencies(self.pool.id2solvable(package), libsolv().SOLVABLE_CONFLICTS)

    def set_requirements(self, package: int, deps: Iterable[Any]) -> None:
        """Replace what a package requires."""
        solv = libsolv()
        solvable = self.pool.id2solvable(package)
        solvable.unset(solv.SOLVABLE_REQUIRES)
        for dep in deps:
            solvable.add_deparray(solv.SOLVABLE_REQUIRES, dep)

    def ignore(self, package: int, dependency: str) -> None:
        """Take away what a package conflicts with, or obsoletes, so that a search can go on past it."""
        solv = libsolv()
        solvable = self.pool.id2solvable(package)
        for key in (solv.SOLVABLE_CONFLICTS, solv.SOLVABLE_OBSOLETES):
            kept = [dep for dep in solvable.lookup_deparray(key) if str(dep) != dependency]
            solvable.unset(key)
            for dep in kept:
                solvable.add_deparray(key, dep)

    def has_name(self, standin: int) -> bool:
        """Whether the target's own repositories have a package of the stand-in's name."""
        return bool(self.named(self.pool.id2solvable(standin).name, Role.TARGET))

    def nevra(self, package: int) -> str:
        """The package as rpm names it; an imagined one by what it stands for."""
        return self.placeholders.get(package) or str(self.pool.id2solvable(package))

    def considered_count(self, part: Part) -> int:
        """How many packages of a part are left after exclusions."""
        return part.count - sum(1 for i in self._excluded if i in part.ids)

    def _packages_of(self, source: str, role: Role) -> list[int]:
        return [
            part.start + position
            for part in self._filled
            if part.role is role
            for position in part.sources.get(source, ())
            if part.start + position not in self._excluded
        ]

    def _role(self, package: int) -> Role | None:
        part = self.part_of(package)
        return part.role if part else None

    def _widen(self) -> None:
        """See all considered packages again: what the last run of the solver left out hides from searches too."""
        if self._reindex:
            self._index()
        elif self._narrowed:
            self._narrowed = False
            disable(self.pool, self._excluded)

    def _index(self) -> None:
        self._reindex = False
        self._narrowed = False
        disable(self.pool, self._excluded)
        if self._new_paths:
            # Searches the file lists of all packages: as long as all the rest of an index on large repositories.
            self.pool.addfileprovides()
            self._new_paths = False
        self.pool.createwhatprovides()

    def _standins_of_same_version(self) -> set[int]:
        """Stand-ins that the target's own repositories have in the same version.

        They are worth a thought only where their source is built anyway: then the rebuilt package can stand
        in for the target's, which may carry a requirement that nobody satisfies.
        """
        key = "duplicates 1 " + " ".join(
            f"{part.role} {part.metadata.files['primary'].checksum}" for part in self._filled
        )
        known = recall(self._cache, key)
        if known is None:
            target = {
                (s.nameid, s.evrid)
                for part in self._filled
                if part.role is Role.TARGET
                for s in part.repo.solvables_iter()
            }
            known = [
                [position for position, s in enumerate(part.repo.solvables_iter()) if (s.nameid, s.evrid) in target]
                if part.role is Role.STANDIN
                else []
                for part in self._filled
            ]
            remember(self._cache, key, known)
        return {part.start + at for part, positions in zip(self._filled, known, strict=True) for at in positions}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the solver found: the packages it chose, or the problems that left nothing to choose."""

    chosen: tuple[int, ...]
    solver: Any
    problems: tuple[Any, ...]

    @property
    def solved(self) -> bool:
        """Whether there is an answer."""
        return not self.problems


def _parsed(text: str) -> Requirement:
    try:
        return parse_requirement(text)
    except ValueError:
        return Capability(text)


def _satisfying(requirement: str) -> list[Capability]:
    """What a package must provide to satisfy a requirement, and no stricter one.

    A provided range would satisfy whatever overlaps with it, so of versions the nearest one is provided.
    """
    match _parsed(requirement):
        case Capability(name, relation, evr):
            nearest = {"": "0~~", "<": f"{evr}~", ">": f"{evr}.0"}.get(relation, evr)
            return [Capability(name, "=", nearest)]
        case Rich("without", (wanted, *_), _):
            return list(capabilities_in(wanted))
        case rich:
            return list(capabilities_in(rich))
