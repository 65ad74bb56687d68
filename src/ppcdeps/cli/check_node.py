"""`ppcdeps check node`: the acceptance test of a compute node, through the cloud's own API."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ppcdeps.cli.completion import TARGETS
from ppcdeps.cli.interruption import interruptible
from ppcdeps.cli.options import FiniteRange, cache_option, json_option, output_options
from ppcdeps.cli.output import write, write_line
from ppcdeps.model.errors import UsageError
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.reporter import Reporter

if TYPE_CHECKING:
    from ppcdeps.workflows.check_local import LocalChoice
    from ppcdeps.workflows.check_node import Cleanup

PARTS = ("heartbeat", "statistics", "life-cycle", "console", "network", "volumes", "mixed-cloud", "probes")
"""The values of `Part` that can be chosen, which the help is not to import."""
_LOCAL = ("nova", "target", "root", "plan", "constraints", "nova_conf")
_CLEANUP = ("cleanup", "cloud", "run", "api_timeout")
_SHOWN = ("cache_directory", "as_json", "quiet", "no_progress", "debug")
"""The parameters of --local, of --cleanup, and those that each of them has."""
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("node")
@click.argument("host", required=False)
@click.option("--cloud", metavar="NAME", help="A cloud of clouds.yaml (default: that of the OS_ variables).")
@click.option("--image", metavar="NAME|ID", help="Boot guests from this image of the cloud.")
@click.option(
    "--guest-root",
    type=_FOLDER,
    metavar="DIR",
    help="Make the test guest of the kernel and busybox of this ppc64le root (default, on POWER: this machine).",
)
@click.option(
    "--property", "properties", multiple=True, metavar="NAME=VALUE", help="A property of the test guest's image."
)
@click.option(
    "--boot-text", metavar="REGEX", help="What --image shows on its console once it is up (default: login:)."
)
@click.option(
    "--flavor", metavar="NAME|ID", help="The flavor of guests (default: one of 512 MB that the test makes)."
)
@click.option("--network", metavar="NAME|ID", help="Give the guest a port of this network, and reach the metadata.")
@click.option("--restart-command", default="", metavar="CMD", help="Restarts nova-compute on the node; run by sh.")
@click.option("--stop-command", default="", metavar="CMD", help="Stops it: the test sees it down, then restarts it.")
@click.option("--log-command", default="", metavar="CMD", help="Prints the end of its log, for what failed.")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Only this part. Repeatable.")
@click.option("--skip", "without", multiple=True, type=click.Choice(PARTS), help="Not this part. Repeatable.")
@click.option("--probes", is_flag=True, help="Also start guests that check guest predicts something of: IDE, cirrus.")
@click.option(
    "--timeout",
    "patience",
    default=600.0,
    show_default=True,
    type=FiniteRange(5),
    metavar="SECONDS",
    help="How long a guest may take to boot, nova for an action, and your commands.",
)
@click.option(
    "--api-timeout",
    default=60.0,
    show_default=True,
    type=FiniteRange(1),
    metavar="SECONDS",
    help="How long the API may take to answer.",
)
@click.option("--keep", is_flag=True, help="Leave the guest and all else in the cloud.")
@click.option("--cleanup", is_flag=True, help="Test nothing: remove what killed runs left in the project.")
@click.option("--run", metavar="RUN", help="With --cleanup: of this run alone.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write the outcome as JUnit's XML.")
@click.option("--local", is_flag=True, help="On the node itself: check host, check env --api, and nova.conf, in one.")
@click.option("--nova", metavar="VERSION|RELEASE", help="With --local: the nova that it is to run.")
@click.option(
    "-t",
    "--target",
    metavar="NAME|FILE",
    shell_complete=TARGETS,
    help="With --local: the distribution that it is to run.",
)
@click.option("--root", type=_FOLDER, metavar="DIR", help="With --local: the virtual environment that nova runs in.")
@click.option("--plan", type=_FILE, metavar="FILE", help="With --local: the plan by which the node was installed.")
@click.option("--constraints", type=_FILE, metavar="FILE", help="With --local: the lock, as constraints for pip.")
@click.option("--nova-conf", type=_FILE, metavar="FILE", help="With --local: nova's configuration.")
@cache_option
@json_option
@output_options
def node(
    host: str | None,
    cloud: str | None,
    image: str | None,
    guest_root: Path | None,
    properties: tuple[str, ...],
    boot_text: str | None,
    flavor: str | None,
    network: str | None,
    restart_command: str,
    stop_command: str,
    log_command: str,
    only: tuple[str, ...],
    without: tuple[str, ...],
    probes: bool,
    patience: float,
    api_timeout: float,
    keep: bool,
    cleanup: bool,
    run: str | None,
    junit: Path | None,
    local: bool,
    nova: str | None,
    target: str | None,
    root: Path | None,
    plan: Path | None,
    constraints: Path | None,
    nova_conf: Path | None,
    cache_directory: Path | None,
    as_json: bool,
    reporter: Reporter,
) -> int:
    """Does this compute node do all that it is to do? Its acceptance test, through the cloud's API.

    HOST is the node as nova names it. Guests are made on it, acted upon, and removed; everything is named
    ppcdeps-check-RUN-... The user must be an administrator of the cloud.

    Exit code 0: nothing failed; 1: something did; 2: the cloud has no such host, image, flavor or network; 3: no
    such cloud, or it refuses the credentials; 20: openstacksdk is missing; 40: the cloud does not answer, or the
    project's quota has no room.
    """
    from ppcdeps.report.acceptance import dump_acceptance, render_acceptance
    from ppcdeps.workflows.check_local import LocalChoice
    from ppcdeps.workflows.check_node import CloudChoice, NodeChoice, check_node, clean_up_node, write_junit

    if local:
        _require_none_but((*_LOCAL, "local"), "--local looks at this machine")
        chosen_here = LocalChoice(nova, target, root or Path("/"), plan, constraints, nova_conf)
        return _show_local(chosen_here, cache_directory, reporter, as_json)
    if any(one is not None for one in (nova, target, root, plan, constraints, nova_conf)):
        raise UsageError("--nova, --target, --root, --plan, --constraints and --nova-conf are options of --local")
    chosen = CloudChoice(cloud, api_timeout)
    if cleanup:
        _require_none_but(_CLEANUP, "--cleanup removes what runs left in the project")
        with interruptible():
            return _show_cleanup(clean_up_node(chosen, run, reporter), as_json)
    if run is not None:
        raise UsageError("--run is an option of --cleanup")
    if host is None:
        raise UsageError("there is no host to test", hint="name one as nova does: openstack compute service list")
    choice = NodeChoice(
        image,
        guest_root,
        properties,
        boot_text,
        flavor,
        network,
        restart_command,
        stop_command,
        log_command,
        only,
        without,
        probes,
        patience,
        keep,
    )
    with interruptible():
        report = check_node(host, chosen, choice, reporter, junit)
    try:
        write(dump_acceptance(report) if as_json else render_acceptance(report), as_json=as_json)
    finally:
        # Where one of the two places takes nothing, the other still has the outcome of an hour.
        if junit is not None:
            write_junit(report, junit)
    return ExitCode.DONE if report.has_passed else ExitCode.GAPS_REMAIN


def _require_none_but(names: Sequence[str], why: str) -> None:
    """Raise UsageError for what was given that neither is named here nor says where and how to show something."""
    context = click.get_current_context()
    given = [
        parameter.human_readable_name if isinstance(parameter, click.Argument) else max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name not in (*names, *_SHOWN)
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise UsageError(f"{why}: it does not take {', '.join(given)}", hint="leave it out")


def _show_local(choice: "LocalChoice", cache_directory: Path | None, reporter: Reporter, as_json: bool) -> int:
    from ppcdeps.base.cache import Cache
    from ppcdeps.report.findings import render_report, report_document
    from ppcdeps.report.text import as_json as json_text
    from ppcdeps.workflows.check_local import check_local

    reports = check_local(choice, Cache.open(cache_directory, reporter), reporter)
    if as_json:
        documents = [report_document(one) for one in reports]
        write(json_text({"schema": 1, "reports": documents}, ascii_only=True), as_json=True)
    else:
        write("\n".join(render_report(one) for one in reports))
    return ExitCode.DONE if all(one.is_clean for one in reports) else ExitCode.GAPS_REMAIN


def _show_cleanup(done: "Cleanup", as_json: bool) -> int:
    import dataclasses

    from ppcdeps.report.text import as_json as json_text

    if as_json:
        left = [{**dataclasses.asdict(one), "reason": reason} for one, reason in done.left]
        removed = [dataclasses.asdict(one) for one in done.removed]
        write(
            json_text({"schema": 1, "removed": removed, "left": left, "unseen": list(done.unseen)}, ascii_only=True),
            as_json=True,
        )
    else:
        for one in done.removed:
            write_line(f"removed {one}")
        for one, reason in done.left:
            write_line(f"left {one}: {reason}")
        for reason in done.unseen:
            write_line(f"cannot be seen: {reason}")
        if not done.removed and not done.left and not done.unseen:
            write_line("there is nothing to remove")
    return ExitCode.GAPS_REMAIN if done.left or done.unseen else ExitCode.DONE
