"""`ppcdeps verify`: is the gap of a plan closed?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppcdeps.cli.options import (
    json_option,
    narrative_options,
    recipes_option,
    repository_options,
)
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.model.plan import Plan
    from ppcdeps.model.verification import Verification
    from ppcdeps.verifying.verification import VerificationBasis
    from ppcdeps.workflows.request import PlanRequest

NOT_CLOSED = 1
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--repository", type=_FOLDER, metavar="DIR", help="What was built (default: repository-WORKLOAD).")
@click.option("--workload", metavar="FILE", help="The workload file that the plan was made of, if it was one.")
@click.option("--no-install", is_flag=True, help="Only plan again: install and run nothing.")
@click.option("--engine", metavar="NAME", help="podman, docker or bwrap (default: the first that works).")
@recipes_option
@json_option
@repository_options()
@narrative_options
def verify(
    plan_file: Path,
    repository: Path | None,
    workload: str | None,
    no_install: bool,
    engine: str | None,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> int:
    """Tell whether what was built closes the gaps of PLAN.

    Plans again with the local repository first, installs the roots with dnf into a fresh root for ppc64le, the Python
    part with pip, and runs imports and the recipes' smoke tests there, by emulation where this machine is another.
    Give the options that the plan was made with. Nothing of it stays on this machine.

    Exit code 0: closed; 1: not.
    """
    from ppcdeps.model.plan_file import load_plan
    from ppcdeps.report.verification import dump_verification, render_verification

    before = load_plan(plan_file)
    place = repository or Path(f"repository-{before.workload}")
    found = verification_of(
        before, place, choice, reporter, workload=workload, recipes=folders, engine=engine, install=not no_install
    )
    click.echo(dump_verification(found) if as_json else render_verification(found), nl=False)
    return 0 if found.is_closed else NOT_CLOSED


def verification_of(
    before: "Plan",
    repository: Path,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
    *,
    workload: str | None = None,
    recipes: tuple[Path, ...] = (),
    engine: str | None = None,
    install: bool = True,
) -> "Verification":
    """The verdict on a plan with the repository in this folder.

    Raises what `plan_again` and `ppcdeps.verifying.verification.verify` raise.
    """
    from ppcdeps.verifying.verification import verify as judge
    from ppcdeps.verifying.verification import without_installation
    from ppcdeps.workflows.replan import plan_again

    request, after = plan_again(before, repository, choice, reporter, workload=workload, recipes=recipes)
    basis = _grounds(request, repository, recipes, engine, reporter)
    if not install:
        return without_installation(before, after, basis.local, "--no-install was given")
    return judge(before, after, basis, reporter)


def _grounds(
    request: "PlanRequest",
    repository: Path,
    recipes: tuple[Path, ...],
    engine: str | None,
    reporter: TerminalReporter,
) -> "VerificationBasis":
    from ppcdeps.recipebook.book import load_book
    from ppcdeps.verifying.verification import LOCAL, VerificationBasis, enabled_of_target, signed_by
    from ppcdeps.workflows.plans import index_for
    from ppcdeps.workflows.repositories import MetadataOrigin

    requested = request.repositories
    configs = [
        signed_by(each, repository) if each.id == LOCAL else each
        for each in enabled_of_target(requested.target.repositories)
    ]
    return VerificationBasis(
        target=requested.target,
        repositories=tuple(configs),
        local=next(each for each in configs if each.id == LOCAL),
        book=load_book(recipes),
        open_index=lambda: index_for(request, reporter),
        cache=requested.cache,
        engine=engine,
        snapshot=requested.basis.name if requested.basis.origin is MetadataOrigin.SNAPSHOT else "",
    )
