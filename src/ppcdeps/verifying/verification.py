"""The verdict on a plan: replanned with the local repository, installed into a trial root, imported, smoke-tested."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import Buildroots, LockedRoot
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.engines.cleanup import sweep
from ppcdeps.engines.emulation import machine_arch, require_emulation
from ppcdeps.engines.engine import Engine, engines_home
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.engines.probe import choose_engine
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.gap import Gap, Phase, RouteKind
from ppcdeps.model.plan import Plan
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import PythonEnvironment, Target
from ppcdeps.model.verification import Check, CheckOutcome, GapReview, Verification
from ppcdeps.model.wording import counted
from ppcdeps.planning.subjects import subject_of_dnf
from ppcdeps.planning.workloads import PYTHON_PREFIX
from ppcdeps.python.index import Index
from ppcdeps.python.wheelhouse import Wheelhouse, fetch_wheelhouse
from ppcdeps.recipebook.book import RecipeBook
from ppcdeps.rpm.header import PackageHeader, read_header
from ppcdeps.verifying.dnf import Dnf, DnfRun, dnf_program, rpm_database
from ppcdeps.verifying.gapreview import changed_metadata, review_gaps
from ppcdeps.verifying.importing import modules_of
from ppcdeps.verifying.installation import RpmRun, install_packages, make_installer_root
from ppcdeps.verifying.trialroot import trial_folder, trial_root
from ppcdeps.verifying.trials import TrialContents, try_packages

LOCAL = "ppcdeps-local"
"""The id of the local repository where a plan is made with it."""
LOCAL_PRIORITY = 1
"""Before every other repository: what was built is what is to be tried."""

_LOG = 20
"""Lines of a log that a check has."""
_TRANSACTION = re.compile(r"^Install +(\d+) +Packages?", re.MULTILINE)


class OpenIndex(Protocol):
    """Opens the Python index when it is needed."""

    def __call__(self) -> AbstractContextManager[Index]:
        """The index."""


@dataclass(frozen=True, slots=True)
class VerificationBasis:
    """What a verification is made with.

    ``repositories`` are all enabled ones of the target's side, the local one included. ``snapshot`` names the
    snapshot that the metadata comes from: there are then no packages to install. ``engine`` names the engine that
    runs programs in the root, None for the first that works; ``buildroots`` are folders of buildroots, laid over the
    shipped ones.
    """

    target: Target
    repositories: Sequence[RepoConfig]
    local: RepoConfig
    book: RecipeBook
    open_index: OpenIndex
    cache: Cache
    engine: str | None = None
    snapshot: str = ""
    buildroots: Sequence[Path] = ()
    locked_base: LockedRoot | None = None
    """Of which files the root is made that the packages go on top of, where a lock says that."""


def verify(before: Plan, after: Plan, basis: VerificationBasis, reporter: Reporter) -> Verification:
    """The verdict on the plan ``before``. ``after`` is the same plan, made with the local repository first.

    Everything that it makes on this machine is removed in the end. Raises EnvironmentLacksError where this machine
    cannot do it (no dnf, no emulation, not root, a full disk), RepositoryError where the index does not give what the
    plan pins.
    """
    if basis.snapshot:
        why = f"{basis.snapshot} is a snapshot of metadata: it has no packages that could be installed"
        return without_installation(before, after, basis.local, why)
    found = without_installation(before, after, basis.local, "")
    require_installation(basis.target.arch, reporter)
    base = base_of(basis.target, basis.cache, reporter, basis.buildroots, basis.locked_base)
    # What runs of a killed trial goes before its folder.
    sweep(engines_home(basis.cache.directory), reporter)
    with trial_folder(basis.cache.root / "trials") as folder:
        closure = _repoclosure(basis, folder, after.modules, reporter)
        with trial_root(folder, base) as root:
            trial = _Trial(before, after, basis, base, folder, root, reporter)
            return trial.run(replace(found, repoclosure=closure))


def require_installation(arch: str, reporter: Reporter) -> None:
    """Raise EnvironmentLacksError where packages of ``arch`` cannot be installed into a root of this machine."""
    if os.geteuid() != 0:
        raise EnvironmentLacksError(
            "installing into a root makes files of many users, which only root may",
            hint="run it as root (sudo); `ppcdeps verify PLAN --no-install` rests on the plan alone",
        )
    dnf_program()
    require_emulation(arch, reporter)


def without_installation(before: Plan, after: Plan, local: RepoConfig, why: str) -> Verification:
    """The verdict that rests on the plans alone."""
    skipped = _not_tried(why)
    return Verification(
        workload=before.workload,
        target=before.target,
        arch=before.arch,
        repository=_place_of(local),
        gaps=review_gaps(before, after, local.id),
        installation=skipped,
        repoclosure=skipped,
        python=skipped,
        imports=skipped,
        warnings=tuple(_warnings(before, after)),
    )


@dataclass(frozen=True, slots=True)
class _Downloaded:
    """What dnf resolved and fetched. ``packages`` are the files that were not there before."""

    run: DnfRun
    packages: tuple[Path, ...]


class _Trial:
    """One installation into a root that is thrown away."""

    def __init__(
        self,
        before: Plan,
        after: Plan,
        basis: VerificationBasis,
        base: Buildroot | None,
        folder: Path,
        root: Path,
        reporter: Reporter,
    ) -> None:
        self.before = before
        self.base = base
        self.after = after
        self.basis = basis
        self.folder = folder
        self.reporter = reporter
        self.root = root
        self.dnf = _dnf(basis, folder)
        self.database = rpm_database(root)
        self.installed: dict[Path, PackageHeader] = {}
        """The packages that were installed, by their files."""
        self.smoke_recipes = tuple(self._recipes())
        self._installer: Buildroot | None = None
        self._engine: Engine | None = None

    def run(self, found: Verification) -> Verification:
        # All is resolved before anything is installed: what scriptlets leave in the root is not for dnf to read.
        wanted = self._wanted()
        main = self._downloaded(wanted) if wanted else None
        extra = self._extra_packages(wanted) if main is None or main.run.is_well else {}
        installation = self._installation(found.gaps, main)
        found = replace(found, installation=installation)
        if installation.outcome is CheckOutcome.FAILED:
            why = Check(CheckOutcome.SKIPPED, "not tried: the installation failed")
            return replace(found, python=why, imports=why)
        return self._tried(found, extra)

    def _downloaded(self, wanted: Sequence[str]) -> "_Downloaded":
        """What dnf fetches to have all of it installed, into one folder for all of the trial."""
        place = self.folder / "packages"
        place.mkdir(exist_ok=True)
        there = set(place.glob("*.rpm"))
        task = f"dnf install {' '.join(wanted)}"
        self.reporter.begin(task, None)
        try:
            enabled = self._modules_enabled()
            if enabled is not None and not enabled.is_well:
                return _Downloaded(enabled, ())
            done = self.dnf.download(self.root, wanted, place)
        finally:
            self.reporter.end(task)
        return _Downloaded(done, tuple(sorted(set(place.glob("*.rpm")) - there)))

    def _modules_enabled(self) -> DnfRun | None:
        """What dnf said to the plan's module streams, each time: None where there are none."""
        streams = self.after.modules
        return self.dnf.enable_modules(self.root, streams) if streams else None

    def _installation(self, gaps: GapReview, main: "_Downloaded | None") -> Check:
        if main is None:
            return Check(CheckOutcome.SKIPPED, "the plan has no RPM packages")
        if gaps.remaining and not gaps.is_closed:
            self.reporter.note("gaps remain: the installation shows what they mean")
        if not main.run.is_well:
            return _check(main.run, "")
        count = _TRANSACTION.search(main.run.output)
        detail = f"{counted(int(count[1]) if count else 0, 'package')} installed"
        done = self._install(main.packages)
        if done is None:
            return _check(main.run, detail)
        log = tuple(line.rstrip() for line in f"{main.run.output}\n{done.said}".rstrip().splitlines()[-_LOG:])
        seconds = main.run.seconds + done.ended.seconds
        if done.is_well:
            return Check(CheckOutcome.OK, detail, command=main.run.command, log=log, seconds=seconds)
        return Check(CheckOutcome.FAILED, done.reason, command=done.command, log=log, seconds=seconds)

    def _install(self, packages: Sequence[Path]) -> RpmRun | None:
        """Install package files by an engine. None where there are none."""
        if not packages:
            return None
        place = self.folder / "installer"
        installer = self._installer = self._installer or make_installer_root(place)
        engine = self._engine = self._engine or self._chosen(None)
        name = f"ppcdeps-{self.folder.name}-rpm".lower()
        task = f"rpm -U {counted(len(packages), 'package')}"
        self.reporter.begin(task, None)
        try:
            done = install_packages(installer, engine, self.root, self.database, packages, name)
        finally:
            self.reporter.end(task)
        if done.is_well:
            self.installed |= {path: read_header(path) for path in packages}
        return done

    def _chosen(self, root: Buildroot | None) -> Engine:
        home = engines_home(self.basis.cache.directory)
        return choose_engine(root, self.basis.engine, home=home, reporter=self.reporter)

    def _wanted(self) -> tuple[str, ...]:
        there = [each.nevra for each in self.after.closure]
        roots = [subject_of_dnf(each, there) for each in self.after.roots if not each.startswith(PYTHON_PREFIX)]
        python = self.after.python
        roots += python.added_rpms if python is not None else ()
        if python is not None and python.by_pip:
            roots.append(self.basis.target.python.pip_package)
        if self.basis.target.python.beside:
            # What the plan has as roots beside those of the workload.
            roots += [self.basis.target.python.package, self.basis.target.python.pip_package]
        return tuple(dict.fromkeys(roots))

    def _tried(self, found: Verification, extra: Mapping[str, "_Downloaded"]) -> Verification:
        arch = self.basis.target.arch
        if not any((self.root / place).exists() for place in ("bin/sh", "usr/bin/sh")):
            nothing = _not_tried("the packages bring no shell, so nothing can be run in their root")
            return replace(found, python=nothing, imports=nothing)
        mode = BuildMode.NATIVE if machine_arch() == arch else BuildMode.EMULATED
        found = replace(found, ran=mode.value)
        smoke_tests, skipped = self._smoke_tests(extra)
        python = self.basis.target.python
        wanted = TrialContents(
            python=python.program,
            wheelhouse=self._wheelhouse(),
            modules=self._modules(python),
            others=self._modules(None) if python.beside else {},
            distributions=[each.name for each in self.after.python.by_pip] if self.after.python is not None else [],
            smoke_tests=smoke_tests,
        )
        sandbox = Buildroot(
            name="trial", mode=mode, path=self.root, arch=arch, target=arch, key=self.folder.name,
            environment=self.base.environment if self.base else {},
        )  # fmt: skip
        engine = self._chosen(sandbox)
        task = "imports and smoke tests" if not wanted.wheelhouse.pinned else "pip install, imports and smoke tests"
        self.reporter.begin(task, None)
        try:
            tried = try_packages(sandbox, wanted, engine, self.folder / "work")
        finally:
            self.reporter.end(task)
        return replace(found, python=tried.python, imports=tried.imports, smoke_tests=(*tried.smoke_tests, *skipped))

    def _wheelhouse(self) -> Wheelhouse:
        python = self.after.python
        if python is None or not python.by_pip:
            return Wheelhouse()
        with self.basis.open_index() as index:
            return fetch_wheelhouse(python, self.basis.target.python, self.basis.target.arch, index)

    def _modules(self, python: PythonEnvironment | None) -> Mapping[str, bool]:
        """The Python modules in the packages of the local repository that are installed now.

        ``python`` is an interpreter whose modules are meant; None means those of the platform's, beside one.
        """
        beside = self.basis.target.python.tag if self.basis.target.python.beside else ""
        wants_beside = python is not None and bool(python.beside)
        found: dict[str, bool] = {}
        wanted = frozenset(self._local_packages())
        for header in self.installed.values():
            if str(header.nevra) in wanted or header.nevra.name in wanted:
                found |= modules_of(
                    path for path in header.files if not beside or wants_beside == (f"/python{beside}/" in path)
                )
        return found

    def _local_packages(self) -> Iterable[str]:
        local = self.basis.local.id
        names = [str(package.nevra) for package in self.after.closure if package.repo == local]
        names += self.after.python.added_rpms if self.after.python is not None else ()
        return tuple(dict.fromkeys(names))

    def _extra_packages(self, wanted: Sequence[str]) -> Mapping[str, "_Downloaded"]:
        """What the smoke tests of recipes take beside the plan's packages, by the recipe's name."""
        place = self.folder / "packages"
        names = {read_header(path).nevra.name for path in place.glob("*.rpm")} if place.is_dir() else set()
        found = {}
        for recipe in self.smoke_recipes:
            missing = [name for name in recipe.packages if name not in names]
            if missing:
                found[recipe.folder.name] = self._downloaded((*wanted, *missing))
        return found

    def _smoke_tests(self, extra: Mapping[str, "_Downloaded"]) -> tuple[dict[str, str], tuple[Check, ...]]:
        """The scripts of the recipes that the plan built with, and why others are left aside.

        The packages that a recipe names are installed for it, too: a test may need more of them than the workload.
        """
        scripts: dict[str, str] = {}
        skipped: list[Check] = []
        for recipe in self.smoke_recipes:
            more = extra.get(recipe.folder.name)
            if more is not None:
                done = self._install(more.packages) if more.run.is_well else None
                if not more.run.is_well or (done is not None and not done.is_well):
                    detail = f"{', '.join(recipe.packages)} cannot be installed"
                    log = tuple(done.said.splitlines()[-_LOG:]) if done is not None else more.run.tail()
                    command = done.command if done is not None else more.run.command
                    skipped.append(Check(CheckOutcome.FAILED, detail, recipe.folder.name, command, log))
                    continue
            scripts[recipe.folder.name] = f"set -eu\ncd /tmp\n{recipe.smoke_test}\n"
        return scripts, tuple(skipped)

    def _recipes(self) -> Iterable[Recipe]:
        by_folder = {recipe.folder.name: recipe for recipe in self.basis.book}
        for gap in self.before.gaps:
            route = gap.route_without_enabling
            if route.kind is not RouteKind.RECIPE or gap.phase is not Phase.RUN:
                continue
            if gap.alternative is not None and not self._is_built(gap):
                continue
            recipe = by_folder.get(route.subject[0]) if route.subject else None
            if recipe is None:
                self.reporter.warn(f"the recipe {' '.join(route.subject)} of {gap.name} is not there any more")
            elif recipe.smoke_test:
                yield recipe

    def _is_built(self, gap: Gap) -> bool:
        """Whether what is wanted comes from the local repository: a gap that enabling closes may be left to that."""
        local = self.basis.local.id
        return any(each.repo == local and each.source == gap.source for each in self.after.closure)


