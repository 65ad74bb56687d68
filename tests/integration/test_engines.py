"""Every engine that works here, as root and as a user, on a small real ppc64le root: isolation, limits, clean-up."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from enginebench import SOURCES, USER, Bench
from ppcroot import digest_of, make_ppc_root

from ppcdeps.base.removal import remove_tree
from ppcdeps.engines.cleanup import sweep
from ppcdeps.engines.job import Buildroot
from ppcdeps.engines.probe import probe_engine
from ppcdeps.model.reporter import Silence

MEMORY = 150 << 20
DISK = 24 << 20

VARIANTS = ("podman", "docker", "bwrap", "bwrap-user")


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    """A folder that every user may look into, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="ppcdeps-engines-"))
    folder.chmod(0o755)
    yield folder
    remove_tree(folder, unmount=True)


@pytest.fixture(scope="module")
def ppc_root(shelf: Path) -> Buildroot:
    return make_ppc_root(shelf / "root")


@pytest.fixture(scope="module")
def user_root(shelf: Path, ppc_root: Buildroot) -> Path:
    """The root as another user made it: its own."""
    copy = shelf / "user-root"
    subprocess.run(["cp", "-a", "-T", ppc_root.path, copy], check=True)
    subprocess.run(["chown", "-R", "-h", f"{USER}:{USER}", copy], check=True)
    return copy


@pytest.fixture(scope="module")
def docker_host(shelf: Path) -> Iterator[str]:
    """A docker daemon of the tests' own."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None or os.geteuid() != 0:
        pytest.skip("needs docker's daemon and program, as root")
    place = shelf / "docker"
    place.mkdir()
    host = f"unix://{place}/d.sock"
    log = (place / "log").open("wb")
    daemon = subprocess.Popen(
        [
            *("dockerd", "--host", host, "--data-root", f"{place}/data", "--exec-root", f"{place}/exec"),
            *("--pidfile", f"{place}/pid", "--iptables=false", "--bridge=none", "--containerd-namespace=ppctest"),
        ],
        stdout=log,
        stderr=log,
    )
    try:
        for _ in range(300):
            if subprocess.run(["docker", "--host", host, "version"], capture_output=True).returncode == 0:
                break
            if daemon.poll() is not None:
                break
            time.sleep(0.1)
        else:
            daemon.kill()
        if daemon.poll() is not None:
            pytest.skip(f"dockerd does not start here: {(place / 'log').read_text()[-300:]}")
        yield host
    finally:
        daemon.terminate()
        daemon.wait(30)
        log.close()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if f" {place}/" in line:
                subprocess.run(["umount", line.split()[1]], check=False)


@pytest.fixture(scope="module")
def podman_fixes(shelf: Path) -> tuple[str, ...]:
    """What podman needs on this machine, as the probe finds it."""
    probe = probe_engine("podman", home=shelf / "probe")
    if not probe.works:
        pytest.skip(f"podman does not work here: {probe.reason}")
    return probe.fixes


@pytest.fixture(params=VARIANTS)
def bench(request: pytest.FixtureRequest, shelf: Path, ppc_root: Buildroot) -> Iterator[Bench]:
    """An engine with an empty home and workspace. At the end, nothing of its runs may be left on the machine."""
    name, _, kind = request.param.partition("-")
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} here")
    folder = Path(tempfile.mkdtemp(prefix=f"{request.param}-", dir=shelf))
    folder.chmod(0o755)
    home, workspace = folder / "home", folder / "work"
    options: dict[str, object] = {}
    if name == "podman":
        options["fixes"] = request.getfixturevalue("podman_fixes")
    if name == "docker":
        options["host"] = request.getfixturevalue("docker_host")
    if kind:
        _need_another_user()
    for one in (home, workspace):
        one.mkdir()
        if kind:
            os.chown(one, USER, USER)
    before = _mounts()
    root: Path = request.getfixturevalue("user_root") if kind else ppc_root.path
    yield Bench(name, root, home, workspace, user=bool(kind), options=options)
    assert not list((home / "scratch").glob("*")), "a scratch folder was left"
    assert not list((home / "runs").glob("*")), "a claim was left"
    assert {mount for mount in _mounts() - before if str(folder) in mount} == set()
    remove_tree(folder)


def _need_another_user() -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can run as another user")
    argv = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "/usr/bin/python3", "-c"]
    argv += [f"import sys, os; sys.exit(sys.version_info < (3, 11) or not os.access({str(SOURCES)!r}, os.R_OK))"]
    if subprocess.run(argv, capture_output=True, cwd="/").returncode != 0:
        pytest.skip("another user cannot read this checkout, or /usr/bin/python3 is older than 3.11")


def _mounts() -> set[str]:
    return set(Path("/proc/self/mounts").read_text().splitlines())


def _processes_with(marker: str) -> list[str]:
    """The command lines, of this machine's processes, that have the marker in them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            # What runs it has the marker too, in the script that is its argument: only the sleep itself counts.
            if marker in line and "sleep" in line and "enginebench" not in line:
                found.append(line)
    return found


