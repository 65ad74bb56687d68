"""The packages of a plan pinned for both architectures: their builds as the repositories have them now."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from ppcdeps.base.urls import without_secrets
from ppcdeps.building.publishing.repository import PublishedPackage, read_manifest
from ppcdeps.metadata.sources import RepositoryPackage, packages_named
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.evr import evr_key
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.package_lock import LockFormat, PackageLock, PinnedPackage, PinnedRepository
from ppcdeps.model.plan import ChosenPackage, Plan
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.wording import first_of
from ppcdeps.verifying.verification import LOCAL
from ppcdeps.workflows.repositories import ResolvedTarget

_STANDIN = "standin"


def package_lock_of(
    plan: Plan, resolved: ResolvedTarget, repository: Path, url: str, format_: LockFormat
) -> tuple[PackageLock, tuple[str, ...]]:
    """The closure of a plan as a lock, and what it lacks, in words.

    The target's side has the packages that its repositories have, and what was built and is reused, of the local
    ``repository``, which is served at ``url``. The reference's side has their counterparts: the same build, else the
    newest of the name. What only x86 requires is in no plan, and not in it.

    Raises RepositoryError where the metadata does not say where packages are (a snapshot's), or is damaged.
    """
    built = _built(repository, url)
    of_side = {side: [one for one in resolved.metadata if one.config.side is side] for side in Side}
    names = {one.nevra.name for one in plan.closure}
    known = {side: packages_named(of_side[side], names) for side in (Side.TARGET, Side.REFERENCE)}
    target, missing = _target_side(plan, known, built)
    reference, lost = _reference_side(plan, known[Side.REFERENCE], resolved.target.reference_arch)
    sides = {plan.arch: target, resolved.target.reference_arch: reference}
    sources = _sources(sides, packages_named(of_side[Side.SOURCE], {one.source for one in plan.closure}))
    used = {one.repo for packages in (*sides.values(), *sources.values()) for one in packages}
    configs = [one.config for one in resolved.metadata if one.config.id in used]
    repositories = [_repository(config) for config in configs]
    if LOCAL in used:
        repositories.append(PinnedRepository(LOCAL, f"{url.rstrip('/')}/"))
    unsaid = []
    if missing:
        unsaid.append(f"not in it for {plan.arch}, as they are not built yet: {first_of(missing, 5)}")
    if lost:
        arch = resolved.target.reference_arch
        unsaid.append(f"not in it for {arch}, as no repository of the reference has them: {first_of(lost, 5)}")
    lock = PackageLock(
        format_,
        {side: packages for side, packages in sides.items() if packages},
        {side: sources[side] for side in sources if sides.get(side)},
        tuple(repositories),
    )
    return lock, tuple(unsaid)


def _target_side(
    plan: Plan, known: Mapping[Side, Iterable[RepositoryPackage]], built: Mapping[str, PinnedPackage]
) -> tuple[tuple[PinnedPackage, ...], list[str]]:
    """What the target installs, and the names of what is not built yet."""
    there = {(one.repository.config.id, str(one.nevra)): one for packages in known.values() for one in packages}
    found, missing = [], []
    for chosen in plan.closure:
        local = built.get(chosen.nevra.name)
        if local is not None and (chosen.side == _STANDIN or local.evr == chosen.nevra.evr):
            found.append(local)
        elif chosen.side == _STANDIN:
            missing.append(chosen.nevra.name)
        else:
            package = there.get((chosen.repo, str(chosen.nevra)))
            if package is None:
                raise RepositoryError(
                    f"repository {chosen.repo} no longer has {chosen.nevra}, which the plan has",
                    hint="make the plan anew with `ppcdeps plan WORKLOAD`",
                )
            found.append(_pinned(package))
    # No workload names these: what was built of sdists, and what stands for what pip installs.
    further = {f"ppcdeps-bridge-{plan.workload}", *(plan.python.built_packages if plan.python else ())}
    found += [one for name, one in built.items() if name in further]
    missing += [name for name in (plan.python.built_packages if plan.python else ()) if name not in built]
    return tuple(found), missing


def _reference_side(
    plan: Plan, known: Iterable[RepositoryPackage], arch: str
) -> tuple[tuple[PinnedPackage, ...], list[str]]:
    """The counterparts of the closure, and the names of those that have none."""
    by_name: dict[str, list[RepositoryPackage]] = {}
    for one in known:
        if one.nevra.arch in (arch, "noarch"):
            by_name.setdefault(one.nevra.name, []).append(one)
    found, lost = [], []
    for chosen in plan.closure:
        candidates = by_name.get(chosen.nevra.name)
        if candidates:
            found.append(_pinned(max(candidates, key=lambda one: _rank(one, chosen))))
        else:
            lost.append(chosen.nevra.name)
    return tuple(found), lost


def _rank(candidate: RepositoryPackage, chosen: ChosenPackage) -> tuple[bool, object]:
    return candidate.nevra.evr == chosen.nevra.evr, evr_key(candidate.nevra.evr)


def _sources(
    sides: Mapping[str, Iterable[PinnedPackage]], known: Iterable[RepositoryPackage]
) -> dict[str, tuple[PinnedPackage, ...]]:
    """The source packages of each side's packages, as far as a source repository has them."""
    found = {f"{one.nevra.name}-{one.nevra.version}-{one.nevra.release}.src.rpm": one for one in known}
    return {
        side: tuple(_pinned(found[file]) for file in dict.fromkeys(one.source for one in packages) if file in found)
        for side, packages in sides.items()
    }


def _pinned(package: RepositoryPackage) -> PinnedPackage:
    nevra = package.nevra
    if not package.location or not package.size:
        raise RepositoryError(
            f"repository {package.repository.config.id}: {nevra}: this metadata does not say where its packages are, "
            "as that of a snapshot does not",
            hint="run `ppcdeps sync`, which turns to the live repositories, and plan again without --snapshot",
        )
    return PinnedPackage(
        nevra.name,
        nevra.arch,
        nevra.evr,
        package.repository.config.id,
        package.checksum,
        package.size,
        address(package.url),
        package.location,
        package.source,
    )


def _built(repository: Path, url: str) -> dict[str, PinnedPackage]:
    """What the local repository has, by name: the newest of each. Raises ConfigError where it is damaged."""
    manifest = read_manifest(repository)
    newest: dict[str, PublishedPackage] = {}
    for one in manifest.packages if manifest else ():
        name = Nevra.parse(one.nevra).name
        before = newest.get(name)
        if before is None or evr_key(Nevra.parse(before.nevra).evr) < evr_key(Nevra.parse(one.nevra).evr):
            newest[name] = one
    return {name: _published(one, url.rstrip("/")) for name, one in newest.items()}


def _published(one: PublishedPackage, url: str) -> PinnedPackage:
    nevra = Nevra.parse(one.nevra)
    return PinnedPackage(
        nevra.name,
        nevra.arch,
        nevra.evr,
        LOCAL,
        f"sha256:{one.sha256}",
        one.size,
        f"{url}/{one.path}",
        one.path,
        one.source,
    )


def _repository(config: RepoConfig) -> PinnedRepository:
    base = config.baseurl[0] if config.baseurl else ""
    return PinnedRepository(config.id, *map(address, (base, config.metalink or "", config.mirrorlist or "")))


def address(url: str) -> str:
    """A URL as a document may have it: without credentials, which who fetches has in a configuration of their own."""
    return without_secrets(url).replace("//***@", "//")
