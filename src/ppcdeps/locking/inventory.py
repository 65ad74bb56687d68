"""The parts of a lock that are not RPMs: metadata, Python files, recipes and sources, buildroots, finished builds."""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.urls import shown_url
from ppcdeps.building.buildroots.accelerator import cross_compiler
from ppcdeps.building.buildroots.debian import DebianArchive
from ppcdeps.building.buildroots.definitions import DebianMaking, ImageMaking
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.publishing.repository import Manifest
from ppcdeps.building.run.roots import WantedRoot
from ppcdeps.building.run.sources import SourceCollector
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.engines.job import BuildMode
from ppcdeps.metadata.repomd import Repomd, parse_repomd
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.errors import EnvironmentLacksError, RepositoryError
from ppcdeps.model.lock import (
    BUILD_SYSTEM,
    METADATA,
    RUN,
    SHIPPED,
    LockedBuild,
    LockedBuildroot,
    LockedDistribution,
    LockedMetadata,
    LockedRecipe,
    LockedRepository,
    LockedRootPackage,
    LockedSource,
)
from ppcdeps.model.plan import Plan
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.python.coremetadata import MetadataSource
from ppcdeps.python.distfiles import IndexFile
from ppcdeps.python.distmetadata import cheapest_wheel
from ppcdeps.python.index import Index
from ppcdeps.python.wheelhouse import Wheelhouse
from ppcdeps.recipebook.book import recipe_digest, shipped_recipes, sources_of
from ppcdeps.recipebook.patches import read_patch
from ppcdeps.rpm.comparison import contents_of
from ppcdeps.rpm.own import OWN

KINDS = ("primary", "filelists", "modules", "group", "group_gz", "group_xz", "group_zst", "updateinfo")
"""The metadata that ppcdeps and dnf read; what else repomd.xml names is another form of it, or is not asked for."""


def locked_states(plan: Plan) -> tuple[LockedRepository, ...]:
    """The states of the repositories that a plan rests on; one's own packages are no repository."""
    return tuple(
        LockedRepository(state.id, state.side, state.revision, state.digest, state.enabled)
        for state in plan.repositories
        if state.id != OWN
    )


def repomd_of(repository: RepoMetadata, cache: Cache) -> Repomd:
    """The table of contents of a repository's state, from the cache. Raises RepositoryError where it is not there."""
    path = cache.find_object(f"sha256:{repository.digest}")
    where = f"repository {repository.config.id}"
    if path is None:
        raise RepositoryError(f"{where}: its repomd.xml left the cache", hint="run `ppcdeps sync`")
    return parse_repomd(path.read_bytes(), where)


def locked_metadata(repositories: Iterable[RepoMetadata], cache: Cache) -> tuple[LockedMetadata, ...]:
    """The metadata files of the repositories that did answer. Raises RepositoryError where a state left the cache."""
    return tuple(
        LockedMetadata(one.config.id, record.kind, record.location, record.checksum, record.size)
        for one in repositories
        if not one.problem
        for record in repomd_of(one, cache).records.values()
        if record.kind in KINDS
    )


def locked_distributions(
    plan: Plan, house: Wheelhouse, index: Index | None, sources: Mapping[str, str]
) -> tuple[LockedDistribution, ...]:
    """The files of the Python distributions that pip may take, that wheels are made of, and that make these.

    ``sources`` maps what is built to the name of its build. The index is asked for sizes and for who has a file; it
    is None where it cannot be read.
    """
    planned = plan.python.distributions if plan.python is not None else ()
    offered = {each.name: _offered(each.name, index) for each in planned if each.provision is not Provision.RPM}
    found = []
    for each in planned:
        if each.provision is Provision.RPM:
            continue
        needed_by = sources.get(each.name, RUN) if each.provision is Provision.BUILD else RUN
        files = [(file.name, file.sha256, needed_by) for file in each.files]
        if each.metadata == MetadataSource.OTHER_WHEEL:
            wheels = [one for one in offered[each.name].values() if one.is_wheel and one.version == each.version]
            read = [cheapest_wheel(wheels)] if wheels else []
            files += [(one.filename, one.hashes["sha256"], METADATA) for one in read if "sha256" in one.hashes]
        for file, sha256, by in files:
            served = "index" if each.metadata == MetadataSource.INDEX and file.endswith(".whl") else ""
            found.append(_distribution(each.name, each.version, file, sha256, offered, by, index, served))
    taken = {one.file for one in found}
    for one in house.backends:
        if one.file not in taken:
            known = {one.name: _offered(one.name, index)}
            found.append(_distribution(one.name, one.version, one.file, one.sha256, known, BUILD_SYSTEM, index, ""))
    return tuple(found)


def _distribution(
    name: str,
    version: str,
    file: str,
    sha256: str,
    offered: Mapping[str, Mapping[str, IndexFile]],
    needed_by: str,
    index: Index | None,
    served: str,
) -> LockedDistribution:
    known = offered[name].get(file)
    size = known.size if known is not None else None
    option = index.option_of(name) if index is not None else ""
    return LockedDistribution(name, version, file, sha256, size, option, needed_by, served)


def _offered(name: str, index: Index | None) -> dict[str, IndexFile]:
    """What the index has of a distribution, by file name."""
    return index.project(name).by_filename() if index is not None else {}


