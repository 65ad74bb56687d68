"""Nothing half-done stays, nothing is made where it is not to be, and messages name what is the case."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from doortrial import Bring, Scene
from program import Program
from pythondoors import METADATA, SDIST, WHEEL, lock_on, offer, wheel_of
from repositorydoors import packages
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra


@pytest.fixture
def ppcdeps(tmp_path: Path) -> Program:
    folder = tmp_path / "user"
    folder.mkdir()
    write_repository(folder / "repo", packages())
    return Program(folder, {})


@pytest.mark.parametrize("place", ["saved", "saved.tar"])
def test_a_save_that_was_killed_leaves_nothing_behind_the_next(place: str, ppcdeps: Program) -> None:
    many = [
        Package(Nevra("p", 0, str(number), "1", "noarch"), files=(f"/usr/bin/p{number}",)) for number in range(6000)
    ]
    write_repository(ppcdeps.folder / "many", many)
    command = ppcdeps.command("snapshot", "save", place, "--repofrompath", "base,many")
    killed = False
    for _ in range(5):
        process = subprocess.Popen(
            command,
            cwd=ppcdeps.folder,
            env=ppcdeps.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if _hidden(ppcdeps.folder):
                process.send_signal(signal.SIGKILL)
                killed = True
                break
            time.sleep(0.001)
        process.wait()
        if killed and _hidden(ppcdeps.folder):
            break
    if not _hidden(ppcdeps.folder):
        pytest.skip("no save could be killed in the middle")
    ppcdeps("snapshot", "save", place, "--repofrompath", "base,many")
    assert _hidden(ppcdeps.folder) == []


def _hidden(folder: Path) -> list[str]:
    return [
        path.name for path in folder.iterdir() if path.name.startswith(".") and path.name not in (".cache", ".local")
    ]


def test_the_save_of_another_that_goes_on_is_left_alone(ppcdeps: Program) -> None:
    """Only what nobody holds is removed."""
    other = ppcdeps.folder / ".snapshot-other"
    other.mkdir()
    (other / "x").touch()
    ppcdeps("snapshot", "save", "saved", "--repofrompath", "base,repo")
    # Its owner may be alive: it is neither old nor of a process that is known to be dead.
    assert other.exists()


@pytest.mark.parametrize("option", ["-o", "--build-order"])
def test_a_full_disk_names_the_file(option: str, ppcdeps: Program) -> None:
    words = ("plan", "app", "lost", "--python", "rpm", "--repofrompath", "base,repo")
    ppcdeps(*words, "-o", "first.json", code=1)
    done = subprocess.run(
        [
            "bash",
            "-c",
            'ulimit -f 1; exec "$@"',
            "bash",
            *ppcdeps.command(
                *words,
                "-o",
                "big.json" if option == "-o" else "x.json",
                *(("--build-order", "big.json") if option != "-o" else ()),
            ),
        ],
        cwd=ppcdeps.folder,
        env=ppcdeps.environment(),
        capture_output=True,
        text=True,
        timeout=ppcdeps.patience,
    )
    assert done.returncode == 20, done.stderr
    assert ".json" in done.stderr
    assert "standard output" not in done.stderr
    assert not [path for path in ppcdeps.folder.iterdir() if "big" in path.name]


@pytest.mark.parametrize("kind", ["none", "beneath none", "file", "empty"])
def test_a_home_that_does_not_exist_is_not_made(kind: str, ppcdeps: Program, tmp_path: Path) -> None:
    home = {"none": tmp_path / "none", "beneath none": tmp_path / "a/b", "file": tmp_path / "file", "empty": Path()}[
        kind
    ]
    if kind == "file":
        home.touch()
    environment = ppcdeps.environment(HOME="" if kind == "empty" else str(home))
    del environment["PPCDEPS_CACHE"]
    before = sorted(tmp_path.iterdir())
    done = subprocess.run(
        ppcdeps.command("plan", "app", "--no-output", "--python", "rpm", "--repofrompath", "base,repo"),
        cwd=ppcdeps.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=ppcdeps.patience,
    )
    assert done.returncode == 0, done.stderr
    assert "temporary" in done.stderr or kind == "empty"
    assert sorted(tmp_path.iterdir()) == before


def test_the_log_of_the_demo_is_not_where_another_can_put_a_link(project_root: Path) -> None:
    """A name in the shared temporary folder that can be foretold is a name that another user can take first."""
    text = "".join(path.read_text() for path in (project_root / "src/ppcdeps").rglob("*.py"))
    assert "gettempdir()" not in text


# What a message says ----------------------------------------------------------------------------------------


def error_of(place: Scene, bring: Bring) -> str:
    return bring(*lock_on(place), code={3, 30}).err


def test_releases_that_are_all_yanked_are_called_so(place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: wheel_of(METADATA)}, METADATA)
    page = json.loads((place.served / "simple/evil/index.json").read_text())
    page["files"][0]["yanked"] = "it is broken"
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    said = error_of(place, bring)
    assert "yanked" in said
    assert "usable on this target" not in said


def test_releases_that_cannot_be_read_are_called_so(place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: b"not a wheel", SDIST: b"not an sdist"})
    said = error_of(place, bring)
    assert "read" in said or "damaged" in said
    assert "usable on this target" not in said


def test_releases_of_another_target_are_called_so(place: Scene, bring: Bring) -> None:
    name = "evil-1.0-cp39-cp39-win_amd64.whl"
    offer(place, {name: wheel_of(METADATA)}, METADATA)
    said = error_of(place, bring)
    assert "target" in said
    assert "yanked" not in said


def test_each_kind_is_counted_where_there_are_several(place: Scene, bring: Bring) -> None:
    other = "evil-2.0-cp39-cp39-win_amd64.whl"
    offer(place, {WHEEL: wheel_of(METADATA), other: wheel_of(METADATA)}, METADATA)
    page = json.loads((place.served / "simple/evil/index.json").read_text())
    page["files"][0]["yanked"] = True
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    assert "yanked" in error_of(place, bring)
