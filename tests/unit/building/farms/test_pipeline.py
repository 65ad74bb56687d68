"""Pipelines: each step runs its command with the very words, whatever is in them; files are of their schemas."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ppcdeps.building.farms.pipeline import Pipeline, pipeline_of
from ppcdeps.building.farms.pipeline_files import PipelineKind, Runners, check_runners, pipeline_file
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.model.errors import ConfigError, UsageError

NASTY = (
    "plain",
    "libguestfs (with bootstrap)",
    "two  blanks",
    "it's",
    'say "hi"',
    "$HOME",
    "$(touch made)",
    "${{ github.token }}",
    "$[[ inputs.x ]]",
    "$(params.x)",
    "$$(x)$",
    "`touch made`",
    "back\\slash\\",
    "# no comment",
    "100%",
    "%u",
    "a; touch made",
    "a && touch made | cat",
    "key: value",
    "- item",
    "*star",
    "&anchor",
    "!tag",
    "@at",
    "yes",
    "null",
    "1.0",
    "~",
    "{a: b}",
    "--only",
    "-f",
    "naïve",
    "A",
    "a",
    "a/b",
    "../..",
)
RECORD = """\
#!/bin/sh
for word; do printf '%s\\0' "$word"; done >>"$RECORD"
printf '\\1' >>"$RECORD"
"""
SBATCH = """\
#!/bin/sh
# What sbatch does with a job, at once: it runs what is wrapped with the shell.
for word; do
  case $word in
    --wrap=*) sh -c "${word#--wrap=}" ;;
    --dependency=*) echo "${word#--dependency=}" >>"$RECORD.dependencies" ;;
  esac
done
number=$(($(cat "$RECORD.number" 2>/dev/null || echo 100) + 1))
echo $number >"$RECORD.number"
echo "$number;cluster"
"""


def pipeline(*names: str, needs: dict[str, Sequence[str]] | None = None, folder: str = "ppcdeps-work") -> Pipeline:
    tasks = [Task(name, name, Bridge("work", (), 1), needs=tuple((needs or {}).get(name, ()))) for name in names]
    return pipeline_of(
        "work",
        tasks,
        folder=folder,
        repository="repository-work",
        common=("--target", "it's a $target.toml"),
        build=("--buildroot", "debian-12"),
        publish=(),
        verify=("--no-install",),
    )


def text_of(found: Pipeline, kind: str, runners: Runners | None = None) -> str:
    return pipeline_file(found, PipelineKind(kind), runners or Runners())


@pytest.fixture
def recorder(tmp_path: Path) -> dict[str, str]:
    """An environment in which `ppcdeps` records its words, and `sbatch` runs a job at once."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("ppcdeps", RECORD), ("sbatch", SBATCH)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "RECORD": str(tmp_path / "record")}


def recorded(environment: dict[str, str]) -> list[tuple[str, ...]]:
    content = Path(environment["RECORD"]).read_text()
    return [tuple(call.split("\0")[:-1]) for call in content.split("\1")[:-1]]


def commands_of(found: Pipeline) -> list[tuple[str, ...]]:
    return [step.words for step in found.steps]


