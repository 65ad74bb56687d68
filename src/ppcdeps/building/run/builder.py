"""One build: sources, BuildRequires, rpmbuild in the buildroot, inspection, smoke test, and the result stored."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ppcdeps
from ppcdeps.base.atomic import is_full
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.base.untrusted import files_beneath
from ppcdeps.building.createrepo import index_folder
from ppcdeps.building.publishing.inspection import SetInspection, inspect_set
from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage
from ppcdeps.building.publishing.wheels import collect_wheels
from ppcdeps.building.run.build_requires import BuildRequirements
from ppcdeps.building.run.build_system import distributions_there, unmet_build_requires
from ppcdeps.building.run.events import BuildOutcome, BuildStage, TaskResult
from ppcdeps.building.run.failures import BUILD_SYSTEM, FailureCause, tail_of
from ppcdeps.building.run.resolver import RequiredPackage
from ppcdeps.building.run.setup import BuildSetup
from ppcdeps.building.run.smoke import smoke_script
from ppcdeps.building.run.sources import RenderedBuild
from ppcdeps.building.run.steps import FailedError, StepRunner, StoppedError, install_script, unreadable
from ppcdeps.building.run.store import LOG, PACKAGES, WHEELS, StoredBuild, key_of
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.job import BuildMode
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import DISK_FULL, EnvironmentLacksError, PpcdepsError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.recipe import Recipe
from ppcdeps.recipebook.book import recipe_digest
from ppcdeps.recipebook.rendering import rpmbuild_options


def build(
    task: Task,
    setup: BuildSetup,
    before: Sequence[StoredBuild],
    stop: threading.Event,
    reached: Callable[[BuildStage], None],
) -> TaskResult:
    """Build a task, or take the result of an earlier build that was made from the same inputs.

    ``before`` are the builds that it may need; ``reached`` is called at each stage. A failure is a result; raises
    StoppedError once ``stop`` is set, and EnvironmentLacksError where no build can succeed on this machine.
    """
    began = time.monotonic()
    log, scratch = setup.log_of(task), setup.scratch_of(task)
    remove_tree(scratch, strict=False)
    scratch.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch.mkdir(mode=0o700)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Unbuffered: what cannot be written to a full disk is not tried again when the log is closed.
        with log.open("wb", buffering=0) as stream:
            steps = StepRunner(task, setup, stop, stream, scratch)
            stored, fresh = _TaskBuild(steps, before, reached).run()
    except FailedError as failure:
        cause = failure.cause
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        cause = FailureCause(
            f"no space left in {_full(setup)}", "free some, or name another folder with --work", by_machine=True
        )
    except EnvironmentLacksError:
        raise
    except PpcdepsError as error:
        cause = FailureCause.of(error)
    else:
        if not fresh:
            shutil.copyfile(stored.folder / LOG, log)
        outcome = BuildOutcome.BUILT if fresh else BuildOutcome.UNCHANGED
        return TaskResult(task, outcome, stored, None, log, (), time.monotonic() - began)
    finally:
        remove_tree(scratch, strict=False)
    return TaskResult(task, BuildOutcome.FAILED, None, cause, log, tail_of(log), time.monotonic() - began)


class _TaskBuild:
    """The build of one task, in its scratch folder."""

    def __init__(
        self, steps: StepRunner, before: Sequence[StoredBuild], reached: Callable[[BuildStage], None]
    ) -> None:
        self.steps = steps
        self.task = steps.task
        self.setup = steps.setup
        self.scratch = steps.scratch
        self.root = steps.setup.build_root.root
        self.built = [one.repository for one in before]
        self.reached = reached

    def run(self) -> tuple[StoredBuild, bool]:
        """The stored build, and whether it was built now."""
        self.reached(BuildStage.SOURCES)
        rendered = self.setup.sources.prepare(self.task, self.scratch / "build")
        self.reached(BuildStage.REQUIREMENTS)
        options = f"{self._options()}{self._conditions()}"
        required = BuildRequirements(self.steps, options, self.built).packages_for(rendered)
        key = self._key(rendered, required)
        try:
            # Who else builds the same just now, here or on another machine with this cache, is waited for.
            with self.setup.cache.lock(f"build-{key}", stop=self.steps.stop.is_set):
                known = self.setup.store.find(key)
                return (self._built(key, rendered, required), True) if known is None else (known, False)
        except InterruptedError:
            raise StoppedError from None

    def _built(self, key: str, rendered: RenderedBuild, required: Sequence[RequiredPackage]) -> StoredBuild:
        """Build it now, and store it under its key."""
        self._note_build_system(rendered, required)
        started = time.time()
        self.reached(BuildStage.BUILD)
        self._rpmbuild(rendered, required)
        packages = _left(rendered.folder, "RPMS", "*.rpm")
        if not packages:
            raise FailedError(FailureCause("rpmbuild ended well and made no package", "see %files in its spec"))
        self.reached(BuildStage.INSPECTION)
        inspection = self._inspected(packages)
        result = self._collected(packages)
        self.reached(BuildStage.SMOKE_TEST)
        self._smoke_test(rendered, result)
        finished = time.time()
        record = self._record(rendered, required, inspection, started, finished)

        def fill(folder: Path) -> None:
            for path in result.iterdir():
                shutil.move(path, folder / path.name)
            shutil.copyfile(self.setup.log_of(self.task), folder / LOG)

        return self.setup.store.add(key, record, finished - started, summary_of(inspection), fill)

    def _key(self, rendered: RenderedBuild, required: Sequence[RequiredPackage]) -> str:
        return key_of(
            {
                "material": rendered.digest,
                "root": self.root.key,
                "mode": self.root.mode,
                "target": self.root.target,
                "requires": [[one.nevra, one.checksum] for one in required],
                "check": self.setup.check,
            }
        )

    def _rpmbuild(self, rendered: RenderedBuild, required: Sequence[RequiredPackage]) -> None:
        checked = "" if self.setup.check else " --nocheck"
        script = f"{install_script(self.root)}exec ./build.sh{checked} {self._options()}"
        date = rendered.date()
        environment = {} if date is None else {"SOURCE_DATE_EPOCH": str(date)}
        ended = self.steps.run(self.root, "build", script, rendered.folder, required, environment)
        if not ended.is_well:
            raise self.steps.failure(ended, "rpmbuild failed")

    def _note_build_system(self, rendered: RenderedBuild, required: Sequence[RequiredPackage]) -> None:
        """Note in the log what an sdist requires of its build system, and the buildroot has not as required."""
        recipe = self.task.recipe
        if not self.task.pinned or not isinstance(recipe, Recipe) or not rendered.sources:
            return
        place = self.setup.build_root
        tag = place.resolver.target.python.tag if recipe.python.is_platform else recipe.python.tag
        root = place.root
        there = distributions_there(self.steps.installed_in(root), self.steps.provided_in(root), required, tag)
        if not there:
            # What it has of Python, its rpm does not know.
            return
        for phrase in unmet_build_requires(rendered.folder / "SOURCES" / rendered.sources[0].file, there, tag):
            self.steps.note(f"{BUILD_SYSTEM}{phrase}")

    def _options(self) -> str:
        defined = {
            "_topdir": "/build",
            "_buildhost": "ppcdeps",
            "_smp_mflags": f"-j{self.setup.parallel}",
            "_smp_build_ncpus": str(self.setup.parallel),
            "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1",
        }
        target = f"--target {self.root.target} " if self.root.mode is BuildMode.CROSS else ""
        return target + " ".join(f"--define '{name} {value}'" for name, value in defined.items())

    def _conditions(self) -> str:
        """The recipe's macros and build conditions, which build.sh has in it: they decide on BuildRequires, too."""
        return rpmbuild_options(self.task.recipe) if isinstance(self.task.recipe, Recipe) else ""

    def _inspected(self, packages: Sequence[Path]) -> SetInspection:
        private = (str(self.scratch.resolve()), str(self.root.path.resolve()))
        inspection = inspect_set(packages, self.root.target, self.task.expected, private)
        defects = [str(defect) for defect in inspection.all_defects]
        for defect in defects:
            self.steps.note(f"inspection: {defect}")
        if not inspection.is_sound:
            more = f" (and {len(defects) - 1} more)" if len(defects) > 1 else ""
            raise FailedError(
                FailureCause(f"what was built cannot be used: {defects[0]}{more}", "all that was found ends the log")
            )
        return inspection

    def _collected(self, packages: Sequence[Path]) -> Path:
        """A folder with the packages and their repodata, as the store has it."""
        result = self.scratch / "result"
        for name in (PACKAGES, WHEELS):
            (result / name).mkdir(parents=True)
        for path in packages:
            path.rename(result / PACKAGES / path.name)
        for path in _left(self.scratch / "build", "SRPMS", "*.src.rpm"):
            path.rename(result / path.name)
        for wheel in collect_wheels(self.scratch / "build" / "BUILD", self.root.target):
            shutil.copyfile(wheel.path, result / WHEELS / wheel.file)
        index_folder(result / PACKAGES)
        return result

    def _smoke_test(self, rendered: RenderedBuild, result: Path) -> None:
        place = self.setup.test_root
        if place is None:
            self.steps.note("no program of the target runs here: no smoke test")
            return
        packages = sorted((result / PACKAGES).glob("*.rpm"))
        script = smoke_script(rendered.smoke, packages)
        if not script:
            return
        names = [Nevra.parse(path.name).name for path in packages]
        installed = self.steps.installed_in(place.root)
        built = [result / PACKAGES, *self.built]
        resolved = place.resolver.resolve(f"{rendered.name} (smoke test)", names, built, installed)
        if resolved.missing:
            cause = f"it cannot be installed: {resolved.missing[0]}"
            raise FailedError(FailureCause(cause, "the package requires what no repository provides"))
        workspace = self.scratch / "smoke"
        workspace.mkdir()
        (workspace / "smoke.sh").write_text(script, "utf-8")
        script = f"{install_script(place.root)}exec sh smoke.sh"
        ended = self.steps.run(place.root, "smoke", script, workspace, resolved.packages)
        if not ended.is_well:
            raise self.steps.failure(ended, "its smoke test failed")

    def _record(
        self,
        rendered: RenderedBuild,
        required: Sequence[RequiredPackage],
        inspection: SetInspection,
        started: float,
        finished: float,
    ) -> BuildRecord:
        recipe = self.task.recipe
        folder = self.scratch / "result" / PACKAGES
        return BuildRecord(
            source=rendered.name,
            version=rendered.version,
            arch=self.root.target,
            mode=self.root.mode,
            buildroot=self.root.name,
            buildroot_key=self.root.key,
            command=("rpmbuild", "-ba", f"SPECS/{rendered.spec}"),
            started=int(started),
            finished=int(finished),
            ppcdeps_version=ppcdeps.__version__,
            recipe=recipe.folder.name if isinstance(recipe, Recipe) else "",
            recipe_digest=(recipe_digest(recipe) or None) if isinstance(recipe, Recipe) else None,
            sources=rendered.sources,
            build_requires=tuple(one.nevra for one in required),
            packages=tuple(
                BuiltPackage(one.file, sha256_of(folder / one.file), str(one.nevra)) for one in inspection.packages
            ),
        )


def _full(setup: BuildSetup) -> Path:
    """Which of the folders that a build writes to has no room."""
    return next((place for place in (setup.scratch, setup.work) if place.exists() and is_full(place)), setup.work)


def _left(folder: Path, top: str, pattern: str) -> list[Path]:
    """The files of such names that a build left beneath a folder. Raises FailedError for what is no file."""
    try:
        return list(files_beneath(folder, top, pattern, CEILINGS.contained_package))
    except OSError as fault:
        raise unreadable(fault) from fault


def summary_of(inspection: SetInspection) -> Mapping[str, Any]:
    """What the store has of an inspection, in JSON's own kinds."""
    return {
        "glibc": inspection.glibc,
        "packages": [{"nevra": str(one.nevra), "glibc": one.glibc} for one in inspection.packages],
        "findings": [str(defect) for defect in inspection.all_defects],
    }
