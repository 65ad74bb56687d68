"""Programs are started without a terminal, with limits, and their failures are errors in one line."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from ppcdeps.base.programs import MissingProgramError, UnfinishedProgramError, run_program, start_program
from ppcdeps.model.errors import BuildError, EnvironmentLacksError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_a_program_writes_and_how_it_ends() -> None:
    done = run_program(python("import sys; print('out'); print('first\\nlast', file=sys.stderr); sys.exit(3)"))
    assert (done.code, done.text, done.error_text, done.reason) == (3, "out\n", "first\nlast\n", "last")
    assert not done.is_well
    with pytest.raises(BuildError, match=r"^python\S* failed: last; try again$"):
        done.checked(hint="try again")


def test_a_failure_without_words_has_its_exit_code() -> None:
    assert run_program(["sh", "-c", "exit 7"]).reason == "exit code 7"


def test_standard_input_is_empty_or_what_is_given() -> None:
    assert run_program(["cat"]).output == b""
    large = b"x" * (1 << 20)
    assert run_program(["cat"], given=large).output == large


def test_messages_are_in_english_and_variables_can_be_set_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("DISPLAY", ":0")
    show = ["sh", "-c", 'echo "$LC_ALL ${DISPLAY-none} ${EXTRA-none}"']
    assert run_program(show, environment={"DISPLAY": None, "EXTRA": "1"}).text == "C.UTF-8 none 1\n"
    assert run_program(show, bare=True).text == "C.UTF-8 none none\n"


def test_an_operand_is_never_an_option(tmp_path: Path) -> None:
    (tmp_path / "--version").write_text("content")
    assert run_program(["cat"], operands=["--version"], folder=tmp_path).text == "content"


def test_a_relative_entry_of_the_path_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "stonecutter").symlink_to("/bin/pwd")
    (tmp_path / "quarry").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "bin", prepend=":")
    assert run_program(["stonecutter"], folder=Path("quarry")).text == f"{tmp_path / 'quarry'}\n"


def test_both_streams_as_one_keep_their_order() -> None:
    assert run_program(["sh", "-c", "echo a; echo b >&2; echo c"], merged=True).text == "a\nb\nc\n"


def test_a_missing_program_says_what_to_install() -> None:
    with pytest.raises(MissingProgramError) as caught:
        run_program(["no-such-program"], needed_for="stones are cut with it", install="the package quarry")
    assert str(caught.value) == (
        "no-such-program is not installed, and stones are cut with it; install the package quarry"
    )


def test_a_file_that_is_no_program_cannot_be_started(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(EnvironmentLacksError, match="broken cannot be started"):
        run_program([str(broken)])


def test_a_program_that_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(UnfinishedProgramError, match=r"^sleep did not end within 0.2 s$"):
        run_program(["sleep", "60"], seconds=0.2)
    assert time.monotonic() - began < 10


def test_a_program_that_writes_without_end_is_ended() -> None:
    with pytest.raises(UnfinishedProgramError, match=r"^yes wrote more than 1 MiB$"):
        run_program(["yes"], ceiling=1 << 20)


def test_a_session_of_its_own_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    # It is ended for what it writes, which it does once the child is there: a time could be over before that.
    script = f"sleep 600 & echo $! >{tmp_path}/child; while :; do echo on and on; done"
    with pytest.raises(UnfinishedProgramError):
        run_program(["sh", "-c", script], ceiling=1 << 10, dies_by=signal.SIGTERM)
    assert ends(int((tmp_path / "child").read_text()))


def test_a_session_of_its_own_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "child"
    for seconds in (0.5, 5, 50):
        with pytest.raises(UnfinishedProgramError, match=rf"^sh did not end within {seconds:g} s$"):
            run_program(["sh", "-c", f"sleep 600 & echo $! >{file}; wait"], seconds=seconds, dies_by=signal.SIGTERM)
        # On a busy machine it may have been ended before it had a child: then it is given longer.
        if file.exists() and file.read_text():
            break
    assert ends(int(file.read_text()))


def ends(pid: int) -> bool:
    """Whether a process ends that was told to."""
    for _ in range(600):
        # A process that nobody has waited for yet is a zombie, and runs no more.
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_output_can_be_read_while_the_program_runs() -> None:
    reader, writer = os.pipe()
    try:
        process = start_program(["sh", "-c", f"echo line; echo there >/dev/fd/{writer}"], descriptors=[writer])
        with process:
            assert process.stdout is not None and process.stdout.read() == b"line\n"
        assert os.read(reader, 10) == b"there\n"
    finally:
        os.close(reader)
        os.close(writer)
