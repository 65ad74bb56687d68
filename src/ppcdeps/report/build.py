"""A build run as text and as JSON: what was built, what failed and why, what is in the repository."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ppcdeps.building.run.build_run import BuildRun
from ppcdeps.building.run.events import BuildOutcome, TaskResult
from ppcdeps.building.run.reproduction import Reproduction
from ppcdeps.model.commands import command_line
from ppcdeps.model.verification import Verification
from ppcdeps.model.wording import counted
from ppcdeps.report.text import as_json, columns, text_of
from ppcdeps.report.verification import render_verification, verification_document


def duration(seconds: float) -> str:
    """A time span as a person says it: ``48 s``, ``3 min``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def finished_lines(result: TaskResult) -> list[str]:
    """How a build ended, to follow its name and outcome; of a failure the end of the log comes last."""
    match result.outcome:
        case BuildOutcome.BUILT:
            return [f" in {duration(result.seconds)}{_where(result)}: {_packages(result)}"]
        case BuildOutcome.UNCHANGED:
            return [f": {_packages(result)}"]
        case BuildOutcome.SKIPPED:
            return [f": {result.cause.cause}" if result.cause else ""]
        case BuildOutcome.FAILED:
            return [f" after {duration(result.seconds)}{_where(result)}: {_why(result)}", *_end_of_log(result)]


def render_build_run(
    build_run: BuildRun,
    verdict: Verification | None = None,
    next_command: Callable[..., str] = command_line,
    plan_again: Callable[..., str] | None = None,
) -> str:
    """The text of a run that is over, and of the verdict on it, where it was verified.

    ``next_command`` writes out a command of ppcdeps, ``plan_again`` the one that makes the plan with further options.
    """
    mode = f"{build_run.mode} builds" if build_run.mode is not None else "builds"
    by = f" by {build_run.engine}" if any(result.job is not None for result in build_run.results) else ""
    lines = [f"{build_run.workload} on {build_run.target}: {mode} in {build_run.buildroot}{by}", ""]
    head = ("NODE", "QUEUED", "MEMORY") if by else ()
    rows: list[tuple[str, ...]] = [("NAME", "RESULT", "TIME", *head, "PACKAGES")]
    for result in build_run.results:
        built = result.outcome in (BuildOutcome.BUILT, BuildOutcome.UNCHANGED)
        what = _packages(result) if built else _why(result)
        time = "-" if result.outcome is BuildOutcome.SKIPPED else duration(result.seconds)
        rows.append((result.task.name, str(result.outcome), time, *(_job_cells(result) if by else ()), what))
    if build_run.results:
        lines += columns(rows)
    else:
        lines = [f"{build_run.workload} on {build_run.target}: there is nothing to build"]
    failed = [result for result in build_run.results if result.outcome is BuildOutcome.FAILED]
    if failed:
        lines += ["", "What failed, and the likely cause"]
        for result in failed:
            lines.append(f"  {result.task.name}: {_why(result)}")
            if result.cause and result.cause.line:
                lines.append(f"    {result.cause.line}")
            if result.cause and result.cause.help:
                lines.append(f"    {result.cause.help}")
            lines.append(f"    log: {result.log}")
    lines.append("")
    omitted = build_run.left_out
    if omitted.gaps:
        names = ", ".join((*omitted.gaps, *omitted.dependents))
        lines.append(f"Left to enabling {' and '.join(omitted.repositories)}: {names}")
    lines += _reproduced(build_run.reproduced)
    if build_run.repository is None:
        built = any(result.stored is not None for result in build_run.results)
        lines.append(
            "Nothing is published by this run." if built else "No repository was written: nothing was built."
        )
    else:
        lines.append(f"Repository: {build_run.repository} ({counted(build_run.published, 'package')})")
        if build_run.repo_file:
            lines.append(f"For the target: copy {build_run.repo_file} to /etc/yum.repos.d")
        if verdict is None:
            prove = next_command("verify", str(build_run.plan), "--repository", str(build_run.repository))
            lines.append(f"Prove it with: {prove}")
    text = text_of(lines)
    return text if verdict is None else f"{text}\n{render_verification(verdict, plan_again)}"


def _reproduced(packages: Sequence[Reproduction]) -> list[str]:
    """What a build from a lock gave, beside what the lock has."""
    if not packages:
        return []
    others = [one for one in packages if not one.is_same]
    lines = [
        f"Built as locked: {len(packages) - len(others)} of {len(packages)} packages are the same, byte for byte"
    ]
    for one in others:
        what = f"other {' and '.join(one.differs)}" if one.differs else "the same requires, provides and files"
        why = f" ({'; '.join(one.why)})" if one.why else ""
        lines.append(f"  {one.nevra}: {what}{why}")
    return lines


def dump_build_run(build_run: BuildRun, verdict: Verification | None = None) -> str:
    """The same as JSON."""
    document = build_run_document(build_run)
    if verdict is not None:
        document["verification"] = verification_document(verdict)
    return as_json(document, ascii_only=True)


def build_run_document(build_run: BuildRun) -> dict[str, Any]:
    """A run in JSON's own kinds."""
    return {
        "schema": 1,
        "workload": build_run.workload,
        "target": build_run.target,
        "mode": None if build_run.mode is None else str(build_run.mode),
        "buildroot": build_run.buildroot,
        "engine": build_run.engine,
        "repository": _text(build_run.repository),
        "published": build_run.published,
        "left_out": asdict(build_run.left_out),
        "reproduced": [asdict(one) for one in build_run.reproduced],
        "results": [
            {
                "name": result.task.name,
                "source": result.task.source,
                "outcome": str(result.outcome),
                "seconds": round(result.seconds, 1),
                "packages": _nevras(result),
                "key": result.stored.key if result.stored else None,
                "cause": result.cause.cause if result.cause else None,
                "help": result.cause.help if result.cause else None,
                "log": _text(result.log),
                "tail": list(result.tail),
                "files": _files(result),
                "inspection": result.stored.inspection if result.stored else None,
                "job": asdict(result.job) if result.job else None,
            }
            for result in build_run.results
        ],
    }


def _nevras(result: TaskResult) -> list[str]:
    return [one.nevra for one in result.stored.record.packages] if result.stored else []


def _files(result: TaskResult) -> list[dict[str, Any]]:
    """The files that a build gave, each with its digest, and its size in bytes where it is still there."""
    if result.stored is None:
        return []
    sizes = {path.name: path.stat().st_size for path in result.stored.packages}
    built = result.stored.record.packages
    return [{"file": one.file, "sha256": one.sha256, "bytes": sizes.get(one.file)} for one in built]


def _packages(result: TaskResult) -> str:
    nevras = _nevras(result)
    return f"{', '.join(nevras[:2])} and {len(nevras) - 2} more" if len(nevras) > 3 else ", ".join(nevras)


def _where(result: TaskResult) -> str:
    return f" on {result.job.node}" if result.job is not None and result.job.node else ""


def _job_cells(result: TaskResult) -> tuple[str, str, str]:
    job = result.job
    if job is None:
        return "-", "-", "-"
    memory = "-" if job.memory is None else f"{job.memory / 1e6:.0f} MB"
    return job.node or "-", duration(job.queued), memory


def _why(result: TaskResult) -> str:
    return result.cause.cause if result.cause else "for no known cause"


def _end_of_log(result: TaskResult) -> Sequence[str]:
    if result.log is None:
        return ()
    helps = [f"    {result.cause.help}"] if result.cause and result.cause.help else []
    return (*(f"  | {line}" for line in result.tail), *helps, f"    log: {result.log}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
