"""`check env --api` on the incident's node, and on environments that work."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from incident import make_incident, pip
from indexes import index_of_pip
from mirror import PATIENCE
from pythonroots import has_program
from srpms import run

from ppcdeps.base.cache import Cache
from ppcdeps.cli.main import main


def test_the_incident_is_named_with_its_line_the_release_that_fixes_it_and_the_hidden_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    with index_of_pip(Cache.open(cache)):
        root = make_incident(tmp_path / "root", tmp_path / "wheels", with_rpms=has_program("rpmbuild"))
    asked = ["check", "env", "--root", str(root), "--cache-dir", str(cache), "--json", "-q"]
    assert main([*asked, "--api", "--find-versions"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    (missing,) = [one for one in findings if one["rule"] == "api-missing-name"]
    assert missing["where"].endswith("/site-packages/oslo_concurrency/processutils.py:287")
    assert missing["message"].startswith("oslo_utils.encodeutils.to_utf8 is not there")
    assert missing["fixed_in"] == "3.5.0"
    assert missing["fix"] == ["python2.7 -m pip install --no-deps 'oslo-utils>=3.5.0'"]
    assert {"env-shadowed", "env-rpm-shadowed"} & {one["rule"] for one in findings}
    main(asked)
    assert "api-" not in capsys.readouterr().out


def test_a_virtual_environment_breaks_with_the_release_that_lacks_the_name_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    asked = ["check", "env", "--root", str(folder), "--api", "--cache-dir", str(tmp_path / "cache"), "--json", "-q"]
    rules = {}
    for release in ("2.0.1", "2.1.1"):
        pip("--python", str(folder), "install", "--no-deps", "jinja2==2.11.3", f"markupsafe=={release}")
        main(asked)
        rules[release] = [one["message"].partition(" ")[0] for one in json.loads(capsys.readouterr().out)["findings"]]
    assert rules == {"2.0.1": [], "2.1.1": ["markupsafe.soft_unicode"]}


@pytest.mark.long
def test_the_environment_that_runs_the_tests_has_every_name_that_it_uses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["check", "env", "--root", sys.prefix, "--api", "--cache-dir", str(tmp_path), "--json", "-q"]
    main(asked)
    document = json.loads(capsys.readouterr().out)
    assert [one for one in document["findings"] if one["rule"].startswith("api-")] == []
    counts = {one["what"]: one["count"] for one in document["examined"]}
    assert counts["source files"] > 500
    assert counts["uses of names"] > 5000


def test_an_interrupt_while_sources_are_read_ends_all_processes_without_a_traceback(tmp_path: Path) -> None:
    asked = ["check", "env", "--root", sys.prefix, "--api", "--cache-dir", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "ppcdeps", *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A child of a job in the background would ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as program:
        assert program.stderr is not None
        told = ""
        while "read sources" not in told:
            line = program.stderr.readline()
            assert line, told
            told += line
        until = time.monotonic() + PATIENCE
        # By then those that read are past their start.
        while seconds_of_others(program.pid) < 1:
            assert program.poll() is None, "all sources were read before they could be interrupted"
            assert time.monotonic() < until
            time.sleep(0.02)
        os.killpg(program.pid, signal.SIGINT)
        _, rest = program.communicate(timeout=PATIENCE)
    assert program.returncode == 130
    assert "Traceback" not in rest
    # What is left of them ends at once: it has lost its pipe.
    until = time.monotonic() + PATIENCE
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < until:
            os.killpg(program.pid, 0)
            time.sleep(0.1)


def seconds_of_others(group: int) -> float:
    """The processor seconds that all processes of a group have taken but the first."""
    ticks = 0
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group != int(place.name):
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_options_of_the_names_need_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "env", "--find-versions", "-q"]) == 2
    assert "--api" in capsys.readouterr().err
