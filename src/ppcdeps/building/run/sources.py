"""The sources of a task, found or fetched and verified, and the folder rendered of them, which rpmbuild builds in."""

import hashlib
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ppcdeps.base.compression import open_stream
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.tars import BoundedMember
from ppcdeps.base.untrusted import open_beneath
from ppcdeps.building.publishing.records import SourceFile
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.metadata.sources import FetchedSource
from ppcdeps.model.errors import ConfigError, RepositoryError
from ppcdeps.model.plan import OwnPackages
from ppcdeps.model.recipe import Recipe, RecipeKind, Source
from ppcdeps.recipebook.book import RECIPE_FILE, sources_of
from ppcdeps.recipebook.rendering import render, render_bridge, render_spec
from ppcdeps.rpm.header import read_header, source_identity

FetchSources = Callable[[str, str | None], Sequence[FetchedSource]]
"""Fetches the sources of a recipe, of a source package or of ``pypi:NAME`` in an upstream version."""

_HASHED = ("SPECS", "SOURCES", "build.sh", "smoke.sh")


@dataclass(frozen=True, slots=True)
class RenderedBuild:
    """A rendered task: a folder with SPECS, SOURCES and build.sh.

    ``digest`` is the SHA-256 over all that decides on the build; ``smoke`` the recipe's smoke test, read before a
    build could change it.
    """

    folder: Path
    spec: str
    name: str
    version: str
    sources: tuple[SourceFile, ...]
    digest: str
    smoke: str = ""

    def date(self) -> int | None:
        """The time of the newest file in the tarballs, about that of the release, in seconds since 1970.

        None where no tarball has dates. Reads the tarballs to their ends.
        """
        dates: list[int] = []
        for path in sorted((self.folder / "SOURCES").iterdir()):
            with (
                suppress(tarfile.TarError, OSError, EOFError, ValueError),
                open_beneath(self.folder, f"SOURCES/{path.name}"),
                open_stream(path, ceiling="package_opened") as opened,
                tarfile.open(fileobj=opened, mode="r|", tarinfo=BoundedMember) as archive,
            ):
                dates += [int(member.mtime) for member in archive]
        return max(dates, default=None)


class TaskSources(Protocol):
    """What gives a build its rendered folder."""

    def prepare(self, task: Task, folder: Path) -> RenderedBuild:
        """Have what the task is built from in a folder, which must be new or empty."""

    def build_requires(self, task: Task) -> tuple[str, ...]:
        """What the task needs to be built, as its sources say it before any buildroot is there to ask."""


