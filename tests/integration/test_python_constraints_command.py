"""`ppcdeps constraints nova-compute` on the EL9 and RDO metadata: from repositories to pip's files."""

import json
import re
from pathlib import Path

import el9
import pytest
from indexes import index_of_pip

from ppcdeps.base.cache import Cache
from ppcdeps.cli.main import main


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    with index_of_pip(Cache.open(folder)):
        return folder


@pytest.fixture
def arguments(cache: Path) -> list[str]:
    found = ["constraints", "nova-compute", "--release", "yoga", "--cache-dir", str(cache)]
    for option, names in (("--repofrompath", el9.TARGET), ("--reference", el9.REFERENCE), ("--source", ("source",))):
        for name in names:
            found += [option, f"{name},{el9.SNAPSHOT / name}"]
    return [*found, "--constraints", str(el9.CONSTRAINTS)]


def test_it_writes_the_files_and_says_what_is_to_be_built(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "-o", str(tmp_path)]) == 0
    output = capsys.readouterr()
    written = [Path(line) for line in output.out.splitlines()]
    assert sorted(path.name for path in written) == [
        "constraints-nova-compute.txt",
        "pylock.nova-compute.toml",
        "requirements-nova-compute.txt",
    ]
    assert "to be built: bcrypt 3.2.0: cffi, C" in output.err
    constraints = (tmp_path / "constraints-nova-compute.txt").read_text()
    requirements = (tmp_path / "requirements-nova-compute.txt").read_text()
    assert re.search(r"(?m)^nova==25\.3\.0 \\$", requirements)
    assert re.search(r"(?m)^pyyaml==5\.4\.1\n(    #.*\n)*    # from the RPM python3-pyyaml-5\.4\.1-", constraints)
    assert not re.search(r"(?m)^pyyaml==", requirements)
    # EL9's own numpy spares a native build, though nothing of RPM asks for it.
    assert re.search(r"(?m)^numpy==.*\n(    #.*\n)*    # from the RPM python3-numpy-", constraints)

    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([*arguments, "-o", str(tmp_path), "--offline", "--json"]) == 0
    lock = json.loads(capsys.readouterr().out)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert {each["name"]: each["version"] for each in lock["distributions"]}["nova"] == "25.3.0"


def test_faults_are_one_line_with_their_exit_code_and_write_nothing(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("oslo.utils===4.12.4\noslo_utils===3.4.0\n")
    output = tmp_path / "out"
    assert main([*arguments[:-1], str(pins), "-o", str(output)]) == 3
    assert "pins.txt:2: oslo-utils is held to ===3.4.0" in capsys.readouterr().err
    assert main([*arguments, "-o", str(output), "--exclude-newer", "soon"]) == 2
    assert not output.exists()
