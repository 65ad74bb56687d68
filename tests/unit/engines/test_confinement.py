"""Programs confined: no other program, no changed file, no network, no file but those given."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trapsrpms import MISSING

from ppcdeps.engines.confinement import run_confined

confines = pytest.mark.skipif(any("confines" in one for one in MISSING), reason=f"not here: {', '.join(MISSING)}")

PYTHON = str(Path(sys.executable).resolve())


STANDARD_LIBRARY = (Path(os.__file__).parent, Path(sys.base_prefix, "lib"))


def run(folder: Path, code: str) -> tuple[int, str, bool]:
    done = run_confined([PYTHON, "-I", "-S", "-c", code], folder=folder, readable=STANDARD_LIBRARY)
    return done.code, done.output.strip(), done.caught


@confines
def test_a_confined_program_computes_and_reads(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert run(tmp_path, "print(open('file').read(), 6 * 7)") == (0, "content 42", False)


@confines
def test_threads_are_no_programs(tmp_path: Path) -> None:
    code = "import threading as t; x = t.Thread(target=print, args=('ran',)); x.start(); x.join()"
    assert run(tmp_path, code) == (0, "ran", False)


@confines
@pytest.mark.parametrize(
    "code",
    [
        "os.fork()",
        "os.system('true')",
        "os.popen('true')",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "__import__('subprocess').run(['/bin/true'])",
    ],
)
def test_starting_a_program_ends_it(code: str, tmp_path: Path) -> None:
    _, output, caught = run(tmp_path, f"import os; {code}; print('went on')")
    assert caught
    assert not output


@confines
@pytest.mark.parametrize(
    "code",
    [
        "open('new', 'w')",
        "open('old', 'a')",
        "open('old', 'r+')",
        "os.unlink('old')",
        "os.rename('old', 'new')",
        "os.mkdir('new')",
        "os.symlink('old', 'new')",
        "os.link('old', 'new')",
        "os.chmod('old', 0o777)",
        "os.truncate('old', 0)",
        "os.utime('old')",
        "os.mkfifo('new')",
        "os.kill(os.getppid(), 0)",
        "__import__('_socket').socket()",
    ],
)
def test_changing_anything_outside_is_refused(code: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("content")
    status, output, caught = run(tmp_path, f"import os; {code}; print('went on')")
    assert (status, output, caught) == (1, "", False)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "content"


@confines
@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/ld.so.cache", "/proc/self/status", "{beside}", "link"])
def test_files_that_were_not_given_are_not_seen(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "beside").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "beside")
    code = f"print(open({path.format(beside=tmp_path / 'beside')!r}).read())"
    status, output, caught = run(folder, code)
    assert (status, output, caught) == (1, "", False)


WITHOUT_NAMESPACES = """
import sys
from pathlib import Path
from ppcdeps.engines.confinement import UnconfinableError, run_confined

folder, *readable = map(Path, sys.argv[1:])
for code in ("print(open('file').read())", "open('/etc/passwd')", "open('file', 'w')", "import os; os.fork()"):
    try:
        done = run_confined([sys.executable, "-I", "-S", "-c", code], folder=folder, readable=readable)
    except UnconfinableError as error:
        sys.exit(f"unconfinable: {error}")
    print(done.code, done.caught, done.output.strip())
"""


@confines
def test_where_nothing_can_be_mounted_landlock_keeps_the_files(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    (tmp_path / "file").write_text("content")
    # A user who may make no namespace in which to mount, as in most containers.
    script = 'echo 0 > /proc/sys/user/max_mnt_namespaces && exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", PYTHON, "-c", WITHOUT_NAMESPACES]
    done = subprocess.run(
        [*argv, str(tmp_path), *map(str, STANDARD_LIBRARY)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    if "unshare" in done.stderr or "max_mnt_namespaces" in done.stderr or "unconfinable" in done.stderr:
        pytest.skip(f"needs user namespaces and Landlock: {done.stderr.strip()}")
    assert done.stdout.splitlines() == ["0 False content", "1 False ", "1 False ", "-31 True "], done.stderr


@confines
def test_the_environment_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "told")
    code = "import os; print(os.environ['HOME'], 'SECRET' in os.environ)"
    assert run(tmp_path, code) == (0, "/nonexistent False", False)


@confines
def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_confined(["no-such-program-here"], folder=tmp_path)
