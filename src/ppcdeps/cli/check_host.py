"""`ppcdeps check host`: whether a POWER host can be a compute node."""

from pathlib import Path

import click

from ppcdeps.cli.options import json_option, narrative_options
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Reporter

FOUND = 1
DEFAULT_TARGET = "centos-stream-9"

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("host")
@click.option(
    "-t",
    "--target",
    metavar="NAME|FILE",
    help=f"The distribution that it is to run (default: its own, else {DEFAULT_TARGET}).",
)
@click.option("--nova", metavar="VERSION|RELEASE", help="The nova that it is to run (default: the one it has).")
@click.option(
    "--collect", type=_FILE, metavar="FILE", help="Write the raw facts of this machine here, and judge nothing."
)
@click.option("--from", "collected", type=_FILE, metavar="FILE", help="Judge facts that --collect wrote.")
@json_option
@narrative_options
def host(
    target: str | None,
    nova: str | None,
    collect: Path | None,
    collected: Path | None,
    as_json: bool,
    reporter: Reporter,
) -> int:
    """Can this host be a compute node? Processor, KVM, kernel, memory, QEMU and libvirt.

    Nothing is changed. What cannot be seen is told. The facts can be collected on one machine and judged on another.

    Exit code 0: it can, as far as can be seen; 1: it cannot, or may not.
    """
    from ppcdeps.checking.host import hostfacts
    from ppcdeps.checking.host.check import HostPurpose, check_host, distribution_of, nova_of
    from ppcdeps.metadata.targets import load_target
    from ppcdeps.planning.nova import nova_facts
    from ppcdeps.report.findings import dump_report, render_report

    if collect is not None and collected is not None:
        raise UsageError("--collect writes facts and --from reads them: give one")
    if collect is not None:
        from ppcdeps.base.atomic import write_output

        text = hostfacts.dump_facts(hostfacts.collect())
        write_output(collect, text)
        reporter.note(
            f"the facts of this machine are in {collect}; judge them with `ppcdeps check host --from {collect}`"
        )
        if as_json:
            click.echo(text, nl=False)
        return 0
    facts = hostfacts.load_facts(collected) if collected is not None else hostfacts.collect()
    known = nova_facts()
    own = distribution_of(facts)
    name = target or (own.target if own else DEFAULT_TARGET)
    chosen = load_target(name)
    version = known.version(nova) if nova else nova_of(facts)
    wanted = HostPurpose(chosen.name, chosen.cpu_baseline, version)
    subject = f"the facts in {collected}" if collected is not None else "this machine"
    report = check_host(facts, wanted, known, subject)
    click.echo(dump_report(report) if as_json else render_report(report), nl=False)
    return 0 if report.is_clean else FOUND
