"""`ppcdeps diff`: two plans compared."""

from pathlib import Path

import click

from ppcdeps.cli.options import json_option, narrative_options
from ppcdeps.cli.reporter import TerminalReporter

DIFFERENT = 1


@click.command()
@click.argument("before", metavar="BEFORE.json", type=click.Path(path_type=Path))
@click.argument("after", metavar="AFTER.json", type=click.Path(path_type=Path))
@click.option("--exit-code", is_flag=True, help="End with 1 where the plans differ, as diff(1) does.")
@json_option
@narrative_options
def diff(before: Path, after: Path, exit_code: bool, as_json: bool, reporter: TerminalReporter) -> int:
    """Compare two plans: gaps closed and new, packages that moved, repositories that changed.

    In the text, "-" marks what only the first plan has, "+" what only the second has, "!" what both have and
    is not the same.
    """
    from ppcdeps.model.plan_file import load_plan
    from ppcdeps.report.difference import difference, difference_document, render_difference
    from ppcdeps.report.text import as_json as to_json

    found = difference(load_plan(before), load_plan(after))
    requested = {name: f"{old} and {new}" for name, old, new in found.request}
    if "workload" in requested or "target" in requested:
        reporter.warn(f"the plans answer different questions: {'; '.join(f'{k} {v}' for k, v in requested.items())}")
    click.echo(to_json(difference_document(found)) if as_json else render_difference(found), nl=False)
    return DIFFERENT if exit_code and found else 0
