"""`ppcdeps check env`: an installed system, an image's root folder, or a virtual environment."""

from pathlib import Path

import click

from ppcdeps.cli.check import show_report
from ppcdeps.cli.options import cache_option, json_option, output_options
from ppcdeps.cli.reporter import TerminalReporter


@click.command()
@click.option(
    "--root",
    default="/",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The root folder of a system, of any architecture, or a virtual environment.",
)
@click.option(
    "--python",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The interpreter, as a path inside the root (default: the system's own).",
)
@click.option(
    "--constraints",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Versions that distributions are to have, in pip's format.",
)
@click.option(
    "--isolated", is_flag=True, help="See the path of `python -s`, as programs of Fedora's and EL's RPMs do."
)
@click.option("--user-home", metavar="DIR", help="Add the user site of this home folder, a path inside the root.")
@click.option("--api", is_flag=True, help="Follow every name that a distribution uses of another, in the sources.")
@click.option("--find-versions", is_flag=True, help="With --api: look at other releases for what is missing.")
@click.option("--tests", is_flag=True, help="With --api: read the tests, too, that distributions ship.")
@click.option("--offline", is_flag=True, help="With --find-versions: use no network, only what is cached.")
@cache_option
@json_option
@output_options
def env(
    root: Path,
    python: Path | None,
    constraints: Path | None,
    isolated: bool,
    user_home: str | None,
    api: bool,
    find_versions: bool,
    tests: bool,
    offline: bool,
    cache_directory: Path | None,
    as_json: bool,
    reporter: TerminalReporter,
) -> int:
    """Examine the Python environment of a system, an image or a virtual environment.

    Nothing in it is run and nothing is changed: all folders of the module search path are read in their order, with
    their distributions and native modules, and the RPM database where there is one. Commands that fix a finding are
    to be run inside the root.
    """
    from ppcdeps.workflows.checks import ApiCheck, Installation, check_env

    if (find_versions or tests) and not api:
        raise click.UsageError("--find-versions and --tests are options of --api", click.get_current_context())
    follow = None
    if api:
        from ppcdeps.base.cache import Cache

        follow = ApiCheck(Cache.open(cache_directory, reporter), tests, find_versions, offline)
    installation = Installation(root, python, isolated, user_home)
    return show_report(check_env(installation, reporter, constraints=constraints, api=follow), as_json)
