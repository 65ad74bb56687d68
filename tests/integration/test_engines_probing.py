"""Which engine is chosen, why others are refused, and what the doctor says: with the engines of this machine."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from enginebench import SOURCES, USER
from loopback import sshd_at
from program import Program

from ppcdeps.base.removal import remove_tree
from ppcdeps.engines.emulation import ensure_emulation
from ppcdeps.engines.engine import EngineFailedError
from ppcdeps.engines.job import Job
from ppcdeps.engines.probe import ENGINES, choose_engine, probe_all, probe_engine
from ppcdeps.engines.tinyroot import make_tiny_root
from ppcdeps.model.errors import EnvironmentLacksError, UsageError
from ppcdeps.model.reporter import Silence


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ppcdeps-home-"))
    yield folder
    remove_tree(folder, unmount=True)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is looked into before all others for programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def without(names: set[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PATH have all of this machine's programs but some."""
    for place in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        for program in Path(place).iterdir():
            if program.name not in names and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))


def fails_with(folder: Path, name: str, said: str) -> None:
    """A program that says something and fails, in place of the real one: for failures that this machine has not."""
    program = folder / name
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 125\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def need_one_engine(home: Path) -> None:
    if not ensure_emulation("ppc64le", Silence()).works or shutil.which("bwrap") is None:
        pytest.skip("programs of ppc64le do not run here, or there is no bwrap")


def test_every_engine_is_tried_by_really_running_a_ppc64le_program(home: Path) -> None:
    need_one_engine(home)
    probes = probe_all(home=home)
    assert [probe.engine for probe in probes] == list(ENGINES)
    for probe in probes:
        assert probe.ran.startswith("uname -m in a tiny ppc64le root by ")
        assert (probe.said == "ppc64le") == probe.works
        assert bool(probe.reason and probe.fix) != probe.works, probe
    assert any(probe.works for probe in probes)
    assert [one.name for one in home.iterdir() if list((home / "trials").iterdir())] == []


def test_the_first_that_works_is_chosen_and_runs(home: Path, tmp_path: Path) -> None:
    need_one_engine(home)
    engine = choose_engine(home=home)
    root = make_tiny_root(tmp_path / "root")
    said = bytearray()
    assert engine.run(root, Job("one", ("uname",), tmp_path), said.extend).is_well
    assert said == b"ppc64le\n"


def test_podman_works_in_a_copy_of_the_cache(home: Path, tmp_path: Path) -> None:
    """As a CI system has it, which brings a cache back in another folder."""
    if not probe_engine("podman", home=home).works:
        pytest.skip("podman does not work here")
    copy = tmp_path / "copy"
    shutil.copytree(home, copy, symlinks=True, ignore=shutil.ignore_patterns("run"))
    probe = probe_engine("podman", home=copy)
    assert probe.works, probe.reason


