"""The buildroots in the cache of this machine: made once, named by all that they are made from, never changed.

A buildroot is a folder in ``buildroots/`` of the cache: ``root`` is the file system, ``repository`` the RPM that
stands for a Debian root, ``accel-*`` the machine's compiler made to work in it, and ``buildroot.json``, written
last, says that it is whole and what it holds. It is filled under another name and renamed, so that what is
interrupted is no buildroot; the next run removes the rest.
"""

import contextlib
import dataclasses
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ppcdeps.base.cache import Cache
from ppcdeps.base.jsonvalues import value_from
from ppcdeps.base.removal import remove_tree, size_of
from ppcdeps.base.toml import closest
from ppcdeps.building.buildroots import accelerator, debian, debianbase, images
from ppcdeps.building.buildroots.definitions import (
    MACHINE,
    DebianMaking,
    Definition,
    Definitions,
    ImageMaking,
    for_target,
    load_definitions,
)
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.model.errors import EnvironmentLacksError, RepositoryError, UsageError
from ppcdeps.model.reporter import Reporter, Silence

MARKER: Final = "buildroot.json"
_VERSION: Final = 2
"""Of the code that makes buildroots; it grows with every change that makes them otherwise."""
_NEW: Final = ".new-"
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHORT: Final = 16
_DEBIAN_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*(:[a-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class Created:
    """A whole buildroot in the cache, as its marker says.

    ``folder`` holds it all. ``key`` names everything that it is made from, the versions of its packages included;
    ``basis`` only what was requested: the definition, the architecture and further packages, ``extra``. ``packages``
    are the versions of all by name. ``made`` is in seconds since 1970, ``size`` in bytes; ``sources`` say where it
    came from (lines of a sources.list, an image with its digest).
    """

    folder: Path
    name: str
    key: str
    basis: str
    arch: str
    target: str
    modes: tuple[BuildMode, ...]
    extra: tuple[str, ...]
    packages: Mapping[str, str]
    sources: tuple[str, ...]
    made: float
    size: int
    archives: tuple[debian.DebianArchive, ...] = ()
    """The files of the Debian packages in it; none of another root, and of one that an older ppcdeps made."""
    image: str = ""
    """The id of the container image that it is made of; empty for another root, or where an older ppcdeps made it."""

    @property
    def root(self) -> Path:
        """The top of the file system."""
        return self.folder / "root"

    @property
    def repository(self) -> Path | None:
        """The repository of the RPM that stands for the root; None for a root that has RPMs of its own."""
        path = self.folder / "repository"
        return path if path.is_dir() else None


@dataclass(frozen=True, slots=True)
class LockedRoot:
    """What a root is to be made of, and nothing else.

    A Debian root is made of the files ``archives`` out of ``mirror``, a folder that apt can read; one of RPMs is made
    of ``image``, and its ``packages`` have these versions. Where there is neither, the root has to be in the cache.
    ``origin`` says where all of it came from, as `Created.sources` does.
    """

    archives: tuple[debian.DebianArchive, ...] = ()
    mirror: Path | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    origin: tuple[str, ...] = ()
    image: images.LockedImage | None = None


class Buildroots:
    """The buildroots in a cache. Safe for several processes: one makes a buildroot, the others wait
    for it.
    """

    def __init__(
        self, cache: Cache, definitions: Definitions | None = None, reporter: Reporter | None = None
    ) -> None:
        self._cache = cache
        self._folder = cache.root / "buildroots"
        self._definitions = definitions or load_definitions()
        self._reporter: Reporter = reporter or Silence()

    @property
    def definitions(self) -> Definitions:
        """What can be created."""
        return self._definitions

    def create(
        self,
        name: str,
        *,
        mode: BuildMode | None = None,
        packages: Sequence[str] = (),
        mirror: str | None = None,
        renew: bool = False,
        locked: LockedRoot | None = None,
    ) -> Buildroot:
        """The buildroot of that name with these packages beside the definition's, made now where it is not there yet.

        ``mode`` is by default the best that this machine has. ``packages`` are the distribution's (`packages_for`).
        ``mirror`` takes the place of the one of the machine's apt. ``renew`` makes it again, with today's packages;
        ``locked`` says of which files it is made, without network.

        Raises UsageError for a name, mode or package that cannot be, EnvironmentLacksError for a tool, space or
        mirror that is missing, RepositoryError for a mirror or registry that cannot be read.
        """
        definition = self._definitions.named(name)
        machine = machine_arch()
        self._check_mode(definition, mode, machine)
        wanted = self._wanted(definition, packages)
        if locked is not None:
            return self._as(self._locked(definition, machine, wanted, locked), definition, mode, machine)
        if mirror is None and not renew:
            # Where it came from does not matter then: this machine's apt may know another mirror by now, or none.
            basis = _basis_of(definition, machine, wanted)
            known = next((one for one in self.created() if one.basis == basis), None)
            if known is not None:
                return self._as(known, definition, mode, machine)
        request = _request_of(definition, machine, wanted, mirror)
        with self._cache.lock(f"buildroot-{request.key}"):
            created = None if renew else self._read(request.folder(self._folder))
            if created is None:
                created = self._make(definition, machine, request)
        return self._as(created, definition, mode, machine)

    def find(self, name: str, packages: Sequence[str] = ()) -> Created | None:
        """The newest root of that name with these packages beside the definition's; None where none is made."""
        definition = self._definitions.named(name)
        basis = _basis_of(definition, machine_arch(), self._wanted(definition, packages))
        return next((one for one in self.created() if one.basis == basis), None)

    def best_mode(self, definition: Definition, created: Created | None) -> BuildMode:
        """The build mode that is taken where none is requested."""
        return _default_mode(definition, machine_arch(), created.root if created is not None else None)

    def created(self) -> tuple[Created, ...]:
        """All that are here, by name and then the newest first."""
        if not self._folder.is_dir():
            return ()
        found = [one for path in sorted(self._folder.iterdir()) if (one := self._read(path)) is not None]
        return tuple(sorted(found, key=lambda one: (one.name, -one.made)))

    def of(self, buildroot: Buildroot) -> Created:
        """What is recorded of a buildroot. Raises UsageError where it is no longer here."""
        created = self._read(buildroot.path.parent)
        if created is None:
            raise UsageError(f"the buildroot {buildroot.name} is no longer in the cache", hint="create it again")
        return created

    def remove(self, *what: str) -> tuple[Created, ...]:
        """Remove those of these names or keys (at least 6 characters of one). Returns what was removed.

        Raises UsageError, having removed nothing, where one of them is not here.
        """
        here = self.created()
        chosen: dict[Path, Created] = {}
        for one in what:
            found = [each for each in here if each.name == one or (len(one) >= 6 and each.key.startswith(one))]
            if not found:
                known = {each.name for each in here} | {each.key[:_SHORT] for each in here}
                hint = closest(one, known) or (f"here are: {', '.join(sorted(known))}" if known else "none is here")
                raise UsageError(f'there is no created buildroot "{one}"', hint=hint)
            chosen |= {each.folder: each for each in found}
        for each in chosen.values():
            self._remove(each.folder)
        return tuple(chosen.values())

    def remove_all(self) -> tuple[Created, ...]:
        """Remove all, and what interrupted runs left. Returns what was removed."""
        here = self.created()
        for each in here:
            self._remove(each.folder)
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            self._remove(path)
        return here

    # ---------------------------------------------------------------------------------------------------------

    def _check_mode(self, definition: Definition, mode: BuildMode | None, machine: str) -> None:
        definition.check_mode(mode)
        native = machine == definition.target
        if definition.arch == MACHINE and native:
            raise UsageError(f"this machine is {machine} itself", hint="take debian-12, which builds native here")
        if mode is BuildMode.NATIVE and not native:
            raise EnvironmentLacksError(
                f"this machine is {machine}, and builds nothing native for {definition.target}",
                hint=f"its modes: {', '.join(definition.modes)}",
            )
        if mode is BuildMode.ACCELERATED:
            accelerator.cross_compiler(definition.target)

    def _locked(self, definition: Definition, machine: str, wanted: tuple[str, ...], locked: LockedRoot) -> Created:
        """A root of the very files that a lock names, or of an image with the very packages."""
        basis = _basis_of(definition, machine, wanted)
        files = sorted(each.sha256 for each in locked.archives)
        # A root of its own: what a lock of somebody else's says must not be taken for what Debian's mirror has.
        image = locked.image
        own = _digest(["locked", basis, files, *([image.id, sorted(locked.packages.items())] if image else [])])
        for one in self.created():
            if one.basis in (basis, own) and (
                sorted(each.sha256 for each in one.archives) == files
                if files
                else dict(one.packages) == dict(locked.packages)
            ):
                return one
        making = definition.making
        if image is not None and isinstance(making, ImageMaking):
            request = _RootRequest(
                definition.name, own[:_SHORT], own, _arch_of(definition, machine), wanted, (), locked.origin, image
            )
            with self._cache.lock(f"buildroot-{request.key}"):
                created = self._read(request.folder(self._folder)) or self._make(definition, machine, request)
            if dict(created.packages) != dict(locked.packages):
                self._remove(created.folder)
                raise RepositoryError(
                    f"the buildroot {definition.name} cannot be made with the packages of the lock: "
                    f"{_difference(created.packages, locked.packages)}",
                    hint="make it anew where there is network, and lock again",
                )
            return created
        if locked.mirror is None or not files or not isinstance(making, DebianMaking):
            raise EnvironmentLacksError(
                f"the lock's buildroot {definition.name} is not in the cache, and it cannot be made without network",
                hint=f"create it once where there is network: `ppcdeps buildroot create {definition.name}`",
            )
        line = f"deb [trusted=yes] copy://{quote(str(locked.mirror.absolute()))} {making.suite} main"
        request = _RootRequest(
            definition.name, own[:_SHORT], own, _arch_of(definition, machine), wanted, (line,), locked.origin
        )
        with self._cache.lock(f"buildroot-{request.key}"):
            created = self._read(request.folder(self._folder)) or self._make(definition, machine, request)
        # One that no index has the digest of is not among the archives.
        if sorted(each.sha256 for each in created.archives) != files or len(created.packages) != len(files):
            self._remove(created.folder)
            raise RepositoryError(
                f"the buildroot {definition.name} cannot be made of the packages of the lock alone",
                hint="its definition was changed: lock again with `ppcdeps lock PLAN`",
            )
        return created

    def _wanted(self, definition: Definition, packages: Sequence[str]) -> tuple[str, ...]:
        making = definition.making
        known = _DEBIAN_PACKAGE if isinstance(making, DebianMaking) else images.INSTALLABLE
        bad = [name for name in packages if not known.fullmatch(name)]
        if bad:
            raise UsageError(f'"{bad[0]}" cannot be installed in {definition.name}', hint="give names of packages")
        held = set(making.packages)
        return tuple(sorted({*packages} - held))

    def _make(self, definition: Definition, machine: str, request: "_RootRequest") -> Created:
        final = request.folder(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep(request.key)
        scratch = Path(tempfile.mkdtemp(dir=self._folder, prefix=f"{_NEW}{request.key}-"))
        scratch.chmod(0o755)
        began = time.monotonic()
        try:
            created = self._fill(definition, machine, request, scratch)
            if final.exists():
                # Not whole, or to be renewed: out of the way first, so that no reader gets a mixture.
                old = Path(tempfile.mkdtemp(dir=self._folder, prefix=f"{_NEW}{request.key}-"))
                final.rename(old / "old")
                scratch.rename(final)
                remove_tree(old)
            else:
                scratch.rename(final)
        except BaseException:
            with contextlib.suppress(EnvironmentLacksError):
                remove_tree(scratch)
            raise
        self._reporter.note(
            f"{definition.name}: made in {time.monotonic() - began:.0f} s, {created.size / 1e6:.0f} MB"
        )
        return dataclasses.replace(created, folder=final)

    def _sweep(self, own: str) -> None:
        """Remove what processes were making that ended early. The lock of ``own`` is held."""
        for left in self._folder.glob(f"{_NEW}*"):
            key = left.name.removeprefix(_NEW).partition("-")[0]
            if key == own:
                remove_tree(left)
                continue
            # Another process makes that one just now, unless its lock can be had at once.
            with (
                contextlib.suppress(InterruptedError),
                self._cache.lock(f"buildroot-{key}", stop=lambda: True),
            ):
                remove_tree(left)

    def _fill(self, definition: Definition, machine: str, request: "_RootRequest", scratch: Path) -> Created:
        root = scratch / "root"
        making = definition.making
        if isinstance(making, ImageMaking):
            image = images.make_root(definition, root, request.packages, self._reporter, request.image)
            sources = request.origin if request.origin is not None else (image.image,)
            return self._record(definition, request, scratch, image.packages, sources, image=image.id)
        target_packages = tuple(for_target(definition, each) for each in making.target_packages)
        log = self._cache.root / "tmp" / f"{request.name}-{request.key}.log"
        wanted = (*target_packages, *request.packages)
        contents = debian.make_root(definition, machine, root, wanted, request.sources, log, self._reporter)
        for arch in dict.fromkeys((definition.target, request.arch)):
            base = debianbase.base_repository(root, arch, scratch / "repository", making, packages=contents.packages)
            debianbase.install(root, base.package)
        came = (*request.sources, *(f"{suite} of {date}" for suite, date in contents.suites.items()))
        sources = request.origin if request.origin is not None else came
        return self._record(definition, request, scratch, contents.packages, sources, contents.archives)

    def _record(
        self,
        definition: Definition,
        request: "_RootRequest",
        scratch: Path,
        packages: Mapping[str, str],
        sources: tuple[str, ...],
        archives: tuple[debian.DebianArchive, ...] = (),
        image: str = "",
    ) -> Created:
        key = _digest([request.key, sorted(packages.items()), sources[-1:]])
        created = Created(
            scratch,
            definition.name,
            key,
            request.basis,
            request.arch,
            definition.target,
            definition.modes,
            request.packages,
            packages,
            sources,
            time.time(),
            size_of(scratch),
            archives,
            image,
        )
        document = {"schema": 1, **dataclasses.asdict(created)}
        del document["folder"]
        (scratch / MARKER).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
        return created

    def _as(self, created: Created, definition: Definition, mode: BuildMode | None, machine: str) -> Buildroot:
        chosen = mode or _default_mode(definition, machine, created.root)
        key, shown, path = created.key, {}, _PATH
        if chosen is BuildMode.ACCELERATED:
            refused = accelerator.why_not(created.root, created.target)
            if refused:
                raise EnvironmentLacksError(refused, hint="build emulated: --mode emulated")
            compiler = accelerator.cross_compiler(created.target)
            key = _digest([created.key, compiler.identity])
            shown = dict(accelerator.tools(self._accelerator(created, compiler)))
            path = f"{accelerator.PLACE}/bin:{_PATH}"
        environment = {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8"}
        return Buildroot(created.name, chosen, created.root, created.arch, created.target, key, shown, environment)

    def _accelerator(self, created: Created, compiler: accelerator.CrossCompiler) -> Path:
        folder = created.folder / f"accel-{compiler.identity[:_SHORT]}"
        if folder.is_dir():
            return folder
        with self._cache.lock(f"accel-{created.folder.name}"):
            for left in created.folder.glob(f"{_NEW}*"):
                remove_tree(left)
            if not folder.is_dir():
                scratch = Path(tempfile.mkdtemp(dir=created.folder, prefix=_NEW))
                scratch.chmod(0o755)
                accelerator.assemble(compiler, created.root, scratch)
                scratch.rename(folder)
        return folder

    def _remove(self, folder: Path) -> None:
        # The marker goes first: what is half removed is no buildroot.
        (folder / MARKER).unlink(missing_ok=True)
        remove_tree(folder)

    def _read(self, folder: Path) -> Created | None:
        try:
            document = json.loads((folder / MARKER).read_bytes())
            return value_from(Created, {**document, "folder": folder})
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class _RootRequest:
    """What is to be made: ``key`` names all of it that is known before."""

    name: str
    key: str
    basis: str
    arch: str
    packages: tuple[str, ...]
    sources: tuple[str, ...]
    origin: tuple[str, ...] | None = None
    """What is recorded of where it came from, where ``sources`` are a copy on this disk."""
    image: images.LockedImage | None = None

    def folder(self, store: Path) -> Path:
        return store / f"{self.name}-{self.key}"


def _request_of(definition: Definition, machine: str, packages: tuple[str, ...], mirror: str | None) -> _RootRequest:
    making = definition.making
    arch = _arch_of(definition, machine)
    if isinstance(making, DebianMaking):
        sources = debian.sources_for(making, mirror)
    else:
        sources = (images.reference_of(making, arch),)
    digest = _digest([_VERSION, definition.name, definition.digest, arch, packages, sources])
    basis = _basis_of(definition, machine, packages)
    return _RootRequest(definition.name, digest[:_SHORT], basis, arch, packages, sources)


def _basis_of(definition: Definition, machine: str, packages: tuple[str, ...]) -> str:
    return _digest([_VERSION, definition.name, definition.digest, _arch_of(definition, machine), packages])


def _arch_of(definition: Definition, machine: str) -> str:
    return machine if definition.arch == MACHINE else definition.arch


def _default_mode(definition: Definition, machine: str, root: Path | None) -> BuildMode:
    if machine == definition.target and BuildMode.NATIVE in definition.modes:
        return BuildMode.NATIVE
    if BuildMode.CROSS in definition.modes:
        return BuildMode.CROSS
    if BuildMode.ACCELERATED in definition.modes:
        with contextlib.suppress(EnvironmentLacksError):
            accelerator.cross_compiler(definition.target)
            if root is None or not accelerator.why_not(root, definition.target):
                return BuildMode.ACCELERATED
    return BuildMode.EMULATED


def _difference(made: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """The first package that differs, in words."""
    name = min(one for one in made.keys() | wanted.keys() if made.get(one) != wanted.get(one))
    return f"{name} is {made.get(name, 'not there')} instead of {wanted.get(name, 'not there')}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
