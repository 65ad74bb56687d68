"""Machines over ssh: their addresses, what they say of themselves, and why builds cannot run there."""

from pathlib import Path

import pytest

from ppcdeps.building.farms.ssh_host import LEAST_FREE, HostFacts, SshHost, facts_in, faults_of, hosts_in, look_at
from ppcdeps.model.errors import ConfigError, UsageError

SAID = (
    "machine=ppc64le\ncores=160\nplatform=power9\nruntime=/run/user/1000\npodman=works\nplace=/x\nfree=900\nend=end\n"
)
POWER9 = HostFacts("ppc64le", 160, "power9", "/run/user/1000", True, "/x", 900 << 30)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("ssh://builder@power9", (SshHost("power9", "builder"),)),
        ("ssh://Power9/", (SshHost("Power9"),)),
        ("ssh://Xa@A", (SshHost("A", "Xa"),)),
        ("ssh://Power9@power9:22", (SshHost("power9", "Power9", 22),)),
        (
            "ssh://h:22,ssh://h:2222,ssh://me@h",
            (SshHost("h", None, 22), SshHost("h", None, 2222), SshHost("h", "me")),
        ),
        ("ssh://[::1]", (SshHost("::1"),)),
        ("ssh://b@[fe80::1%eth0]:2222?jobs=2", (SshHost("fe80::1%eth0", "b", 2222, 2),)),
        ("ssh://b@[fe80::1%25eth0]:22", (SshHost("fe80::1%eth0", "b", 22),)),
        ("ssh://[fe80::1%25]", (SshHost("fe80::1%25"),)),
        ("ssh://[fe80::1%2525]", (SshHost("fe80::1%25"),)),
        ("ssh://b@h:2222?jobs=4, ssh://h2", (SshHost("h", "b", 2222, 4), SshHost("h2"))),
    ],
)
def test_addresses_are_read(text: str, hosts: tuple[SshHost, ...]) -> None:
    assert hosts_in(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://-l@h",
        "ssh://a b",
        "ssh://h/run/podman.sock",
        "ssh://h:x",
        "ssh://h:99999",
        "ssh://h:0",
        "ssh://h?jobs=0",
        "ssh://h?jobs=x",
        "ssh://h?jobs=1&jobs=2",
        "ssh://h?builds=2",
        "ssh://h#x",
        "ssh://[::1",
        "ssh://[::1]x",
        "ssh://[power9]",
        "ssh://[fe80::1%-o]",
        "ssh://[fe80::1%25-o]",
        "ssh://[fe80::1%]",
        "ssh://[fe80::1%eth0],ssh://[fe80::1%25eth0]",
        "ssh://::1",
        "ssh://h,",
        "ssh://h,ssh://h?jobs=2",
        "ssh://h,ssh://h:22",
        "ssh://h\nx",
        "http://h",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        hosts_in(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("--on")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(UsageError) as caught:
        hosts_in("ssh://me:geheim@h")
    assert "geheim" not in str(caught.value)


def test_another_ssh_may_have_options_and_has_to_be_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPCDEPS_SSH", "ssh -i 'my key'")
    words = SshHost("h", "b", 22).command()
    assert words[:3] == ["ssh", "-i", "my key"]
    assert words[-4:] == ["-p", "22", "--", "b@h"]
    monkeypatch.setenv("PPCDEPS_SSH", "ssh '")
    with pytest.raises(ConfigError, match="PPCDEPS_SSH is not a command with its options: No closing quotation"):
        SshHost("h").command()


def test_a_machine_s_answer_is_read() -> None:
    facts = facts_in(f"a banner = of the machine\n{SAID}")
    assert facts == HostFacts("ppc64le", 160, "power9", "/run/user/1000", True, "/x", 900 << 10)
    assert facts.level == 9


@pytest.mark.parametrize("text", ["", "This account is not available.\n", SAID.replace("end=end\n", ""), "end=end\n"])
def test_what_is_no_answer_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match="did not say what it is"):
        facts_in(text)


@pytest.mark.parametrize(
    ("podman", "place", "fault"),
    [
        ("echo 'a warning' >&2; echo {here}", "{here}", ""),
        ("echo 'a warning' >&2; echo 'Error: no namespace' >&2; echo >&2; exit 125", "", "Error: no namespace"),
        ("exit 125", "", "it ended with 125"),
    ],
)
def test_a_podman_that_says_more_than_it_is_asked_is_understood(
    podman: str, place: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "podman"
    program.write_text(f"#!/bin/sh\n{podman.format(here=tmp_path)}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    # It runs here what it is to run there, and passes over the options of ssh.
    monkeypatch.setenv("PPCDEPS_SSH", "sh -c 'exec sh' -")
    facts = look_at(SshHost("h"))
    assert facts.has_podman
    assert (facts.place, facts.fault) == (place.format(here=tmp_path), fault)
    assert (facts.free is None) == bool(fault)


def test_a_machine_that_fits_has_no_faults() -> None:
    assert faults_of(SshHost("h"), POWER9, "ppc64le", "POWER9", LEAST_FREE) == ()
    assert faults_of(SshHost("h"), POWER9, "ppc64le", "POWER8", LEAST_FREE) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"platform": "power8"}, "h is a POWER8, and the target's programs need POWER9"),
        ({"machine": "x86_64", "platform": "x86_64"}, "h is x86_64, and the buildroot's programs are of ppc64le"),
        ({"has_podman": False}, "h has no podman; install it there"),
        ({"fault": "no subuid ranges"}, "h: its podman does not work: no subuid ranges; see `podman info` there"),
        ({"free": 1 << 30}, "h has 1.0 GB free in /x, and builds take 5.0 GB"),
    ],
)
def test_each_fault_of_a_machine_is_a_line(changes: dict[str, object], said: str) -> None:
    facts = HostFacts(**{**{name: getattr(POWER9, name) for name in HostFacts.__slots__}, **changes})
    (fault,) = faults_of(SshHost("h"), facts, "ppc64le", "POWER9", LEAST_FREE)
    assert fault.startswith(said)