def test_an_engine_that_is_not_here_is_passed_over(
    home: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_one_engine(home)
    without({"podman", "docker"}, programs, monkeypatch)
    assert choose_engine(home=home).name == "bwrap"


def test_the_wanted_engine_or_one_line(home: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without({"podman"}, programs, monkeypatch)
    with pytest.raises(EnvironmentLacksError) as caught:
        choose_engine(None, "podman", home=home)
    assert str(caught.value) == "podman does not work here: there is no program podman; install podman"
    with pytest.raises(UsageError, match='there is no engine "pod"'):
        choose_engine(None, "pod", home=home)
    with pytest.raises(UsageError, match="bwrap knows no connections"):
        choose_engine(None, "bwrap", "power", home=home)


def test_without_any_engine_each_reason_is_told(home: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(set(ENGINES), programs, monkeypatch)
    with pytest.raises(EnvironmentLacksError) as caught:
        choose_engine(home=home)
    told = str(caught.value)
    assert caught.value.exit_code == 20
    assert "\n" not in told
    for engine in ENGINES:
        assert f"{engine}: there is no program {engine}" in told
    assert "install bubblewrap" in told


# What podman and docker say where this machine has not the fault, as it was met elsewhere.
FAILURES = [
    ("podman", 'Error: could not find "netavark" in one of [/usr/libexec/podman]', "install netavark"),
    ("podman", "Error: container-init binary not found on the host: stat /x/catatonit: no such file", "catatonit"),
    ("podman", "Error: could not find a working conmon binary (configured options: [])", "install conmon"),
    ("podman", 'Error: default OCI runtime "crun" not found: invalid argument', "install crun or runc"),
    ("podman", "Error: cannot find UID/GID for user x: no subuid ranges found for user", "--add-subuids"),
    ("podman", '{"msg":"exec container process `/bin/uname`: Exec format error"}', "qemu"),
    ("podman", "Error: write /x: no space left on device", "free some space"),
    ("podman", "Error: mounting overlay failed: invalid argument", "PPCDEPS_ENGINES"),
    ("docker", "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "start docker"),
    ("docker", "permission denied while trying to connect to the Docker daemon socket", "group docker"),
]


@pytest.mark.parametrize(("engine", "said", "fix"), FAILURES)
def test_a_known_failure_has_its_fix(home: Path, programs: Path, engine: str, said: str, fix: str) -> None:
    fails_with(programs, engine, said)
    probe = probe_engine(engine, home=home)
    assert not probe.works
    assert fix in probe.fix
    assert probe.reason
    assert "\n" not in probe.reason + probe.fix


def test_an_unknown_failure_is_told_in_the_engines_own_words(home: Path, programs: Path) -> None:
    fails_with(programs, "podman", "Error: the moon is full")
    probe = probe_engine("podman", home=home)
    assert (probe.works, probe.reason) == (False, "Error: the moon is full")


def test_what_podman_needs_here_is_found_and_given(home: Path) -> None:
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("needs podman, as root")
    probe = probe_engine("podman", home=home)
    assert probe.works, probe
    plain = subprocess.run(
        ["podman", "run", "--rm", "--network=none", "--rootfs", f"{make_tiny_root(home / 'r').path}:O", "uname"],
        capture_output=True,
        text=True,
    )
    # Options are added where podman's defaults fail, and only there.
    assert bool(probe.fixes) == (plain.returncode != 0), plain.stderr


def test_what_worked_is_not_tried_again_until_it_fails(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_one_engine(home)
    engine = choose_engine(None, "bwrap", home=home)
    folder = tmp_path / "broken"
    folder.mkdir()
    fails_with(folder, "bwrap", "bwrap: No permissions to create new namespace")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    assert choose_engine(None, "bwrap", home=home).name == "bwrap", "it was tried again"
    root = make_tiny_root(tmp_path / "root")
    with pytest.raises(EngineFailedError, match="No permissions"):
        engine.run(root, Job("one", ("uname",), tmp_path), lambda chunk: None)
    with pytest.raises(EnvironmentLacksError, match="bwrap does not work here: this user may not make names"):
        choose_engine(None, "bwrap", home=home)


def test_a_user_needs_no_registered_emulation(home: Path) -> None:
    """In a user namespace where nothing is registered, as on a machine where root did nothing."""
    if os.geteuid() != 0 or shutil.which("bwrap") is None or shutil.which("setpriv") is None:
        pytest.skip("needs bwrap and root, to become another user")
    home.chmod(0o755)
    own = home / "own"
    own.mkdir()
    os.chown(own, USER, USER)
    script = (
        "from pathlib import Path; from ppcdeps.engines.probe import probe_engine;"
        "from ppcdeps.engines.emulation import emulation_of;"
        f"probe = probe_engine('bwrap', home=Path({str(own)!r}));"
        "print(emulation_of('ppc64le').works, probe.works, probe.said, probe.reason)"
    )
    empty = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && exec unshare --user "
    empty += "--map-user=1000 --map-group=1000 "
    done = subprocess.run(
        [
            *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
            *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", empty + '"$@"', "sh"),
            *("/usr/bin/python3", "-c", script),
        ],
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)},
    )
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this kernel has no binfmt_misc in user namespaces: {done.stderr}")
    assert done.stdout.strip() == "False True ppc64le", done.stderr + done.stdout


def test_the_doctor_tells_what_works_and_what_would_fix_the_rest(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_one_engine(tmp_path)
    fails_with(programs, "docker", "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?")
    monkeypatch.setenv("TMPDIR", "/tmp")
    program = Program(tmp_path, {})
    text = program("buildroot", "doctor")
    value = json.loads(program("buildroot", "doctor", "--json").out)
    assert value["chosen"] in ENGINES
    assert f"Builds use {value['chosen']}\n" in text.out
    docker = value["engines"][1]
    assert docker["works"] is False
    assert "docker  no     no docker daemon answers" in text.out
    assert f"docker: {docker['fix']}" in text.out
    assert value["emulation"]["works"] is True
    assert value["disk"]["free"] > 0


def test_the_doctor_ends_with_20_where_nothing_works(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(set(ENGINES), programs, monkeypatch)
    said = Program(tmp_path, {})("buildroot", "doctor", code=20)
    assert "Builds cannot run here" in said.out
    assert "podman: install podman" in said.out


@pytest.fixture
def service(home: Path) -> Iterator[str]:
    """The URL of a podman service with a storage of its own, as another machine has it."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("needs podman, as root")
    configuration = home / "containers.conf"
    runtime = "runc" if Path("/usr/sbin/runc").exists() else "crun"
    configuration.write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]\n'
        f'[engine]\nruntime = "{runtime}"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    place = home / "p.sock"
    storage = ["--root", f"{home}/there", "--runroot", f"{home}/r", "--storage-driver", "overlay"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["podman", *storage, "system", "service", "--time=0", f"unix://{place}"],
            env={**os.environ, "CONTAINERS_CONF": str(configuration)},
            stdout=log,
            stderr=log,
        )
        try:
            until = time.monotonic() + 20
            while not place.exists():
                assert process.poll() is None, (home / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield f"unix://{place}"
        finally:
            process.terminate()
            process.wait(20)
            subprocess.run(["umount", "-q", f"{home}/there/overlay"], check=False)


def test_a_job_runs_on_another_machine_and_its_workspace_comes_back(
    home: Path, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_one_engine(home)
    probe = probe_engine("podman", home=home, connection=service)
    if not probe.works:
        pytest.skip(f"podman's service does not work here: {probe.reason}")
    engine = choose_engine(connection=service, home=home)
    root = make_tiny_root(tmp_path / "root")
    workspace, given = tmp_path / "work", tmp_path / "given"
    workspace.mkdir()
    (workspace / "kept").write_text("kept")
    given.write_text("given")
    said = bytearray()
    job = Job("there", ("uname",), workspace, inputs={"/srv/deep/given": given})
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setenv("TMPDIR", str(spool))
    ended = engine.run(root, job, said.extend)
    assert not list(spool.iterdir()), "podman's temporary files are kept out of the machine's folder, and removed"
    assert (ended.is_well, bytes(said)) == (True, b"ppc64le\n")
    assert (workspace / "kept").read_text() == "kept"
    remote = ["podman", "--remote", "--url", service]
    assert subprocess.run([*remote, "ps", "-aq"], capture_output=True, text=True).stdout == ""
    images = subprocess.run([*remote, "images", "-q"], capture_output=True, text=True).stdout.split()
    assert len(images) == 1, "the root's image is kept, the trial's is not"


def test_a_connection_that_does_not_answer_is_told_in_one_line(home: Path) -> None:
    if shutil.which("podman") is None:
        pytest.skip("needs podman")
    with pytest.raises(EnvironmentLacksError) as caught:
        choose_engine(connection=f"unix://{home}/nobody.sock", home=home)
    assert "the podman service of the connection does not answer" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def ssh_connection(home: Path, service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A named podman connection to the service, over ssh to this machine, with a key of the test's own."""
    with sshd_at(home / "sshd", {}) as there:
        known = home / ".ssh" / "known_hosts"
        known.parent.mkdir()
        known.write_text((home / "sshd" / "known_hosts").read_text())
        configuration = home / "client.conf"
        configuration.write_text(
            "[engine]\n[engine.service_destinations]\n[engine.service_destinations.power]\n"
            f'uri = "{there.address}{service.removeprefix("unix://")}"\nidentity = "{home}/sshd/own"\n'
        )
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("CONTAINERS_CONF", str(configuration))
        yield "power"


def test_a_named_connection_over_ssh_runs_jobs(home: Path, ssh_connection: str) -> None:
    need_one_engine(home)
    probe = probe_engine("podman", home=home, connection=ssh_connection)
    assert probe.works, (probe, [log.read_text() for log in (home / "sshd").glob("*.log")])
    assert probe.ran.endswith("by podman (power)")
