"""What a build and a verification of a plan print with --json, with every outcome in them."""

import hashlib
from pathlib import Path

from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage
from ppcdeps.building.run.build_run import BuildRun
from ppcdeps.building.run.events import BuildOutcome, TaskResult
from ppcdeps.building.run.failures import FailureCause
from ppcdeps.building.run.store import StoredBuild
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.engines.job import BuildMode
from ppcdeps.model.plan import Plan
from ppcdeps.model.verification import Check, CheckOutcome, ClosedGap, GapReview, Verification
from ppcdeps.report.build import dump_build_run
from ppcdeps.report.verification import dump_verification

_FAILURE = FailureCause("the program rpcgen is missing", "add the package that has it", "rpcgen: not found")
_TAIL = tuple(f"[{number}/400] gcc -O2 -c {'very/' * 12}long-{number}.c" for number in range(20))


def printed_results(plan: Plan) -> tuple[str, str]:
    """What `build` and `verify` print of a plan: its last build failed, the one before was skipped."""
    sources = [name for wave in plan.waves for name in wave]
    results = [_built(name, number) for number, name in enumerate(sources)]
    results[-1] = TaskResult(
        _task(sources[-1]), BuildOutcome.FAILED, None, _FAILURE, Path("logs/last.log"), _TAIL, 3700.0
    )
    results[-2] = TaskResult(
        _task(sources[-2]), BuildOutcome.SKIPPED, cause=FailureCause(f"it needs {sources[-1]}", "")
    )
    run = BuildRun(
        plan.workload, plan.target, Path("plan.json"), BuildMode.CROSS, "debian-12-cross", "podman", tuple(results),
        Path("repository"), 31,
    )  # fmt: skip
    ok = Check(CheckOutcome.OK, "31 packages", seconds=12.4)
    failed = Check(CheckOutcome.FAILED, "nothing provides it", sources[-1], log=_TAIL, seconds=0.2)
    skipped = Check(CheckOutcome.SKIPPED, "pip has nothing to install")
    review = GapReview(
        tuple(ClosedGap(gap, ("built-1-1.ppc64le",)) for gap in plan.gaps if gap.name in sources[:-2]),
        tuple(gap for gap in plan.gaps if gap.name in sources[-2:]),
    )
    verdict = Verification(
        plan.workload, plan.target, plan.arch, "repository", review, failed, ok, skipped, ok, (ok, failed),
        "emulated", ("the repository is not signed",), ok,
    )  # fmt: skip
    return dump_build_run(run), dump_verification(verdict)


def _task(name: str) -> Task:
    return Task(name, name, Bridge("w", (), 1))


def _built(name: str, number: int) -> TaskResult:
    packages = tuple(
        BuiltPackage(f"{name}{part}-1.0-1.ppc64le.rpm", _digest(name + part), f"{name}{part}-1.0-1.ppc64le")
        for part in ("", "-devel", "-libs")
    )
    record = BuildRecord(name, "1.0", "ppc64le", "cross", "root", "key", (), 0, 1, "0", packages=packages)
    findings = {"findings": [f"{packages[0].file}: a path of the build in usr/bin/{name}"]} if number % 3 == 0 else {}
    stored = StoredBuild(_digest(name), Path("nowhere"), record, 60.0, {"findings": [], **findings})
    outcome = BuildOutcome.UNCHANGED if number % 4 == 1 else BuildOutcome.BUILT
    return TaskResult(_task(name), outcome, stored, None, Path(f"logs/{name}.log"), _TAIL[:3], 17.0 * number)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
