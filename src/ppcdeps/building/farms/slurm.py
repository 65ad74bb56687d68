"""Slurm's own programs: jobs submitted, looked at and cancelled.

The plain formats of `squeue` and `scontrol` are read, which are the same in every version since 22.05; `--json` is
not in every Slurm, and differs between them. See sbatch(1), squeue(1), scontrol(1).
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ppcdeps.base.programs import MissingProgramError, ProgramResult, UnfinishedProgramError, run_program
from ppcdeps.model.errors import EnvironmentLacksError, UsageError

_CARRIED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "MODULEPATH", "http_proxy", "https_proxy", "no_proxy")
_OF_SLURM = ("SLURM_CONF", "SBATCH_")
"""What jobs have of this environment: a job of Slurm is a copy of all that `sbatch` sees, secrets included."""
_NOT_OF_SBATCH = ("SBATCH_ARRAY_INX", "SBATCH_WAIT")
"""What would make another thing of a job, or have `sbatch` wait for its end."""
_FILTERS = ("SQUEUE_", "SCONTROL_", "SACCT_", "SCANCEL_", "SLURM_TIME_FORMAT")
"""Variables by which users have Slurm's programs show or end fewer jobs, or ask first."""
_CLUSTERS = ("SLURM_CLUSTERS", "SBATCH_CLUSTERS")
_OVER = frozenset(
    {
        *("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED"),
        *("NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED", "RECONFIG_FAIL"),
    }
)
"""The states in which nothing more happens to a job. All others are passing, those of later versions as well."""
_WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "EXPEDITING"})
_NOT_STARTED = " requeued held"
"""How the reason ends for which a job that could not be started is held: `launch failed requeued held`."""
_NODE_FAILED = frozenset({"NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED", "RECONFIG_FAIL"})
_OF_NODES = frozenset({"JobLaunchFailure", "NodeDown", "SystemFailure"})
"""The reasons for which a job failed that its script has no part in."""
_UNREACHABLE = re.compile(
    r"[Uu]nable to (?:contact|establish)|[Cc]onnection refused|Socket timed out|not responding|standby mode|"
    r"Zero Bytes were transmitted|[Aa]uthentication error"
)
_FULL = re.compile(r"submit limit|limit reached|temporarily unable to accept|MaxJobCount|[Ss]low down", re.ASCII)
_FEWER = "let fewer be in the queue with -j N"
_PING = "see `scontrol ping`"
_SECONDS = 120.0
_SUBMITTING = 30.0
"""Seconds for one job: where Slurm has as many as it takes (MaxJobCount), `sbatch` waits for two minutes."""


class SlurmUnreachableError(EnvironmentLacksError):
    """The controller of Slurm does not answer."""


class SlurmFullError(EnvironmentLacksError):
    """Slurm takes no more jobs just now."""


class SlurmRefusesError(UsageError):
    """Slurm does not take such a job at all."""


