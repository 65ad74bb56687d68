"""Builds rendered beforehand: the same as rendered now, and refused where they are not what was rendered."""

import json
from pathlib import Path
from random import Random

import pytest
from damage import Words, damage_json, damaged

from ppcdeps.base.digests import sha256_of
from ppcdeps.building.run.rendered import MANIFEST, RenderedSources, check_rendered, write_rendered
from ppcdeps.building.run.sources import SourceCollector
from ppcdeps.building.run.tasks import Bridge, Task
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import OwnPackages
from ppcdeps.recipebook.book import rebuild_recipe

SPEC = "Name: app\nVersion: 1.0\nRelease: 1\nSummary: A test\nLicense: MIT\nSource0: app.txt\n"


@pytest.fixture
def tasks(tmp_path: Path) -> tuple[Task, ...]:
    spec = tmp_path / "app.spec"
    spec.write_text(SPEC)
    (tmp_path / "app.txt").write_text("mine\n")
    packages = (Nevra.parse("app-1.0-1.noarch"),)
    own = OwnPackages("app", str(spec), sha256_of(spec), packages, ("gcc",), ("app.txt",))
    app = Task("app (with bootstrap)", "app", rebuild_recipe("app", ["app"]), "1.0", own=own)
    return (Task("bridge", "bridge", Bridge("work", ("python3dist(x) = 1",), 7)), app)


@pytest.fixture
def rendered(tasks: tuple[Task, ...], tmp_path: Path) -> Path:
    write_rendered(tasks, collector(), "a plan", tmp_path / "rendered")
    return tmp_path / "rendered"


def collector() -> SourceCollector:
    return SourceCollector(lambda name, version: ())


def test_what_was_rendered_is_what_is_rendered_now(tasks: tuple[Task, ...], rendered: Path, tmp_path: Path) -> None:
    sources = RenderedSources.read(rendered, "a plan")
    for task in tasks:
        now = collector().prepare(task, tmp_path / "now" / task.source)
        then = sources.prepare(task, tmp_path / "then" / task.source)
        assert (then.digest, then.spec, then.name, then.version, then.sources, then.smoke) == (
            *(now.digest, now.spec, now.name, now.version, now.sources, now.smoke),
        )
        assert sources.build_requires(task) == collector().build_requires(task)
        assert (then.folder / "build.sh").stat().st_mode & 0o111


def test_an_empty_folder_that_git_does_not_keep_is_made(
    tasks: tuple[Task, ...], rendered: Path, tmp_path: Path
) -> None:
    (rendered / "bridge" / "SOURCES").rmdir()
    prepared = RenderedSources.read(rendered, "a plan").prepare(tasks[0], tmp_path / "out")
    assert prepared.date() is None


def test_a_folder_of_somebody_else_is_left_alone(rendered: Path, tmp_path: Path) -> None:
    check_rendered(rendered)
    check_rendered(tmp_path / "not there")
    (tmp_path / "theirs").mkdir()
    with pytest.raises(ConfigError, match="holds what was not rendered by ppcdeps"):
        check_rendered(tmp_path / "theirs")


def test_another_plan_is_refused(rendered: Path) -> None:
    with pytest.raises(ConfigError, match="was rendered for another plan, or the plan was changed since"):
        RenderedSources.read(rendered, "another plan")


@pytest.mark.parametrize("member", ["SPECS/app.spec", "SOURCES/app.txt", "build.sh"])
def test_what_was_changed_is_refused(tasks: tuple[Task, ...], rendered: Path, tmp_path: Path, member: str) -> None:
    path = rendered / "app--with-bootstrap" / member
    path.write_text(path.read_text() + "\n")
    with pytest.raises(ConfigError, match="was changed since it was rendered"):
        RenderedSources.read(rendered, "a plan").prepare(tasks[1], tmp_path / "out")


def test_a_link_is_refused(tasks: tuple[Task, ...], rendered: Path, tmp_path: Path) -> None:
    path = rendered / "app--with-bootstrap" / "SOURCES" / "app.txt"
    path.unlink()
    path.symlink_to(tmp_path / "app.txt")
    with pytest.raises(ConfigError, match="is not what was rendered for app"):
        RenderedSources.read(rendered, "a plan").prepare(tasks[1], tmp_path / "out")


def test_what_was_not_rendered_is_named(tasks: tuple[Task, ...], tmp_path: Path) -> None:
    write_rendered(tasks[:1], collector(), "a plan", tmp_path / "rendered")
    with pytest.raises(ConfigError, match=r"app \(with bootstrap\) was not rendered in .*; export the plan again"):
        RenderedSources.read(tmp_path / "rendered", "a plan").prepare(tasks[1], tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "of another version"),
        ({"tasks": None}, "to be an array"),
        ({"folder": "../../etc"}, "names the folder"),
        ({"folder": "/etc"}, "names the folder"),
        ({"spec": "$(x).spec"}, "names the folder"),
    ],
)
def test_a_damaged_manifest_is_one_line(rendered: Path, change: dict[str, object], said: str) -> None:
    path = rendered / MANIFEST
    document = json.loads(path.read_text())
    for name, value in change.items():
        (document if name in document else document["tasks"][0])[name] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=said) as caught:
        RenderedSources.read(rendered, "a plan")
    assert "\n" not in str(caught.value)


def test_no_manifest_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing was rendered in .*; make it with `ppcdeps export"):
        RenderedSources.read(tmp_path, "a plan")


def test_whatever_the_manifest_says_nothing_is_taken_from_elsewhere(
    tasks: tuple[Task, ...], rendered: Path, tmp_path: Path
) -> None:
    path = rendered / MANIFEST
    whole, words, refused = path.read_bytes(), Words(str(tmp_path / "canary")), 0
    for number in range(150):
        path.write_bytes(damaged(whole, damage_json, Random(f"rendered {number}"), words))
        try:
            sources = RenderedSources.read(rendered, "a plan")
            for task in tasks:
                sources.prepare(task, tmp_path / str(number) / task.source)
        except ConfigError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50
    assert {each.parent.parent for each in tmp_path.rglob("*.spec")} <= {
        *rendered.iterdir(),
        tmp_path.parent,
        *(tmp_path / str(number) / task.source for number in range(150) for task in tasks),
    }
