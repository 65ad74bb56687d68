"""Locks in: plans, pylock.toml, files for pip; and other files."""

from pathlib import Path

import pytest

from ppcdeps.checking.api.locks import LockedRelease, LockInput, read_lock
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan
from ppcdeps.model.python_plan import PlannedDistribution, PlannedFile, PlannedPython, Provision

DIGEST = "a" * 64


def lock_of(folder: Path, text: str, name: str = "lock.txt") -> LockInput:
    path = folder / name
    path.write_text(text, "utf-8")
    return read_lock(path)


def test_a_file_for_pip_is_read_with_its_target_hashes_and_rpms(tmp_path: Path) -> None:
    lock = lock_of(
        tmp_path,
        "#\n# nova-compute on ppc64le, Python 3.9.25, glibc 2.34\n#\n"
        f"Oslo.Utils[x]==4.12.3 \\\n    --hash=sha256:{DIGEST} \\\n    --hash=sha256:{'b' * 64}\n    # via nova\n"
        "six==1.16.0\n    # via nova\n    # from the RPM python3-six-1.16.0-1.noarch\n"
        "requests>=2\nold==1; python_version < '3.8'\n--no-binary :all:\n",
    )
    assert lock.releases == (
        LockedRelease("oslo-utils", "4.12.3", frozenset({DIGEST, "b" * 64})),
        LockedRelease("six", "1.16.0", rpm="python3-six-1.16.0-1.noarch"),
    )
    assert lock.left_out == (("requests", "lock.txt:11 gives it no exact version"),)
    target = lock.environment
    assert (target.python, target.machine, target.glibc) == ("3.9.25", "ppc64le", (2, 34))


def test_the_shipped_files_of_nova_compute_are_read(tmp_path: Path) -> None:
    folder = Path(__file__).parents[4] / "constraints"
    pylock = read_lock(folder / "pylock.nova-compute.toml")
    pins = read_lock(folder / "constraints-nova-compute.txt")
    assert pylock.environment.python_tag == pins.environment.python_tag == "3.9"
    assert len(pylock.releases) > 80 and len(pins.releases) > len(pylock.releases)
    assert all(each.digests for each in pylock.releases)
    assert any(each.rpm for each in pins.releases)


def test_a_pylock_leaves_out_what_is_for_another_target(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a-1-py3-none-any.whl").touch()
    lock = lock_of(
        tmp_path,
        'lock-version = "1.0"\ncreated-by = "a test"\nrequires-python = "==3.12.*"\n'
        '[[packages]]\nname = "a"\nversion = "1"\n'
        'wheels = [{path = "wheels/a-1-py3-none-any.whl", hashes = {sha256 = "' + DIGEST + '"}}]\n'
        '[[packages]]\nname = "w"\nversion = "1"\nmarker = "sys_platform == \'win32\'"\n'
        'sdist = {path = "w-1.tar.gz", hashes = {sha256 = "' + DIGEST + '"}}\n'
        '[[packages]]\nname = "here"\ndirectory = {path = "."}\n',
        "pylock.toml",
    )
    (release,) = lock.releases
    assert (release.name, release.digests) == ("a", frozenset({DIGEST}))
    assert release.place == tmp_path / "wheels" / "a-1-py3-none-any.whl"
    assert lock.left_out == (("here", "the lock names no version of it"),)
    assert lock.python == "3.12"


def test_a_plan_has_its_target_and_what_rpms_provide(tmp_path: Path) -> None:
    six = PlannedDistribution("six", "1.15.0", Provision.RPM, rpm="python3-six-1.15.0-9.el9.noarch")
    other = PlannedDistribution("a", "1", Provision.WHEEL, files=(PlannedFile("a", DIGEST),))
    python = PlannedPython("3.9.25", "ppc64le", "2.34", (six, other))
    plan = Plan("w", "t", "ppc64le", (), (), (), (), python=python)
    lock = lock_of(tmp_path, dump_plan(plan), "plan.json")
    assert [(each.name, each.rpm) for each in lock.releases] == [
        ("six", "python3-six-1.15.0-9.el9.noarch"),
        ("a", ""),
    ]


def test_the_target_that_is_named_wins(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text("a==1; python_version >= '3.12'\nb==1\n", "utf-8")
    assert [each.name for each in read_lock(path, python="3.12.9").releases] == ["a", "b"]
    assert [each.name for each in read_lock(path, python="3.9").releases] == ["b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plan.json", b"{", "is not a plan"),
        ("plan.json", b'{"schema": 1}', "is a plan of schema 1"),
        ("plan.json", dump_plan(Plan("w", "t", "ppc64le", (), (), (), ())).encode(), "has no Python part"),
        ("pylock.toml", b"x = [", "is not TOML"),
        ("pylock.toml", b'lock-version = "9"', "not a lock of PEP 751"),
        ("pylock.toml", b'lock-version = "1.0"\ncreated-by = "x"\npackages = [1]', "packages\\[0\\]"),
        ("r.txt", b"requests>=2\n", "has no distribution"),
        ("r.txt", b"== what\n\xc3\xa9==\n", "cannot be used"),
        ("r.txt", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_is_not_a_lock_is_one_clear_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_lock(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_lock(tmp_path / "absent")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-r https://h.example/base.txt", "at URLs are not followed"),
        ("-c ${HOME}/c.txt", "environment variables are not read"),
        ("-r a.txt -r b.txt", "one file of a line"),
        ("a==1 -r b.txt", "after a requirement"),
        ("-r /dev/zero", "neither a regular file nor a pipe"),
    ],
)
def test_includes_that_are_not_followed_are_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        lock_of(tmp_path, f"b==1\n{line}\n")
    assert len(caught.value.faults) == 1
    assert "lock.txt:2: " in caught.value.faults[0] and message in caught.value.faults[0]


def test_what_has_no_version_and_where_pip_looks_is_left_out_by_name(tmp_path: Path) -> None:
    lock = lock_of(
        tmp_path,
        "a==1\n-e .\n./wheels/b-1-py3-none-any.whl\ngit+https://h.example/d#egg=d\n--extra-index-url https://h.example/\n",
    )
    assert [name for name, _ in lock.left_out] == [
        ".",
        "./wheels/b-1-py3-none-any.whl",
        "git+https://h.example/d#egg=d",
        f"--extra-index-url in {tmp_path}/lock.txt:5",
    ]


def test_a_file_of_another_format_is_a_page_of_faults_at_most(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        lock_of(tmp_path, "".join(f"name: x{each}\n" for each in range(1400)))
    assert len(caught.value.faults) == 21
    assert caught.value.faults[-1] == "and 1380 more lines: is this a file for pip?"


def test_files_that_include_too_many_are_refused(tmp_path: Path) -> None:
    for each in range(120):
        (tmp_path / f"f{each}.txt").write_text(f"-r f{each + 1}.txt\n", "utf-8")
    with pytest.raises(ConfigError, match="more than 100 files"):
        read_lock(tmp_path / "f0.txt")
