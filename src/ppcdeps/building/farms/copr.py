"""Builds by COPR: native ppc64le builders, and a signed public repository at the end.

All source RPMs are submitted at once, a batch for each wave: the server begins a batch when the one before is over.
It builds what needs a failed build all the same, so that is canceled here. What was submitted is recorded in the
folder of the run, and found there again by the next run.
"""

import gzip
import io
import json
import shutil
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import ppcdeps
from ppcdeps.base.atomic import write_file
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.http import HttpClient, HttpSettings, TransportFault
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.createrepo import index_folder
from ppcdeps.building.farms.copr_api import CoprBuild, CoprProject, UnknownBuildError
from ppcdeps.building.farms.copr_srpm import source_rpm_of
from ppcdeps.building.publishing.inspection import inspect_set
from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage
from ppcdeps.building.run.build_run import FinishedBuilds, PlannedBuilds
from ppcdeps.building.run.builder import summary_of
from ppcdeps.building.run.events import (
    BuildFinished,
    BuildListener,
    BuildOutcome,
    BuildStage,
    BuildStarted,
    StageReached,
    TaskResult,
)
from ppcdeps.building.run.failures import FailureCause, cause_of, load_failures, tail_of
from ppcdeps.building.run.options import BuildOptions
from ppcdeps.building.run.schedule import blocked, needed_by, not_built
from ppcdeps.building.run.setup import log_of, plain
from ppcdeps.building.run.sources import RenderedBuild
from ppcdeps.building.run.store import LOG, PACKAGES, WHEELS, StoredBuild, key_of
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.job import BuildMode
from ppcdeps.metadata.sources import fetch_package, packages_of
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import BuildError, ConfigError, PpcdepsError, RepositoryError, UsageError
from ppcdeps.model.names import copr_project
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.recipebook.book import recipe_digest

STATE = "copr.json"
"""The file in the folder of a run that has the numbers of submitted builds by their keys."""

_BUILD = "build "
"""What stands before the number of a build in a record, in place of a buildroot's key."""
_SHORTEST, _LONGEST = 3600, 180_000
"""Seconds that a build may take, at least (its builders are slow at times) and at most (COPR's own limit)."""
_USUAL = 18_000
"""COPR's own, for what has no recorded time."""
_SLOWER = 6
"""How many times longer than recorded a build may take."""
_LOG_NAMES = ("builder-live.log.gz", "builder-live.log", "build.log.gz")
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the server is asked, in seconds: at first, at last, and how much later each time nothing changed."""

    first: float = 10.0
    last: float = 120.0
    factor: float = 1.4


def build_on_copr(
    builds: PlannedBuilds,
    watch: BuildListener,
    *,
    wait: Callable[[float], None] = time.sleep,
    pace: Pace = Pace(),
) -> FinishedBuilds:
    """Run the builds in the project that ``--project`` names, in the chroot of the target.

    Raises UsageError for options that do not fit, ConfigError where the project, its chroot or the token does not,
    RepositoryError where the server does not answer any more: what was submitted goes on there, and is found again.
    """
    options, target = builds.options, builds.basis.target
    owned = project_in(options, locked=builds.basis.locked is not None)
    if target.copr is None:
        raise ConfigError(
            f"the target {target.name} names no chroot of COPR", hint='add [copr] chroot = "..." to its file'
        )
    project = CoprProject(owned, target.copr.chroot, wait)
    base = project.check()
    repositories = _repositories(builds, target.copr.repositories)
    if project.configure(repositories, target.copr.bootstrap):
        builds.reporter.note(f"{owned}: its chroot {project.chroot} now uses what the target names")
    campaign = _Campaign(builds, watch, project, base, repositories, wait, pace)
    results = campaign.run()
    if any(result.stored is not None for result in results):
        builds.reporter.note(f"COPR serves what is built, signed, at {base}")
    return FinishedBuilds(results, BuildMode.NATIVE, project.chroot, f"copr {owned}")


def project_in(options: BuildOptions, *, locked: bool, verifies: bool = True) -> str:
    """The project that the options name. Raises UsageError for none, and for options that mean nothing to COPR.

    ``verifies`` is whether what was built is then installed here, in a buildroot.
    """
    if options.project is None:
        raise UsageError("--on copr takes a project", hint="name it with --project OWNER/NAME")
    try:
        copr_project(options.project)
    except ValueError as fault:
        raise UsageError(f"--project: {fault}", hint="as in --project me/power, or @group/power") from fault
    limits = options.limits
    given = {
        "--engine": options.engine,
        "--connection": options.connection,
        "--buildroot": options.buildroot,
        "--buildroots": options.buildroot_folders and not verifies,
        "--mode": options.mode,
        "--mirror": options.mirror,
        "--jobs": options.jobs,
        "--memory": limits.memory is not None,
        "--disk": limits.disk is not None,
        "--cpus": limits.cpus,
        "--no-check": not options.check,
    }
    meaningless = next((name for name, value in given.items() if value), None)
    if meaningless is not None:
        raise UsageError(
            f"{meaningless} says nothing to COPR, which builds in its own chroot, on its own builders, with %check",
            hint=f"leave {meaningless} out",
        )
    if locked:
        raise UsageError(
            "COPR builds with today's packages of its own repositories, and not with those of a lock",
            hint="leave --locked out, or build with --on ssh://USER@HOST, --on slurm, or here",
        )
    return options.project


def _repositories(builds: PlannedBuilds, ids: Collection[str]) -> tuple[str, ...]:
    """The addresses of the target's repositories that its builds on COPR take besides the chroot's own."""
    wanted = [one for one in builds.basis.target.repositories if one.enabled and one.id in ids]
    for one in wanted:
        if not one.baseurl:
            builds.reporter.warn(f"COPR is not told of the repository {one.id}, which has no address of its own")
    return tuple(one.baseurl[0] for one in wanted if one.baseurl)


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A task that is to be built: as it is rendered, and under which key it will be stored."""

    task: Task
    rendered: RenderedBuild
    key: str
    wave: int


