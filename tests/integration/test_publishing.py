"""The local repository: published by createrepo_c, read by dnf, whole at every moment."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import dnf, lacks, read, tree
from rpms import Rpm

from ppcdeps.building.publishing import generations
from ppcdeps.building.publishing.generations import KEPT_GENERATIONS
from ppcdeps.building.publishing.ownership import check_place
from ppcdeps.building.publishing.publishing import publish
from ppcdeps.building.publishing.repository import MARKER, read_manifest
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, PpcdepsError

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks())
needs_dnf = pytest.mark.skipif(shutil.which("dnf") is None, reason="needs dnf")

STATES = 4


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Two packages in several versions each: readers are to see both in one version."""
    return [
        [
            Rpm(name, f"{version}.0", arch="noarch", files={f"/usr/share/{name}": b"x" * version}).build(
                tmp_path_factory.mktemp(f"{name}-{version}")
            )
            for name in ("ant", "bee")
        ]
        for version in range(1, STATES + 1)
    ]


@pytest.fixture(scope="module")
def rebuilt(states: list[list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first ant built again, with other content of the same size."""
    made = Rpm("ant", "1.0", arch="noarch", files={"/usr/share/ant": b"y"}).build(tmp_path_factory.mktemp("again"))
    assert made.read_bytes() != states[0][0].read_bytes()
    return made


def publish_state(folder: Path, files: list[Path], **options: object) -> None:
    publish(folder, files, whole_sources=True, **options)  # type: ignore[arg-type]


def names(*files: Path) -> set[str]:
    return {file.name for file in files}


def test_what_is_published_is_read(states: list[list[Path]], tmp_path: Path) -> None:
    done = publish(tmp_path / "repo", states[0])
    assert read(tmp_path / "repo") == names(*states[0])
    assert done.added == ("ant-1.0-1.noarch", "bee-1.0-1.noarch")
    assert (done.replaced, done.withdrawn, done.is_changed) == ((), (), True)
    assert [one.sha256 for one in done.manifest.packages] == [one.origin for one in done.manifest.packages]
    assert read_manifest(tmp_path / "repo") == done.manifest


@needs_dnf
def test_dnf_installs_from_it_by_the_repo_file(states: list[list[Path]], tmp_path: Path) -> None:
    done = publish(tmp_path / "repo", states[0], name="power")
    assert dnf(done.folder, tmp_path / "cache", "repoquery", "--qf", "%{name}-%{version}").split() == [
        "ant-1.0",
        "bee-1.0",
    ]
    assert done.repo_file.name == "power.repo"
    root = tmp_path / "root"
    command = ["dnf", "-q", "-y", f"--installroot={root}", "--releasever=9", "--disableplugin=*"]
    options = [f"--setopt=reposdir={done.folder}", f"--setopt=cachedir={tmp_path / 'c'}", "install", "ant"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    assert (root / "usr/share/ant").read_bytes() == b"x"


@needs_dnf
def test_a_folder_may_have_any_name(states: list[list[Path]], tmp_path: Path) -> None:
    done = publish(tmp_path / "my répo & more", states[0])
    assert "/my%20r%C3%A9po%20%26%20more/" in done.repo_file.read_text()
    assert dnf_reads(done.folder, tmp_path) == {"ant-1.0-1", "bee-1.0-1"}


def test_publishing_the_same_twice_changes_nothing(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, states[0])
    before = tree(tmp_path)
    done = publish(tmp_path, list(reversed(states[0])))
    assert not done.is_changed and done.added == ()
    assert tree(tmp_path) == before


def test_the_same_packages_give_the_same_bytes(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path / "a", [*states[0], *states[1]], url="http://repo.example/")
    publish(tmp_path / "b", [*reversed(states[1]), *states[0]], url="http://repo.example/")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_packages_are_added_to_what_is_there(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, states[0])
    done = publish(tmp_path, states[1][:1])
    assert done.added == ("ant-2.0-1.noarch",)
    assert read(tmp_path) == names(*states[0], states[1][0])


def test_another_build_of_the_same_version_replaces_it(
    states: list[list[Path]], rebuilt: Path, tmp_path: Path
) -> None:
    publish(tmp_path, states[0])
    old = read_manifest(tmp_path)
    assert old is not None
    done = publish(tmp_path, [rebuilt])
    assert (done.added, done.replaced) == (("ant-1.0-1.noarch",),) * 2
    (ant,) = [one for one in done.manifest.packages if one.nevra.startswith("ant")]
    assert (tmp_path / ant.path).read_bytes() == rebuilt.read_bytes()
    assert read(tmp_path) == names(*states[0])
    assert all((tmp_path / one.path).is_file() for one in old.packages), "for those who read the old metadata"


def test_all_packages_of_a_source_give_way_to_its_next_build(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, [*states[0], *states[1]])
    done = publish(tmp_path, states[2][:1], whole_sources=True)
    assert done.withdrawn == ("ant-1.0-1.noarch", "ant-2.0-1.noarch")
    assert read(tmp_path) == names(states[2][0], states[0][1], states[1][1])


def test_packages_are_withdrawn(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, states[0])
    assert publish(tmp_path, [], withdraw=["ant-1.0-1.noarch"]).withdrawn == ("ant-1.0-1.noarch",)
    assert read(tmp_path) == names(states[0][1])
    publish(tmp_path, [], withdraw=["bee-1.0-1.noarch", "cat-1-1.noarch"])
    assert read(tmp_path) == set()


def test_old_generations_and_their_packages_go_in_the_end(
    states: list[list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for state in states:
        publish_state(tmp_path, state)
    assert len(list((tmp_path / "generations").iterdir())) == STATES, "as readers may be slow"
    monkeypatch.setattr(generations, "KEPT_SECONDS", 0.0)
    for _ in range(KEPT_GENERATIONS // 2 + 1):
        publish_state(tmp_path, states[2])
        publish_state(tmp_path, states[3])
    assert len(list((tmp_path / "generations").iterdir())) == KEPT_GENERATIONS
    kept = {path.name for path in (tmp_path / "packages").rglob("*.rpm")}
    assert kept == names(*states[2], *states[3])
    assert len(list((tmp_path / "current/repodata").iterdir())) <= 1 + 3 * KEPT_GENERATIONS


def test_the_repo_file_says_where_it_will_be(states: list[list[Path]], tmp_path: Path) -> None:
    done = publish(tmp_path / "repo", states[0], name="power", url="https://repo.example/power")
    text = done.repo_file.read_text()
    assert text.startswith("[power]\n") and "\nbaseurl=https://repo.example/power/\n" in text
    assert "\ngpgcheck=0\n" in text and "gpgkey" not in text
    assert "[other]\n" in publish(tmp_path / "repo", [], name="other").repo_file.read_text()


# Bad input ----------------------------------------------------------------------------------------------


def refused(folder: Path, files: list[Path], **options: object) -> str:
    before = tree(folder)
    with pytest.raises(PpcdepsError) as caught:
        publish(folder, files, **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)
    assert tree(folder) == before, "nothing was changed"
    return str(caught.value)


def test_a_folder_of_something_else_is_left_alone(states: list[list[Path]], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "is no repository of ppcdeps" in refused(tmp_path, states[0])
    assert "is not a folder" in refused(tmp_path / "thesis.txt", states[0])


@pytest.mark.parametrize("name", ["loop", "loop/repository", "x" * 300])
def test_a_place_where_no_folder_can_be_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=r"cannot publish to .*; name another place for the repository"):
        check_place(tmp_path / name)


def test_metadata_of_another_program_is_left_alone(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, states[0])
    (tmp_path / "repodata").unlink()
    subprocess.run(["createrepo_c", "-q", str(tmp_path)], check=True, capture_output=True)
    assert "was put there by another program" in refused(tmp_path, states[1])


def test_what_is_no_package_is_refused(states: list[list[Path]], rebuilt: Path, tmp_path: Path) -> None:
    publish(tmp_path / "repo", states[0])
    (tmp_path / "bad.rpm").write_bytes(states[1][0].read_bytes()[:-100])
    for file in (tmp_path / "bad.rpm", tmp_path / "absent.rpm"):
        assert file.name in refused(tmp_path / "repo", [states[1][1], file])
    assert "different builds of ant-1.0-1.noarch" in refused(tmp_path / "repo", [states[0][0], rebuilt])
    assert "is no name for a repository" in refused(tmp_path / "repo", states[1], name="a b")


def test_a_damaged_manifest_is_reported(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, states[0])
    manifest = tmp_path / "current/manifest.json"
    good = manifest.read_text()
    for text in ("", "{}", good.replace('"schema": 1', '"schema": 2')):
        manifest.write_text(text)
        assert "manifest.json is" in refused(tmp_path, states[1])


def test_a_package_that_was_removed_by_hand_is_published_anew(states: list[list[Path]], tmp_path: Path) -> None:
    done = publish(tmp_path, states[0])
    (tmp_path / done.manifest.packages[0].path).unlink()
    publish(tmp_path, states[0])
    assert read(tmp_path) == names(*states[0])
    (tmp_path / done.manifest.packages[0].path).unlink()
    assert publish(tmp_path, []).withdrawn == ("ant-1.0-1.noarch",)
    assert read(tmp_path) == names(states[0][1])


def test_without_createrepo_the_environment_lacks_it(
    states: list[list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "repo", states[0])
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for program in ("rpm", "rpmkeys"):
        (bin_folder / program).symlink_to(str(shutil.which(program)))
    monkeypatch.setenv("PATH", str(bin_folder))
    with pytest.raises(EnvironmentLacksError, match="createrepo_c is not installed"):
        publish(tmp_path / "repo", states[1])
    assert read(tmp_path / "repo") == names(*states[0])
    assert not list((tmp_path / "repo").rglob(".new-*"))


def test_a_full_disk_leaves_the_old_repository(states: list[list[Path]], tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from ppcdeps.building.publishing.publishing import publish
from ppcdeps.model.errors import EnvironmentLacksError
folder = Path(sys.argv[1]) / "repo"
first, second = [Path(one) for one in sys.argv[2:4]], [Path(one) for one in sys.argv[4:]]
publish(folder, first)
filler = Path(sys.argv[1]) / "filler"
with filler.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(b"x" * 4096)
    except OSError:
        pass
# From no room at all to nearly enough.
for room in range(30):
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - 4096 * min(room, 1)))
    try:
        publish(folder, second)
    except EnvironmentLacksError as fault:
        assert "no space left while publishing" in str(fault), fault
        print(*sorted(one.name for one in (folder / "repodata").glob("*")))
        assert not list(folder.rglob(".new-*"))
    else:
        print("done")
        break
"""
    mount = f'mount -t tmpfs -o size=128k tmpfs "{tmp_path}" && exec "$@"'
    files = [shutil.copy(file, tmp_path.parent / file.name) for file in (*states[0], *states[1])]
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("needs unshare with user namespaces")
    done = subprocess.run(
        [*command, sys.executable, "-c", script, str(tmp_path), *map(str, files)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *failed, last = done.stdout.splitlines()
    assert len(failed) >= 2 and last == "done"
    assert len(set(failed)) == 1, "the old metadata, each time"


# Several at a time, and killed ones ------------------------------------------------------------------------

PUBLISHER = """
import os, sys
from pathlib import Path
from ppcdeps.building.publishing.publishing import publish
folder, rounds, *files = sys.argv[1:]
pairs = [[Path(first), Path(second)] for first, second in zip(files[::2], files[1::2])]
# A child for each line that is read: to begin anew would take longer than to publish.
for line in sys.stdin:
    child = os.fork()
    if not child:
        for number in range(int(rounds)):
            publish(Path(folder), pairs[(number + int(line)) % len(pairs)], whole_sources=True)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Publisher:
    """A process whose children publish one state after the other."""

    def __init__(self, folder: Path, rounds: int, states: list[list[Path]]) -> None:
        files = [str(file) for pair in states for file in pair]
        command = [sys.executable, "-c", PUBLISHER, str(folder), str(rounds), *files]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, state: int) -> int:
        """Have a child begin with this state. Returns its number."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{state}\n")
        self.process.stdin.flush()
        return self.said()

    def said(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


class Reader(threading.Thread):
    """Reads without a pause, and keeps what it should not have seen."""

    def __init__(self, look: Callable[[], set[str]]) -> None:
        super().__init__()
        self.look = look
        self.count = 0
        self.seen = set[str]()
        self.faults: list[str] = []
        self.is_over = False

    def run(self) -> None:
        while not self.is_over:
            try:
                found = self.look()
            except Exception as fault:
                self.faults.append(repr(fault))
                continue
            versions = {name.split("-")[1] for name in found}
            if len(found) != 2 or len(versions) != 1:
                self.faults.append(f"a mixture: {sorted(found)}")
            self.count += 1
            self.seen |= versions

    def end(self) -> None:
        self.is_over = True
        self.join()
        assert self.faults == []


def test_readers_see_one_generation_while_publishers_are_killed_at_any_moment(
    states: list[list[Path]], tmp_path: Path
) -> None:
    folder = tmp_path / "repo"
    publish_state(folder, states[0])
    readers = [Reader(lambda: read(folder))]
    if shutil.which("dnf"):
        readers.append(Reader(lambda: dnf_reads(folder, tmp_path)))
    for reader in readers:
        reader.start()
    begun = time.monotonic()
    publish_state(folder, states[1])
    seconds = time.monotonic() - begun
    chance = random.Random(7)
    publisher = Publisher(folder, 1000, states)
    for number in range(300):
        # On a machine that became busier meanwhile, all of them may be killed before they have published anything.
        if number >= 30 and readers[0].count > 20 and len(readers[0].seen) > 1:
            break
        child = publisher.start(number)
        time.sleep(chance.uniform(0, 2.5 * seconds))
        os.kill(child, signal.SIGKILL)
        assert publisher.said() == signal.SIGKILL
    publisher.end()
    for reader in readers:
        reader.end()
    assert readers[0].count > 20 and len(readers[0].seen) > 1
    publish_state(folder, states[3])
    assert read(folder) == names(*states[3])
    assert not list(folder.rglob(".new-*")), "what killed publishers left is gone"
    now = read_manifest(folder)
    assert now is not None
    assert max(int(path.name) for path in (folder / "generations").iterdir()) == now.generation


def dnf_reads(folder: Path, tmp_path: Path) -> set[str]:
    cache = tmp_path / "dnf"
    shutil.rmtree(cache, ignore_errors=True)
    return set(dnf(folder, cache, "repoquery", "--qf", "%{name}-%{version}-%{release}").split())


def test_publishers_wait_for_each_other(states: list[list[Path]], tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    publishers = [Publisher(folder, 4, states), Publisher(folder, 4, states[::-1])]
    for publisher in publishers:
        publisher.start(0)
    for publisher in publishers:
        assert publisher.said() == 0
        publisher.end()
    assert len({name.split("-")[1] for name in read(folder)}) == 1


def test_who_comes_after_a_killed_publisher_waits_for_its_createrepo(
    states: list[list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, slow = tmp_path / "repo", tmp_path / "bin/createrepo_c"
    publish_state(folder, states[0])
    slow.parent.mkdir()
    pause = f"for try in $(seq 600); do [ ! -e {tmp_path}/refused ] || break; sleep 0.1; done; sleep 0.5"
    slow.write_text(f'#!/bin/sh\ntouch {tmp_path}/begun\n{pause}\nexec {shutil.which("createrepo_c")} "$@"\n')
    slow.chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
        publisher = Publisher(folder, 1, states)
        child = publisher.start(1)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert publisher.said() == signal.SIGKILL
    publisher.end()
    with pytest.raises(EnvironmentLacksError, match="is being published to by another process"):
        publish_state(folder, states[2], wait=0.0)
    assert read(folder) == names(*states[0])
    (tmp_path / "refused").touch()
    publish_state(folder, states[2])
    assert read(folder) == names(*states[2])


def test_a_publisher_that_does_not_end_is_reported(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, states[0])
    holder = subprocess.Popen(["flock", str(tmp_path / MARKER), "sleep", "60"])
    try:
        while subprocess.run(["flock", "-n", str(tmp_path / MARKER), "true"]).returncode == 0:
            time.sleep(0.01)
        with pytest.raises(EnvironmentLacksError, match="is being published to by another process"):
            publish(tmp_path, states[1], wait=0.2)
    finally:
        holder.kill()
        holder.wait()


def test_the_marker_says_what_the_folder_is(states: list[list[Path]], tmp_path: Path) -> None:
    publish(tmp_path, states[0])
    assert json.loads((tmp_path / MARKER).read_text())["schema"] == 1
    for content in ('{"schema": 2}', "[]", "x"):
        (tmp_path / MARKER).write_text(content)
        assert "of another version of ppcdeps" in refused(tmp_path, states[1])
