"""Paths inside a root, as chroot(2) would resolve them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppcdeps.checking.env.root_file_system import EntryKind, RootFileSystem


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that no path inside of the root may reach."""
    secret = tmp_path / "outside/secret"
    secret.parent.mkdir()
    secret.write_text("secret")
    return secret


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root/usr/lib").mkdir(parents=True)
    (tmp_path / "root/etc").mkdir()
    (tmp_path / "root/etc/passwd").write_text("inside")
    return tmp_path / "root"


def test_an_absolute_link_begins_at_the_root(folder: Path, outside: Path) -> None:
    (folder / "usr/lib/link").symlink_to("/etc/passwd")
    (folder / "usr/lib/out").symlink_to(outside)
    root = RootFileSystem(folder)
    assert root.resolve("/usr/lib/link") == "/etc/passwd"
    assert root.read("/usr/lib/link", "root_text") == b"inside"
    assert root.read("/usr/lib/out", "root_text") is None
    assert root.kind("/usr/lib/out") is None


@pytest.mark.parametrize("link", ["../../../../../outside/secret", "../../../outside/secret", "../.."])
def test_nothing_is_above_the_root(folder: Path, outside: Path, link: str) -> None:
    (folder / "usr/lib/up").symlink_to(link)
    root = RootFileSystem(folder)
    assert root.read("/usr/lib/up", "root_text") is None
    assert root.read("/usr/lib/up/outside/secret", "root_text") is None
    assert root.resolve("/../../etc/../etc/passwd") == "/etc/passwd"


def test_a_linked_folder_is_the_folder_inside(folder: Path) -> None:
    (folder / "lib").symlink_to("usr/lib")
    (folder / "usr/lib/a").write_text("x")
    root = RootFileSystem(folder)
    assert [one.name for one in root.entries("/lib")] == ["a"]
    assert root.has("/lib/a")
    assert root.resolve("/lib/a") == "/usr/lib/a"
    assert root.resolve("/lib/..") == "/usr"


def test_a_circle_of_links_ends(folder: Path) -> None:
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    (folder / "self").symlink_to("self/deeper")
    root = RootFileSystem(folder)
    for path in ("/one", "/self", "/one/x"):
        with pytest.raises(OSError, match="symbolic links"):
            root.resolve(path)
        assert root.kind(path) is None
    assert "/one" in root.unseen
    kinds = {one.name: one.kind for one in root.entries("/")}
    assert kinds["one"] is None
    assert kinds["self"] is None


def test_a_file_is_no_folder(folder: Path) -> None:
    root = RootFileSystem(folder)
    assert root.kind("/etc/passwd/x") is None
    assert root.entries("/etc/passwd") == []
    with pytest.raises(NotADirectoryError):
        root.resolve("/etc/passwd/x")


def test_fifos_and_sockets_are_never_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("pipe")
    root = RootFileSystem(folder)
    assert root.kind("/device") is EntryKind.OTHER
    assert root.read("/pipe", "root_text") is None
    assert "not a regular file" in root.unseen["/pipe"]


def test_names_that_are_no_text_are_kept(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    (folder / name).write_text("x")
    root = RootFileSystem(folder)
    assert root.has(f"/{name}")
    assert root.read(f"/{name}", "root_text") == b"x"
    assert root.kind("/a\0b") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_noted(folder: Path) -> None:
    (folder / "etc/passwd").chmod(0)
    (folder / "usr").chmod(0)
    try:
        root = RootFileSystem(folder)
        assert root.read("/etc/passwd", "root_text") is None
        assert root.entries("/usr/lib") == []
        assert set(root.unseen) == {"/etc/passwd", "/usr/lib"}
    finally:
        (folder / "usr").chmod(0o700)


def test_a_path_of_this_machine_is_known_as_one_inside(folder: Path) -> None:
    root = RootFileSystem(folder)
    assert root.within(folder / "etc/passwd") == "/etc/passwd"
    assert root.within(folder) == "/"
    assert root.within(folder.parent) is None
    assert root.within(folder.parent / "rootbeer") is None


def _can_change_root() -> bool:
    probe = ["unshare", "--user", "--map-root-user", "chroot", "/", "true"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


LINKS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d/a", "d/b"]),
        st.sampled_from(
            ["/a", "b", "../a", "../../b", "/d/a", "d", "..", ".", "/", "d/../c", "/nowhere", "c/", "../../../../d"]
        ),
    ),
    max_size=6,
)


@pytest.mark.skipif(not _can_change_root(), reason="this machine lets nobody change the root folder")
@settings(max_examples=15)
@given(links=LINKS)
def test_chroot_resolves_the_same(tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("chroot")
    (folder / "d").mkdir()
    (folder / "file").write_text("x")
    for place, aim in links:
        path = folder / place
        if not path.is_symlink():
            path.symlink_to(aim)
    asked = ["/a", "/b", "/c", "/d/a", "/d/b", "/a/b", "/d/../b", "/c/file", "/a/../d"]
    # Python itself, in the root folder: it starts before the root changes.
    code = (
        "import os, sys\n"
        f"os.chroot({str(folder)!r}); os.chdir('/')\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(os.path.realpath(path, strict=True))\n"
        "    except OSError: print('-')\n"
    )
    command = ["unshare", "--user", "--map-root-user", "python3", "-S", "-c", code, *asked]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    root = RootFileSystem(folder)

    def ours(path: str) -> str:
        try:
            return root.resolve(path)
        except OSError:
            return "-"

    assert [ours(path) for path in asked] == said
