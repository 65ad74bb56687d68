"""`ppcdeps diff`: two plans, or two audits, compared."""

from pathlib import Path

import click

from ppcdeps.cli.options import json_option, output_options
from ppcdeps.cli.output import write
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.exitcodes import ExitCode


@click.command()
@click.argument("before", metavar="BEFORE.json", type=click.Path(path_type=Path))
@click.argument("after", metavar="AFTER.json", type=click.Path(path_type=Path))
@click.option("--exit-code", is_flag=True, help="End with 1 where they differ, as diff(1) does.")
@json_option
@output_options
def diff(before: Path, after: Path, exit_code: bool, as_json: bool, reporter: TerminalReporter) -> int:
    """Compare two plans, or two audits.

    Of plans it shows gaps closed and new, packages that moved, repositories that changed; of audits packages that
    became installable or are no longer, and sources whose builds are missing or no longer.

    In the text, "-" marks what only the first plan has, "+" what only the second has, "!" what both have and
    is not the same.
    """
    from ppcdeps.report.audit_difference import (
        AuditDifference,
        audit_difference_document,
        render_audit_difference,
    )
    from ppcdeps.report.difference import difference_document, render_difference
    from ppcdeps.report.text import as_json as to_json
    from ppcdeps.workflows.diff import diff as difference_of

    found = difference_of(before, after, reporter)
    if isinstance(found, AuditDifference):
        text = to_json(audit_difference_document(found)) if as_json else render_audit_difference(found)
    else:
        text = to_json(difference_document(found)) if as_json else render_difference(found)
    write(text, as_json=as_json)
    return ExitCode.GAPS_REMAIN if exit_code and found else ExitCode.DONE
