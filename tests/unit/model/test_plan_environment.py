"""The interpreter and the module streams of a plan: written, read again, and refused where they are none."""

import json
from pathlib import Path

import pytest

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, load_plan
from ppcdeps.model.python_plan import PlannedPython

PLAN = Plan(
    "w",
    "almalinux-8",
    "ppc64le",
    ("app",),
    (),
    (),
    (),
    python=PlannedPython("3.9.20", "ppc64le", "2.28", package="python39"),
    modules=("python39:3.9", "virt:rhel"),
)


def written(folder: Path, **changes: object) -> Path:
    document = json.loads(dump_plan(PLAN))
    document["python"] |= {key: value for key, value in changes.items() if key == "package"}
    document |= {key: value for key, value in changes.items() if key == "modules"}
    path = folder / "plan.json"
    path.write_text(json.dumps(document))
    return path


def test_a_plan_keeps_its_interpreter_and_its_modules(tmp_path: Path) -> None:
    read = load_plan(written(tmp_path))
    assert read == PLAN
    assert read.python is not None
    assert (read.python.program, read.python.tag, read.python.is_beside) == ("python3.9", "3.9", True)


def test_a_plan_that_says_nothing_of_them_is_for_the_platforms_python(tmp_path: Path) -> None:
    document = json.loads(dump_plan(PLAN))
    del document["modules"], document["python"]["package"]
    (tmp_path / "plan.json").write_text(json.dumps(document))
    read = load_plan(tmp_path / "plan.json")
    assert read.modules == ()
    assert read.python is not None
    assert (read.python.package, read.python.program, read.python.is_beside) == ("python3", "python3", False)


@pytest.mark.parametrize(
    "change",
    [
        {"package": "--option"},
        {"package": "../python3"},
        {"package": "python3; id"},
        {"package": 3},
        {"modules": ["python39"]},
        {"modules": ["--all:1"]},
        {"modules": ["a:1\nb"]},
        {"modules": "a:1"},
    ],
)
def test_what_is_none_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a whole plan"):
        load_plan(written(tmp_path, **change))
