"""Opening what something untrusted made: files beneath a folder, and nothing that a name there may stand for."""

import errno
import os
from pathlib import Path

import pytest

from ppcdeps.base.untrusted import files_beneath, open_beneath, open_regular, read_beneath


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, beside one that no path in it may reach."""
    (tmp_path / "secret").write_text("secret")
    made = tmp_path / "made"
    (made / "results").mkdir(parents=True)
    (made / "results/build.log").write_text("a line")
    return made


def refusal(folder: Path, path: str, ceiling: int | None = None) -> int | None:
    with pytest.raises(OSError) as fault, open_beneath(folder, path, ceiling):
        pass
    return fault.value.errno


def test_a_regular_file_is_read(folder: Path) -> None:
    assert read_beneath(folder, "results/build.log", 6) == b"a line"
    assert read_beneath(folder, "./results//build.log", 100) == b"a line"


def test_links_are_refused_wherever_they_stand_and_lead(folder: Path) -> None:
    (folder / "file").symlink_to("results/build.log")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "linked").symlink_to("results")
    (folder / "up").symlink_to("..")
    assert refusal(folder, "file") == errno.ELOOP
    assert refusal(folder, "out") == errno.ELOOP
    assert refusal(folder, "linked/build.log") == errno.ENOTDIR
    assert refusal(folder, "up/secret") == errno.ENOTDIR


def test_the_folder_itself_is_trusted(folder: Path) -> None:
    (folder.parent / "alias").symlink_to("made")
    assert read_beneath(folder.parent / "alias", "results/build.log", 100) == b"a line"


@pytest.mark.parametrize("path", ["../secret", "results/../../secret", "results/..", "", "/", "."])
def test_a_path_that_climbs_or_names_nothing_is_refused(folder: Path, path: str) -> None:
    assert refusal(folder, path) == errno.EINVAL


def test_an_absolute_path_is_one_beneath_the_folder(folder: Path) -> None:
    assert read_beneath(folder, "/results/build.log", 100) == b"a line"
    assert refusal(folder, "/etc/passwd") == errno.ENOENT


def test_what_is_not_a_regular_file_is_refused_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refusal(folder, "pipe") == errno.EINVAL
    assert refusal(folder, "results") == errno.EINVAL
    with pytest.raises(OSError, match="not a regular file"):
        open_regular("/dev/zero")


def test_a_file_above_the_ceiling_is_refused_before_it_is_read(folder: Path) -> None:
    assert refusal(folder, "results/build.log", 5) == errno.EFBIG
    os.truncate(folder / "results/build.log", 1 << 40)
    with pytest.raises(OSError, match="larger than 1000 bytes"):
        read_beneath(folder, "results/build.log", 1000)


def test_no_handle_is_left_open(folder: Path) -> None:
    def handles() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = handles()
    for path in ("results", "nowhere/x", "../x", "results/build.log"):
        with pytest.raises(OSError):
            open_beneath(folder, path, 1)
    assert handles() == before


def names_beneath(folder: Path, top: str = "results") -> list[str]:
    return [path.name for path in files_beneath(folder, top, "*.log", 100)]


def test_files_are_found_in_folders_and_not_through_links(folder: Path) -> None:
    (folder / "results/more").mkdir()
    (folder / "results/more/a.log").write_text("x")
    (folder.parent / "other").mkdir()
    (folder.parent / "other/secret.log").write_text("secret")
    (folder / "results/linked").symlink_to(folder.parent / "other")
    assert names_beneath(folder) == ["build.log", "a.log"]
    assert names_beneath(folder, "missing") == []
    (folder / "top").symlink_to(folder.parent / "other")
    with pytest.raises(OSError, match="not a folder"):
        names_beneath(folder, "top")


@pytest.mark.parametrize("what", ["link", "dangling link", "FIFO", "large", "name"])
def test_what_is_no_file_to_use_is_refused_by_its_name(folder: Path, what: str) -> None:
    place = folder / "results/x.log"
    match what:
        case "link":
            place.symlink_to(folder.parent / "secret")
        case "dangling link":
            place.symlink_to("nowhere")
        case "FIFO":
            os.mkfifo(place)
        case "large":
            place.write_text("x" * 101)
        case _:
            (folder / "results/a\n.log").write_text("x")
    with pytest.raises(OSError, match=r"not a regular file|larger than|control characters"):
        names_beneath(folder)