def _gone(marker: str, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while _processes_with(marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _wait_for(path: Path, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.02)


def test_programs_see_the_roots_architecture_and_a_whole_system(bench: Bench) -> None:
    said = bench.run(
        "uname -m; id -u; pwd; for d in null zero full urandom tty ptmx; do [ -c /dev/$d ] || echo no $d; done;"
        "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c;"
        "[ -d /dev/pts ] || echo no pts; echo s > /dev/shm/s && cat /dev/shm/s; echo t > /tmp/t && cat /tmp/t;"
        "[ -r /proc/self/status ] && echo proc"
    )
    assert said.text.split() == ["ppc64le", "0", "/build", "3", "5", "s", "t", "proc"]
    assert said.code == 0


def test_changes_stay_in_the_workspace_alone(bench: Bench) -> None:
    before = digest_of(bench.root)
    (bench.workspace / "given").write_text("given")
    (bench.workspace / "given").chmod(0o666)
    first = bench.run("cat given; echo made > made; echo x > /out; rm /bin/vi; echo y >> /etc/passwd; cat /out")
    second = bench.run("cat made; ls /out /bin/vi; tail -n 1 /etc/passwd")
    assert first.text == "givenx\n"
    assert (bench.workspace / "made").read_text() == "made\n"
    assert "made\n" in second.text
    assert "/bin/vi\n" in second.text
    assert "/out: No such file" in second.text
    assert second.text.endswith("root:x:0:0:root:/root:/bin/sh\n")
    assert digest_of(bench.root) == before


def test_inputs_are_seen_and_never_changed(bench: Bench, shelf: Path) -> None:
    given = bench.workspace.parent / "given"
    (given / "deep").mkdir(parents=True)
    (given / "deep" / "file").write_text("content\n")
    (given / "deep" / "file").chmod(0o666)
    given.chmod(0o777)
    said = bench.run(
        "cat /opt/tools/deep/file /srv/one; (echo changed > /opt/tools/deep/file) 2>&1;"
        "(echo n > /opt/tools/new) 2>&1;"
        "(echo changed > /srv/one) 2>&1; true",
        tools={"/opt/tools": str(given)},
        inputs={"/srv/one": str(given / "deep" / "file")},
    )
    assert said.text.startswith("content\ncontent\n")
    assert (given / "deep" / "file").read_text() == "content\n"
    assert not (given / "new").exists()


def test_root_inside_cannot_set_what_is_this_machines(bench: Bench) -> None:
    setting = Path("/proc/sys/kernel/panic")
    before = setting.read_text()
    try:
        said = bench.run("(echo 4711 > /proc/sys/kernel/panic) 2>&1; chown 5:5 /etc/passwd && echo chowned")
        assert setting.read_text() == before
        assert bench.user or "chowned" in said.text, "root inside may do what installing a package takes"
    finally:
        if setting.read_text() != before:
            setting.write_text(before)


def test_nothing_of_this_machines_environment_is_seen(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPCDEPS_SECRET", "token")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    said = bench.run(["env"])
    seen = dict(line.split("=", 1) for line in said.text.splitlines())
    expected = {"FROM_ROOT": "root", "FROM_JOB": "job", "HOME": "/root", "LANG": "C.UTF-8"}
    assert expected.items() <= seen.items()
    allowed = {"PATH", "TERM", "HOSTNAME", "PWD", "SHLVL", "OLDPWD", "container", "_"}
    assert set(seen) <= set(expected) | allowed


def test_there_is_no_network_unless_the_job_asks_for_it(bench: Bench) -> None:
    reached = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def accept() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return
                reached.set()

        threading.Thread(target=accept, daemon=True).start()
        port = server.getsockname()[1]
        call = f"nc -w 3 127.0.0.1 {port} < /dev/null && echo reached"
        without = bench.run(f"{call}; nslookup one.example 2>&1 && echo resolved; true")
        assert not reached.is_set()
        assert "reached" not in without.text.split()
        assert "resolved" not in without.text
        bench.run(call, network=True)
        assert reached.wait(5), "the job may use the network, and did not reach it"
        server.shutdown(socket.SHUT_RDWR)


def test_time_out_ends_what_ignores_every_signal(bench: Bench) -> None:
    marker = f"9{time.monotonic_ns() % 10**9}"
    ended = bench.run(
        f"trap '' TERM INT HUP; (trap '' TERM; sleep {marker}) & while :; do sleep {marker}; done",
        limits={"seconds": 1.0},
    )
    assert (ended.ending, ended.code) == ("timed-out", 137)
    assert ended.seconds < 10
    assert _gone(marker)


def test_a_stop_ends_the_run_and_all_in_it(bench: Bench) -> None:
    marker = f"9{time.monotonic_ns() % 10**9}"
    ended = bench.run(f"sleep {marker} & echo begun; sleep {marker}", stop_after=1.0)
    assert (ended.ending, ended.code) == ("stopped", 137)
    assert ended.text == "begun\n"
    assert _gone(marker)


@pytest.mark.usefixtures("only_fork_bomb")
def test_a_fork_bomb_runs_into_its_limit(bench: Bench) -> None:
    # The kernel refuses nothing to root: by bwrap, the run is ended for its processes, and elsewhere for its time.
    counted = bench.engine == "bwrap" and not bench.user
    limits = {"processes": 60, "seconds": 20.0 if counted else 2.0}
    ended = bench.run("b() { b | b & }; b; sleep 7919", limits=limits)
    if counted:
        assert ended.ending == "too-many-processes"
    else:
        assert ended.ending in {"timed-out", "exited"}
        assert "Resource temporarily unavailable" in ended.text
    # A machine that ran the bomb is slow to end it.
    assert _gone("sleep 7919", 60)


def test_out_of_memory_differs_from_other_failures(bench: Bench) -> None:
    # Killed is a program below the shell, which then ends with a code of its own, as make does.
    ended = bench.run("tail /dev/zero; sleep 0.3; exit 3", limits={"memory": MEMORY})
    assert ended.ending == "out-of-memory"
    assert ended.code in {3, 137}
    enough = bench.run("head -c 5000000 /dev/zero | wc -c", limits={"memory": MEMORY * 2})
    assert (enough.ending, enough.code, enough.text) == ("exited", 0, "5000000\n")


def test_a_run_that_fills_the_disk_is_ended_at_its_limit(bench: Bench) -> None:
    script = "i=0; while [ $i -lt 400 ]; do head -c 4000000 /dev/zero > /var/big$i || exit 9; i=$((i+1)); done"
    ended = bench.run(script, limits={"disk": DISK, "seconds": 60})
    assert ended.ending == "disk-full", ended


def test_one_file_never_grows_past_the_limit(bench: Bench) -> None:
    ended = bench.run("cat /dev/zero > /build/big; exit 9", limits={"disk": DISK, "seconds": 60})
    assert ended.ending == "disk-full", ended
    assert (bench.workspace / "big").stat().st_size <= DISK


def test_exit_codes_and_signals_pass_through(bench: Bench) -> None:
    assert bench.run("exit 7").code == 7
    assert bench.run("kill -9 $$").code == 137
    missing = bench.run(["no-such-program"])
    assert (missing.ending, missing.code) == ("exited", 127)


def test_output_keeps_its_order_and_every_byte(bench: Bench) -> None:
    said = bench.run("i=0; while [ $i -lt 200 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done")
    assert said.text.split() == [f"{stream}{number}" for number in range(200) for stream in "oe"]
    raw = bench.run("head -c 3000000 /dev/urandom | tee /build/copy")
    assert raw.output == (bench.workspace / "copy").read_bytes()
    assert len(raw.output) == 3000000


def test_what_a_killed_owner_left_is_swept(bench: Bench) -> None:
    marker = f"9{time.monotonic_ns() % 10**9}"
    with bench.started(f"touch /build/begun; echo x > /outside; sleep {marker}") as owner:
        _wait_for(bench.workspace / "begun")
        assert sweep(bench.home, Silence()) == (), "the owner lives: nothing may be swept"
        assert _processes_with(marker)
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        if bench.engine not in {"podman", "docker"}:
            assert _gone(marker), "what runs in a sandbox dies with its owner"
    removed = sweep(bench.home, Silence())
    assert _gone(marker)
    kinds = {thing.kind for thing in removed}
    assert "folder" in kinds
    assert ("container" in kinds) == (bench.engine in {"podman", "docker"})
    assert sweep(bench.home, Silence()) == ()


def test_an_interrupt_leaves_nothing_behind(bench: Bench) -> None:
    marker = f"9{time.monotonic_ns() % 10**9}"
    with bench.started(f"touch /build/begun; sleep {marker}") as owner:
        _wait_for(bench.workspace / "begun")
        os.kill(owner.pid, signal.SIGINT)
        assert owner.wait(30) != 0
    assert _gone(marker)


def test_an_engine_that_cannot_start_says_why(bench: Bench) -> None:
    found = bench.run("true", inputs={"/srv/x": str(bench.workspace / "absent")})
    assert found.ending == "fault"
    assert "absent, to be seen as /srv/x in the root, does not exist" in found.fault


def test_a_root_of_another_user_is_refused(shelf: Path, ppc_root: Buildroot) -> None:
    _need_another_user()
    place = Path(tempfile.mkdtemp(prefix="other-", dir=shelf))
    place.chmod(0o755)
    home, workspace = place / "home", place / "work"
    for folder in (home, workspace):
        folder.mkdir()
        os.chown(folder, USER, USER)
    found = Bench("bwrap", ppc_root.path, home, workspace, user=True).run("true")
    assert found.ending == "fault"
    assert "belongs to another user: create the buildroot as this one" in found.fault
