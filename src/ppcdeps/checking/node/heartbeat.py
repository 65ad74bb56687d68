"""Whether nova-compute is up, its reports keep coming, and it comes back after a restart."""

import time
from dataclasses import dataclass

from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.checking.node.api import Cloud
from ppcdeps.checking.node.host import ComputeService, service_of
from ppcdeps.checking.node.recorder import Recorder, StepFailed
from ppcdeps.checking.node.results import TestedPart

REPORTS = 3
"""How many reports are waited for."""
REPORT_SECONDS = 60.0
"""In which each is to come: nova's own report_interval is 10 s."""
DOWN_SECONDS = 240.0
"""In which a stopped service is to be seen as down: nova's own service_down_time is 60 s."""
UP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class ServiceCommands:
    """The user's own commands that reach the node: they are run by the shell. Empty where there are none.

    ``seconds`` is how long each may take.
    """

    restart: str = ""
    stop: str = ""
    seconds: float = 600.0


def test_heartbeat(recorder: Recorder, cloud: Cloud, host: str, commands: ServiceCommands) -> bool:
    """Look at the service. Returns whether it is up in the end."""
    part = TestedPart.HEARTBEAT
    is_up = recorder.step(part, "service up", lambda: _see_up(cloud, host))
    if not is_up:
        recorder.skip(part, ("reports come", "restart", "down and up"), "the service is not up")
        return False
    recorder.step(part, "reports come", lambda: _watch_reports(cloud, host))
    if commands.stop and commands.restart:
        recorder.step(part, "down and up", lambda: _down_and_up(cloud, host, commands))
    else:
        reason = "without --stop-command and --restart-command the service is not taken down"
        recorder.skip(part, ("down and up",), reason)
    if commands.restart:
        recorder.step(part, "restart", lambda: _restart(cloud, host, commands))
    else:
        recorder.skip(part, ("restart",), "no --restart-command is given")
    return service_of(cloud, host).state == "up"


def _see_up(cloud: Cloud, host: str) -> str:
    service = service_of(cloud, host)
    if service.state != "up":
        forced = ", and it is forced down" if service.forced_down else ""
        raise StepFailed(f"nova-compute on {host} is {service.state}: its last report was {_when(service)}{forced}")
    if service.status != "enabled":
        reason = f" ({service.disabled_reason})" if service.disabled_reason else ""
        raise StepFailed(
            f"nova-compute on {host} is disabled{reason}; enable it with: "
            f"openstack compute service set --enable {host} nova-compute"
        )
    return f"in zone {service.zone}, last report {_when(service)}"


def _watch_reports(cloud: Cloud, host: str) -> str:
    began = time.monotonic()
    for _ in range(REPORTS):
        _next_report(cloud, host, service_of(cloud, host).updated_at)
    return f"{REPORTS} reports, one every {(time.monotonic() - began) / REPORTS:.0f} s"


def _next_report(cloud: Cloud, host: str, after: str, seconds: float = REPORT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while True:
        service = service_of(cloud, host)
        if service.updated_at > after and service.state == "up":
            return
        if time.monotonic() > deadline:
            raise StepFailed(f"no report for {seconds:.0f} s: the last one was {_when(service)}")
        time.sleep(1)


def _restart(cloud: Cloud, host: str, commands: ServiceCommands) -> str:
    before = service_of(cloud, host).updated_at
    began = time.monotonic()
    _run(commands.restart, commands.seconds)
    done = time.monotonic() - began
    # One report may have been sent before the command ended it: the second one is the new service's.
    for _ in range(2):
        _next_report(cloud, host, before, UP_SECONDS)
        before = service_of(cloud, host).updated_at
    return f"the command took {done:.0f} s, the service reports again after {time.monotonic() - began:.0f} s"


def _down_and_up(cloud: Cloud, host: str, commands: ServiceCommands) -> str:
    began = time.monotonic()
    try:
        _run(commands.stop, commands.seconds)
        _wait_for_state(cloud, host, "down", DOWN_SECONDS)
        down = time.monotonic() - began
    finally:
        # It was running before: whatever happens, it does so afterwards.
        _run(commands.restart, commands.seconds)
    _wait_for_state(cloud, host, "up", UP_SECONDS)
    return f"seen down after {down:.0f} s, up again after {time.monotonic() - began:.0f} s"


def _wait_for_state(cloud: Cloud, host: str, state: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while service_of(cloud, host).state != state:
        if time.monotonic() > deadline:
            raise StepFailed(f"the service is not seen {state} within {seconds:.0f} s")
        time.sleep(1)


def _run(command: str, seconds: float) -> None:
    try:
        done = run_program(["/bin/sh", "-c", command], seconds=seconds)
    except UnfinishedProgramError as error:
        raise StepFailed(f"the command `{command}` does not end: {error.line}") from error
    if not done.is_well:
        lines = [f"{command}: {line}" for line in done.error_text.splitlines()[-5:]]
        raise StepFailed(f"the command `{command}` ended with {done.code}", lines)


def _when(service: ComputeService) -> str:
    return f"at {service.updated_at[:19]} UTC" if service.updated_at else "never"
