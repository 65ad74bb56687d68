"""Working from a lock: the folder that has its files filled, and opened in place of repositories and indexes."""

import contextlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ppcdeps.base.atomic import put_file
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.folder_lock import alone_in
from ppcdeps.building.buildroots.debian import mirrors_of
from ppcdeps.building.buildroots.definitions import DebianMaking, Definitions, load_definitions
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.engines.emulation import machine_arch
from ppcdeps.engines.job import BuildMode
from ppcdeps.locking.availability import Unavailable, unavailable
from ppcdeps.locking.fetching import FetchedLock, Origins, fetch_files, write_mirrors
from ppcdeps.locking.folder import (
    LOCK_FILE,
    PENDING,
    PLACES,
    fault_of,
    files_of,
    open_locked,
    others_in,
    put_pending,
    remove_places,
    write_index,
)
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.targets import list_targets
from ppcdeps.model.errors import DISK_FULL, ConfigError, EnvironmentLacksError, UsageError
from ppcdeps.model.lock import Lock
from ppcdeps.model.lock_file import dump_lock, load_lock
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import load_plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.index import open_index
from ppcdeps.workflows.lock import digest_of_plan
from ppcdeps.workflows.repositories import ChosenTarget, choose_target
from ppcdeps.workflows.requested import as_requested, located


def fetch_lock(
    file: Path,
    to: Path,
    choice: RepositoryChoice,
    reporter: Reporter,
    *,
    mirror: str | None = None,
    source_folders: Sequence[Path] = (),
    buildroots: Sequence[Path] = (),
    with_roots: bool = True,
) -> FetchedLock:
    """Bring all files of a lock into a folder, from which builds run without network.

    What is there is not brought again. All files are brought before the first is put where it is read from, and the
    copy of the lock is written last: until then the folder is as it was. ``mirror`` is a Debian mirror,
    ``source_folders`` are looked in first for source files. Without ``with_roots`` the packages of buildroots are
    left out: these have to be in the cache then.

    Raises ConfigError for what is not a lock, for one of a snapshot, and for a folder with other things in it;
    RepositoryError where a file cannot be had or is not what the lock says; and what resolving the target raises.
    """
    lock = load_lock(file)
    _check_folder(to, lock)
    _require_live(lock, file)
    definitions = load_definitions(buildroots)
    pending = to / PENDING
    with _filling(to, reporter):
        files = files_of(lock, roots=with_roots)
        lacking = [one for one in files if fault_of(to, one)]
        missing = [one for one in lacking if fault_of(pending, one)]
        places = {one.place for one in missing}
        with _origins(lock, file, places, choice, reporter, definitions, mirror, source_folders) as (origins, chosen):
            offline = chosen.offline
            fetch_files(lock, missing, pending, origins, chosen.cache, reporter, wanted=len(files), offline=offline)
        pending.mkdir(exist_ok=True)
        write_index(lock, pending, to)
        if with_roots:
            suites = {name: making.suite for name, making in _makings(lock, definitions).items()}
            write_mirrors(lock, pending, to, suites)
        put_file(pending / LOCK_FILE, dump_lock(lock).encode())
        put_pending(to)
        whole = with_roots or not any(fault_of(to, one) for one in files_of(lock))
        remove_places(to, others_in(to, lock, roots=whole))
    return FetchedLock(to, len(files), len(missing), sum(one.size or 0 for one in files))


def check_lock(
    file: Path,
    choice: RepositoryChoice,
    reporter: Reporter,
    *,
    mirror: str | None = None,
    buildroots: Sequence[Path] = (),
) -> tuple[Lock, tuple[Unavailable, ...]]:
    """A lock, and what of it repositories, indexes and mirrors do not have any more. Raises as `fetch_lock`."""
    lock = load_lock(file)
    _require_live(lock, file)
    choice = replace(choice, refresh=not choice.offline)
    wanted = {one.place for one in files_of(lock)}
    with _origins(lock, file, wanted, choice, reporter, load_definitions(buildroots), mirror, ()) as (
        origins,
        chosen,
    ):
        return lock, unavailable(lock, origins, offline=chosen.offline)


def _require_live(lock: Lock, file: Path) -> None:
    if lock.basis:
        raise ConfigError(
            f"{file} is of the snapshot {lock.basis}, which has no packages to fetch",
            hint="turn to the live repositories with `ppcdeps sync`, plan, and lock again",
        )


