"""`ppcdeps buildroot`: creating, listing, entering and removing real roots, and what is said where that cannot be."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from debianroots import emulates
from mirror import PATIENCE
from program import Program

from ppcdeps.base.cache import Cache
from ppcdeps.engines.job import Buildroot
from ppcdeps.engines.tinyroot import make_tiny_root

TINY = """
title = "A root of two packages"
kind = "debian"
arch = "ppc64le"
modes = ["native", "emulated"]
[debian]
suite = "bookworm"
suites = ["bookworm"]
components = ["main"]
keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
packages = ["base-files", "base-passwd"]
"""


@pytest.fixture
def ppcdeps(tmp_path: Path) -> Program:
    folder = tmp_path / "user"
    folder.mkdir()
    return Program(folder, {})


@pytest.fixture
def shared(ppcdeps: Program, debian_cache: Cache) -> Program:
    """The program with the cache that holds the shared Debian roots."""
    return Program(ppcdeps.folder, {"PPCDEPS_CACHE": str(debian_cache.directory)})


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder of definitions with one that is made in seconds."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    folder = tmp_path / "definitions"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny/buildroot.toml").write_text(TINY)
    return folder


@pytest.fixture
def native(tmp_path: Path) -> str:
    """The option that names a way of `tiny` on this machine."""
    return "native" if os.uname().machine == "ppc64le" else "emulated"


def left_in(program: Program) -> list[str]:
    folder = program.cache / "v1" / "buildroots"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_list_tells_what_can_be_created(ppcdeps: Program) -> None:
    shown = ppcdeps("buildroot", "list").out
    assert re.search(r"^  debian-12 +native, emulated, accelerated +Debian 12", shown, re.MULTILINE)
    assert "None is created." in shown
    document = json.loads(ppcdeps("buildroot", "list", "--json").out)
    assert [one["name"] for one in document["definitions"]][:3] == ["almalinux-10", "almalinux-8", "almalinux-9"]
    assert document["created"] == []


def test_a_root_that_is_asked_for_dpkg_has_its_database(ppcdeps: Program, tiny: Path, native: str) -> None:
    """The machine's own dpkg reads it, though the root is of another architecture."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("dpkg is not installed")

    def query(*options: str, package: str) -> subprocess.CompletedProcess[str]:
        place: list[str | Path] = ["--buildroots", tiny, "--package", package]
        made = json.loads(ppcdeps("buildroot", "create", "tiny", *place, "--mode", native, "--json").out)
        command = ["dpkg-query", f"--admindir={made['root']}/var/lib/dpkg", *options]
        return subprocess.run(command, capture_output=True, text=True)

    listed = query("--show", "--showformat=${db:Status-Abbrev}${Package}\\n", package="dpkg").stdout.splitlines()
    assert {"ii base-files", "ii base-passwd", "ii dpkg", "ii libc6"} <= set(listed)
    assert query("--search", "/usr/bin/dpkg-query", package="dpkg").stdout == "dpkg:ppc64el: /usr/bin/dpkg-query\n"
    assert "/lib/powerpc64le-linux-gnu/libc.so.6" in query("--listfiles", "libc6:ppc64el", package="dpkg").stdout
    assert query("--search", "/bin/hostname", package="hostname").returncode == 1, "dpkg was not asked for"


def test_create_once_list_and_remove(ppcdeps: Program, tiny: Path, native: str) -> None:
    options: list[str | Path] = ["--buildroots", tiny, "--package", "hostname"]
    first = json.loads(ppcdeps("buildroot", "create", "tiny", *options, "--mode", native, "--json").out)
    assert first["extra"] == ["hostname"]
    assert "hostname:ppc64el" in first["packages"]
    assert Path(first["root"], "bin/hostname").is_file()
    assert Path(first["repository"], "repodata/repomd.xml").is_file()
    inode = Path(first["root"]).stat().st_ino
    again = ppcdeps("buildroot", "create", "tiny", *options, "--mode", native, "--json")
    assert json.loads(again.out) == first
    assert Path(first["root"]).stat().st_ino == inode, "it was not made again"
    nowhere = ppcdeps("buildroot", "create", "tiny", *options, "--mode", native, "--json", PATH=str(ppcdeps.folder))
    assert json.loads(nowhere.out) == first, "what is there needs neither apt nor mmdebstrap"
    renewed = json.loads(ppcdeps("buildroot", "create", "tiny", *options, "--mode", native, "--json", "--renew").out)
    assert renewed["key"] == first["key"], "the mirror has the same packages"
    assert Path(renewed["root"]).stat().st_ino != inode
    (listed,) = json.loads(ppcdeps("buildroot", "list", "--json").out)["created"]
    assert listed["key"] == first["key"]
    gone = ppcdeps("buildroot", "remove", first["key"][:12]).out
    assert gone.startswith(f"removed tiny {first['key'][:12]}")
    assert left_in(ppcdeps) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_what_is_broken_off_is_no_buildroot(
    ppcdeps: Program, tiny: Path, native: str, number: signal.Signals
) -> None:
    command = ppcdeps.command("buildroot", "create", "tiny", "--buildroots", tiny, "--mode", native)
    running = subprocess.Popen(
        command, env=ppcdeps.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ppcdeps.folder
    )
    until = time.monotonic() + PATIENCE
    # What is made is being filled.
    while not list(ppcdeps.cache.glob("v1/buildroots/.new*/*/*")):
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    running.send_signal(number)
    running.communicate(timeout=PATIENCE)
    assert json.loads(ppcdeps("buildroot", "list", "--json").out)["created"] == []
    if number is signal.SIGINT:
        assert running.returncode == 130
        assert left_in(ppcdeps) == []
    # Another one: what was broken off belongs to nobody any more.
    ppcdeps("buildroot", "create", "tiny", "--buildroots", tiny, "--mode", native, "--package", "hostname")
    assert [name for name in left_in(ppcdeps) if name.startswith(".new")] == [], "the next run removes what was left"


