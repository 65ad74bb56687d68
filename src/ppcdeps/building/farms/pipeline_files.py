"""A pipeline as the file of a tool that runs it: make, GitLab CI, GitHub Actions, Tekton, a script for Slurm."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

from ppcdeps.building.farms.pipeline import Pipeline, Step, shell_line
from ppcdeps.model.errors import UsageError

HEAD = "Written by ppcdeps:"
"""How the first line of each file begins, after what makes it a comment."""

_IMAGE = re.compile(r"[!-~]{1,2000}")
_NODE_LABEL = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
    r"=(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
)
"""A label of Kubernetes: a name, which may have a domain before it, and a value, which may be empty."""
_MOST_NEEDS = 50
"""What a job of GitLab may name in ``needs`` (ci_needs_size_limit). The stages order the others."""


class PipelineKind(StrEnum):
    """The tools whose files can be written."""

    MAKE = "make"
    GITLAB = "gitlab"
    GITHUB = "github"
    TEKTON = "tekton"
    SLURM = "slurm"

    @property
    def file(self) -> str:
        """Where the tool looks for its file, or the usual name of it."""
        return _FILES[self]


_FILES = {
    PipelineKind.MAKE: "Makefile",
    PipelineKind.GITLAB: ".gitlab-ci.yml",
    PipelineKind.GITHUB: ".github/workflows/ppcdeps.yml",
    PipelineKind.TEKTON: "pipeline.yaml",
    PipelineKind.SLURM: "submit.sh",
}


@dataclass(frozen=True, slots=True)
class Runners:
    """Where the steps run: a container image that has ppcdeps, and the label of the runners. None: as they are."""

    image: str | None = None
    label: str | None = None


def check_image(image: str) -> None:
    """Raise UsageError for what cannot be the name of a container image."""
    if not _IMAGE.fullmatch(image):
        raise UsageError(f"not the name of an image: {ascii(image)[:80]}")


def check_runners(kind: PipelineKind, runners: Runners) -> None:
    """Raise UsageError for an image or a label that a file of this kind cannot name."""
    image, label = runners.image, runners.label
    if kind in (PipelineKind.MAKE, PipelineKind.SLURM):
        for option, value in (("--image", image), ("--runner", label)):
            if value is not None:
                raise UsageError(f"{option} says nothing to {kind}", hint="leave it out")
    if image is not None:
        check_image(image)
    if label is None:
        return
    if not label.strip() or not label.isprintable():
        raise UsageError(f"not the label of a runner: {ascii(label)[:80]}")
    if kind is PipelineKind.TEKTON and not _NODE_LABEL.fullmatch(label):
        raise UsageError(f"not the label of a node: {ascii(label)[:80]}", hint="--runner takes KEY=VALUE for tekton")


def pipeline_file(pipeline: Pipeline, kind: PipelineKind, runners: Runners) -> str:
    """The text of the file."""
    match kind:
        case PipelineKind.MAKE:
            return _filled("Makefile.j2", pipeline)
        case PipelineKind.SLURM:
            return _filled("submit.sh.j2", pipeline)
        case PipelineKind.GITLAB:
            return _yaml(pipeline, _gitlab(pipeline, runners))
        case PipelineKind.GITHUB:
            return _yaml(pipeline, _github(pipeline, runners))
        case PipelineKind.TEKTON:
            return _yaml(pipeline, *_tekton(pipeline, runners))


def _head(pipeline: Pipeline) -> str:
    return f"{HEAD} the pipeline of the plan for {pipeline.workload}; {pipeline.folder} has all that it takes."


# -- templates --------------------------------------------------------------------------------------------------


def _filled(template: str, pipeline: Pipeline) -> str:
    # Here, as most commands need no template.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - neither a makefile nor a script is markup: the filters quote
    )
    environment.filters |= {"make": _for_make, "shell": lambda word: shell_line((word,))}
    text = files("ppcdeps").joinpath("data", "pipelines", template).read_text("utf-8")
    return environment.from_string(text).render(pipeline=pipeline, head=_head(pipeline))


def _for_make(step: Step) -> str:
    """The command in a recipe of make, whose own program can be set on make's command line."""
    return f"$(PPCDEPS) {shell_line(step.words).replace('$', '$$')}"


# -- YAML -------------------------------------------------------------------------------------------------------


