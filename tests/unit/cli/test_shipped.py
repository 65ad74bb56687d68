"""`ppcdeps targets` and `ppcdeps workloads`, and what they print used as files of the user's own."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ppcdeps.cli.main import main
from ppcdeps.metadata.targets import list_targets, load_target
from ppcdeps.model.exitcodes import ExitCode
from ppcdeps.planning.workloads import curated_constraints, list_workloads, load_workload


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == ExitCode.DONE
    return capsys.readouterr().out


@pytest.mark.parametrize("name", list_targets())
def test_a_printed_target_is_the_same_target_as_a_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(printed(capsys, "targets", name))
    for release in (None, *load_target(name).openstack_releases):
        shipped, own = load_target(name, release=release), load_target(str(file), release=release)
        bare = [replace(each, origin="") for each in own.repositories]
        assert bare == [replace(each, origin="") for each in shipped.repositories]
        assert replace(own, origin="", repositories=()) == replace(shipped, origin="", repositories=())


@pytest.mark.parametrize("name", list_workloads())
def test_a_printed_workload_is_the_same_workload_as_a_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(printed(capsys, "workloads", name))
    for release in (None, *load_workload(name).releases):
        shipped, own = load_workload(name, release), load_workload(str(file), release)
        assert replace(own, origin="") == replace(shipped, origin="")
        assert curated_constraints(own) == curated_constraints(shipped)


def test_the_lists_name_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    shown = [line.split()[0] for line in printed(capsys, "targets").splitlines()[1:-2]]
    assert (
        shown == list(list_targets()) == [each["name"] for each in json.loads(printed(capsys, "targets", "--json"))]
    )
    shown = [line.split()[0] for line in printed(capsys, "workloads").splitlines()[1:-2]]
    known = [each["name"] for each in json.loads(printed(capsys, "workloads", "--json"))]
    assert shown == list(list_workloads()) == known


def test_the_default_release_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["name"]: each["openstack"] for each in json.loads(printed(capsys, "targets", "--json"))}
    assert {name: releases[0] for name, releases in found.items() if releases} == {
        name: load_target(name).openstack for name in list_targets() if load_target(name).openstack
    }


def test_json_has_what_the_file_says(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(printed(capsys, "targets", "fedora", "--json"))
    assert (document["name"], document["python"]["version"]) == ("fedora", load_target("fedora").python.version)


def test_a_file_of_ones_own_is_printed_where_it_has_no_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\ntitle = "Mine"\nroots = ["bash"]\n')
    assert printed(capsys, "workloads", str(file)) == file.read_text()
    file.write_text('name = "mine"\nroots = []\n')
    assert main(("workloads", str(file))) == ExitCode.CONFIG
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("command", "near"), [("targets", "centos-stream-9"), ("workloads", "nova-compute")])
def test_an_unknown_name_is_usage(command: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main((command, near[:-1])) == ExitCode.USAGE
    assert f'did you mean "{near}"?' in capsys.readouterr().err


@pytest.mark.parametrize("command", ["targets", "workloads"])
def test_a_file_that_can_be_read_only_once_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    assert main([command, str(tmp_path / "pipe.toml")]) == ExitCode.CONFIG
    shown = capsys.readouterr()
    assert "pipe.toml is not a file; save it to one, and name that" in shown.err
    assert shown.out == ""
