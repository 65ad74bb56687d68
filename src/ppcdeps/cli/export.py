"""`ppcdeps export`: a plan in the formats of other tools: pipelines that build it, and documents."""

import json
from collections.abc import Sequence
from pathlib import Path

import click
from click.core import ParameterSource

from ppcdeps.cli.options import (
    OutputFile,
    buildroot_option,
    buildroots_option,
    engine_option,
    json_option,
    mode_option,
    no_check_option,
    output_options,
    recipes_option,
    repository_options,
    sources_option,
)
from ppcdeps.cli.output import write, write_line
from ppcdeps.cli.repeat import work_on
from ppcdeps.cli.reporter import TerminalReporter
from ppcdeps.model.errors import UsageError
from ppcdeps.model.visible import visible
from ppcdeps.workflows.choice import RepositoryChoice

PIPELINES = ("make", "gitlab", "github", "tekton", "slurm")
DOCUMENTS = ("manifest", "rpm-lockfile", "cyclonedx", "spdx", "fromager", "kickstart", "containerfile", "ansible")
"""The values of `PipelineKind` and of `DocumentKind`, which the help is not to import."""
_OF_BUILDS = (
    "runner",
    "buildroot",
    "buildroot_folders",
    "mode",
    "engine",
    "source_folders",
    "alternatives",
    "no_check",
    "no_install",
    "folders",
)
"""Options that say how a pipeline builds, and nothing of a document."""


@click.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("kind", metavar="FORMAT", type=click.Choice((*PIPELINES, *DOCUMENTS)))
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Write it here (default: where the tool looks for it, or a file called after the workload, in this folder).",
)
@click.option(
    "--image",
    metavar="IMAGE",
    help="The container image in which the steps run, which has ppcdeps; the one that a Containerfile begins from.",
)
@click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="What was built, for a document (default: repository-WORKLOAD).",
)
@click.option("--url", metavar="URL", help="Where that is served (default: the folder, as a file:// URL or a copy).")
@click.option("--runner", metavar="LABEL", help="The label of the runners: GitHub's runs-on, GitLab's tag, a node's.")
@buildroot_option
@buildroots_option
@mode_option
@engine_option
@sources_option
@click.option("--alternatives", is_flag=True, help="Build also what enabling a repository would spare.")
@no_check_option
@click.option("--no-install", is_flag=True, help="Let the last step only plan again: install and run nothing.")
@recipes_option
@json_option
@repository_options()
@output_options
def export(
    plan_file: Path,
    kind: str,
    output: Path | None,
    image: str | None,
    repository: Path | None,
    url: str | None,
    runner: str | None,
    buildroot: str | None,
    buildroot_folders: tuple[Path, ...],
    mode: str | None,
    engine: str | None,
    source_folders: tuple[Path, ...],
    alternatives: bool,
    no_check: bool,
    no_install: bool,
    folders: tuple[Path, ...],
    as_json: bool,
    choice: RepositoryChoice,
    reporter: TerminalReporter,
) -> None:
    """Write PLAN in the FORMAT of another tool.

    make, gitlab, github, tekton, slurm: its builds as a pipeline. manifest, rpm-lockfile: its packages, pinned for
    both architectures, as dnf's manifest plugin and Konflux read them. cyclonedx, spdx: its bill of materials.
    fromager: the order of its Python builds. kickstart, containerfile, ansible: repositories, packages and pins for
    who sets machines up.

    In a pipeline, each build is a step that calls `ppcdeps build --only SOURCE` after those that it needs; then all
    is published and verified. The folder ppcdeps-WORKLOAD beside the pipeline travels with it: the plan, and sources
    rendered, so that a step reads no metadata of sources.
    """
    from ppcdeps.building.farms.pipeline_files import PipelineKind, Runners
    from ppcdeps.building.run.options import BuildOptions
    from ppcdeps.engines.job import BuildMode
    from ppcdeps.workflows.build import default_repository
    from ppcdeps.workflows.export import ExportRequest
    from ppcdeps.workflows.export import export as write_pipeline
    from ppcdeps.workflows.replan import resolve_planned
    from ppcdeps.workflows.requested import load_kept, load_requested

    plan = load_requested(plan_file) if kind in DOCUMENTS else load_kept(plan_file)
    work_on(plan.request)
    if kind in DOCUMENTS:
        _refuse(_OF_BUILDS, "which says how a pipeline builds, and nothing of a document")
        if kind != "containerfile":
            _refuse(("image",), f"from which a Containerfile begins, and nothing of {kind}")
        if kind in ("cyclonedx", "spdx", "fromager"):
            _refuse(("repository", "url"), f"and {kind} says nothing of what was built")
        from ppcdeps.workflows.documents import DocumentKind, DocumentRequest, write_document

        document = DocumentRequest(
            plan,
            plan_file,
            DocumentKind(kind),
            resolve_planned(plan, choice, reporter),
            repository,
            url,
            image,
            output,
        )
        place = write_document(document, reporter)
        if as_json:
            write(json.dumps({"kind": kind, "file": str(place)}, indent=1, sort_keys=True), as_json=True)
        else:
            write_line(visible(str(place)))
        return
    _refuse(("repository", "url"), "which a pipeline has no use for")
    further: list[str] = []
    for name, value in (("--buildroot", buildroot), ("--mode", mode), ("--engine", engine)):
        further += [name, value] if value else []
    further += ["--no-check"] if no_check else []
    verify = ["--engine", engine] if engine else []
    verify += ["--no-install"] if no_install else []
    options = BuildOptions(
        default_repository(plan),
        mode=BuildMode(mode) if mode else None,
        buildroot=buildroot,
        buildroot_folders=buildroot_folders,
        engine=engine,
        alternatives=alternatives,
        source_folders=source_folders,
    )
    done = write_pipeline(
        ExportRequest(
            plan,
            plan_file,
            resolve_planned(plan, choice, reporter),
            PipelineKind(kind),
            options,
            output,
            tuple(further),
            tuple(verify),
            folders,
            Runners(image, runner),
        ),
        reporter,
    )
    if as_json:
        answer = {
            "kind": kind,
            "file": str(done.file),
            "folder": str(done.folder),
            "steps": [
                {"id": one.id, "after": list(one.after), "command": one.command} for one in done.pipeline.steps
            ],
        }
        write(json.dumps(answer, indent=1, sort_keys=True), as_json=True)
        return
    count, waves = len(done.pipeline.builds), 1 + max(one.wave for one in done.pipeline.builds)
    reporter.note(f"{count} builds, waves: {waves}; then publish and verify; {done.folder} travels with the pipeline")
    write_line(visible(str(done.file)))


def _refuse(parameters: Sequence[str], why: str) -> None:
    """Raise UsageError for an option that was given, and that the format does not take."""
    context = click.get_current_context()
    given = ParameterSource.COMMANDLINE
    for parameter in context.command.params:
        if parameter.name in parameters and context.get_parameter_source(parameter.name) is given:
            raise UsageError(f"{parameter.opts[0]} was given, {why}", hint="leave it out")