def base_of(
    target: Target,
    cache: Cache,
    reporter: Reporter,
    folders: Sequence[Path] = (),
    locked: LockedRoot | None = None,
) -> Buildroot | None:
    """The root that the target's packages go on top of; None where they bring everything, as on RPM distributions.

    ``folders`` hold definitions that are laid over the shipped ones; ``locked`` says of which files it is made.
    Raises what making the buildroot raises.
    """
    if target.buildroot is None:
        return None
    here = Buildroots(cache, load_definitions(folders), reporter)
    if not isinstance(here.definitions.named(target.buildroot).making, DebianMaking):
        return None
    mode = BuildMode.NATIVE if machine_arch() == target.arch else BuildMode.EMULATED
    return here.create(target.buildroot, mode=mode, locked=locked)


def signed_by(local: RepoConfig, repository: Path) -> RepoConfig:
    """The local repository's configuration, with signatures checked where it is signed."""
    manifest = read_manifest(repository)
    if manifest is None or not manifest.key:
        return local
    keys = tuple(path.absolute().as_uri() for path in sorted(repository.glob("RPM-GPG-KEY*")))
    return replace(local, gpgcheck=True, repo_gpgcheck=True, gpgkey=keys)


def _dnf(basis: VerificationBasis, folder: Path) -> Dnf:
    target = basis.target
    return Dnf(
        state=folder / "dnf",
        arch=target.arch,
        releasever=target.releasever,
        repositories=tuple(basis.repositories),
        platform_id=target.platform_id,
        install_weak_deps=target.install_weak_deps,
    )


