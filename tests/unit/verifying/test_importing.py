"""What is imported of a package's files."""

import json
import subprocess
import sys
from pathlib import Path

from ppcdeps.verifying import importing
from ppcdeps.verifying.importing import modules_of

SITE = "/usr/lib64/python3.9/site-packages"


def test_packages_modules_and_compiled_modules_are_found() -> None:
    files = [
        f"{SITE}/msgpack/__init__.py",
        f"{SITE}/msgpack/fallback.py",
        f"{SITE}/msgpack/_cmsgpack.cpython-39-powerpc64le-linux-gnu.so",
        f"{SITE}/six.py",
        f"{SITE}/_fast.abi3.so",
        f"{SITE}/deep/__init__.py",
        f"{SITE}/deep/inner/__init__.py",
    ]
    assert modules_of(files) == {
        "msgpack": False,
        "msgpack._cmsgpack": True,
        "six": False,
        "_fast": True,
        "deep": False,
    }


def test_relative_paths_of_a_record_count_as_within_the_folder_of_packages() -> None:
    assert modules_of(["wrapt/__init__.py", "../../../bin/tool.py"]) == {"wrapt": False}


def test_libraries_tests_and_vendored_code_are_no_modules_to_import() -> None:
    files = [
        "/usr/lib/libyajl.so",
        f"{SITE}/tests/__init__.py",
        f"{SITE}/foo/tests/_testing.cpython-39-powerpc64le-linux-gnu.so",
        f"{SITE}/foo/_vendor/bar.cpython-39-powerpc64le-linux-gnu.so",
        f"{SITE}/foo-1.0.dist-info/METADATA",
        f"{SITE}/not-a-name.py",
    ]
    assert modules_of(files) == {}


def test_run_as_a_program_it_says_which_modules_fail_and_why(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    (site / "good-1.dist-info").mkdir(parents=True)
    (site / "good-1.dist-info" / "RECORD").write_text("good.py,sha256=x,1\nbad.py,,\nleaves.py,,\n_fast.py,,\n")
    (site / "good.py").write_text("print('noise on standard output')\n")
    (site / "bad.py").write_text("import there_is_no_such_module\n")
    (site / "leaves.py").write_text("raise SystemExit(3)\n")
    # As that of PyYAML where it was built without libyaml.
    (site / "_fast.py").write_text("raise ModuleNotFoundError(\"No module named '_fast'\")\n")
    asked, said = tmp_path / "asked.json", tmp_path / "said.json"
    asked.write_text(json.dumps({"modules": {"json": False, "absent": False}, "distributions": ["Good"]}))
    command = [sys.executable, importing.__file__, str(asked), str(said)]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(site)}, capture_output=True)
    found = json.loads(said.read_text())
    assert [one["module"] for one in found if one["left_out"]] == ["_fast"]
    faults = {one["module"]: one["fault"] for one in found}
    assert faults["absent"] == "ModuleNotFoundError: No module named 'absent'"
    assert faults["good"] == faults["json"] == ""
    assert faults["bad"] == "ModuleNotFoundError: No module named 'there_is_no_such_module'"
    assert faults["leaves"] == "SystemExit: 3"
