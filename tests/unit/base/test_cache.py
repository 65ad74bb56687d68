"""The cache on disk."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from reporters import Recorder

from ppcdeps.base.cache import FORMAT, Cache, default_cache_directory
from ppcdeps.model.errors import EnvironmentLacksError

DATA = b"some metadata"
CHECKSUM = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def write_data(stream: BinaryIO) -> None:
    stream.write(DATA)


def scratch(cache: Cache) -> list[Path]:
    return list((cache.root / "tmp").iterdir())


def test_the_environment_chooses_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PPCDEPS_CACHE", str(tmp_path / "mine"))
    assert default_cache_directory() == tmp_path / "mine"
    assert Cache.open().directory == tmp_path / "mine"
    monkeypatch.delenv("PPCDEPS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_directory() == tmp_path / "xdg" / "ppcdeps"


def test_an_object_is_found_by_its_checksum_while_it_has_its_size(cache: Cache) -> None:
    assert cache.find_object(CHECKSUM) is None
    path = cache.store_object(CHECKSUM, DATA)
    assert cache.find_object(CHECKSUM, len(DATA)) == path
    assert path.read_bytes() == DATA
    path.write_bytes(DATA[:-1])
    assert cache.find_object(CHECKSUM, len(DATA)) is None
    assert scratch(cache) == []


@pytest.mark.parametrize("bad", ["", "sha256:", "sha256:../../x", "sha256:" + "A" * 64, "sha256:zz"])
def test_only_a_checksum_names_an_object(bad: str, cache: Cache) -> None:
    with pytest.raises(ValueError, match="not a checksum"):
        cache.object_path(bad)


def test_what_is_not_published_disappears(cache: Cache) -> None:
    with pytest.raises(RuntimeError), cache.new_object() as draft:
        draft.stream.write(DATA)
        assert len(scratch(cache)) == 1
        raise RuntimeError
    assert scratch(cache) == []
    assert cache.find_object(CHECKSUM) is None


def test_an_abandoned_cache_removes_drafts_and_publishes_nothing(cache: Cache) -> None:
    with pytest.raises(OSError, match=r"nterrupted"), cache.new_object() as draft:
        draft.stream.write(DATA)
        cache.abandon()
        assert scratch(cache) == []
        draft.publish(CHECKSUM)
    assert cache.find_object(CHECKSUM) is None
    with pytest.raises(InterruptedError):
        cache.write_state("late", {})
    assert scratch(cache) == []


def test_a_state_is_replaced_at_once(cache: Cache) -> None:
    assert cache.read_state("a") is None
    cache.write_state("a", {"one": 1})
    cache.write_state("a", {"two": 2})
    assert cache.read_state("a") == {"two": 2}
    assert scratch(cache) == []


def test_derived_files_are_kept_under_their_key(cache: Cache) -> None:
    path = cache.store_derived("digest and version", ".solv", write_data)
    assert path == cache.derived_path("digest and version", ".solv")
    assert path.read_bytes() == DATA
    assert cache.derived_path("another", ".solv") != path


def test_a_failing_writer_leaves_the_older_derived_file(cache: Cache) -> None:
    path = cache.store_derived("key", ".solv", write_data)

    def fail(stream: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cache.store_derived("key", ".solv", fail)
    assert path.read_bytes() == DATA
    assert scratch(cache) == []


def test_a_derived_folder_is_filled_once(cache: Cache) -> None:
    calls = []

    def fill(folder: Path) -> None:
        calls.append(folder)
        (folder / "x").write_bytes(DATA)

    first = cache.derived_folder("key", fill)
    assert (cache.derived_folder("key", fill), len(calls)) == (first, 1)
    assert (first / "x").read_bytes() == DATA
    assert scratch(cache) == []


@pytest.mark.parametrize("stamp", ["0", "99", "nonsense\nand more"])
def test_a_cache_of_another_version_is_left_aside_with_one_line(stamp: str, tmp_path: Path) -> None:
    other = tmp_path / "v99" / "objects"
    other.mkdir(parents=True)
    (tmp_path / "format").write_text(stamp)
    told = Recorder()
    cache = Cache.open(tmp_path, told)
    assert len(told.warnings) == 1
    assert "another version of ppcdeps" in told.warnings[0]
    assert "\n" not in told.warnings[0]
    assert other.is_dir()
    cache.store_object(CHECKSUM, DATA)
    assert (tmp_path / "format").read_text() == f"{FORMAT}\n"
    again = Recorder()
    Cache.open(tmp_path, again)
    assert again.warnings == []


def test_an_unwritable_place_is_replaced_for_this_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    told = Recorder()
    cache = Cache.open(tmp_path / "file" / "cache", told)
    assert len(told.warnings) == 1
    assert "cannot be written" in told.warnings[0]
    assert cache.find_object(CHECKSUM) is None
    path = cache.store_object(CHECKSUM, DATA)
    assert path.exists()
    assert tmp_path not in path.parents


def test_a_file_size_limit_is_told_as_a_full_disk(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import EnvironmentLacksError
cache = Cache.open(Path(sys.argv[1]))
cache.write_state("kept", {"good": True})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    cache.store_object("sha256:" + "0" * 64, b"x" * 100_000)
except EnvironmentLacksError as fault:
    print(fault)
print(cache.read_state("kept"), len(list((cache.root / "tmp").iterdir())))
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    message, state = done.stdout.splitlines()
    assert message.startswith(f"no space left while writing to {tmp_path}")
    assert state == "{'good': True} 0"
    assert EnvironmentLacksError.exit_code == 20


def test_a_lock_is_held_by_one_at_a_time(cache: Cache) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        with cache.lock("a"):
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.02)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_waiting_for_a_lock_can_be_stopped(cache: Cache) -> None:
    with cache.lock("a"), pytest.raises(InterruptedError), cache.lock("a", stop=lambda: True):
        pytest.fail("the lock is held")


def test_old_leftovers_are_removed_and_new_ones_are_not(tmp_path: Path) -> None:
    cache = Cache.open(tmp_path)
    old, new = cache.root / "tmp" / "1-old", cache.root / "tmp" / "2-new"
    for path in (old, new):
        path.write_bytes(DATA)
    os.utime(old, (0, 0))
    Cache.open(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)
