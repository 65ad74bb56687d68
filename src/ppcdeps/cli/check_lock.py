"""`ppcdeps check lock`: what a lock's distributions use of each other, and do not have."""

from pathlib import Path

import click

from ppcdeps.cli.check import show_report
from ppcdeps.cli.options import cache_option, json_option, output_options
from ppcdeps.cli.reporter import TerminalReporter


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="PLAN|LOCKFILE")
@click.option("--find-versions", is_flag=True, help="Look at other releases for which of them have what is missing.")
@click.option("--tests", is_flag=True, help="Read the tests, too, that distributions ship.")
@click.option("--python", metavar="VERSION", help="The target's Python, in full (default: what the file says).")
@click.option("--offline", is_flag=True, help="Use no network, only what is cached or local.")
@cache_option
@json_option
@output_options
def lock(
    file: Path,
    find_versions: bool,
    tests: bool,
    python: str | None,
    offline: bool,
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> int:
    """Whether every name that one distribution of a lock uses of another is there, at the pinned versions.

    The file is a plan, a pylock.toml, uv.lock, poetry.lock, Pipfile.lock, or requirements for pip. The files that it
    names are fetched and read; nothing of them is imported or run. The index is that of pip's configuration.
    """
    from ppcdeps.base.cache import Cache
    from ppcdeps.workflows.checks import ApiCheck, check_lock

    api = ApiCheck(Cache.open(cache_directory, reporter), tests, find_versions, offline)
    return show_report(check_lock(file, api, reporter, python=python), as_json)
