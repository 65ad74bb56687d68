"""One build: sources, BuildRequires, rpmbuild in the buildroot, inspection, smoke test, and the result kept."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

import ppcdeps
from ppcdeps.base.atomic import same_file
from ppcdeps.base.cache import Cache
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.createrepo import index_folder
from ppcdeps.building.publishing.inspection import SetInspection, inspect_set
from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage
from ppcdeps.building.publishing.wheels import collect_wheels
from ppcdeps.building.run.events import Outcome, Stage, TaskResult
from ppcdeps.building.run.failures import FailureCause, FailurePattern, cause_of, tail_of
from ppcdeps.building.run.materials import Material, Sources
from ppcdeps.building.run.requires import Needed, Requirements
from ppcdeps.building.run.smoke import smoke_script
from ppcdeps.building.run.store import LOG, PACKAGES, WHEELS, Store, StoredBuild, key_of
from ppcdeps.building.run.tasks import Task
from ppcdeps.engines.engine import Engine
from ppcdeps.engines.job import NO_LIMITS, BuildMode, Buildroot, Ended, Ending, Job, Limits
from ppcdeps.model.errors import DISK_FULL, EnvironmentLacksError, PpcdepsError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.recipe import Recipe
from ppcdeps.recipebook.book import recipe_digest
from ppcdeps.recipebook.rendering import rpmbuild_options

_MORE_REQUIRES = 11
"""The exit code of ``rpmbuild -br`` where %generate_buildrequires asked for what is not installed (rpm's build.c)."""

_ROUNDS = 10
"""More rounds of dynamic BuildRequires than any spec takes."""

_REQUIRES = "/requires"

_PREPARE = """\
set -e
cd /build
if ls {requires}/*.rpm >/dev/null 2>&1; then
  rpm -U --oldpackage --replacepkgs --nosignature --excludedocs{options} {requires}/*.rpm
  ldconfig || :
fi
"""


class FailedError(Exception):
    """A build has failed for this cause. Never leaves the builder."""

    def __init__(self, cause: FailureCause) -> None:
        super().__init__(cause.cause)
        self.cause = cause


class StoppedError(Exception):
    """The run is over before the build is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A buildroot, and what answers which packages are to be installed in it."""

    root: Buildroot
    requirements: Requirements


@dataclass(frozen=True, slots=True)
class Workshop:
    """All that builds have in common.

    ``bench`` is where they are built and ``runner`` where what they give can run: they differ where the first
    cross-compiles, and ``runner`` is None where nothing of the target can run. ``work`` is the folder of the run: its
    logs/ stay, its scratch/ does not. ``parallel`` is how many processes one build starts.
    """

    engine: Engine
    bench: Place
    runner: Place | None
    sources: Sources
    store: Store
    cache: Cache
    work: Path
    patterns: tuple[FailurePattern, ...]
    limits: Limits = NO_LIMITS
    parallel: int = 1
    check: bool = True
    """Whether %check is run."""

    def log_of(self, task: Task) -> Path:
        """Where the output of a build goes."""
        return self.work / "logs" / f"{_plain(task.name)}.log"

    def scratch_of(self, task: Task) -> Path:
        """The folder that a build works in, which nothing is kept of."""
        return self.work / "scratch" / _plain(task.name)


def build(
    task: Task,
    workshop: Workshop,
    before: Sequence[StoredBuild],
    stop: threading.Event,
    reached: Callable[[Stage], None],
) -> TaskResult:
    """Build a task, or take the result of an earlier build that was made from the very same.

    ``before`` are the builds that it may need. ``reached`` is told the stages. A failure is a result; raises
    StoppedError once ``stop`` is set, and EnvironmentLacksError where no build can succeed on this machine.
    """
    began = time.monotonic()
    log, scratch = workshop.log_of(task), workshop.scratch_of(task)
    _clear(scratch)
    scratch.mkdir(parents=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Unbuffered: what cannot be written to a full disk is not tried again when the log is closed.
        with log.open("wb", buffering=0) as stream:
            made = _Build(task, workshop, before, stop, reached, stream, scratch)
            stored, fresh = made.run()
    except FailedError as failure:
        seconds = time.monotonic() - began
        return TaskResult(task, Outcome.FAILED, None, failure.cause, log, tail_of(log), seconds)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        cause = FailureCause(f"no space left in {workshop.work}", "free some, or name another folder with --work")
        return TaskResult(task, Outcome.FAILED, None, cause, log, tail_of(log), time.monotonic() - began)
    except EnvironmentLacksError:
        raise
    except PpcdepsError as error:
        seconds = time.monotonic() - began
        cause = FailureCause(error.message, error.hint or "", "")
        return TaskResult(task, Outcome.FAILED, None, cause, log, tail_of(log), seconds)
    finally:
        _clear(scratch)
    outcome = Outcome.BUILT if fresh else Outcome.UNCHANGED
    if not fresh:
        shutil.copyfile(stored.folder / LOG, log)
    return TaskResult(task, outcome, stored, None, log, (), time.monotonic() - began)


@dataclass(slots=True)
class _Build:
    task: Task
    workshop: Workshop
    before: Sequence[StoredBuild]
    stop: threading.Event
    reached: Callable[[Stage], None]
    log: FileIO
    scratch: Path
    started: float = 0.0

    def run(self) -> tuple[StoredBuild, bool]:
        """The stored build, and whether it was built now."""
        self.reached(Stage.SOURCES)
        material = self.workshop.sources.prepare(self.task, self.scratch / "build")
        self.reached(Stage.REQUIREMENTS)
        wanted = self._build_requires(material)
        needed = self._needed(f"{material.name}-{material.version} (build)", wanted)
        if _is_dynamic(material):
            needed = self._with_dynamic(material, needed)
        key = self._key(material, needed)
        known = self.workshop.store.find(key)
        if known is not None:
            return known, False
        self.started = time.time()
        self.reached(Stage.BUILD)
        self._rpmbuild(material, needed)
        packages = sorted((material.folder / "RPMS").rglob("*.rpm"))
        if not packages:
            raise FailedError(FailureCause("rpmbuild ended well and made no package", "see %files in its spec"))
        self.reached(Stage.INSPECTION)
        inspection = self._inspected(packages)
        result = self._collected(packages)
        self.reached(Stage.SMOKE_TEST)
        self._smoke_test(material, result)
        return self._kept(key, material, needed, inspection, result), True

    # BuildRequires ------------------------------------------------------------------------------------------

    def _build_requires(self, material: Material) -> tuple[str, ...]:
        """What the spec asks for, as the buildroot's own rpm evaluates it."""
        key = f"buildrequires 1 {material.digest} {self.workshop.bench.root.key} {self.workshop.bench.root.mode}"
        cached = self.workshop.cache.derived_path(key, ".json")
        with suppress(OSError, ValueError):
            return tuple(json.loads(cached.read_text("utf-8")))
        options = f"{self._options()}{self._conditions()}"
        script = f"cd /build && rpmspec -q --srpm --requires {options} SPECS/{material.spec} >.requires"
        ended = self._run("requires", script, material.folder)
        if not ended.is_well:
            raise FailedError(self._told(ended, "its spec cannot be evaluated in the buildroot"))
        found = _listed(material.folder / ".requires")
        self.workshop.cache.store_derived(key, ".json", lambda file: _write(file, json.dumps(found)))
        return found

    def _needed(self, title: str, wanted: Sequence[str]) -> tuple[Needed, ...]:
        if not wanted:
            return ()
        places = [one.repository for one in self.before]
        installed = installed_in(self.workshop.bench.root, self.workshop, self._run_in)
        resolved = self.workshop.bench.requirements.resolve(title, wanted, places, installed)
        if resolved.missing:
            for line in resolved.missing:
                self.log.write(f"{line}\n".encode())
            cause = f"{len(resolved.missing)} BuildRequires are missing: {resolved.missing[0]}"
            raise FailedError(
                FailureCause(
                    cause if len(resolved.missing) > 1 else resolved.missing[0],
                    "name a repository that has it, or add it to the packages of the buildroot",
                )
            )
        return resolved.packages

    def _with_dynamic(self, material: Material, needed: tuple[Needed, ...]) -> tuple[Needed, ...]:
        """What %generate_buildrequires asks for, too: it is asked until it is content."""
        options = f"{self._options()}{self._conditions()}"
        listing = "for p in SRPMS/*.buildreqs.nosrc.rpm; do rpm -qp --requires --nosignature $p; done >.requires"
        script = (
            f"{self._prepare()}rm -rf SRPMS; rpmbuild -br {options} SPECS/{material.spec} && code=0 || "
            f"code=$?; [ $code != {_MORE_REQUIRES} ] || {{ {listing}; }}; exit $code"
        )
        for _ in range(_ROUNDS):
            ended = self._run("dynamic", script, material.folder, self._inputs(needed))
            if ended.is_well:
                return needed
            if ended.ending is not Ending.EXITED or ended.code != _MORE_REQUIRES:
                raise FailedError(self._told(ended, "its %generate_buildrequires failed"))
            asked = _listed(material.folder / ".requires")
            needed = self._needed(f"{material.name}-{material.version} (build)", asked)
        raise FailedError(FailureCause("its %generate_buildrequires asks for more each time", "see its spec"))

    # The build ----------------------------------------------------------------------------------------------

    def _key(self, material: Material, needed: Sequence[Needed]) -> str:
        root = self.workshop.bench.root
        return key_of(
            {
                "material": material.digest,
                "root": root.key,
                "mode": root.mode,
                "target": root.target,
                "requires": [[one.nevra, one.checksum] for one in needed],
                "check": self.workshop.check,
            }
        )

    def _rpmbuild(self, material: Material, needed: Sequence[Needed]) -> None:
        checked = "" if self.workshop.check else " --nocheck"
        script = f"{self._prepare()}exec ./build.sh{checked} {self._options()}"
        ended = self._run("build", script, material.folder, self._inputs(needed), self._environment(material))
        if not ended.is_well:
            raise FailedError(self._told(ended, "rpmbuild failed"))

    def _prepare(self) -> str:
        """The shell code that installs what is needed."""
        # A root of another architecture can hold the packages, but nothing in it can run their scripts.
        foreign = self.workshop.bench.root.mode is BuildMode.CROSS
        return _PREPARE.format(requires=_REQUIRES, options=" --ignorearch --noscripts --nodeps" if foreign else "")

    def _options(self) -> str:
        root = self.workshop.bench.root
        defined = {
            "_topdir": "/build",
            "_buildhost": "ppcdeps",
            "_smp_mflags": f"-j{self.workshop.parallel}",
            "_smp_build_ncpus": str(self.workshop.parallel),
            "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1",
        }
        target = f"--target {root.target} " if root.mode is BuildMode.CROSS else ""
        return target + " ".join(f"--define '{name} {value}'" for name, value in defined.items())

    def _conditions(self) -> str:
        """The recipe's macros and build conditions, which build.sh has in it: they decide on BuildRequires, too."""
        return rpmbuild_options(self.task.material) if isinstance(self.task.material, Recipe) else ""

    def _environment(self, material: Material) -> Mapping[str, str]:
        date = material.date()
        return {} if date is None else {"SOURCE_DATE_EPOCH": str(date)}

    def _inputs(self, needed: Sequence[Needed]) -> Mapping[str, Path]:
        """One folder with the packages that are to be installed, under the names that rpm knows."""
        if not needed:
            return {}
        place = self.scratch / "requires"
        _clear(place)
        place.mkdir()
        for one in needed:
            same_file(one.path.resolve(), place / one.file_name)
        return {_REQUIRES: place}

    def _inspected(self, packages: Sequence[Path]) -> SetInspection:
        private = (str(self.scratch.resolve()), str(self.workshop.bench.root.path.resolve()))
        inspection = inspect_set(packages, self.workshop.bench.root.target, self.task.expected, private)
        findings = [str(finding) for finding in inspection.all_findings]
        for finding in findings:
            self.log.write(f"inspection: {finding}\n".encode())
        if not inspection.is_sound:
            more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
            raise FailedError(
                FailureCause(f"what was built cannot be used: {findings[0]}{more}", "all that was found ends the log")
            )
        return inspection

    def _collected(self, packages: Sequence[Path]) -> Path:
        """A folder with the packages and their repodata, as the store keeps it."""
        result = self.scratch / "result"
        for name in (PACKAGES, WHEELS):
            (result / name).mkdir(parents=True)
        for path in packages:
            path.rename(result / PACKAGES / path.name)
        for path in sorted((self.scratch / "build" / "SRPMS").glob("*.src.rpm")):
            path.rename(result / path.name)
        for wheel in collect_wheels(self.scratch / "build" / "BUILD", self.workshop.bench.root.target):
            shutil.copyfile(wheel.path, result / WHEELS / wheel.file)
        index_folder(result / PACKAGES)
        return result

    def _smoke_test(self, material: Material, result: Path) -> None:
        runner = self.workshop.runner
        if runner is None:
            self.log.write(b"nothing of the target can run here: no smoke test\n")
            return
        packages = sorted((result / PACKAGES).glob("*.rpm"))
        script = smoke_script(material.folder, packages)
        if not script:
            return
        names = [Nevra.parse(path.name).name for path in packages]
        installed = installed_in(runner.root, self.workshop, self._run_in)
        places = [result / PACKAGES, *(one.repository for one in self.before)]
        resolved = runner.requirements.resolve(f"{material.name} (smoke test)", names, places, installed)
        if resolved.missing:
            raise FailedError(
                FailureCause(
                    f"it cannot be installed: {resolved.missing[0]}", "the package requires what nobody provides"
                )
            )
        place = self.scratch / "smoke"
        place.mkdir()
        (place / "smoke.sh").write_text(script, "utf-8")
        prepare = _PREPARE.format(requires=_REQUIRES, options="")
        inputs = self._inputs(resolved.packages)
        ended = self._run_in(runner.root, "smoke", f"{prepare}exec sh smoke.sh", place, inputs, {})
        if not ended.is_well:
            raise FailedError(self._told(ended, "its smoke test failed"))

    def _kept(
        self, key: str, material: Material, needed: Sequence[Needed], inspection: SetInspection, result: Path
    ) -> StoredBuild:
        root, recipe = self.workshop.bench.root, self.task.material
        finished = time.time()
        record = BuildRecord(
            source=material.name,
            version=material.version,
            arch=root.target,
            mode=root.mode,
            buildroot=root.name,
            buildroot_key=root.key,
            command=("rpmbuild", "-ba", f"SPECS/{material.spec}"),
            started=int(self.started),
            finished=int(finished),
            ppcdeps_version=ppcdeps.__version__,
            recipe=recipe.folder.name if isinstance(recipe, Recipe) else "",
            recipe_digest=(recipe_digest(recipe) or None) if isinstance(recipe, Recipe) else None,
            sources=material.sources,
            build_requires=tuple(one.nevra for one in needed),
            packages=tuple(
                BuiltPackage(one.file, sha256_of(result / PACKAGES / one.file), str(one.nevra))
                for one in inspection.packages
            ),
        )
        log = self.workshop.log_of(self.task)

        def fill(folder: Path) -> None:
            for path in result.iterdir():
                shutil.move(path, folder / path.name)
            shutil.copyfile(log, folder / LOG)

        return self.workshop.store.keep(key, record, finished - self.started, _summary(inspection), fill)

    # Running ------------------------------------------------------------------------------------------------

    def _run(
        self,
        step: str,
        script: str,
        workspace: Path,
        inputs: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Ended:
        return self._run_in(self.workshop.bench.root, step, script, workspace, inputs or {}, environment or {})

    def _run_in(
        self,
        root: Buildroot,
        step: str,
        script: str,
        workspace: Path,
        inputs: Mapping[str, Path],
        environment: Mapping[str, str],
    ) -> Ended:
        job = Job(
            name=f"ppcdeps-{_plain(self.task.name)[:24]}-{step}-{threading.get_native_id()}".lower(),
            command=("/bin/sh", "-c", script),
            workspace=workspace,
            inputs=inputs,
            environment=environment,
            limits=self.workshop.limits,
        )
        ended = self.workshop.engine.run(root, job, self._write_log, self.stop)
        if ended.ending is Ending.STOPPED or self.stop.is_set():
            raise StoppedError
        return ended

    def _write_log(self, output: bytes) -> None:
        self.log.write(output)

    def _told(self, ended: Ended, otherwise: str) -> FailureCause:
        """Why a run failed: the limit that it met, what its log says, or ``otherwise``."""
        match ended.ending:
            case Ending.TIMED_OUT:
                minutes = (self.workshop.limits.seconds or ended.seconds) / 60
                return FailureCause(
                    f"it was not done after {minutes:.3g} minutes",
                    "give it more with --timeout, or see where it hangs",
                )
            case Ending.OUT_OF_MEMORY:
                return FailureCause(
                    "out of memory", "give it more with --memory, or let fewer run at a time with -j 1"
                )
            case Ending.DISK_FULL:
                return FailureCause("it wrote more to the disk than it may", "give it more with --disk")
            case Ending.TOO_MANY_PROCESSES:
                return FailureCause("it had more processes than it may", "let it start fewer at a time")
            case _:
                found = cause_of(self.workshop.log_of(self.task), self.workshop.patterns)
                return found or FailureCause(f"{otherwise} (exit code {ended.code})", "see the log")


RunIn = Callable[[Buildroot, str, str, Path, Mapping[str, Path], Mapping[str, str]], Ended]


def installed_in(root: Buildroot, workshop: Workshop, run_in: RunIn) -> Collection[str]:
    """The NEVRAs of what is installed in a buildroot, as its own rpm tells them. Asked once for each buildroot."""
    key = f"installed 1 {root.key} {root.mode}"
    cached = workshop.cache.derived_path(key, ".json")
    with suppress(OSError, ValueError):
        return frozenset(json.loads(cached.read_text("utf-8")))
    place = workshop.work / "scratch" / f"installed-{threading.get_native_id()}"
    _clear(place)
    place.mkdir(parents=True)
    form = "%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\\n"
    try:
        ended = run_in(root, "installed", f"cd /build && rpm -qa --qf '{form}' >installed", place, {}, {})
        if not ended.is_well:
            raise FailedError(FailureCause("the buildroot's rpm does not tell what is installed", "make it anew"))
        lines = (place / "installed").read_text("utf-8").split()
    finally:
        _clear(place)
    found = sorted({str(Nevra.parse(line)) for line in lines if not line.startswith("gpg-pubkey")})
    workshop.cache.store_derived(key, ".json", lambda file: _write(file, json.dumps(found)))
    return frozenset(found)


def _summary(inspection: SetInspection) -> Mapping[str, Any]:
    """What is kept of an inspection, in JSON's own kinds."""
    return {
        "glibc": inspection.glibc,
        "packages": [{"nevra": str(one.nevra), "glibc": one.glibc} for one in inspection.packages],
        "findings": [str(finding) for finding in inspection.all_findings],
    }


def _listed(file: Path) -> tuple[str, ...]:
    """The requirements that rpm listed in a file, which is gone then; what rpm answers itself is left out."""
    lines = file.read_text("utf-8", errors="replace").splitlines()
    file.unlink()
    return tuple(sorted({line.strip() for line in lines if line.strip() and not line.startswith("rpmlib(")}))


def _is_dynamic(material: Material) -> bool:
    text = (material.folder / "SPECS" / material.spec).read_text("utf-8", errors="replace")
    return any(line.strip() == "%generate_buildrequires" for line in text.splitlines())


def _plain(name: str) -> str:
    """A name as a file name, and as podman takes it."""
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in name).strip("-.")


def _clear(folder: Path) -> None:
    remove_tree(folder, strict=False)


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode())