def locked_recipes(tasks: Iterable[Task], folders: Sequence[Path]) -> tuple[LockedRecipe, ...]:
    """The recipes that tasks are built by; what is rebuilt as it is has none. ``folders`` are the user's own."""
    origins = {folder.resolve(): str(folder) for folder in folders} | {shipped_recipes().resolve(): SHIPPED}
    return tuple(
        LockedRecipe(
            task.recipe.folder.name, digest, task.source, origins.get(task.recipe.folder.parent.resolve(), "")
        )
        for task in {task.source: task for task in tasks}.values()
        if isinstance(task.recipe, Recipe) and (digest := recipe_digest(task.recipe))
    )


def locked_sources(tasks: Iterable[Task], collector: SourceCollector) -> tuple[LockedSource, ...]:
    """What tasks are built from beside source RPMs and Python distributions: files by URL, patches, own files.

    Raises ConfigError where an own file is not there, or is not what was planned.
    """
    found: dict[tuple[str, str], LockedSource] = {}
    for task in tasks:
        for source in _sources(task, collector):
            found[source.source, source.file] = source
    return tuple(found.values())


def _sources(task: Task, collector: SourceCollector) -> Iterable[LockedSource]:
    recipe = task.recipe
    if isinstance(recipe, Bridge):
        return
    if task.own is not None:
        for path in collector.own_files(task.own):
            yield LockedSource(task.source, path.name, sha256_of(path), str(path), "own")
        return
    for patch in recipe.patches:
        digest = hashlib.sha256(read_patch(recipe.folder, patch.file)).hexdigest()
        yield LockedSource(task.source, patch.file.rpartition("../")[2], digest, patch.origin, "patch")
    if recipe.kind is not RecipeKind.SRPM and not task.pinned:
        known = {source.version for source in recipe.sources}
        for source in sources_of(recipe, task.version if task.version in known else None)[1]:
            yield LockedSource(task.source, source.file, source.sha256, shown_url(source.url))


def locked_buildroots(roots: Sequence[WantedRoot]) -> tuple[LockedBuildroot, ...]:
    """The buildroots of a run, as far as they are made."""
    return tuple({(one.name, one.requested): one for one in map(_buildroot, roots)}.values())


def _buildroot(root: WantedRoot) -> LockedBuildroot:
    definition, created = root.definition, root.created
    is_debian = isinstance(definition.making, DebianMaking)
    # Lines of a sources.list name a mirror; what follows them are the suites with their dates.
    origin = tuple(line for line in created.sources if not line.startswith("deb ")) if created is not None else ()
    if created is None and isinstance(definition.making, ImageMaking):
        origin = (
            definition.making.image,
            *(f"{arch}: {digest}" for arch, digest in definition.making.digests.items()),
        )
    packages = created.packages if created is not None else {}
    gcc = _version(packages, r"gcc-[0-9]+-powerpc64le-linux-gnu", r"gcc-[0-9]+", "gcc")
    if root.mode is BuildMode.ACCELERATED:
        # It is the machine's compiler that works there.
        with contextlib.suppress(EnvironmentLacksError):
            gcc = cross_compiler(definition.target).version
    return LockedBuildroot(
        definition.name,
        root.mode.value,
        "debian" if is_debian else "image",
        definition.digest,
        created.arch if created is not None else definition.arch,
        root.packages,
        origin,
        gcc=gcc,
        rpm=_version(packages, "rpm"),
        image=created.image if created is not None else "",
    )


def _version(packages: Mapping[str, str], *names: str) -> str:
    """The version of the first of these packages (patterns) that a root has, of whichever architecture."""
    by_name = {re.split(r"[:.](?=[a-z0-9_]+$)", key)[0]: version for key, version in sorted(packages.items())}
    found = (version for name in names for package, version in by_name.items() if re.fullmatch(name, package))
    return next(found, "")


def locked_root_packages(roots: Sequence[WantedRoot]) -> tuple[LockedRootPackage, ...]:
    """The packages that the buildroots are made of, each with the names of these."""
    found: dict[tuple[str, str, str], tuple[DebianArchive | None, set[str]]] = {}
    for root in roots:
        created = root.created
        if created is None:
            continue
        archives = {_identity(one.path): one for one in created.archives}
        for package, version in created.packages.items():
            # Names of files have no epoch.
            archive = archives.get((package, version.partition(":")[2] or version))
            _, names = found.setdefault((package, version, archive.sha256 if archive else ""), (archive, set()))
            names.add(f"{created.name}+" if created.extra else created.name)
    return tuple(
        LockedRootPackage(
            package,
            version,
            archive.path if archive is not None else "",
            archive.sha256 if archive is not None else "",
            archive.size if archive is not None else None,
            tuple(sorted(names)),
        )
        for (package, version, _), (archive, names) in found.items()
    )


def _identity(path: str) -> tuple[str, str]:
    """Package (``name:arch``) and version without epoch of a Debian package's file in a pool."""
    name, version, arch = path.rpartition("/")[2].removesuffix(".deb").split("_")
    return f"{name}:{arch}", version


def locked_builds(folder: Path, manifest: Manifest, records: Iterable[BuildRecord]) -> tuple[LockedBuild, ...]:
    """The packages that were built into a local repository: what the next build is compared with."""
    by_digest = {one.origin: one for one in manifest.packages}
    found = []
    for record in records:
        for package in record.packages:
            published = by_digest.get(package.sha256)
            if published is None:
                continue
            contents = contents_of(folder / published.path)
            found.append(
                LockedBuild(
                    package.nevra,
                    record.source,
                    package.sha256,
                    *contents.digests,
                    epoch=contents.build_time,
                    mode=record.mode,
                    buildroot=record.buildroot,
                    ppcdeps=record.ppcdeps_version,
                )
            )
    return tuple(found)
