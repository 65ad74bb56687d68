"""Requirement files that include others, as pip reads the same files."""

import json
import subprocess
import sys
from pathlib import Path

import indexes
import pytest

from ppcdeps.checking.api.locks import read_lock
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import read_constraints
from ppcdeps.python.environment import TargetEnvironment

EL9 = TargetEnvironment.of(PythonEnvironment("3.9.25", (2, 34)))
READ: dict[str, dict[str, str]] = {
    "one file in another": {"top.txt": "-r base.txt\nb==1\n", "base.txt": "a==1\n"},
    "relative to the file that has it": {
        "top.txt": "-r sub/base.txt\n",
        "sub/base.txt": "--requirement=more.txt\na==1\n",
        "sub/more.txt": "b==2\n",
        "more.txt": "b==1\n",
    },
    "constraints pin what is left open": {"top.txt": "a\n-c held.txt\nb>=1\n", "held.txt": "a==1\nb==2\nd==1\n"},
    "constraints of constraints": {"top.txt": "-c held.txt\na\n", "held.txt": "-c more.txt\n", "more.txt": "a==1\n"},
    "options without a blank, and abbreviated": {
        "top.txt": "-rbase.txt\n--requirem more.txt\n",
        "base.txt": "a==1",
        "more.txt": "b==1",
    },
    "one file twice": {"top.txt": "-r base.txt\n-r base.txt\n", "base.txt": "a==1\n"},
    "a comment ends a line that goes on": {"top.txt": "a==1 \\\n# b==1 \\\nb==2\n"},
    "a backslash joins before comments go": {"top.txt": "a==1 # one \\\nb==1\nd==1\n"},
    "the last line goes on": {"top.txt": "a==1\nb==2 \\"},
    "tabs before comments": {"top.txt": "a==1\t# one\n\tb==2\n"},
    "constraints of two files": {
        "top.txt": "a\n-r base.txt\n",
        "base.txt": "-c held.txt\n",
        "held.txt": "a==1\n",
    },
    "a mark of the byte order": {"top.txt": "\ufeffa==1\n-r base.txt\n", "base.txt": "\ufeffb==2\n"},
    "an unused variable": {"top.txt": "a==1 # ${NOT_SET}\nb==1\n"},
    "quoted names": {"top.txt": "-r 'my base.txt'\n", "my base.txt": "a==1\n"},
}
REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "not there": ({"top.txt": "-r gone.txt\na==1\n"}, "top.txt:1: cannot read .*gone.txt"),
    "null byte": ({"top.txt": "-c \0gone.txt\na==1\n"}, "top.txt:1: cannot read .*null byte"),
    "constraints not there": ({"top.txt": "-c gone.txt\na==1\n"}, "top.txt:1: cannot read .*gone.txt"),
    "an option of no file": ({"top.txt": "a==1\n--upgrade\n"}, "top.txt:2: .*no such option: --upgrade"),
    "an option without its value": ({"top.txt": "a==1\n-r\n"}, "top.txt:2: .*requires 1 argument"),
    "two versions": ({"top.txt": "-r base.txt\na==2\n", "base.txt": "a==1\n"}, "base.txt:1 holds it to ==1"),
    "a range that does not have it": ({"top.txt": "-c held.txt\na==2\n", "held.txt": "a<2\n"}, "a is held to <2"),
    "not a requirement": ({"top.txt": "-r base.txt\n", "base.txt": "a==1\na = 2\n"}, "base.txt:2: 'a = 2'"),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("a", "b", "d"):
        for version in ("1", "2"):
            file, content = indexes.wheel(name, version)
            (folder / file).write_bytes(content)
    return folder


def pip_on(shelf: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
    command += ["--dry-run", "--ignore-installed", "--no-index", "--find-links", str(shelf), "--quiet"]
    return subprocess.run([*command, "--report", "-", *options], capture_output=True, text=True, check=False)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder / "top.txt"


@pytest.mark.parametrize("case", READ)
def test_the_lock_is_what_pip_installs(case: str, shelf: Path, tmp_path: Path) -> None:
    top = write(tmp_path, READ[case])
    done = pip_on(shelf, "-r", str(top))
    assert done.returncode == 0, done.stderr
    installed = {each["metadata"]["name"]: each["metadata"]["version"] for each in json.loads(done.stdout)["install"]}
    assert {each.name: each.version for each in read_lock(top).releases} == installed


@pytest.mark.parametrize("case", REFUSED)
def test_what_pip_refuses_is_refused(case: str, shelf: Path, tmp_path: Path) -> None:
    files, message = REFUSED[case]
    top = write(tmp_path, files)
    assert pip_on(shelf, "-r", str(top)).returncode != 0
    with pytest.raises(ConfigError) as caught:
        read_lock(top)
    assert caught.match(message)


@pytest.mark.parametrize("line", ["-r ${NAME}.txt", "a==${ONE}", "-c ${NAME}.txt"])
def test_what_depends_on_the_environment_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    """pip reads variables, and on the target they have other values."""
    top = write(tmp_path, {"top.txt": f"b==1\n{line}\n", "base.txt": "a==1\n"})
    with pytest.raises(ConfigError, match=r"top.txt:2: "):
        read_lock(top)


def test_a_file_that_includes_itself_is_refused(tmp_path: Path) -> None:
    top = write(tmp_path, {"top.txt": "-r sub/a.txt\n", "sub/a.txt": "-c ../top.txt\n"})
    with pytest.raises(ConfigError, match=r"sub/a.txt:1: .*top.txt includes itself"):
        read_lock(top)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"top.txt": "-c more.txt\nb==1\n", "more.txt": "a==1\n"}, "1"),
        ({"top.txt": "-r more.txt\n", "more.txt": "a[x]<2\n"}, "1"),
        ({"top.txt": "b<2\n-r more.txt\n", "more.txt": "a==1\n"}, "1"),
        ({"top.txt": "-c more.txt\na<2\n", "more.txt": "a>=1\n"}, "1"),
    ],
)
def test_constraints_hold_what_pip_holds(files: dict[str, str], version: str, shelf: Path, tmp_path: Path) -> None:
    top = write(tmp_path, files)
    done = pip_on(shelf, "-c", str(top), "a")
    assert done.returncode == 0, done.stderr
    (chosen,) = (each for each in json.loads(done.stdout)["install"] if each["metadata"]["name"] == "a")
    assert chosen["metadata"]["version"] == version
    held = read_constraints(top, EL9).by_name["a"].specifier
    assert [each for each in ("1", "2") if held.contains(each)] == [version]


@pytest.mark.parametrize("line", ["-e .", "./here", "a[x]==1"])
def test_what_pip_does_not_allow_in_constraints_is_refused(line: str, shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    top = write(tmp_path, {"top.txt": "-c more.txt\n", "more.txt": f"b==1\n{line}\n"})
    assert pip_on(shelf, "-c", str(top), "a").returncode != 0
    with pytest.raises(ConfigError, match=r"more.txt:2: "):
        read_constraints(top, EL9)
