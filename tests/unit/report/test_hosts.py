"""Texts of a plan that mean something to a shell, to Ansible or to kickstart stay what they are."""

import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ppcdeps.report.formats.hosts import HostRepository, HostSetup, ansible, containerfile, kickstart

HOSTILE = """it's "$(touch stolen)" `id` \\ % {{ lookup('pipe', 'id') }} {% raw %} #"""
SETUP = HostSetup(
    "cloud",
    "ppc64le",
    (
        HostRepository("local", {"name": HOSTILE, "baseurl": f"https://repo.example/{HOSTILE}".replace(" ", "")}),
        HostRepository(
            "m",
            {
                "name": "m",
                "metalink": "https://repo.example/'m",
                "cost": "5",
                "sslverify": "0",
                "proxy": "http://proxy.example:3128",
                "sslcacert": "/etc/pki/ca.pem",
                "excludepkgs": "a* b",
                "includepkgs": "c",
            },
        ),
    ),
    ("app-1-1.noarch", "zsh"),
    ("nodejs:18",),
    ("six==1 --hash=sha256:aa", "it's==1"),
    "python3.11",
)


class _Loader(yaml.SafeLoader):
    """Reads what Ansible is not to fill in as the text that it is."""


_Loader.add_constructor("!unsafe", lambda _, node: node.value)


def test_a_shell_writes_what_the_plan_says(tmp_path: Path) -> None:
    text = containerfile(SETUP, "head", "base")
    commands = re.findall(r"^RUN ((?:.*\\\n)*.*)", text, re.MULTILINE)
    first = commands[0].replace("/etc/yum.repos.d", shlex.quote(str(tmp_path)))
    subprocess.run(["sh", "-c", first], check=True, cwd=tmp_path)
    lines = (tmp_path / "ppcdeps-cloud.repo").read_text().splitlines()
    assert lines[:2] == ["[local]", f"name={HOSTILE}"]
    assert not (tmp_path / "stolen").exists()
    words = shlex.split(commands[1].replace("\\\n", " "))
    words = words[words.index("dnf") :]
    assert words[:5] == ["dnf", "-y", "module", "enable", "nodejs:18"]
    pins = commands[2].replace("/usr/share/ppcdeps", shlex.quote(str(tmp_path))).rpartition(" && ")[0]
    subprocess.run(["sh", "-c", pins], check=True, cwd=tmp_path)
    assert (tmp_path / "requirements.txt").read_text().splitlines() == list(SETUP.pins)
    assert "python3.11 -m pip install --no-deps --require-hashes" in commands[2]


def test_ansible_fills_nothing_in() -> None:
    text = ansible(SETUP, "head")
    for line in text.splitlines():
        if "{{" in line:
            assert "!unsafe" in line
    play: dict[str, Any] = yaml.load(text, _Loader)[0]
    tasks = {task["name"]: task for task in play["tasks"]}
    local = tasks["Know the repository local"]["ansible.builtin.yum_repository"]
    assert local["description"] == HOSTILE
    enabling = tasks["Enable the module streams"]["ansible.builtin.command"]
    assert enabling["argv"] == ["dnf", "-y", "module", "enable", "nodejs:18"]
    assert tasks["Install Python distributions"]["ansible.builtin.pip"]["executable"] == "pip3.11"


def parsed(setup: HostSetup, version: str, folder: Path) -> Any:
    """What pykickstart makes of the kickstart lines on a version of EL."""
    parser_module = pytest.importorskip("pykickstart.parser")
    from pykickstart.version import makeVersion

    file = folder / "cloud.ks"
    file.write_text(kickstart(setup, "head"))
    parser = parser_module.KickstartParser(makeVersion(version))
    parser.readKickstart(str(file))
    return parser


def test_kickstart_of_el_7_has_what_it_takes(tmp_path: Path) -> None:
    options = {"name": "m", "baseurl": "https://x/", "proxy": "http://proxy.example:3128", "sslcacert": "/ca.pem"}
    setup = replace(SETUP, repositories=(HostRepository("m", options),), modules=(), platform="platform:el7")
    (repository,) = parsed(setup, "RHEL7", tmp_path).handler.repo.repoList
    assert repository.proxy == "http://proxy.example:3128"


def test_kickstart_takes_each_option_as_one_word(tmp_path: Path) -> None:
    parser = parsed(SETUP, "RHEL9", tmp_path)
    local, mirrored = parser.handler.repo.repoList
    assert local.baseurl == SETUP.repositories[0].options["baseurl"]
    assert (mirrored.metalink, mirrored.cost, mirrored.noverifyssl) == ("https://repo.example/'m", 5, True)
    assert (mirrored.proxy, mirrored.sslcacert) == ("http://proxy.example:3128", "/etc/pki/ca.pem")
    assert (mirrored.excludepkgs, mirrored.includepkgs) == (["a*", "b"], ["c"])
    assert not local.proxy
    assert parser.handler.packages.packageList == ["app-1-1.noarch", "zsh"]
    assert parser.handler.packages.excludeWeakdeps
    assert [(one.name, one.stream) for one in parser.handler.module.moduleList] == [("nodejs", "18")]
    assert "pip install" in parser.handler.scripts[0].script


@pytest.mark.parametrize(
    ("system", "platform"), [("RHEL7", "el7"), ("RHEL8", "el8"), ("RHEL9", "el9"), ("F42", "f42")]
)
def test_every_system_that_is_installed_knows_how_weak_dependencies_are_left_out(
    system: str, platform: str, tmp_path: Path
) -> None:
    pykickstart = pytest.importorskip("pykickstart.parser")
    from pykickstart.version import makeVersion

    setup = HostSetup("app", "ppc64le", (), ("app",), platform=f"platform:{platform}")
    (tmp_path / "app.ks").write_text(kickstart(setup, "head"))
    parser = pykickstart.KickstartParser(makeVersion(system))
    # What is out of use there is a warning, which fails the test.
    parser.readKickstart(str(tmp_path / "app.ks"))
    assert parser.handler.packages.packageList == ["app"]
    assert parser.handler.packages.excludeWeakdeps or system == "RHEL7"
