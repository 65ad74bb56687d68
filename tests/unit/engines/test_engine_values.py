"""What engines share: names, mounts, the environment, lines out of what programs say."""

import os
from pathlib import Path

import pytest

from ppcdeps.engines.containers import container_options
from ppcdeps.engines.engine import (
    EngineFailedError,
    Mount,
    check_name,
    engines_home,
    environment_of,
    mounts_of,
    one_line,
)
from ppcdeps.engines.job import BuildMode, Buildroot, Ending, Job, Limits
from ppcdeps.engines.podman import FIXES
from ppcdeps.engines.probe import engine_named, known_failures
from ppcdeps.engines.supervise import DiskWatch, ProcessWatch
from ppcdeps.engines.tinyroot import make_tiny_root
from ppcdeps.model.errors import EnvironmentLacksError, UsageError


def job(workspace: Path, **changed: object) -> Job:
    return Job("run", ("true",), workspace, **changed)  # type: ignore[arg-type]


def root(folder: Path, **changed: object) -> Buildroot:
    return Buildroot("r", BuildMode.EMULATED, folder, "ppc64le", "ppc64le", "k", **changed)  # type: ignore[arg-type]


def test_outer_places_are_mounted_before_those_within(tmp_path: Path) -> None:
    found = mounts_of(root(tmp_path, tools={"/opt/a": tmp_path}), job(tmp_path, inputs={"/build/in": tmp_path}))
    assert [mount.place for mount in found] == ["/build", "/build/in", "/opt/a"]


def test_a_missing_input_is_reported_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(EngineFailedError, match=r"gone, to be seen as /in in the root, does not exist"):
        list(mounts_of(root(tmp_path), job(tmp_path, inputs={"/in": tmp_path / "gone"})))


def test_the_jobs_environment_wins_over_the_roots(tmp_path: Path) -> None:
    own = root(tmp_path, environment={"PATH": "/opt/accel/bin:/bin", "A": "root"})
    found = environment_of(own, job(tmp_path, environment={"A": "job"}))
    assert found["PATH"] == "/opt/accel/bin:/bin"
    assert found["A"] == "job"
    assert found["LANG"] == "C.UTF-8"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 64])
def test_a_name_that_not_all_engines_take_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineFailedError, match="cannot name a run"):
        check_name(Job(name, ("true",), tmp_path))


def test_a_colon_in_a_path_is_refused_and_not_misread(tmp_path: Path) -> None:
    with pytest.raises(EngineFailedError, match="has a colon in it"):
        container_options(root(tmp_path), job(tmp_path), [Mount(tmp_path / "a:b", "/in")])


def test_no_network_and_no_download_are_what_a_container_gets(tmp_path: Path) -> None:
    options = container_options(root(tmp_path), job(tmp_path), [Mount(tmp_path, "/in")])
    assert {"--network=none", "--pull=never", "--init"} <= set(options)
    assert f"{tmp_path}:/in:ro" in options


def test_limits_are_given_in_the_programs_own_options(tmp_path: Path) -> None:
    limits = Limits(memory=1 << 30, cpus=1.5, disk=1 << 20)
    options = container_options(root(tmp_path), job(tmp_path, limits=limits), [])
    assert options[-12:] == [
        *("--memory", "1073741824", "--memory-swap", "1073741824"),
        *("--pids-limit", "4096", "--cpus", "1.5"),
        *("--ulimit", "fsize=1048576:1048576", "--ulimit", "core=0:0"),
    ]
    without = container_options(root(tmp_path), job(tmp_path, limits=Limits(processes=None)), [])
    assert not {"--memory", "--memory-swap", "--pids-limit", "--cpus", "--ulimit"} & set(without)


def test_the_line_that_says_why_is_the_last_one() -> None:
    assert one_line("Trying\n\nError:  no\tway \n\n") == "Error: no way"
    assert one_line(b"") == "it said nothing"
    long = one_line("x" * 1000 + ": the cause")
    assert long.endswith(": the cause")
    assert len(long) < 400


def test_what_was_there_before_a_run_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "before").write_bytes(b"x" * 200_000)
    watch = DiskWatch(100_000, (tmp_path,))
    assert watch.reached() is None
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "new").write_bytes(b"x" * 150_000)
    assert watch.reached() is Ending.DISK_FULL


def test_a_process_is_over_a_limit_that_is_less_than_it_has() -> None:
    assert ProcessWatch(Limits(memory=1000), os.getpid()).reached() is Ending.OUT_OF_MEMORY
    assert ProcessWatch(Limits(processes=0), os.getpid()).reached() is Ending.TOO_MANY_PROCESSES
    assert ProcessWatch(Limits(memory=1 << 50), os.getpid()).reached() is None
    assert ProcessWatch(Limits(processes=None), os.getpid()).reached() is None


def test_every_known_failure_says_what_it_means_and_what_to_do() -> None:
    for failure in known_failures():
        assert failure.reason
        assert failure.fix
        assert set(failure.around) <= set(FIXES)


def test_a_mistyped_engine_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r'there is no engine "podmna"; did you mean "podman"\?'):
        engine_named("podmna")


def test_the_tiny_root_has_one_program_for_power(tmp_path: Path) -> None:
    made = make_tiny_root(tmp_path / "tiny")
    head = (made.path / "bin" / "uname").read_bytes()[:20]
    assert head[:6] == b"\x7fELF\x02\x01"
    assert int.from_bytes(head[18:20], "little") == 21
    assert made.arch == "ppc64le"


def test_the_home_of_engines_is_in_the_cache_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PPCDEPS_ENGINES", raising=False)
    assert engines_home(tmp_path / "cache") == tmp_path / "cache" / "engines"
    monkeypatch.setenv("PPCDEPS_ENGINES", str(tmp_path / "disk" / "mine"))
    assert engines_home(tmp_path / "cache") == tmp_path / "disk" / "mine"
    assert (tmp_path / "disk" / "mine").stat().st_mode & 0o777 == 0o700
    (tmp_path / "disk" / "mine").chmod(0o777)
    with pytest.raises(EnvironmentLacksError, match=r"mine is not used: others can write in .*; set PPCDEPS_ENGINES"):
        engines_home()
    monkeypatch.setenv("PPCDEPS_ENGINES", "/dev/null/x")
    with pytest.raises(EnvironmentLacksError, match=r"cannot make /dev/null/x: .*; set PPCDEPS_ENGINES"):
        engines_home()
