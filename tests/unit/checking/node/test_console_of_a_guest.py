"""Signs of life on a console that nova empties while the guest goes on: libvirt's is empty after a resume."""

import re
from dataclasses import dataclass
from typing import cast

import pytest

from ppcdeps.checking.node.api import Service
from ppcdeps.checking.node.console import GuestConsole
from ppcdeps.checking.node.documents import Document
from ppcdeps.checking.node.recorder import StepFailed

UP = "ppcdeps-guest: up first ppc64le tick 0.1\n"


@dataclass
class Answer:
    document: Document


class Texts:
    """nova's API, as far as the console goes: one text after the other, the last one for ever."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)

    def post(self, _path: str, _body: object) -> Answer:
        return Answer(Document({"output": self._texts.pop(0) if len(self._texts) > 1 else self._texts[0]}))


def console_of(*texts: str) -> GuestConsole:
    console = GuestConsole(cast(Service, Texts(UP, *texts)), "a-server", re.compile("login:"), 1.0)
    console.boot()
    return console


def test_a_guest_whose_console_was_emptied_is_alive_once_it_ticks() -> None:
    assert console_of("", "ppcdeps-guest: tick 7\n").alive() == "it ticks"


def test_a_guest_that_booted_anew_does_not_go_on() -> None:
    with pytest.raises(StepFailed, match="has booted anew"):
        console_of("", UP.replace("first", "second")).alive()


def test_a_guest_whose_console_was_emptied_does_not_stand_still_when_it_ticks() -> None:
    with pytest.raises(StepFailed, match="goes on"):
        console_of("", "ppcdeps-guest: tick 7\n").still()


def test_a_boot_that_was_seen_before_is_no_new_one() -> None:
    with pytest.raises(StepFailed, match="nothing on the console shows"):
        console_of(UP).boot()