@dataclass(frozen=True, slots=True)
class SourceCollector:
    """Where sources come from: files at hand, by their digest, before anything is fetched.

    ``folders`` are searched for files of the right name. ``plan_folder`` is the plan's: its relative paths of the
    user's own specs and source RPMs begin there, if not in the current folder.
    """

    fetch: FetchSources
    folders: tuple[Path, ...] = ()
    plan_folder: Path | None = None

    def prepare(self, task: Task, folder: Path) -> RenderedBuild:
        """Collect the sources of a task and render it to a folder, which must be new or empty.

        Raises RepositoryError where a source cannot be had, ConfigError where one is not what the plan or the
        recipe names.
        """
        recipe = task.recipe
        if isinstance(recipe, Bridge):
            rendering = render_bridge(
                recipe.workload, recipe.provides, folder, serial=recipe.serial, requires=recipe.requires
            )
            return rendered_build(folder, rendering.spec.name, rendering.name, rendering.version, ())
        if task.own is not None:
            return self._of_own(task.own, recipe, folder)
        if recipe.kind is RecipeKind.SRPM:
            return self._of_source_package(task, recipe, folder)
        return self._of_files(task, recipe, folder)

    def build_requires(self, task: Task) -> tuple[str, ...]:
        """What a task's sources say that they need to be built, before any buildroot is there to ask.

        Of a source RPM that is what was evaluated when it was made, perhaps elsewhere. Raises what `prepare` raises.
        """
        recipe = task.recipe
        if isinstance(recipe, Bridge):
            return ()
        if task.own is not None:
            return task.own.build_requires
        if recipe.kind is not RecipeKind.SRPM:
            return recipe.build_requires
        path, _ = self._source_package(task, recipe)
        dropped = set(recipe.dropped_build_requires)
        stated = [one for one in read_header(path).requires if not one.startswith("rpmlib(")]
        required = [one for one in stated if one.partition(" ")[0] not in dropped]
        return (*required, *recipe.build_requires)

    def _of_source_package(self, task: Task, recipe: Recipe, folder: Path) -> RenderedBuild:
        path, found = self._source_package(task, recipe)
        rendering = render(recipe, folder, srpm=path)
        return rendered_build(folder, rendering.spec.name, rendering.name, rendering.version, (found,))

    def own_files(self, own: OwnPackages) -> list[Path]:
        """The user's own source RPM, or a spec and then the sources that lie beside it.

        Raises ConfigError where one is not there, or the first was changed since the plan was made.
        """
        path = self._own_file(own)
        return [path, *([] if path.name.endswith(".src.rpm") else self._beside(own, path))]

    def _of_own(self, own: OwnPackages, recipe: Recipe, folder: Path) -> RenderedBuild:
        path, *sources = self.own_files(own)
        found = [SourceFile(path.name, own.sha256, own.file)]
        if path.name.endswith(".src.rpm"):
            rendering = render(recipe, folder, srpm=path)
        else:
            rendering = render_spec(recipe, path, own.packages[0].version, sources, folder)
            found += [SourceFile(each.name, sha256_of(each), each.name) for each in sources]
        return rendered_build(folder, rendering.spec.name, rendering.name, rendering.version, tuple(found))

    def _own_file(self, own: OwnPackages) -> Path:
        """Where an own spec or source RPM lies, being the one that was planned."""
        named = Path(own.file)
        places = [named, *([self.plan_folder / named] if self.plan_folder is not None else [])]
        path = next((each for each in (*places, *(f / named.name for f in self.folders)) if each.is_file()), None)
        if path is None:
            raise ConfigError(
                f"{own.file}, of which {own.source} is built, is not there", hint="name its folder with --sources DIR"
            )
        if sha256_of(path) != own.sha256:
            raise ConfigError(
                f"{path} was changed since the plan was made", hint="plan again with `ppcdeps plan WORKLOAD`"
            )
        return path

    def _beside(self, own: OwnPackages, spec: Path) -> list[Path]:
        """The sources and patches of an own spec: beside it, in rpmbuild's SOURCES, or in a named folder."""
        places = [spec.parent, spec.parent / "SOURCES", spec.parent.parent / "SOURCES", *self.folders]
        found = {name: next((at / name for at in places if (at / name).is_file()), None) for name in own.files}
        missing = [name for name, path in found.items() if path is None]
        if missing:
            raise ConfigError(
                f"{own.file} names {', '.join(missing)}, and that is not beside it",
                hint=f"fetch it (`spectool -g {spec.name}`), or name its folder with --sources DIR",
            )
        return [path for path in found.values() if path is not None]

    def _source_package(self, task: Task, recipe: Recipe) -> tuple[Path, SourceFile]:
        names = {recipe.source, task.source}
        for place in self.folders:
            for path in sorted(place.glob(f"*-{task.version}-*.src.rpm" if task.version else "*.src.rpm")):
                if path.name.rsplit("-", 2)[0] in names:
                    return path, SourceFile(path.name, sha256_of(path), path.name)
        (fetched,) = self.fetch(source_package_name(task, recipe), task.version)
        try:
            source_identity(fetched.path)
        except ConfigError as fault:
            # It has the digest that its repository says. Its place in the cache says nothing to anybody.
            said = fault.message.replace(str(fetched.path), fetched.file).replace(fetched.path.name, fetched.file)
            raise RepositoryError(
                f"repository {fetched.origin}: {said}",
                hint="tell who keeps the repository; or name a folder that has the source RPM with --sources DIR",
            ) from fault
        return fetched.path, SourceFile(fetched.file, fetched.sha256, fetched.url)

    def _of_files(self, task: Task, recipe: Recipe, folder: Path) -> RenderedBuild:
        known = {source.version for source in recipe.sources}
        version, wanted = sources_of(recipe, task.version if task.version in known else None)
        at_hand = {source.file: path for source in wanted if (path := self._at_hand(source)) is not None}
        origins = {source.file: source.url for source in wanted}
        if len(at_hand) < len(wanted):
            name = f"pypi:{task.pinned.partition('==')[0]}" if task.pinned else recipe.folder.name
            for fetched in self.fetch(name, version):
                origins[fetched.file] = fetched.url
                at_hand.setdefault(fetched.file, self._linked(fetched, folder))
        rendering = render(recipe, folder, version=version, sources=[at_hand[one.file] for one in wanted])
        files = tuple(SourceFile(one.file, one.sha256, origins[one.file]) for one in wanted)
        return rendered_build(folder, rendering.spec.name, rendering.name, rendering.version, files)

    def _at_hand(self, source: Source) -> Path | None:
        for place in self.folders:
            path = place / source.file
            if path.is_file():
                digest = sha256_of(path)
                if digest != source.sha256:
                    raise ConfigError(
                        f"{path} is not the source that is meant: its SHA-256 is {digest}, not {source.sha256}",
                        hint="remove it, and it is fetched",
                    )
                return path
        return None

    def _linked(self, fetched: FetchedSource, folder: Path) -> Path:
        """The file under its own name: in the cache it has that of its digest."""
        place = folder.with_name(f"{folder.name}.sources")
        place.mkdir(parents=True, exist_ok=True)
        path = place / fetched.file
        with suppress(FileExistsError):
            path.symlink_to(fetched.path)
        return path


def source_package_name(task: Task, recipe: Recipe) -> str:
    """The name by which the source RPM of a task is fetched: its recipe's, where it has one."""
    return recipe.folder.name if (recipe.folder / RECIPE_FILE).is_file() else task.source


def rendered_build(
    folder: Path, spec: str, name: str, version: str, sources: tuple[SourceFile, ...]
) -> RenderedBuild:
    """What is in a rendered folder, with the digest of it as it is now."""
    smoke = folder / "smoke.sh"
    text = smoke.read_text("utf-8") if smoke.is_file() else ""
    return RenderedBuild(folder, spec, name, version, sources, _digest_of(folder), text)


def _digest_of(folder: Path) -> str:
    """One digest over the rendered files that decide on what is built."""
    digest = hashlib.sha256()
    for top in _HASHED:
        place = folder / top
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file():
                digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
