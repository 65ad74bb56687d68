"""`ppcdeps sync`: the repositories' metadata into the cache, for every later request."""

import click

from ppcdeps.cli.options import json_option, output_options, repository_options
from ppcdeps.cli.output import write
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.workflows.choice import RepositoryChoice


@click.command()
@repository_options(snapshot=False, plans=False)
@json_option
@output_options
def sync(choice: RepositoryChoice, as_json: bool, reporter: TerminalReporter) -> None:
    """Fetch the repositories' metadata, and use it from now on.

    Every repository is checked for news, and what changed is fetched and verified. From then on the live
    repositories answer for the target, in place of the snapshot that came with ppcdeps or was chosen with
    `ppcdeps snapshot use`.
    """
    from ppcdeps.report.repositories import render_sync, sync_document
    from ppcdeps.report.text import as_json as to_json
    from ppcdeps.workflows.sync import sync_repositories

    title, synced = sync_repositories(choice, reporter)
    write(to_json(sync_document(title, synced)) if as_json else render_sync(title, synced), as_json=as_json)