def run_lines(lines: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    for line in lines:
        subprocess.run(["sh", "-c", line], cwd=folder, env=environment, check=True)
    assert not (folder / "made").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_runs_each_step_with_its_very_words(tmp_path: Path, recorder: dict[str, str]) -> None:
    found = pipeline(*NASTY)
    (tmp_path / "Makefile").write_text(text_of(found, "make"))
    subprocess.run(["make", "-s", "-C", str(tmp_path)], env=recorder, check=True)
    assert recorded(recorder) == commands_of(found)
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_runs_what_is_needed_first_and_goes_on_beside_a_failure(tmp_path: Path) -> None:
    found = pipeline("a", "b", "c", needs={"b": ["a"]})
    (tmp_path / "Makefile").write_text(text_of(found, "make"))
    program = 'f() { case "$$*" in *\'--only a \'*) exit 10;; *) echo "$$*" >>did;; esac; }; f'
    done = subprocess.run(["make", "-k", "-j2", "-s", "-C", str(tmp_path), f"PPCDEPS={program}"], capture_output=True)
    assert done.returncode == 2
    assert re.findall(r"--only (\S+)", (tmp_path / "did").read_text()) == ["c"]


def test_the_script_for_slurm_submits_each_step_after_those_that_it_needs(
    tmp_path: Path, recorder: dict[str, str]
) -> None:
    found = pipeline(*NASTY, "last", needs={"last": ["plain", "it's"]}, folder="ppcdeps-100%")
    (tmp_path / "submit.sh").write_text(text_of(found, "slurm"))
    subprocess.run(["sh", str(tmp_path / "submit.sh")], cwd="/", env=recorder, check=True, capture_output=True)
    assert recorded(recorder) == commands_of(found)
    after, publish, verify = Path(f"{recorder['RECORD']}.dependencies").read_text().splitlines()
    assert after == "afterok:101:104"
    assert publish == "afterok:" + ":".join(str(101 + number) for number in range(len(NASTY) + 1))
    assert verify == f"afterok:{102 + len(NASTY)}"


def test_gitlab_runs_each_step_with_its_very_words(tmp_path: Path, recorder: dict[str, str]) -> None:
    found = pipeline(*NASTY)
    document = yaml.safe_load(text_of(found, "gitlab"))
    jobs = {name: job for name, job in document.items() if name not in ("stages", "default")}
    run_lines([line for job in jobs.values() for line in job["script"]], tmp_path, recorder)
    assert recorded(recorder) == commands_of(found)
    assert "$[[" not in "".join(line for job in jobs.values() for line in job["script"])


def test_github_runs_each_step_with_its_very_words_and_evaluates_none(
    tmp_path: Path, recorder: dict[str, str]
) -> None:
    found = pipeline(*NASTY)
    text = text_of(found, "github")
    assert "${{" not in text
    document = yaml.safe_load(text)
    steps = [step for job in document["jobs"].values() for step in job["steps"]]
    run_lines([step["run"] for step in steps if "run" in step], tmp_path, recorder)
    assert recorded(recorder) == commands_of(found)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", name) for name in document["jobs"])


def test_tekton_runs_each_step_with_its_very_words_and_replaces_none(
    tmp_path: Path, recorder: dict[str, str]
) -> None:
    found = pipeline(*NASTY)
    definition, run = yaml.safe_load_all(text_of(found, "tekton"))
    tasks = definition["spec"]["tasks"]
    scripts = [task["taskSpec"]["steps"][0]["script"] for task in tasks]
    assert not [script for script in scripts if "$(" in script]
    for script in scripts:
        (tmp_path / "script").write_text(script)
        subprocess.run(["sh", "script"], cwd=tmp_path, env=recorder, check=True)
    assert recorded(recorder) == commands_of(found)
    assert not (tmp_path / "made").exists()
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", task["name"]) for task in tasks)
    assert run["spec"]["pipelineRef"]["name"] == definition["metadata"]["name"]


def test_a_step_waits_for_the_steps_that_it_needs_and_no_others() -> None:
    found = pipeline("a", "b", "c", needs={"b": ["a"]})
    gitlab = yaml.safe_load(text_of(found, "gitlab"))
    assert gitlab["build b"]["needs"] == ["build a"]
    assert gitlab["build c"]["needs"] == []
    assert gitlab["publish"]["needs"] == ["build a", "build b", "build c"]
    assert gitlab["stages"] == ["wave 1", "wave 2", "publish", "verify"]
    github = yaml.safe_load(text_of(found, "github"))["jobs"]
    assert github["build-b"]["needs"] == ["build-a"]
    assert "needs" not in github["build-c"]
    tekton = {task["name"]: task for task in next(yaml.safe_load_all(text_of(found, "tekton")))["spec"]["tasks"]}
    assert tekton["build-b"]["runAfter"] == ["build-a"]
    assert tekton["verify"]["runAfter"] == ["publish"]


def test_gitlab_orders_by_stages_what_needs_more_than_it_may_name() -> None:
    names = [f"n{number}" for number in range(51)]
    document = yaml.safe_load(text_of(pipeline(*names), "gitlab"))
    assert "needs" not in document["publish"]
    assert len(document["stages"]) == 3


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "\x1b[31m", "a\u2028b"])
def test_a_name_that_cannot_stand_in_a_line_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="a pipeline cannot have"):
        pipeline(name)