def test_two_at_once_make_one(ppcdeps: Program, tiny: Path, native: str) -> None:
    command = ppcdeps.command("buildroot", "create", "tiny", "--buildroots", tiny, "--mode", native, "--json")
    running = [
        subprocess.Popen(
            command, env=ppcdeps.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    ended = [(one.communicate(timeout=300), one.returncode) for one in running]
    assert [code for _, code in ended] == [0, 0], ended
    answers = [json.loads(said) for (said, _), _ in ended]
    assert answers[0] == answers[1]
    assert len(left_in(ppcdeps)) == 1
    assert len(json.loads(ppcdeps("buildroot", "remove", "--all", "--json").out)["removed"]) == 1
    assert left_in(ppcdeps) == []


def test_a_mirror_that_is_not_there(ppcdeps: Program, tiny: Path, native: str) -> None:
    command: list[str | Path] = [
        "buildroot",
        "create",
        "tiny",
        "--buildroots",
        tiny,
        "--mode",
        native,
        "--mirror",
        "http://127.0.0.1:9/x",
    ]
    fault = ppcdeps(*command, code=30).fault
    assert "the Debian mirror http://127.0.0.1:9/x cannot be read" in fault
    assert "give another with --mirror URL" in fault
    assert left_in(ppcdeps) == []


def test_a_package_that_debian_has_not(ppcdeps: Program, tiny: Path, native: str) -> None:
    command: list[str | Path] = ["buildroot", "create", "tiny", "--buildroots", tiny, "--mode", native, "--package"]
    assert "the Debian mirror has no package no-such-thing" in ppcdeps(*command, "no-such-thing", code=3).fault
    assert '"--evil" cannot be installed' in ppcdeps(*command, "--evil", code=2).fault
    assert left_in(ppcdeps) == []


def test_without_mmdebstrap(ppcdeps: Program, tiny: Path, native: str, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-get").symlink_to(shutil.which("apt-get") or "/usr/bin/apt-get")
    command: list[str | Path] = ["buildroot", "create", "tiny", "--buildroots", tiny, "--mode", native]
    fault = ppcdeps(*command, code=20, PATH=str(programs)).fault
    assert "mmdebstrap is not installed" in fault
    assert "apt-get install mmdebstrap" in fault
    (programs / "apt-get").unlink()
    assert "give one with --mirror URL" in ppcdeps(*command, code=20, PATH=str(programs)).fault


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system is mounted by root")
def test_a_full_disk(ppcdeps: Program, tiny: Path, native: str) -> None:
    ppcdeps.cache.mkdir()
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", ppcdeps.cache]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("this root may not mount")
    try:
        command: list[str | Path] = ["buildroot", "create", "tiny", "--buildroots", tiny, "--mode", native]
        assert "no space left" in ppcdeps(*command, code=20).fault
        assert left_in(ppcdeps) == []
    finally:
        subprocess.run(["umount", ppcdeps.cache], check=True)


@pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed")
def test_a_registry_that_cannot_be_reached(ppcdeps: Program, tmp_path: Path) -> None:
    define(tmp_path, "registry.invalid/nothing:1")
    fault = ppcdeps("buildroot", "create", "mine", "--buildroots", tmp_path / "own", code=30).fault
    assert "the registry registry.invalid cannot be reached for the image registry.invalid/nothing:1" in fault
    assert fault.endswith("debian-12 and debian-12-cross need no registry")
    assert left_in(ppcdeps) == []


def define(folder: Path, image: str) -> None:
    place = folder / "own" / "mine"
    place.mkdir(parents=True)
    place.joinpath("buildroot.toml").write_text(
        'title = "Mine"\nkind = "image"\narch = "ppc64le"\nmodes = ["native", "emulated"]\n'
        f'[image]\nname = "{image}"\npackages = ["some-package"]\n[digests]\nppc64le = ""\n'
    )
    place.joinpath("Containerfile.j2").write_text(
        'FROM {{ image }}\nRUN ["/bin/uname", "-m"]\nLABEL wanted="{{ packages }}"\nENV x=y\n'
    )


@pytest.fixture
def image(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A local image of the architecture that the test asks for, which is in no registry."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    arch = getattr(request, "param", "ppc64le")
    root = tmp_path / "image"
    root.mkdir()
    make_tiny_root(root)
    name = f"localhost/ppcdeps-test-{os.getpid()}:{arch}"
    packed = subprocess.run(["tar", "-C", root, "-c", "."], capture_output=True, check=True).stdout
    command = ["podman", "import", "--os", "linux", "--arch", arch, "-", name]
    done = subprocess.run(command, input=packed, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"podman cannot import an image here: {done.stderr.decode(errors='replace')[-200:]}")
    yield name
    subprocess.run(["podman", "rmi", "-f", name], capture_output=True, check=False)


def test_a_root_out_of_an_image(ppcdeps: Program, image: str, tmp_path: Path) -> None:
    if not emulates():
        pytest.skip("this machine runs no ppc64le programs")
    define(tmp_path, image)
    run = ppcdeps("buildroot", "create", "mine", "--buildroots", tmp_path / "own", "--json")
    made = json.loads(run.out)
    assert made["repository"] is None
    assert made["mode"] in ("emulated", "native")
    assert re.search(r"@sha256:[0-9a-f]{64}$", made["sources"][0])
    assert Path(made["root"], "build").is_dir()
    assert os.access(Path(made["root"], "bin/uname"), os.X_OK)
    images = subprocess.run(["podman", "images", "-q", "localhost/ppcdeps-making"], capture_output=True, text=True)
    assert images.stdout == "", "what it was made with is gone"


@pytest.mark.parametrize("image", ["s390x"], indirect=True)
def test_an_image_of_another_architecture(ppcdeps: Program, image: str, tmp_path: Path) -> None:
    define(tmp_path, image)
    fault = ppcdeps("buildroot", "create", "mine", "--buildroots", tmp_path / "own", code=3).fault
    assert f"the image {image} is for s390x, and mine is to be ppc64le" in fault


def test_names_that_are_not_there(ppcdeps: Program) -> None:
    assert 'did you mean "debian-12"?' in ppcdeps("buildroot", "create", "debian12", code=2).fault
    assert "none is here" in ppcdeps("buildroot", "remove", "debian-12", code=2).fault
    assert "say which: names, keys, or --all" in ppcdeps("buildroot", "remove", code=2).fault


def test_a_command_in_a_root(shared: Program, debian_cross_root: Buildroot, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    script = "echo hello; echo kept >/build/kept; echo gone >/gone; exit 7"
    command: list[str | Path] = [
        "buildroot",
        "shell",
        "debian-12-cross",
        "--workspace",
        tmp_path / "work",
        "--",
        "sh",
        "-c",
        script,
    ]
    assert shared(*command, code=7).out == "hello\n"
    assert (tmp_path / "work/kept").read_text() == "kept\n"
    assert not (debian_cross_root.path / "gone").exists()


def test_a_shell_needs_a_terminal(ppcdeps: Program) -> None:
    assert "a shell needs a terminal" in ppcdeps("buildroot", "shell", "debian-12-cross", code=2).fault


def test_a_shell_for_a_person(shared: Program, debian_cross_root: Buildroot) -> None:
    ours, theirs = pty.openpty()
    command = shared.command("buildroot", "shell", "debian-12-cross", "-q")

    def begin() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    running = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=shared.environment(), preexec_fn=begin
    )
    os.close(theirs)
    heard = until(ours, "debian-12-cross cross")
    os.write(ours, b"echo $((6 * 7)) in $(tty)\n")
    heard = until(ours, "42 in /dev/pts/")
    os.write(ours, b"exit 5\n")
    assert running.wait(timeout=60) == 5, heard
    os.close(ours)


def until(terminal: int, wanted: str) -> str:
    heard, end = "", time.monotonic() + 60
    while wanted not in heard:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"waited for {wanted!r}, heard {heard!r}"
        heard += os.read(terminal, 4096).decode(errors="replace")
    return heard
