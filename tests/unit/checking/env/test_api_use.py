"""Names across the distributions of an installed environment: of each module the copy that is imported."""

import os
from pathlib import Path

import pytest
from pythonroots import el_root, make_dist

from ppcdeps.base.cache import Cache
from ppcdeps.checking.env.api_use import trees_of, with_api
from ppcdeps.checking.env.environment import read_environment
from ppcdeps.checking.findings import Report
from ppcdeps.model.reporter import Silence


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def report_of(root: Path, cache: Cache, *, tests: bool = False) -> Report:
    return with_api(Report.of("env", "test", ()), read_environment(root), cache, Silence(), tests=tests)


def wrong(root: Path, cache: Cache) -> list[str]:
    return [f"{one.where} {one.message.partition(' ')[0]}" for one in report_of(root, cache).findings]


def test_the_copy_that_comes_first_on_the_path_counts(tmp_path: Path, cache: Cache) -> None:
    plain, native = el_root(tmp_path / "root")
    user = {"user/__init__.py": b"from lib import new\n", "main.py": b"import user\n"}
    make_dist(plain, "user", "1", files=user)
    make_dist(plain, "lib", "1", files={"lib/__init__.py": b""})
    assert wrong(tmp_path / "root", cache) == ["/usr/lib/python3.9/site-packages/user/__init__.py:1 lib.new"]
    make_dist(native, "lib", "2", files={"lib/__init__.py": b"new = 1\n"})
    assert wrong(tmp_path / "root", cache) == []


def test_what_fixes_is_a_command_for_that_interpreter(tmp_path: Path, cache: Cache) -> None:
    plain, _ = el_root(tmp_path / "root")
    make_dist(plain, "user", "1", files={"user/__init__.py": b"import pkg_resources\n", "main.py": b"import user\n"})
    make_dist(plain, "setuptools", "82.0.1", files={"setuptools/__init__.py": b""})
    (finding,) = report_of(tmp_path / "root", cache).findings
    assert finding.fix == ("python3.9 -m pip install --no-deps 'setuptools<82.0.0'",)


def test_a_file_that_was_changed_is_read_again(tmp_path: Path, cache: Cache) -> None:
    plain, _ = el_root(tmp_path / "root")
    make_dist(plain, "user", "1", files={"user.py": b"from lib import new\n"})
    make_dist(plain, "lib", "1", files={"lib.py": b"old = 1\n"})
    assert len(wrong(tmp_path / "root", cache)) == 1
    (plain / "lib.py").write_text("new = 123\n")
    assert wrong(tmp_path / "root", cache) == []


def test_a_namespace_has_parts_in_several_folders(tmp_path: Path, cache: Cache) -> None:
    plain, native = el_root(tmp_path / "root")
    shared = b"__import__('pkg_resources').declare_namespace(__name__)\n"
    make_dist(native, "space.one", "1", files={"space/__init__.py": shared, "space/one.py": b"a = 1\n"})
    make_dist(plain, "space.two", "1", files={"space/__init__.py": shared, "space/two.py": b"b = 1\n"})
    make_dist(plain, "user", "1", files={"user.py": b"from space.one import a\nfrom space.two import b, c\n"})
    assert wrong(tmp_path / "root", cache) == ["/usr/lib/python3.9/site-packages/user.py:2 space.two.c"]


def test_files_of_no_distribution_count(tmp_path: Path, cache: Cache) -> None:
    plain, _ = el_root(tmp_path / "root")
    make_dist(plain, "user", "1", files={"user.py": b"from loose import gone\nimport pkg_resources\n"})
    make_dist(plain, "setuptools", "82.0.1", files={"setuptools/__init__.py": b""})
    (plain / "loose.py").write_text("")
    (plain / "pkg_resources.py").write_text("")
    assert wrong(tmp_path / "root", cache) == ["/usr/lib/python3.9/site-packages/user.py:1 loose.gone"]


def test_links_are_followed_inside_the_root_and_never_out_of_it(tmp_path: Path, cache: Cache) -> None:
    plain, _ = el_root(tmp_path / "root")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("from lib import gone\n")
    shared = tmp_path / "root/usr/share/app"
    shared.mkdir(parents=True)
    (shared / "__init__.py").write_text("from lib import gone\n")
    make_dist(plain, "lib", "1", files={"lib/__init__.py": b""})
    (plain / "app").symlink_to("/usr/share/app")
    (shared / "loop").symlink_to(".")
    (plain / "away").symlink_to(outside)
    (plain / "file.py").symlink_to(outside / "secret.py")
    (plain / "lib" / "climb").symlink_to("../" * 20 + str(outside))
    os.mkfifo(plain / "pipe.py")
    assert wrong(tmp_path / "root", cache) == ["/usr/lib/python3.9/site-packages/app/__init__.py:1 lib.gone"]


def test_old_and_broken_sources_are_told_and_stop_nothing(tmp_path: Path, cache: Cache) -> None:
    plain, _ = el_root(tmp_path / "root")
    files = {
        "old.py": b"print 'two'\n",
        "odd.py": "x = 'é'\n".encode("latin-1"),
        "declared.py": "# -*- coding: latin-1 -*-\nx = 'é'\nfrom lib import gone\n".encode("latin-1"),
        "big.py": b"x = '" + b"a" * 4_000_000,
    }
    make_dist(plain, "user", "1", files=files)
    make_dist(plain, "lib", "1", files={"lib.py": b""})
    report = report_of(tmp_path / "root", cache)
    assert [one.where.rpartition("/")[2] for one in report.findings] == ["declared.py:3"]
    (skipped,) = [one for one in report.skipped if one.what.startswith("user: ")]
    assert skipped.what == "user: big.py and 2 more files"
    assert "longer than" in skipped.why


def test_tests_are_read_on_request(tmp_path: Path, cache: Cache) -> None:
    plain, _ = el_root(tmp_path / "root")
    make_dist(plain, "user", "1", files={"user/tests/test_a.py": b"from lib import gone\n"})
    make_dist(plain, "lib", "1", files={"lib.py": b""})
    assert wrong(tmp_path / "root", cache) == []
    assert len(report_of(tmp_path / "root", cache, tests=True).findings) == 1


def test_what_is_left_of_a_hidden_copy_counts_on_its_own(tmp_path: Path, cache: Cache) -> None:
    plain, native = el_root(tmp_path / "root")
    make_dist(plain, "lib", "1", files={"lib.py": b"old = 1\n", "libextra.py": b"from lib import old\n"})
    make_dist(native, "lib", "2", files={"lib.py": b"new = 1\n"})
    trees, _, _ = trees_of(read_environment(tmp_path / "root"))
    assert [(tree.name, tree.version) for tree in trees] == [
        ("lib", "2"),
        ("lib@/usr/lib/python3.9/site-packages", "1"),
    ]
    (finding,) = report_of(tmp_path / "root", cache).findings
    assert finding.where == "/usr/lib/python3.9/site-packages/libextra.py:1"