@pytest.mark.parametrize(
    ("kind", "image", "label", "said"),
    [
        ("make", "quay.io/x/y:1", None, "--image says nothing to make"),
        ("slurm", None, "power", "--runner says nothing to slurm"),
        ("gitlab", "a\nb", None, "not the name of an image"),
        ("github", "", None, "not the name of an image"),
        ("github", None, "x\ny", "not the label of a runner"),
        ("gitlab", None, " ", "not the label of a runner"),
        ("tekton", None, "foo", "--runner takes KEY=VALUE"),
        ("tekton", None, "=foo", "--runner takes KEY=VALUE"),
        ("tekton", None, "a=b=c", "--runner takes KEY=VALUE"),
    ],
)
def test_an_image_and_a_label_that_the_file_cannot_name_are_refused(
    kind: str, image: str | None, label: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as fault:
        check_runners(PipelineKind(kind), Runners(image, label))
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("github", "self-hosted power"),
        ("gitlab", "power"),
        ("tekton", "kubernetes.io/arch=ppc64le"),
        ("tekton", "node-role.kubernetes.io/worker="),
        ("tekton", "disk=ssd"),
    ],
)
def test_an_image_and_a_label_that_the_file_can_name_are_taken(kind: str, label: str) -> None:
    check_runners(PipelineKind(kind), Runners("registry:5000/x/y@sha256:0", label))


@pytest.mark.parametrize("runners", [Runners(), Runners("quay.io/x/y:1", "power")], ids=["plain", "chosen"])
@pytest.mark.parametrize(("kind", "schema"), [("gitlab", "gitlab-ci"), ("github", "github-workflows")])
def test_the_file_is_valid_by_the_published_schema(tmp_path: Path, kind: str, schema: str, runners: Runners) -> None:
    pytest.importorskip("check_jsonschema", reason="needs check-jsonschema, which brings the schemas")
    path = tmp_path / "file.yml"
    path.write_text(text_of(pipeline(*NASTY, "b", needs={"b": ["a"]}), kind, runners))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("runners", [Runners(), Runners("quay.io/x/y:1", "kubernetes.io/arch=ppc64le")])
def test_tekton_s_file_is_valid_by_its_published_types(runners: Runners) -> None:
    """PPCDEPS_TEKTON_TYPES: pkg/apis/pipeline/v1/swagger.json of github.com/tektoncd/pipeline."""
    place = os.environ.get("PPCDEPS_TEKTON_TYPES")
    if place is None:
        pytest.skip("needs PPCDEPS_TEKTON_TYPES")
    document = json.loads(Path(place).read_text())
    types = _closed(document, {f"#/definitions/{name}" for name in document["definitions"]})
    for document in yaml.safe_load_all(text_of(pipeline(*NASTY), "tekton", runners)):
        schema = {**types, "$ref": f"#/definitions/v1.{document['kind']}"}
        faults = [fault.message for fault in jsonschema.Draft7Validator(schema).iter_errors(document)]
        assert not faults
        document["spec"]["surprise"] = 1
        assert not jsonschema.Draft7Validator(schema).is_valid(document)


def _closed(value: Any, known: set[str]) -> Any:
    """The types with no member beyond those that they list, as the server takes them in strict mode.

    Kubernetes' own types are described elsewhere, and may be anything here.
    """
    if isinstance(value, list):
        return [_closed(one, known) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("$ref", next(iter(known))) not in known:
        return {}
    closed = {name: _closed(one, known) for name, one in value.items() if name != "default"}
    if value.get("type") == "object" and isinstance(value.get("properties"), dict):
        closed["additionalProperties"] = False
    return closed
