"""`ppcdeps check host`: whether a POWER host can be a compute node."""

from pathlib import Path

import click

from ppcdeps.cli.check import show_report
from ppcdeps.cli.completion import TARGETS
from ppcdeps.cli.options import json_option, output_options
from ppcdeps.cli.output import write
from ppcdeps.model.commands import command_line
from ppcdeps.model.errors import UsageError
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.model.reporter import Reporter
from ppcdeps.workflows.choice import DEFAULT_TARGET

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("host")
@click.option(
    "-t",
    "--target",
    metavar="NAME|FILE",
    shell_complete=TARGETS,
    help=f"The distribution that it is to run (default: its own, else {DEFAULT_TARGET}).",
)
@click.option("--nova", metavar="VERSION|RELEASE", help="The nova that it is to run (default: the one it has).")
@click.option(
    "--collect", type=_FILE, metavar="FILE", help="Write the raw facts of this machine here, and judge nothing."
)
@click.option("--from", "collected", type=_FILE, metavar="FILE", help="Judge facts that --collect wrote.")
@json_option
@output_options
def host(
    target: str | None,
    nova: str | None,
    collect: Path | None,
    collected: Path | None,
    as_json: bool,
    reporter: Reporter,
) -> int:
    """Can this host be a compute node? Processor, KVM, kernel, memory, QEMU and libvirt.

    Nothing is changed. What cannot be seen is named. The facts can be collected on one machine and judged on another.

    Exit code 0: it can, as far as can be seen; 1: it cannot, or may not.
    """
    from ppcdeps.workflows.checks import check_host, collect_host

    if collect is not None and collected is not None:
        raise UsageError("--collect writes facts and --from reads them: give one")
    if collect is None:
        return show_report(check_host(collected=collected, target=target, nova=nova), as_json)
    text = collect_host(collect)
    judge = command_line("check", "host", "--from", str(collect))
    reporter.note(f"this machine's facts are in {collect}; judge them with `{judge}`")
    if as_json:
        write(text, as_json=True)
    return ExitCode.DONE