@dataclass(frozen=True, slots=True)
class JobState:
    """What Slurm says of a job: its state and reason in Slurm's words, its node, its comment."""

    id: str
    state: str
    reason: str = ""
    node: str = ""
    comment: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state not in _OVER

    @property
    def is_running(self) -> bool:
        """Whether it has begun."""
        return self.state in ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED")

    @property
    def is_waiting(self) -> bool:
        """Whether it has not begun, or not again."""
        return self.state in _WAITING

    @property
    def is_stopped(self) -> bool:
        """Whether it has begun and does not go on."""
        return self.state in ("SUSPENDED", "STOPPED")

    @property
    def is_held_unstarted(self) -> bool:
        """Whether its node could not start it, and Slurm leaves it to a person what becomes of it."""
        return self.is_waiting and self.reason.endswith(_NOT_STARTED)


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended. ``code`` is its exit code, ``signal`` what killed it, 0 where nothing did."""

    state: str
    reason: str
    node: str
    code: int
    signal: int
    limit: str = ""
    seconds: float = 0.0
    """For how long it ran."""

    @property
    def is_active(self) -> bool:
        """Whether it is not over after all, but was put back into the queue."""
        return self.state not in _OVER

    @property
    def is_by_node(self) -> bool:
        """Whether the node failed, or could not start it."""
        return self.state in _NODE_FAILED or self.reason in _OF_NODES


def submit(script: str, arguments: Sequence[str], options: Mapping[str, str], needs: Iterable[str]) -> str:
    """Submit a job that runs the script after the jobs ``needs`` have ended well. Returns its id.

    It also waits for all earlier jobs of this user and name. Raises SlurmRefusesError, SlurmFullError and
    SlurmUnreachableError with Slurm's own words, and MissingProgramError.
    """
    after = f"afterok:{':'.join(needs)}," if needs else ""
    given = [f"--{name}={value}" for name, value in options.items()]
    command = [
        *("sbatch", "--parsable", "--requeue", "--kill-on-invalid-dep=yes", "--ntasks=1", "--output=/dev/null"),
        *(f"--dependency={after}singleton", *given, script, *arguments),
    ]
    # Of the environment only what it needs: all that sbatch sees is copied to the job, and kept by Slurm.
    environment: dict[str, str | None] = {
        name: None
        for name in os.environ
        if name in _NOT_OF_SBATCH or (name not in _CARRIED and not name.startswith(_OF_SLURM))
    }
    try:
        done = _run(command, environment, _SUBMITTING)
    except UnfinishedProgramError as fault:
        raise SlurmFullError(f"Slurm takes no more jobs: {fault.message}", hint=_FEWER) from fault
    if not done.is_well:
        raise _refusal(done)
    # Sites have it greet, and say more; with a cluster's name it is ID;CLUSTER.
    ids = re.findall(r"^(\d+)(?:;.*)?$", done.text.strip(), re.MULTILINE)
    if not ids:
        raise SlurmRefusesError(f"sbatch does not say the number of the job: {done.reason}", hint="see `squeue --me`")
    return str(ids[-1])


def states() -> dict[str, JobState]:
    """The state of each job of this user that Slurm still knows, by id.

    Raises SlurmUnreachableError, MissingProgramError, and UsageError where the user has chosen another cluster.
    """
    if named := next((name for name in _CLUSTERS if os.environ.get(name)), None):
        raise UsageError(
            f"{named} is set, and ppcdeps uses the Slurm that this machine belongs to",
            hint=f"unset {named}, or submit on a machine of that cluster",
        )
    done = _asked(["squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%r|%N|%k"])
    if not done.is_well:
        raise _silence(done)
    found = {}
    for line in done.text.splitlines():
        fields = line.split("|", 4)
        if len(fields) == 5:
            found[fields[0]] = JobState(*fields)
    return found


def end_of(job: str) -> JobEnd | None:
    """How a job ended, by the controller or else by the accounting; None where neither knows it (any more).

    Raises SlurmUnreachableError.
    """
    done = _asked(["scontrol", "show", "job", "--oneliner", job])
    if done.is_well:
        # What comes later may have words of the user's in it: paths, and the comment.
        said = dict(reversed(re.findall(r"(\w+)=(\S*)", done.text)))
        code, _, signal = said.get("ExitCode", "0:0").partition(":")
        node = said.get("BatchHost", "") or said.get("NodeList", "").replace("(null)", "")
        reason, limit = said.get("Reason", ""), said.get("TimeLimit", "")
        ran = _seconds(said.get("RunTime", ""))
        return JobEnd(said.get("JobState", ""), reason, node, int(code), int(signal or 0), limit, ran)
    if _UNREACHABLE.search(done.error_text):
        raise _silence(done)
    form = "--format=State,ExitCode,NodeList,Timelimit"
    try:
        done = _asked(["sacct", "-X", "--noheader", "--parsable2", f"--jobs={job}", form])
    except MissingProgramError:
        return None
    fields = done.text.strip().split("|") if done.is_well else []
    if len(fields) != 4:
        # There is no accounting, or the job is of before.
        return None
    code, _, signal = fields[1].partition(":")
    return JobEnd(fields[0].split()[0], "", fields[2], int(code), int(signal or 0), fields[3])


def cancel(jobs: Sequence[str]) -> None:
    """Cancel these jobs; one that is over is left alone. Raises SlurmUnreachableError."""
    if jobs:
        done = _asked(["scancel", *jobs])
        if not done.is_well and _UNREACHABLE.search(done.error_text):
            raise _silence(done)


def _asked(command: Sequence[str]) -> ProgramResult:
    """What one of Slurm's programs says, whatever the user's variables would have it leave out."""
    filters: dict[str, str | None] = {name: None for name in os.environ if name.startswith(_FILTERS)}
    try:
        return _run(command, filters)
    except UnfinishedProgramError as fault:
        raise SlurmUnreachableError(f"Slurm's controller does not answer: {fault.message}", hint=_PING) from fault


def _run(
    command: Sequence[str], environment: Mapping[str, str | None] | None = None, seconds: float = _SECONDS
) -> ProgramResult:
    return run_program(
        command,
        environment=environment,
        seconds=seconds,
        needed_for="builds are run by Slurm",
        install="Slurm's programs (slurm-client on Debian, slurm elsewhere)",
    )


def _seconds(text: str) -> float:
    """The seconds of a time as Slurm writes it, [DAYS-]HH:MM:SS; 0 where it is not one."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", text)
    if found is None:
        return 0.0
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _refusal(done: ProgramResult) -> EnvironmentLacksError | UsageError:
    """The error for a job that `sbatch` did not take."""
    if _UNREACHABLE.search(done.error_text):
        return _silence(done)
    lines = _lines(done)
    if _FULL.search(done.error_text):
        return SlurmFullError(f"Slurm takes no more jobs: {lines[-1]}", hint=_FEWER)
    # The first line is the particular one, the last one its kind.
    return SlurmRefusesError(
        f"Slurm refuses the job: {lines[0]}",
        hint="give what it has with --slurm NAME=VALUE, or in [slurm] of the target (see `sinfo`)",
    )


def _silence(done: ProgramResult) -> SlurmUnreachableError:
    """The error for one of Slurm's programs that could not say anything."""
    return SlurmUnreachableError(f"Slurm's controller does not answer: {_lines(done)[-1]}", hint=_PING)


def _lines(done: ProgramResult) -> list[str]:
    """The errors that a program said, one at least."""
    lines = [line.split("error: ")[-1].strip() for line in done.error_text.splitlines() if line.strip()]
    return [line.removeprefix("Batch job submission failed: ") for line in lines] or [done.reason]