def _repoclosure(basis: VerificationBasis, folder: Path, streams: Sequence[str], reporter: Reporter) -> Check:
    """Whether every requirement of the local repository's packages has a provider, with module streams enabled."""
    task = "dnf repoclosure"
    reporter.begin(task, None)
    try:
        empty = folder / "empty"
        empty.mkdir()
        dnf = _dnf(basis, folder)
        enabled = dnf.enable_modules(empty, streams) if streams else None
        if enabled is not None and not enabled.is_well:
            return _check(enabled, "")
        done = dnf.repoclosure(empty, basis.local.id)
        if not done.is_well and "No such command: repoclosure" in done.output:
            return _not_tried("this machine's dnf knows no repoclosure (package dnf-plugins-core)")
        return _check(done, "nothing that it requires is missing")
    finally:
        reporter.end(task)


def enabled_of_target(repositories: Iterable[RepoConfig]) -> tuple[RepoConfig, ...]:
    """The repositories that a machine of the target uses."""
    return tuple(each for each in repositories if each.enabled and each.side is Side.TARGET)


def _warnings(before: Plan, after: Plan) -> Iterable[str]:
    changed = changed_metadata(before, after)
    if changed:
        yield f"the plan was made from other metadata of {', '.join(changed)}: gaps may have moved since"


def _check(done: DnfRun, detail: str) -> Check:
    if done.is_well:
        return Check(CheckOutcome.OK, detail, command=done.command, log=done.tail(), seconds=done.seconds)
    return Check(
        CheckOutcome.FAILED,
        f"dnf ended with {done.code}",
        command=done.command,
        log=done.tail(),
        seconds=done.seconds,
    )


def _not_tried(why: str) -> Check:
    return Check(CheckOutcome.SKIPPED, why, needed=bool(why))


def _place_of(local: RepoConfig) -> str:
    return local.baseurl[0] if local.baseurl else local.id
