"""`ppcdeps sync` and `ppcdeps snapshot`, on the embedded snapshot's repositories and on a small one."""

import json
from pathlib import Path

import el9
import pytest
from mirror import Mirror
from program import Program
from rpmmd import Package, write_repository

from ppcdeps.model.nevra import Nevra

PACKAGES = {
    one["id"]: one["packages"] for one in json.loads((el9.SNAPSHOT / "snapshot.json").read_text())["repositories"]
}


HEAD = (
    'name = "own"\ntitle = "Own"\nreleasever = "9"\narch = "ppc64le"\nreference_arch = "x86_64"\n'
    'cpu_baseline = "POWER9"\n[python]\nversion = "3.9.25"\nglibc = "2.34"\n'
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A target of two repositories, whose reference has a package that the target lacks."""
    lacking = Package(Nevra.parse("app-1-1.x86_64"), relations={"requires": ("base",)})
    repositories = {
        "target": [Package(Nevra.parse("base-1-1.ppc64le"), files=("/usr/share/base",))],
        "reference": [Package(Nevra.parse("base-1-1.x86_64")), lacking],
    }
    text = HEAD
    for side, packages in repositories.items():
        write_repository(tmp_path / side, packages)
        text += f'[[repositories]]\nid = "{side}"\nside = "{side}"\nbaseurl = "{side}/"\n'
    (tmp_path / "own.toml").write_text(text)
    return tmp_path / "own.toml"


def states(text: str) -> dict[str, str]:
    return {one["id"]: one["state"] for one in json.loads(text)["repositories"]}


def test_sync_fetches_every_repository_and_then_finds_it_unchanged(ppcdeps: Program) -> None:
    first = ppcdeps("sync", "--target", el9.TARGET_FILE)
    assert first.out.startswith("Live repositories of el9-yoga\n")
    assert "reference-rdo" in first.out
    assert first.err == "", "what lies on this machine is not downloaded"
    second = ppcdeps("sync", "--target", el9.TARGET_FILE, "--json")
    assert set(states(second.out).values()) == {"unchanged"}
    assert second.err == ""
    one = next(one for one in json.loads(second.out)["repositories"] if one["id"] == "baseos")
    assert (one["side"], one["packages"]) == ("target", PACKAGES["baseos"])
    assert one["revision"] in (el9.SNAPSHOT / "baseos/repodata/repomd.xml").read_text()


def test_a_repository_that_changed_is_updated(ppcdeps: Program, tmp_path: Path) -> None:
    folder = write_repository(tmp_path / "one", [Package(Nevra.parse("app-1-1.noarch"), "app-1-1.src.rpm")])
    command = ("sync", "--json", "-q", "--repofrompath", f"one,{folder}")
    assert states(ppcdeps(*command).out) == {"one": "new"}
    newer = write_repository(tmp_path / "two", [Package(Nevra.parse("app-2-1.noarch"), "app-2-1.src.rpm")])
    folder.rename(tmp_path / "old")
    newer.rename(folder)
    assert states(ppcdeps(*command).out) == {"one": "updated"}
    assert states(ppcdeps(*command).out) == {"one": "unchanged"}


def test_an_optional_repository_that_is_not_there_is_a_finding(ppcdeps: Program, mirror: Mirror) -> None:
    target = ppcdeps.folder / "own.toml"
    target.write_text(
        HEAD + f'[[repositories]]\nid = "base"\nside = "target"\nbaseurl = "{mirror.url}"\n'
        f'[[repositories]]\nid = "extra"\nside = "target"\nbaseurl = "{mirror.url}none/"\noptional = true\n'
    )
    done = ppcdeps("sync", "-t", target)
    assert "Optional, and not there:\n  extra: repository extra: repomd.xml could not be fetched: " in done.out
    assert states(ppcdeps("sync", "-t", target, "--json").out) == {"base": "unchanged", "extra": "absent"}


def test_after_a_sync_the_network_is_not_needed(ppcdeps: Program, mirror: Mirror) -> None:
    named = ("--repofrompath", f"one,{mirror.url}")
    ppcdeps("sync", *named)
    mirror.answers[""] = lambda request: request.send_error(500)
    done = ppcdeps("plan", "app", "--no-output", "--offline", *named)
    assert "app" in done.out


def test_a_target_answers_from_what_was_chosen_last(ppcdeps: Program, own: Path) -> None:
    of_target = ("-t", own)
    assert ppcdeps("snapshot", "info", *of_target).out.startswith("The live repositories answer for own-9.")
    ppcdeps("snapshot", "save", "saved.tar", *of_target)
    assert ppcdeps("snapshot", "use", "saved.tar", *of_target, "-q").err == ""
    shown = json.loads(ppcdeps("snapshot", "info", *of_target, "--json").out)
    assert shown["name"] == "own-9"
    assert {one["id"]: one["packages"] for one in shown["repositories"]} == {"target": 1, "reference": 2}
    done = ppcdeps("plan", "base", "--no-output", *of_target)
    assert "answered from the snapshot own-9, written " in done.err
    ppcdeps("sync", *of_target)
    assert json.loads(ppcdeps("snapshot", "info", *of_target, "--json").out)["name"] is None
    assert "answered from the live repositories" in ppcdeps("plan", "base", "--no-output", *of_target).err


def test_a_snapshot_gives_the_plan_that_its_repositories_give(ppcdeps: Program, own: Path) -> None:
    asked = ("plan", "app", "--json", "--no-output", "-t", own)
    live = json.loads(ppcdeps(*asked, code=1).out)
    ppcdeps("snapshot", "save", "saved", "-t", own)
    snapshot = json.loads(ppcdeps(*asked, "--snapshot", "saved", code=1).out)
    assert [gap["name"] for gap in live["gaps"]] == ["app"]
    assert len(live["closure"]) == 2
    assert snapshot["gaps"] == live["gaps"]
    assert snapshot["closure"] == live["closure"]


def test_two_saves_give_the_same_bytes(ppcdeps: Program) -> None:
    for name in ("one.tar", "two.tar"):
        ppcdeps("snapshot", "save", name, "-t", el9.TARGET_FILE, "--repo", "crb,reference-crb")
    assert (ppcdeps.folder / "one.tar").read_bytes() == (ppcdeps.folder / "two.tar").read_bytes()


def test_the_embedded_snapshot_is_shown_without_network_or_options(ppcdeps: Program) -> None:
    done = ppcdeps("snapshot", "info")
    assert done.out.startswith("Snapshot centos-stream-9-yoga, ")
    assert done.err == "a snapshot answers for centos-stream-9-yoga:\n"
    assert json.loads(ppcdeps("snapshot", "info", "centos-stream-9-yoga", "--json").out)["absent"] == []


def test_plans_are_compared(ppcdeps: Program, tmp_path: Path) -> None:
    one = write_repository(tmp_path / "one", [Package(Nevra.parse("app-1.9-1.noarch"), "app-1.9-1.src.rpm")])
    two = write_repository(tmp_path / "two", [Package(Nevra.parse("app-1.10-1.noarch"), "app-1.10-1.src.rpm")])
    ppcdeps("plan", "app", "-o", "a.json", "--repofrompath", f"r,{one}")
    ppcdeps("plan", "app", "-o", "b.json", "--repofrompath", f"r,{two}")
    shown = ppcdeps("diff", "a.json", "b.json").out
    assert "! upgraded: app-1.9-1.noarch (target, r) -> app-1.10-1.noarch (target, r)\n" in shown
    assert ppcdeps("diff", "a.json", "a.json", "--exit-code").out == "The plans are the same.\n"
    found = json.loads(ppcdeps("diff", "b.json", "a.json", "--json", "--exit-code", code=1).out)
    assert [one["move"] for one in found["packages"]["moved"]] == ["downgraded"]
