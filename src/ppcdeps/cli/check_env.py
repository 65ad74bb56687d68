"""`ppcdeps check env`: an installed system, an image's root folder, or a virtual environment."""

from pathlib import Path

import click

from ppcdeps.cli.check import show_repair, show_report
from ppcdeps.cli.options import cache_option, json_option, output_options, target_options
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
    "--requirements",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What is to be installed, in pip's format: print the commands that bring the environment there.",
)
@click.option(
    "--workload", metavar="NAME", help="The same with the requirements of a workload, as a plan finds them."
)
@target_options
@click.option(
    "--script",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write these commands to a new file, as a script for sh.",
)
@click.option(
    "--isolated", is_flag=True, help="See the path of `python -s`, as programs of Fedora's and EL's RPMs do."
)
@click.option("--user-home", metavar="DIR", help="Add the user site of this home folder, a path inside the root.")
@click.option("--api", is_flag=True, help="Follow every name that a distribution uses of another, in the sources.")
@click.option("--find-versions", is_flag=True, help="With --api: look at other releases for what is missing.")
@click.option("--tests", is_flag=True, help="With --api: read the tests, too, that distributions ship.")
@click.option("--offline", is_flag=True, help="Use no network, only what is cached.")
@cache_option
@json_option
@output_options
def env(
    root: Path,
    python: Path | None,
    constraints: Path | None,
    requirements: Path | None,
    workload: str | None,
    target: str | None,
    release: str | None,
    script: Path | None,
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

    With --requirements or --workload, it says what to uninstall and what to install, what RPMs own and pip must leave
    alone, and prints the commands in a safe order.
    """
    from ppcdeps.workflows.checks import ApiCheck, Installation, check_env

    context = click.get_current_context()
    repairs = requirements is not None or workload is not None
    if requirements is not None and workload is not None:
        raise click.UsageError("--requirements and --workload exclude each other: give one of them", context)
    if script is not None and not repairs:
        raise click.UsageError("--script takes --requirements or --workload, which say what to install", context)
    if (target is not None or release is not None) and workload is None:
        raise click.UsageError("--target and --release are options of --workload", context)
    if (find_versions or tests) and not api:
        raise click.UsageError("--find-versions and --tests are options of --api", context)
    installation = Installation(root, python, isolated, user_home)
    follow = None
    if api or repairs:
        from ppcdeps.base.cache import Cache

        follow = ApiCheck(Cache.open(cache_directory, reporter), tests, find_versions, offline)
    if follow is not None and repairs:
        from ppcdeps.workflows.repair_env import WantedPython, repair_env

        wanted = WantedPython(requirements, workload, target, release)
        found = repair_env(installation, wanted, reporter, constraints=constraints, api=follow, follow=api)
        if script is not None:
            found.write_script(script)
        return show_repair(found, as_json)
    return show_report(check_env(installation, reporter, constraints=constraints, api=follow), as_json)