def _yaml(pipeline: Pipeline, *documents: Mapping[str, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Lists are indented below their keys, and nothing refers to what was written before."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            """Never without an indent."""
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            """The same list twice is written twice."""
            return True

    text = yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=1 << 20, allow_unicode=True)
    return f"# {_head(pipeline)}\n{text}"


def _gitlab(pipeline: Pipeline, runners: Runners) -> dict[str, Any]:
    default: dict[str, Any] = {}
    if runners.image:
        default["image"] = runners.image
    if runners.label:
        default["tags"] = [runners.label]
    document: dict[str, Any] = {"stages": list(dict.fromkeys(_stage(pipeline, step) for step in pipeline.steps))}
    if default:
        document["default"] = default
    titles = {step.id: _title(pipeline, step) for step in pipeline.steps}
    for step in pipeline.steps:
        job: dict[str, Any] = {"stage": _stage(pipeline, step)}
        if len(step.after) <= _MOST_NEEDS:
            job["needs"] = [titles[name] for name in step.after]
        job["script"] = [step.command]
        if paths := [*_results(pipeline, step), *([step.work] if step.work else [])]:
            job["artifacts"] = {"when": "always", "paths": [f"{path}/" for path in paths]}
        document[titles[step.id]] = job
    return document


def _stage(pipeline: Pipeline, step: Step) -> str:
    return f"wave {step.wave + 1}" if step in pipeline.builds else step.id


def _title(pipeline: Pipeline, step: Step) -> str:
    return f"build {step.title}" if step in pipeline.builds else step.id


def _results(pipeline: Pipeline, step: Step) -> list[str]:
    """The folders that later steps need of this one."""
    if step in pipeline.builds:
        return [pipeline.store]
    return [pipeline.repository] if step is pipeline.publish else []


def _github(pipeline: Pipeline, runners: Runners) -> dict[str, Any]:
    jobs: dict[str, Any] = {}
    for step in pipeline.steps:
        job: dict[str, Any] = {"runs-on": runners.label or "ubuntu-latest"}
        if runners.image:
            job["container"] = runners.image
        if step.after:
            job["needs"] = list(step.after)
        steps: list[dict[str, Any]] = [{"uses": "actions/checkout@v4"}]
        if step is pipeline.verify:
            steps.append(_download("repository", pipeline.repository))
        elif step.after:
            steps.append(_download("builds-*", pipeline.store))
        steps.append({"run": step.command})
        name = "repository" if step is pipeline.publish else f"builds-{step.id}"
        steps += [_upload(name, path) for path in _results(pipeline, step)]
        if step.work:
            steps.append({"if": "failure()", **_upload(f"logs-{step.id}", step.work)})
        job["steps"] = steps
        jobs[step.id] = job
    # YAML 1.1 has "on" for true, and the dumper quotes it.
    name = f"ppcdeps {pipeline.workload}"
    return {"name": name, "on": {"workflow_dispatch": {}}, "permissions": {"contents": "read"}, "jobs": jobs}


def _upload(name: str, path: str) -> dict[str, Any]:
    return {"uses": "actions/upload-artifact@v4", "with": {"name": name, "path": path}}


def _download(pattern: str, path: str) -> dict[str, Any]:
    given = {"pattern": pattern, "path": path, "merge-multiple": True}
    return {"uses": "actions/download-artifact@v4", "with": given}


_WORKSPACE = "work"


def _tekton(pipeline: Pipeline, runners: Runners) -> tuple[dict[str, Any], ...]:
    name = f"ppcdeps-{_dns(pipeline.workload)}"
    workspaces = [{"name": _WORKSPACE}]
    tasks = []
    for step in pipeline.steps:
        run = {
            "name": "ppcdeps",
            "image": runners.image or "ppcdeps",
            "workingDir": f"$(workspaces.{_WORKSPACE}.path)",
            "script": f"#!/bin/sh\nset -eu\n{step.command}\n",
        }
        task: dict[str, Any] = {"name": step.id}
        if step.after:
            task["runAfter"] = list(step.after)
        task["workspaces"] = [{"name": _WORKSPACE, "workspace": _WORKSPACE}]
        # Its own limit is an hour for all.
        task["timeout"] = "0s"
        task["taskSpec"] = {"workspaces": workspaces, "steps": [run]}
        tasks.append(task)
    definition = {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": {"workspaces": workspaces, "tasks": tasks},
    }
    claim = {"name": _WORKSPACE, "persistentVolumeClaim": {"claimName": name}}
    spec: dict[str, Any] = {
        "pipelineRef": {"name": name},
        "timeouts": {"pipeline": "0s"},
        "workspaces": [claim],
    }
    if runners.label:
        key, _, value = runners.label.partition("=")
        spec["taskRunTemplate"] = {"podTemplate": {"nodeSelector": {key: value}}}
    started: dict[str, Any] = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"generateName": f"{name}-"},
        "spec": spec,
    }
    return definition, started


def _dns(name: str) -> str:
    """A name as Kubernetes takes one, of 50 characters at most."""
    plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in name.lower())[:50].strip("-")
    return plain or "plan"
