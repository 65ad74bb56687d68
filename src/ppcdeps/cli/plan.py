"""`ppcdeps plan`: what is missing, and how each gap is closed."""

import contextlib
import sys
from pathlib import Path
from typing import BinaryIO

import click

from ppcdeps.cli.options import RepositoryChoice, json_option, narrative_options, repository_options
from ppcdeps.cli.question import Question, ask
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.report.files import write_text
from ppcdeps.report.plan_json import dump_plan, load_plan
from ppcdeps.report.text import render_plan

GAPS_REMAIN = 1
_SUFFIX = ".plan.json"


@click.command()
@click.argument("roots", metavar="WORKLOAD|ROOT...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the plan here (default: plan-WORKLOAD.json in this folder).",
)
@click.option("--no-output", is_flag=True, help="Write no plan, only print it.")
@json_option
@repository_options()
@narrative_options
def plan(
    roots: tuple[str, ...],
    output: Path | None,
    no_output: bool,
    as_json: bool,
    choice: RepositoryChoice,
    reporter: Reporter,
) -> None:
    """What it takes to run a workload on ppc64le.

    WORKLOAD is one of the shipped workloads (nova-compute, ...) or a workload file. A ROOT is a package name,
    any RPM capability ("foo >= 2", "libfoo.so.1()(64bit)") or a path; several are wanted together.

    Exit code 0: the target's repositories have everything; 1: gaps remain, each with its route.
    """
    question = ask(roots, choice, reporter)
    made, text = _plan(question, again=choice.refresh)
    path = None if no_output else output or Path(f"plan-{made.workload}.json")
    if path is not None:
        write_text(path, text)
    reporter.note(f"answered from {question.repositories.basis.line()}")
    click.echo(text if as_json else render_plan(made, str(path) if path else None), nl=False)
    sys.exit(GAPS_REMAIN if made.gaps else 0)


def _plan(question: Question, *, again: bool) -> tuple[Plan, str]:
    """The plan and its text: remembered where the same was asked of the same metadata before, else made."""
    cache, key = question.repositories.cache, question.key()
    remembered = cache.derived_path(key, _SUFFIX)
    if not again and remembered.exists():
        with contextlib.suppress(ConfigError, OSError):
            return load_plan(remembered), remembered.read_text("utf-8")
    from ppcdeps.planning.plan import plan_of

    made = plan_of(question.solve(), question.repositories.metadata)
    text = dump_plan(made)
    cache.store_derived(key, _SUFFIX, lambda file: _write(file, text))
    return made, text


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode())