@contextlib.contextmanager
def _filling(folder: Path, reporter: Reporter) -> Iterator[None]:
    """Make a folder, if it is not there, and have it alone. What stays empty in it goes.

    Raises ConfigError where nothing can be written to it, EnvironmentLacksError where the disk is full.
    """
    wait = partial(reporter.note, f"waiting for another ppcdeps that fills {folder}")
    with _writing_to(folder), alone_in(folder, wait):
        with tempfile.TemporaryFile(dir=folder):
            pass
        try:
            yield
        finally:
            remove_places(folder, ())


@contextlib.contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Have an error that lies with the folder, or with one above it, name it."""
    try:
        yield
    except OSError as error:
        place, mine = Path(error.filename or folder).absolute(), folder.absolute()
        if not place.is_relative_to(mine) and not mine.is_relative_to(place):
            raise
        if error.errno in DISK_FULL:
            raise EnvironmentLacksError(f"no space left in {folder}", hint="free some space") from error
        is_lost = isinstance(error, FileExistsError) and folder.is_symlink()
        where = f", since {folder} is a link to nothing" if is_lost else ""
        # Where a file could not be put: its name until then says nothing.
        what = error.filename2 or folder
        raise ConfigError(
            f"cannot write to {what}: {error.strerror}{where}", hint="name another folder with --to DIR"
        ) from error


@contextlib.contextmanager
def _origins(
    lock: Lock,
    file: Path,
    wanted: Collection[str],
    choice: RepositoryChoice,
    reporter: Reporter,
    definitions: Definitions,
    mirror: str | None,
    source_folders: Sequence[Path],
) -> Iterator[tuple[Origins, ChosenTarget]]:
    """Where the files at these places of a lock's folder come from, and the target. Other origins are not read."""
    if lock.request is not None:
        reporter.note(f"the plan of {file} was requested by: {lock.request.command()}")
    chosen = choose_target(_choice_for(lock, file, choice), reporter, live=True)
    if chosen.target.name != lock.target:
        raise UsageError(
            f"{file} is for the target {lock.target}, and this is {chosen.target.name}",
            hint="name its target, or the file of it, with --target",
        )
    repositories = _repositories(lock, chosen, wanted)
    needs_index = any(place.startswith("python/") for place in wanted)
    index = (
        open_index(chosen.cache, reporter, offline=chosen.offline, refresh=chosen.refresh) if needs_index else None
    )
    mirrors = tuple(dict.fromkeys(_mirrors(lock, definitions, mirror, wanted)))
    try:
        yield Origins(repositories, index, mirrors, _finder(lock, (file.parent, *source_folders))), chosen
    finally:
        if index is not None:
            index.close()


def _check_folder(folder: Path, lock: Lock) -> None:
    """Raise ConfigError where the folder has what neither this lock nor one that lies in it names."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", hint="name another with --to DIR")
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    others = [path.name for path in there if path.name not in PLACES or path.is_dir() == (path.name == LOCK_FILE)]
    if not others:
        strange = set(others_in(folder, lock))
        for known in (folder / LOCK_FILE, folder / PENDING / LOCK_FILE):
            with contextlib.suppress(ConfigError):
                strange.intersection_update(others_in(folder, load_lock(known)))
        others = sorted(strange)
    if others:
        raise ConfigError(
            f"{folder} has other things in it: {', '.join(others[:3])}", hint="name a new folder with --to DIR"
        )


def _choice_for(lock: Lock, file: Path, choice: RepositoryChoice) -> RepositoryChoice:
    request = located(lock.request, file.parent) if lock.request is not None else None
    choice = as_requested(request, choice)
    if choice.target is None and not choice.is_ad_hoc:
        if lock.target not in list_targets():
            raise UsageError(
                f"the lock is for {lock.target}, which is not a target that ppcdeps ships",
                hint="give the options that its plan was made with: --target FILE, or --repofrompath ID,URL",
            )
        choice = replace(choice, target=lock.target)
    return choice


def _repositories(lock: Lock, chosen: ChosenTarget, missing: Collection[str]) -> dict[str, RepoMetadata]:
    """The repositories of which anything is missing, with their state of now, and the others without one."""
    configs = {config.id: config for config in chosen.target.repositories}
    ids = [one.id for one in lock.repositories if one.digest]
    unknown = sorted(set(ids) - configs.keys())
    if unknown:
        raise UsageError(
            f"the lock has repositories that are not of {chosen.target.title or chosen.target.name}: "
            f"{', '.join(unknown)}",
            hint="give the options that its plan was made with: --repofrompath ID,URL, --repo-file FILE",
        )
    needed = [one for one in ids if any(place.startswith(f"repositories/{one}/") for place in missing)]
    kinds = tuple(sorted({one.kind for one in lock.metadata}))
    # One that does not answer says nothing of the others, and the cache may have what it had.
    found = chosen.fetch([replace(configs[one], enabled=True, optional=True) for one in needed], kinds)
    others = {one: RepoMetadata(configs[one]) for one in ids}
    return others | {one.config.id: one for one in found}


def _mirrors(lock: Lock, definitions: Definitions, mirror: str | None, missing: Collection[str]) -> list[str]:
    if not any(place.startswith("debian/") for place in missing):
        return []
    makings = _makings(lock, definitions).values()
    return [url for making in makings for url in mirrors_of(making, mirror).values()]


def _makings(lock: Lock, definitions: Definitions) -> dict[str, DebianMaking]:
    """How the lock's Debian buildroots are made, by their names."""
    known = (definitions.named(root.name) for root in lock.buildroots if root.name in definitions.names)
    return {each.name: each.making for each in known if isinstance(each.making, DebianMaking)}


