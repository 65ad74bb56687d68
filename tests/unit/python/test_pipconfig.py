"""pip's own configuration is read with pip's own precedence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ppcdeps.model.errors import ConfigError
from ppcdeps.python.pipconfig import read_pip_config


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_later_file_wins_and_the_environment_beats_all(tmp_path: Path) -> None:
    first = write(tmp_path / "a.conf", "[global]\nindex-url = https://one.example/simple\ntimeout = 7\n")
    second = write(tmp_path / "b.conf", "[global]\nindex-url = https://two.example/simple/\n")
    config = read_pip_config({}, files=[first, second])
    assert config.indexes == ("https://two.example/simple",)
    assert config.timeout == 7
    config = read_pip_config({"PIP_INDEX_URL": "https://env.example/simple"}, files=[first, second])
    assert config.indexes == ("https://env.example/simple",)
    assert config.origins["index-url"] == "PIP_INDEX_URL"


def test_the_install_section_beats_the_global_one_of_a_later_file(tmp_path: Path) -> None:
    first = write(tmp_path / "a.conf", "[install]\nindex_url = https://install.example/simple\n")
    second = write(tmp_path / "b.conf", "[global]\nindex-url = https://global.example/simple\n")
    assert read_pip_config({}, files=[first, second]).indexes == ("https://install.example/simple",)


def test_several_indexes_keep_their_order(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.conf",
        "[global]\nindex-url = https://a.example/s\nextra-index-url =\n    https://b.example/s\n    https://c.example/s\n"
        "find-links = /wheels ~/more\ntrusted-host = b.example\n",
    )
    config = read_pip_config({}, files=[file])
    assert config.indexes == ("https://a.example/s", "https://b.example/s", "https://c.example/s")
    assert config.find_links == ("/wheels", str(Path("~/more").expanduser()))
    assert config.trusted_hosts == ("b.example",)


def test_no_index_leaves_the_directories(tmp_path: Path) -> None:
    config = read_pip_config({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}, files=[])
    assert config.indexes == ()
    assert config.find_links == (str(tmp_path),)


def test_all_impossible_values_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_pip_config({"PIP_TIMEOUT": "soon", "PIP_NO_INDEX": "perhaps"}, files=[])
    assert len(caught.value.faults) == 2


def test_a_malformed_file_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "pip.conf", "index-url = x\n")
    with pytest.raises(ConfigError, match=r"pip\.conf"):
        read_pip_config({}, files=[file])


@pytest.mark.parametrize("named", [True, False])
def test_pip_looks_in_the_same_indexes(tmp_path: Path, named: bool) -> None:
    """The same files and variables, used by pip itself."""
    write(
        tmp_path / "home/.config/pip/pip.conf",
        "[global]\nindex-url = https://user.invalid/s\nextra-index-url = https://extra.invalid/s\n",
    )
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://site.invalid/s\n")
    write(tmp_path / "own.conf", "[global]\nindex-url = https://own.invalid/s\n")
    env = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "PATH": os.environ["PATH"],
    }
    env |= {"PIP_RETRIES": "0"} | ({"PIP_CONFIG_FILE": str(tmp_path / "own.conf")} if named else {})
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(tmp_path / "out"), "six"]
    shown = subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout
    theirs = shown.splitlines()[0].removeprefix("Looking in indexes: ").split(", ")
    config = read_pip_config(env)
    assert list(config.indexes) == theirs
    assert config.retries == 0
    assert ("https://extra.invalid/s" in config.indexes) is not named