@dataclass(slots=True)
class _Campaign:
    builds: PlannedBuilds
    watch: BuildListener
    project: CoprProject
    base: str
    repositories: tuple[str, ...]
    wait: Callable[[float], None]
    pace: Pace
    results: dict[str, TaskResult] = field(default_factory=dict)
    submitted: dict[str, CoprBuild] = field(default_factory=dict)
    """The builds on the server, by the tasks' names."""
    numbers: dict[str, int] = field(default_factory=dict)
    """What the folder of the run knows of the server: builds by their keys."""
    announced: set[str] = field(default_factory=set)

    def run(self) -> tuple[TaskResult, ...]:
        """The results of all tasks, in their order."""
        try:
            return self._run()
        except KeyboardInterrupt:
            going = [str(each.id) for each in self.submitted.values() if not each.is_over]
            if going:
                numbers = ", ".join(going)
                self.builds.reporter.warn(f"builds go on at COPR: {numbers} (`copr-cli cancel NUMBER` ends one)")
            raise

    def _run(self) -> tuple[TaskResult, ...]:
        self.numbers = _read_numbers(self.builds.session.folder)
        (self.builds.session.folder / "logs").mkdir(parents=True, exist_ok=True)
        waiting = self._rendered()
        self._submit(waiting)
        by_name = {each.task.name: each for each in waiting}
        pause = self.pace.first
        while left := [each for each in waiting if each.task.name not in self.results]:
            changed = False
            for each in left:
                if each.task.name not in self.results and self._may_have_begun(each.task, by_name):
                    changed = self._looked_at(each) or changed
            if any(each.task.name not in self.results for each in left):
                pause = self.pace.first if changed else min(pause * self.pace.factor, self.pace.last)
                self.wait(pause)
        return tuple(self.results[task.name] for task in self.builds.tasks)

    # -- what is to be built ----------------------------------------------------------------------------------

    def _rendered(self) -> list[_Rendered]:
        """The tasks that are not built yet, each rendered. The others, and what cannot be rendered, are over."""
        keys: dict[str, str] = {}
        stored: dict[str, StoredBuild] = {}
        found: list[_Rendered] = []
        sources, store = self.builds.sources(), self.builds.store
        store.sweep()
        for task in self.builds.tasks:
            if self._lost(task):
                continue
            scratch = self._scratch(task)
            remove_tree(scratch, strict=False)
            scratch.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                rendered = sources.prepare(task, scratch)
            except PpcdepsError as fault:
                self._over(task, cause=FailureCause.of(fault))
                continue
            keys[task.name] = key = self._key(rendered, [keys[need] for need in task.needs])
            known = store.find(key)
            if known is not None:
                stored[task.name] = known
            else:
                waves = [each.wave + 1 for each in found if each.task.name in task.needs]
                found.append(_Rendered(task, rendered, key, max(waves, default=0)))
        # What others need has to be in the project still.
        needed = {need for each in found for need in each.task.needs}
        for name, known in stored.items():
            task = next(one for one in self.builds.tasks if one.name == name)
            if name in needed and not self._is_there(known):
                raise RepositoryError(
                    f"{self.project.name} has no longer the build of {name}, which others need",
                    hint=f"remove {known.folder}, and it is built again",
                )
            log = self._log(task)
            shutil.copyfile(known.folder / LOG, log)
            self._over(task, stored=known, outcome=BuildOutcome.UNCHANGED)
        return found

    def _key(self, rendered: RenderedBuild, needs: Sequence[str]) -> str:
        """Of all that a build is made from, as far as it is known here: COPR chooses the packages of its chroot."""
        return key_of(
            {
                "material": rendered.digest,
                "copr": f"{self.project.url} {self.project.name} {self.project.chroot}",
                "repositories": list(self.repositories),
                "needs": sorted(needs),
            }
        )

    def _is_there(self, known: StoredBuild) -> bool:
        number = known.record.buildroot_key.removeprefix(_BUILD)
        with suppress(UnknownBuildError, ValueError):
            return self.project.build(int(number)).state in ("succeeded", "forked")
        return False

    # -- submitting -------------------------------------------------------------------------------------------

    def _submit(self, waiting: Sequence[_Rendered]) -> None:
        """Submit all that is not on the server: each wave a batch after that of the wave before."""
        anchors: dict[int, int] = {}
        for each in sorted(waiting, key=lambda one: one.wave):
            if self._lost(each.task):
                continue
            build = self._on_the_server(each)
            if build is None:
                try:
                    build = self._uploaded(each, anchors)
                except BuildError as fault:
                    self._over(each.task, cause=FailureCause.of(fault))
                    continue
                self.numbers[each.key] = build.id
                self._note_numbers()
            self.submitted[each.task.name] = build
            if not build.is_over:
                anchors[each.wave] = build.id

    def _on_the_server(self, each: _Rendered) -> CoprBuild | None:
        """The build that an earlier run submitted, if it can still be taken."""
        number = self.numbers.get(each.key)
        if number is None:
            return None
        with suppress(UnknownBuildError):
            found = self.project.build(number)
            if found.state not in ("failed", "canceled", "skipped"):
                return found
        return None

    def _uploaded(self, each: _Rendered, anchors: dict[int, int]) -> CoprBuild:
        """Submit one. ``anchors`` are builds of the batches that are not over, by wave; others are removed."""
        srpm = source_rpm_of(each.rendered, each.task.recipe, self.builds.basis.target.arch)
        known = frozenset({*self.numbers.values(), *(build.id for build in self.submitted.values())})
        while True:
            self._forget_finished(anchors)
            beside = anchors.get(each.wave)
            before = max((wave for wave in anchors if wave < each.wave), default=None)
            after = anchors[before] if beside is None and before is not None else None
            try:
                build = self.project.submit(srpm, self._seconds(each.task), after=after, beside=beside, known=known)
                break
            except RepositoryError:
                # A batch takes no more when it is over, which may have been just now.
                if not self._forget_finished(anchors):
                    raise
        remove_tree(self._scratch(each.task), strict=False)
        return build

    def _forget_finished(self, anchors: dict[int, int]) -> bool:
        """Remove the builds that are over. Returns whether there were any."""
        over = [wave for wave, number in anchors.items() if self.project.build(number).is_over]
        for wave in over:
            del anchors[wave]
        return bool(over)

    def _seconds(self, task: Task) -> int:
        """How long a build may take: what the user says, or by the time that it took before."""
        if self.builds.options.limits.seconds is not None:
            return max(1, min(int(self.builds.options.limits.seconds), _LONGEST))
        minutes = task.minutes or {}
        known = minutes.get(BuildMode.NATIVE) or minutes.get(BuildMode.CROSS) or minutes.get(BuildMode.EMULATED)
        return _USUAL if known is None else max(_SHORTEST, min(int(known * 60 * _SLOWER), _LONGEST))

    # -- watching ---------------------------------------------------------------------------------------------

    def _may_have_begun(self, task: Task, by_name: Mapping[str, _Rendered]) -> bool:
        """Whether the server can have news of it: not while it waits for what it needs."""
        return all(need in self.results for need in task.needs if need in by_name)

    def _looked_at(self, each: _Rendered) -> bool:
        """Take what the server says of a build now. Returns whether it is news."""
        task = each.task
        if self._lost(task):
            return True
        before = self.submitted[task.name]
        try:
            now = self.project.build(before.id)
        except UnknownBuildError:
            self._failed(each, before, FailureCause("its build was removed from COPR", "run the command again"))
            return True
        self.submitted[task.name] = now
        if now.state in ("starting", "running") and task.name not in self.announced:
            self._announce(task)
        if not now.is_over:
            return now.state != before.state
        self._announce(task)
        if now.state in ("succeeded", "forked"):
            self._take(each, now)
        elif now.state == "canceled":
            self._failed(each, now, FailureCause("it was canceled on COPR", f"see {self.project.page_of(now.id)}"))
        else:
            self._failed(each, now)
        return True

    def _announce(self, task: Task) -> None:
        if task.name not in self.announced:
            self.announced.add(task.name)
            self.watch(BuildStarted(task, (task.minutes or {}).get(BuildMode.NATIVE), self._log(task)))
            self.watch(StageReached(task, BuildStage.BUILD))

    def _failed(self, each: _Rendered, build: CoprBuild, cause: FailureCause | None = None) -> None:
        log = self._log(each.task)
        self._fetch_log(build, log)
        page = self.project.page_of(build.id)
        cause = cause or cause_of(log, load_failures()) or FailureCause("the build failed on COPR", f"see {page}")
        self._over(each.task, cause=cause, build=build)

    def _fetch_log(self, build: CoprBuild, log: Path) -> None:
        """Write the builder's log, after a line that says where it is; only that line where there is none."""
        head = f"{self.project.page_of(build.id)}\n".encode()
        log.write_bytes(head)
        url = self.project.result_url(build.id)
        if url is None:
            log.write_bytes(head + b"the builder was not reached: its source package could not be imported\n")
            return
        client = HttpClient(HttpSettings(origins=(self.project.url, url)), self.builds.reporter)
        try:
            for name in _LOG_NAMES:
                with suppress(TransportFault):
                    content = client.read(f"{url.rstrip('/')}/{name}", limit="document_size").body
                    log.write_bytes(head + _opened(content))
                    return
        finally:
            client.close()

    # -- results ----------------------------------------------------------------------------------------------

    def _take(self, each: _Rendered, build: CoprBuild) -> None:
        """Download, verify and store what a build made. What is not as it has to be is a failed build."""
        task = each.task
        self.watch(StageReached(task, BuildStage.INSPECTION))
        log = self._log(task)
        self._fetch_log(build, log)
        scratch = self._scratch(task)
        remove_tree(scratch, strict=False)
        (scratch / PACKAGES).mkdir(parents=True)
        (scratch / WHEELS).mkdir()
        try:
            files = self._downloaded(self.project.packages(build.id), scratch / PACKAGES)
            arch = self.builds.basis.target.arch
            inspection = inspect_set(files, arch, task.expected)
            defects = [str(defect) for defect in inspection.all_defects]
            with log.open("a", encoding="utf-8") as stream:
                stream.writelines(f"inspection: {defect}\n" for defect in defects)
            if not inspection.is_sound:
                cause = FailureCause(
                    f"what was built cannot be used: {defects[0]}", "all that was found ends the log"
                )
                self._over(task, cause=cause, build=build)
                return
            index_folder(scratch / PACKAGES)
            seconds = (build.ended or 0) - (build.started or build.ended or 0)

            def fill(folder: Path) -> None:
                for path in scratch.iterdir():
                    shutil.move(path, folder / path.name)
                shutil.copyfile(log, folder / LOG)

            record = self._record(each, build, files)
            stored = self.builds.store.add(each.key, record, seconds, summary_of(inspection), fill)
        except PpcdepsError as fault:
            self._over(task, cause=FailureCause.of(fault), build=build)
            return
        finally:
            remove_tree(scratch, strict=False)
        self._over(task, stored=stored, build=build)

    def _downloaded(self, nevras: Sequence[str], folder: Path) -> list[Path]:
        """The packages, verified by the metadata of the project's repository, which may come a while after them."""
        if not nevras:
            raise RepositoryError("the build succeeded on COPR, and made no package")
        config = RepoConfig(
            id=f"copr-{self.project.name.replace('/', '-').lstrip('@')}",
            side=Side.TARGET,
            baseurl=(self.base if self.base.endswith("/") else f"{self.base}/",),
            metadata_expire=0,
            origin=f"COPR's project {self.project.name}",
        )
        cache = self.builds.basis.cache
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.wait(min(10.0 * 2**attempt, 120.0))
            try:
                repositories = fetch_repositories([config], cache, Silence(), refresh=True)
            except RepositoryError:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            found = packages_of(repositories, nevras)
            if len(found) == len(nevras):
                break
        missing = sorted(set(nevras) - found.keys())
        if missing:
            raise RepositoryError(f"the repository of {self.project.name} has no {missing[0]}, which was built there")
        paths = []
        for nevra in nevras:
            path, _ = fetch_package(found[nevra], cache, self.builds.reporter)
            name = found[nevra].location.rpartition("/")[2]
            shutil.copyfile(path, folder / name)
            paths.append(folder / name)
        return paths

    def _record(self, each: _Rendered, build: CoprBuild, files: Sequence[Path]) -> BuildRecord:
        recipe = each.task.recipe
        return BuildRecord(
            source=each.rendered.name,
            version=each.rendered.version,
            arch=self.builds.basis.target.arch,
            mode=BuildMode.NATIVE,
            buildroot=f"copr {self.project.chroot}",
            buildroot_key=f"{_BUILD}{build.id}",
            command=("copr", "build", self.project.name, "--chroot", self.project.chroot),
            started=int(build.started or build.submitted),
            finished=int(build.ended or build.submitted),
            ppcdeps_version=ppcdeps.__version__,
            recipe=recipe.folder.name if isinstance(recipe, Recipe) else "",
            recipe_digest=(recipe_digest(recipe) or None) if isinstance(recipe, Recipe) else None,
            sources=each.rendered.sources,
            packages=tuple(BuiltPackage(one.name, sha256_of(one), one.name.removesuffix(".rpm")) for one in files),
        )

    # -- the end of a task ------------------------------------------------------------------------------------

    def _lost(self, task: Task) -> bool:
        """Whether it is over because something that it needs was not built, or because the run ends."""
        if task.name in self.results:
            return True
        if (cause := blocked(task, self.results)) is not None:
            self._over(task, outcome=BuildOutcome.SKIPPED, cause=cause)
        return cause is not None

    def _over(
        self,
        task: Task,
        *,
        stored: StoredBuild | None = None,
        outcome: BuildOutcome | None = None,
        cause: FailureCause | None = None,
        build: CoprBuild | None = None,
    ) -> None:
        outcome = outcome or (BuildOutcome.FAILED if stored is None else BuildOutcome.BUILT)
        log = self._log(task)
        seconds = (build.ended - build.started) if build and build.ended and build.started else 0.0
        tail = tail_of(log) if outcome is BuildOutcome.FAILED else ()
        result = TaskResult(task, outcome, stored, cause, log if log.exists() else None, tail, float(seconds))
        self.results[task.name] = result
        self.watch(BuildFinished(result, len(self.results), len(self.builds.tasks)))
        if outcome is BuildOutcome.FAILED:
            stopping = self.builds.options.fail_fast
            why = FailureCause("the run ends with the first failure", "") if stopping else not_built(task.name)
            by_name = {one.name: one for one in self.builds.tasks}
            for other in self.builds.tasks:
                if other.name not in self.results and (stopping or task.name in needed_by(other, by_name)):
                    self._cancel(other, why)

    def _cancel(self, task: Task, cause: FailureCause) -> None:
        build = self.submitted.get(task.name)
        if build is not None and not build.is_over:
            self.project.cancel(build.id)
        self._over(task, outcome=BuildOutcome.SKIPPED, cause=cause)

    # -- files ------------------------------------------------------------------------------------------------

    def _log(self, task: Task) -> Path:
        return log_of(self.builds.session.folder, task)

    def _scratch(self, task: Task) -> Path:
        return self.builds.session.folder / "scratch" / plain(task.name)

    def _note_numbers(self) -> None:
        write_file(self.builds.session.folder / STATE, json.dumps(self.numbers, indent=1, sort_keys=True))


def _read_numbers(folder: Path) -> dict[str, int]:
    with suppress(OSError, ValueError, AttributeError):
        document = json.loads((folder / STATE).read_text("utf-8"))
        return {str(key): int(number) for key, number in document.items()}
    return {}


def _opened(content: bytes, most: int = 256 << 20) -> bytes:
    """A log as it was before it was compressed; of a very long one the beginning."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(content)).read(most)
    except (OSError, EOFError, zlib.error):
        return b"the log is damaged\n"
