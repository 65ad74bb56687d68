"""Programs confined: no other program, no changed file, no network."""

import ctypes
import ctypes.util
import sys
from pathlib import Path

import pytest
from trapsrpms import MISSING

from ppcdeps.rpm.confinement import calls_of, run_confined

confines = pytest.mark.skipif(any("confines" in one for one in MISSING), reason=f"not here: {', '.join(MISSING)}")

PYTHON = str(Path(sys.executable).resolve())
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "ppc64le": 0xC0000015}


def run(folder: Path, code: str) -> tuple[int, str, bool]:
    done = run_confined([PYTHON, "-I", "-S", "-c", code], folder=folder)
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
def test_the_environment_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "told")
    code = "import os; print(os.environ['HOME'], 'SECRET' in os.environ)"
    assert run(tmp_path, code) == (0, "/nonexistent False", False)


@confines
def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_confined(["no-such-program-here"], folder=tmp_path)


@pytest.mark.parametrize("machine", AUDIT)
def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    found = ctypes.util.find_library("seccomp")
    if found is None:
        pytest.skip("not installed: libseccomp, which knows the numbers")
    library = ctypes.CDLL(found)
    pseudo = {"socket", "socketpair", "socketcall"}  # negative in libseccomp where both ways exist (ppc64le)
    for kind in ("own", "start", "change"):
        for name, number in calls_of(machine, kind).items():
            known = library.seccomp_syscall_resolve_name_arch(AUDIT[machine], name.encode())
            if known == -1 or (known < 0 and name in pseudo):
                continue  # newer than this libseccomp
            assert number == known, name
