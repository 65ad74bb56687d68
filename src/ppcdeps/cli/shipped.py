"""`ppcdeps targets` and `ppcdeps workloads`: what is shipped, as a list, and each as a template for one's own."""

import click

from ppcdeps.cli.completion import TARGETS, WORKLOADS
from ppcdeps.cli.options import json_option
from ppcdeps.cli.output import write


@click.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=TARGETS)
@json_option
def targets(name: str | None, as_json: bool) -> None:
    """The targets that ppcdeps ships, or the file of one, to begin your own from.

    `ppcdeps targets centos-stream-9 > mine.toml` writes it, `--target mine.toml` takes it. NAME may be a file: it is
    printed where it has no faults.
    """
    from ppcdeps.report.shipped import dump_targets, render_targets
    from ppcdeps.workflows.shipped import shipped_targets, target_file

    if name is not None:
        _write_file(target_file(name), as_json)
        return
    found = shipped_targets()
    write(dump_targets(found) if as_json else render_targets(found), as_json=as_json)


@click.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=WORKLOADS)
@json_option
def workloads(name: str | None, as_json: bool) -> None:
    """The workloads that ppcdeps ships, or the file of one, to begin your own from.

    `ppcdeps workloads nova-compute > mine.toml` writes it, `ppcdeps plan ./mine.toml` takes it. NAME may be a file:
    it is printed where it has no faults.
    """
    from ppcdeps.report.shipped import dump_workloads, render_workloads
    from ppcdeps.workflows.shipped import shipped_workloads, workload_file

    if name is not None:
        _write_file(workload_file(name), as_json)
        return
    found = shipped_workloads()
    write(dump_workloads(found) if as_json else render_workloads(found), as_json=as_json)


def _write_file(text: str, as_json: bool) -> None:
    """Write a TOML file as it is, or what it says as JSON."""
    if as_json:
        import json

        from ppcdeps.model.documents import parse_toml

        text = json.dumps(parse_toml(text.encode()), indent=1, default=str) + "\n"
    write(text, as_json=as_json)
