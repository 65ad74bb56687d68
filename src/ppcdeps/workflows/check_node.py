"""The acceptance test of a compute node through its cloud's API, and the cleanup after killed tests."""

import re
from collections.abc import Callable
from pathlib import Path

from ppcdeps.base.atomic import require_place, write_output
from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.checking.guest.properties import property_of
from ppcdeps.checking.node.acceptance import NodeTest, test_node
from ppcdeps.checking.node.api import open_cloud
from ppcdeps.checking.node.belongings import RUN, Belonging, find_belongings, new_run, remove
from ppcdeps.checking.node.guestimage import GuestImage, make_guest
from ppcdeps.checking.node.heartbeat import ServiceCommands
from ppcdeps.checking.node.results import NodeReport, TestedPart
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.values import dataclass
from ppcdeps.report.acceptance import junit_of

MACHINE_ROOT = Path("/")
_LOG_SECONDS = 60.0
_MOST_LOG_LINES = 12
_TELLING = re.compile(r"\b(ERROR|CRITICAL|WARNING|Traceback)\b|[Ee]rror:|Exception:|failed to shutdown in")


@dataclass(frozen=True, slots=True)
class CloudChoice:
    """A cloud of clouds.yaml, or the one of the OS_ variables where no name is given.

    ``timeout`` is in seconds: how long the API may take for one answer.
    """

    name: str | None = None
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class NodeChoice:
    """How a node is to be tested; what is None or empty is as `checking.node.acceptance.NodeTest` says.

    ``guest_root`` is the root folder of a ppc64le system, of which the test guest is made; ``properties`` are texts
    NAME=VALUE; ``log_command`` prints the node's log; ``only`` and ``without`` are names of parts.
    """

    image: str | None = None
    guest_root: Path | None = None
    properties: tuple[str, ...] = ()
    boot_text: str | None = None
    flavor: str | None = None
    network: str | None = None
    restart_command: str = ""
    stop_command: str = ""
    log_command: str = ""
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    probes: bool = False
    patience: float = 600.0
    keep: bool = False


def check_node(
    host: str, cloud: CloudChoice, choice: NodeChoice, reporter: Reporter, junit: Path | None = None
) -> NodeReport:
    """Test a compute node through its cloud. What that makes is removed, also where it is interrupted.

    ``junit`` is where `write_junit` is to write afterwards: that it can is seen before.

    Raises UsageError for what the cloud does not have or a wrong option, ConfigError for a cloud that is not
    configured or refuses the credentials, for a place that cannot be written to and for a log command that fails,
    CloudError where the cloud does not answer or has no room, EnvironmentLacksError without openstacksdk.
    """
    if choice.image is not None and choice.guest_root is not None:
        raise UsageError("--image and --guest-root exclude each other")
    if choice.image is not None and choice.properties:
        raise UsageError("--property is for the image of the test guest, which --image takes the place of")
    if choice.image is None and choice.boot_text is not None:
        raise UsageError("--boot-text is what --image shows: the test guest says itself that it is up")
    parts = _parts(choice)
    if junit is not None:
        require_place(junit, "--junit")
    properties = {one.name: one.value for one in map(property_of, choice.properties)}
    up = _pattern(choice.boot_text)
    opened = open_cloud(cloud.name, cloud.timeout)
    guest = _guest(choice) if choice.image is None else None
    log_lines = _log_reader(choice.log_command) if choice.log_command else None
    run = new_run()
    reporter.note(f"run {run}: all that it makes is called ppcdeps-check-{run}-...")
    test = NodeTest(
        host,
        run,
        choice.image,
        guest,
        properties,
        **({"up": up} if up is not None else {}),
        flavor=choice.flavor,
        network=choice.network,
        commands=ServiceCommands(choice.restart_command, choice.stop_command, choice.patience),
        parts=parts,
        patience=choice.patience,
        keep=choice.keep,
        log_lines=log_lines,
    )
    return test_node(opened, test, reporter)


def write_junit(report: NodeReport, file: Path) -> None:
    """Write the report as JUnit's XML."""
    write_output(file, junit_of(report), "--junit")


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What a cleanup has removed, what it could not, with the reason, and of what it could not be seen."""

    removed: tuple[Belonging, ...]
    left: tuple[tuple[Belonging, str], ...]
    unseen: tuple[str, ...]


def clean_up_node(cloud: CloudChoice, run: str | None, reporter: Reporter) -> Cleanup:
    """Remove what tests that were killed, or kept their guest, left in the project; of one run, if one is named.

    A test that is under way loses its things, too. Raises as `check_node` does.
    """
    if run is not None and not RUN.fullmatch(run):
        raise UsageError(f'"{run}" is not a run', hint="it has eight digits, as in ppcdeps-check-1a2b3c4d-guest")
    opened = open_cloud(cloud.name, cloud.timeout)
    found = find_belongings(opened, run)
    for one in found.things:
        reporter.note(f"removing {one}")
    left = remove(opened, found.things)
    return Cleanup(tuple(one for one in found.things if one not in left), tuple(left.items()), found.unseen)


def _parts(choice: NodeChoice) -> frozenset[TestedPart]:
    wanted = {TestedPart(one) for one in choice.only} if choice.only else set(TestedPart) - {TestedPart.PROBES}
    if choice.probes:
        wanted.add(TestedPart.PROBES)
    wanted -= {TestedPart(one) for one in choice.without}
    if not wanted - {TestedPart.CLEANUP}:
        raise UsageError("there is nothing to test: --skip takes away all that is to be tested")
    return frozenset(wanted)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f'"{text}" is not a regular expression: {error}') from error


def _guest(choice: NodeChoice) -> GuestImage:
    root = RootFileSystem(choice.guest_root or MACHINE_ROOT)
    if not root.folder.is_dir():
        raise UsageError(f"no such folder: {root.folder}")
    try:
        return make_guest(root)
    except ConfigError as error:
        if choice.guest_root is not None:
            raise
        raise UsageError(
            f"there is no image to boot: {error.message}",
            hint="name one of the cloud with --image, or the root folder of a ppc64le system with --guest-root",
        ) from error


def _log_reader(command: str) -> Callable[[], tuple[str, ...]]:
    """Reads the last telling lines that the command prints which it did not print before.

    What is in the log already explains nothing that fails later. Raises ConfigError where the command fails.
    """

    def printed() -> list[str]:
        try:
            done = run_program(["/bin/sh", "-c", command], seconds=_LOG_SECONDS)
        except UnfinishedProgramError as error:
            raise ConfigError(f"the log cannot be read by `{command}`: {error.line}") from error
        if not done.is_well:
            raise ConfigError(f"the log cannot be read by `{command}`: it ended with {done.code}: {done.reason}")
        return [one for one in done.text.splitlines() if _TELLING.search(one)]

    known = set(printed())

    def lines() -> tuple[str, ...]:
        try:
            found = [one for one in printed() if one not in known]
        except ConfigError as error:
            return (f"log: {error.line}",)
        known.update(found)
        return tuple(f"log: {one}" for one in found[-_MOST_LOG_LINES:])

    return lines
