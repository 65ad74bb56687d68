"""`ppcdeps check host` as a user runs it."""

import json
import platform
from pathlib import Path

import pytest
from hosts import FOLDER, host
from program import Program

from ppcdeps.checking.host.hostfacts import dump_facts

CHECK = ("check", "host")


def test_facts_are_collected_on_one_machine_and_judged_on_another(ppcdeps: Program) -> None:
    done = ppcdeps(*CHECK, "--collect", "facts.json")
    assert "judge them with `ppcdeps check host --from facts.json`" in done.err
    assert done.out == ""
    facts = json.loads((ppcdeps.folder / "facts.json").read_text())
    assert facts["machine"] == platform.machine()
    again = ppcdeps(*CHECK, "--from", "facts.json", "--json", code=_own())
    live = ppcdeps(*CHECK, "--json", code=_own())
    assert json.loads(again.out)["findings"] == json.loads(live.out)["findings"]


def _own() -> int:
    """How a check of the machine that runs the tests ends: a POWER host is not to be had here."""
    if platform.machine().startswith("ppc64"):
        pytest.skip("what a real host is like is not known")
    return 1


def test_this_machine_is_never_taken_for_a_power_host(ppcdeps: Program) -> None:
    done = ppcdeps(*CHECK, code=_own())
    assert f"this machine is {platform.machine()}, not a POWER host" in done.out
    assert "Not seen" in done.out


def test_a_node_that_is_well_ends_with_0(ppcdeps: Program) -> None:
    (ppcdeps.folder / "node.json").write_text(dump_facts(host("powernv-power9")))
    done = ppcdeps(*CHECK, "--from", "node.json", "--target", "almalinux-9", "--nova", "caracal")
    assert "the facts in node.json, for almalinux-9 (POWER9) and nova 29.0.0" in done.out
    assert "Nothing found" in done.out


def test_el9_on_power8_is_refused_in_the_words_that_users_meet(ppcdeps: Program) -> None:
    done = ppcdeps(*CHECK, "--from", FOLDER / "powernv-power8.json", "--target", "centos-stream-9", code=1)
    assert "CPU lacks ISA 3.00" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--from", "none.json"], 3, "cannot read none.json"),
        (["--from", "list.json"], 3, "list.json has no collected facts of schema 1"),
        (["--from", "empty.json"], 3, "empty.json has no collected facts: it is not JSON"),
        (["--from", "list.json", "--collect", "x"], 2, "give one"),
        (["--target", "almalinux-7"], 2, 'did you mean "almalinux-'),
        (["--nova", "zedd"], 2, 'did you mean "zed"?'),
        (["--collect", "no/such/facts.json"], 3, "cannot write no/such/facts.json"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments: list[str], code: int, told: str, ppcdeps: Program) -> None:
    Path(ppcdeps.folder / "list.json").write_text("[]")
    Path(ppcdeps.folder / "empty.json").write_text("")
    assert told in ppcdeps(*CHECK, *arguments, code=code).fault
