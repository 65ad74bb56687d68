"""The user's own packages in a universe: what their specs say that a build for the target gives, and needs."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.capability import paths_in
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.binding import libsolv
from ppcdeps.rpm.isa import dependency
from ppcdeps.rpm.loading import Part, Role
from ppcdeps.rpm.symbols import symbols_in

if TYPE_CHECKING:
    from ppcdeps.rpm.evaluated_spec import SpecEvaluation, SpecPackage

OWN = "own-packages"
"""The id by which a plan names the user's own packages among its repositories."""


@dataclass(frozen=True, slots=True)
class OwnSource:
    """A spec or source RPM of the user's own, evaluated for the target.

    ``file`` is its path as the user gave it, ``sha256`` that of its content. ``header_only`` says why its spec could
    not be evaluated, where all that is known comes from the header of the source RPM: BuildRequires as they were on
    the machine that made it, and nothing of its packages but the source's own name. ``notes`` say what is not known,
    and what differs from a build for the reference.
    """

    file: str
    sha256: str
    evaluation: "SpecEvaluation"
    header_only: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the source package."""
        return self.evaluation.source.name

    @property
    def packages(self) -> tuple["SpecPackage", ...]:
        """The packages that it gives, or would give if its tags did not exclude the architecture."""
        return self.evaluation.packages or self.evaluation.if_not_excluded


def own_metadata(own: Iterable[OwnSource]) -> RepoMetadata:
    """What stands among a plan's repositories for the user's own packages."""
    digest = hashlib.sha256("\n".join(sorted(f"{each.name} {each.sha256}" for each in own)).encode()).hexdigest()
    return RepoMetadata(RepoConfig(OWN, Side.SOURCE, OWN, origin="the command line"), digest=digest)


def load_own(pool: Any, own: Sequence[OwnSource]) -> list[Part]:
    """Load own packages into a pool, for each source a part of what it gives and one of what its build needs.

    Raises ValueError where a dependency of a spec is none.
    """
    if not own:
        return []
    from ppcdeps.rpm.evaluated_spec import SpecPackage

    metadata = own_metadata(own)
    parts = []
    for each in sorted(own, key=lambda one: one.name):
        parts.append(_part(pool, metadata, Role.STANDIN, each, each.packages))
        source = SpecPackage(
            each.evaluation.source,
            requires=each.evaluation.build_requires,
            conflicts=each.evaluation.build_conflicts,
        )
        parts.append(_part(pool, metadata, Role.SOURCE, each, [source]))
    return [part for part in parts if part.count]


def is_own(part: Part) -> bool:
    """Whether a part is made of the user's own packages."""
    return part.metadata.config.id == OWN


def _part(pool: Any, metadata: RepoMetadata, role: Role, own: OwnSource, packages: "Sequence[SpecPackage]") -> Part:
    repo = pool.add_repo(f"{OWN}/{own.name}/{role}")
    facts = repo.add_repodata()
    first = 0
    paths: set[str] = set()
    symbols: set[str] = set()
    for package in packages:
        solvable = _solvable(pool, repo, package)
        first = first or int(solvable.id)
        if role is Role.STANDIN:
            facts.set_sourcepkg(solvable.id, f"{_file_name(own.evaluation.source)}.src.rpm")
        for text in (*package.requires, *package.conflicts):
            paths.update(paths_in(text))
            symbols.update(symbols_in(text))
    facts.internalize()
    positions = list(range(len(packages)))
    return Part(role, metadata, repo, first, len(packages), {own.name: positions}, sorted(paths), sorted(symbols))


def _solvable(pool: Any, repo: Any, package: "SpecPackage") -> Any:
    solv = libsolv()
    nevra = package.nevra
    solvable = repo.add_solvable()
    solvable.name, solvable.evr, solvable.arch = nevra.name, nevra.evr, nevra.arch
    for key, texts in (
        (solv.SOLVABLE_PROVIDES, package.provides),
        (solv.SOLVABLE_REQUIRES, package.requires),
        (solv.SOLVABLE_CONFLICTS, package.conflicts),
        (solv.SOLVABLE_OBSOLETES, package.obsoletes),
    ):
        for text in texts:
            solvable.add_deparray(key, dependency(pool, text))
    for path in package.files:
        solvable.add_deparray(solv.SOLVABLE_PROVIDES, pool.Dep(path))
    return solvable


def _file_name(nevra: Nevra) -> str:
    """name-version-release, as the file names of packages have it."""
    return f"{nevra.name}-{nevra.version}-{nevra.release}"