def _finder(lock: Lock, folders: Sequence[Path]) -> Callable[[str, str], Path | None]:
    """Finds a source file at hand, by its digest: where the user's own file was, or in one of the folders."""
    known = {(one.source, one.file): one for one in lock.sources}

    def find(source: str, name: str) -> Path | None:
        wanted = known[source, name]
        places = [folder / name for folder in folders]
        if wanted.kind == "own":
            places = [Path(wanted.origin), *(folder / wanted.origin for folder in folders), *places]
        return next((path for path in places if path.is_file() and sha256_of(path) == wanted.sha256), None)

    return find


def with_lock(choice: RepositoryChoice, file: Path | None) -> RepositoryChoice:
    """The choice with the folder of a lock in place of repositories and indexes; as it is without a lock.

    Raises UsageError for options that have repositories read elsewhere, ConfigError where the folder does not
    have all files of the lock as it names them.
    """
    if file is None:
        return choice
    for option, is_given in (("--refresh", choice.refresh), ("--snapshot", choice.snapshot is not None)):
        if is_given:
            raise UsageError(
                f"{option} reads repositories elsewhere, and --locked the folder of {file} alone",
                hint="leave one of the two out",
            )
    return replace(choice, locked=open_locked(file), offline=True)


def as_locked(choice: RepositoryChoice) -> RepositoryChoice:
    """The choice with what the lock's plan was requested with, where the user says nothing else."""
    return choice if choice.locked is None else as_requested(choice.locked.lock.request, choice)


def as_built(options: BuildOptions, choice: RepositoryChoice) -> BuildOptions:
    """The options with the buildroot and the build mode of the choice's lock, where the user says neither.

    A machine of the target's own architecture builds natively in its own buildroot, whatever built before.
    """
    locked = choice.locked
    if locked is None or options.buildroot is not None or options.mode is not None:
        return options
    built = {(one.buildroot, one.mode) for one in locked.lock.builds}
    if len(built) != 1 or machine_arch() == locked.lock.arch or options.on == "copr":
        return options
    ((buildroot, mode),) = built
    is_ours = mode in {one.value for one in BuildMode} and mode != BuildMode.NATIVE
    return replace(options, buildroot=buildroot, mode=BuildMode(mode)) if is_ours else options


def differs_from_lock(plan: Plan, choice: RepositoryChoice) -> str:
    """What the user is to know where a plan is not the one of the choice's lock; else empty."""
    if choice.locked is None or choice.locked.lock.plan == digest_of_plan(plan):
        return ""
    file = choice.locked.folder / LOCK_FILE
    return (
        f"this is not the plan that {file} locks ({choice.locked.lock.workload}): its files need not have all that "
        "this one takes, and `ppcdeps build` takes the locked plan alone"
    )


def check_lock_of(plan: Plan, plan_file: Path, choice: RepositoryChoice) -> None:
    """Raise ConfigError where the choice has a lock, and that is not of this plan."""
    if choice.locked is None:
        return
    lock, file = choice.locked.lock, choice.locked.folder / LOCK_FILE
    theirs, ours = (lock.workload, lock.target, lock.arch), (plan.workload, plan.target, plan.arch)
    if theirs != ours:
        raise ConfigError(
            f"{file} is of a plan for {theirs[0]} on {theirs[1]} ({theirs[2]}), and {plan_file} is for {ours[0]} on "
            f"{ours[1]} ({ours[2]})",
            hint="name the lock of this plan with --locked",
        )
    if lock.plan != digest_of_plan(load_plan(plan_file)):
        raise ConfigError(
            f"{file} is of another plan for {plan.workload} than {plan_file}",
            hint="lock this one with `ppcdeps lock PLAN`, and fetch its files",
        )
