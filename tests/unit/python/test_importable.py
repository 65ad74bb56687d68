"""What is importable of wheels and sdists, unpacked without building anything."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from indexes import EL9_PYTHON, sdist

from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.distfiles import IndexFile
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.importable import Importable, best_file, entry_point_modules, unpacked

EL9 = TargetEnvironment.of(EL9_PYTHON)


def opened(folder: Path, name: str, archive: tuple[str, bytes]) -> Importable:
    path = folder / archive[0]
    path.write_bytes(archive[1])
    return unpacked(Cache.open(folder / "cache"), path, name, "1.0", archive[0], None)


def of_sdist(folder: Path, name: str, files: dict[str, str]) -> Importable:
    return opened(folder, name, sdist(name, "1.0", files))


def test_a_wheel_gives_its_sources_and_the_names_of_its_compiled_modules(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in {
            "pkg/__init__.py": "a = 1\n",
            "pkg/_fast.cpython-39-x86_64-linux-gnu.so": "\x7fELF",
            "pkg/data.json": "{}",
            "pkg/not-a-module.py": "",
            "pkg-1.0.data/purelib/more.py": "b = 1\n",
            "pkg-1.0.data/scripts/tool.py": "c = 1\n",
            "pkg-1.0.dist-info/entry_points.txt": "[a]\ntool = pkg.cli:main\n[x]\ny = pkg.plug [extra]\n",
        }.items():
            archive.writestr(name, text)
    found = opened(tmp_path, "pkg", ("pkg-1.0-cp39-cp39-linux_x86_64.whl", stream.getvalue()))
    assert found.paths == ("more.py", "pkg/__init__.py", "pkg/_fast.cpython-39-x86_64-linux-gnu.so")
    assert found.entry_points == ("pkg.cli", "pkg.plug")
    assert not found.incomplete
    written = sorted(path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*") if path.is_file())
    assert written == ["more.py", "pkg/__init__.py"]
    assert (found.folder / "pkg/__init__.py").read_text() == "a = 1\n"


LAYOUTS = {
    "packages at the top": ({"pkg/__init__.py": "", "tests/__init__.py": "", "setup.py": ""}, ["pkg/__init__.py"]),
    "packages below src": ({"src/pkg/__init__.py": "", "docs/conf.py": ""}, ["pkg/__init__.py"]),
    "a module alone": ({"pkg.py": "", "setup.py": "", "test_pkg.py": ""}, ["pkg.py"]),
    "a folder of Python 3": ({"python2/pkg.py": "", "python3/pkg.py": "", "setup.py": ""}, ["pkg.py"]),
    "another name, told by the egg-info": (
        {"lib/other/__init__.py": "", "lib/pkg.egg-info/top_level.txt": "other\n_other\n", "examples/x.py": ""},
        ["other/__init__.py"],
    ),
    "an egg-info with tests": (
        {"other/a.py": "", "pkg.egg-info/top_level.txt": "other\n", "other/tests/b.py": ""},
        ["other/a.py", "other/tests/b.py"],
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_an_sdist_is_read_as_it_would_be_installed(tmp_path: Path, case: str) -> None:
    files, paths = LAYOUTS[case]
    found = of_sdist(tmp_path, "pkg", files)
    assert list(found.paths) == paths
    assert not found.incomplete


@pytest.mark.parametrize("source", ["pkg/_fast.c", "pkg/_fast.pyx", "src/lib.rs"])
def test_an_sdist_that_compiles_something_is_incomplete(tmp_path: Path, source: str) -> None:
    assert of_sdist(tmp_path, "pkg", {"pkg/__init__.py": "", source: ""}).incomplete


def test_an_sdist_without_python_has_no_module(tmp_path: Path) -> None:
    assert of_sdist(tmp_path, "pkg", {"pkg.c": "", "setup.py": ""}).paths == ()


def test_a_path_that_leads_out_and_a_damaged_archive_are_errors(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("pkg-1.0/../../evil.py"))
    for content in (stream.getvalue(), b"no archive"):
        with pytest.raises(RepositoryError):
            opened(tmp_path, "pkg", ("pkg-1.0.tar.gz", content))
    assert not (tmp_path / "evil.py").exists()
    with pytest.raises(RepositoryError):
        opened(tmp_path, "pkg", ("pkg-1.0-py3-none-any.whl", b"PK no"))


def test_a_link_in_an_archive_is_not_made(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        link = tarfile.TarInfo("pkg-1.0/pkg/passwd.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("pkg-1.0/pkg/__init__.py"))
    assert opened(tmp_path, "pkg", ("pkg-1.0.tar.gz", stream.getvalue())).paths == ("pkg/__init__.py",)


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["p-1-py3-none-any.whl", "p-1.tar.gz"], "p-1-py3-none-any.whl"),
        (["p-1-cp39-cp39-manylinux_2_17_x86_64.whl", "p-1.tar.gz"], "p-1-cp39-cp39-manylinux_2_17_x86_64.whl"),
        (["p-1-cp39-cp39-win32.whl", "p-1-cp39-cp39-manylinux1_x86_64.whl"], "p-1-cp39-cp39-manylinux1_x86_64.whl"),
        (["p-1-cp312-cp312-manylinux_2_17_x86_64.whl", "p-1.tar.gz"], "p-1.tar.gz"),
        (["p-1-cp312-cp312-manylinux_2_17_x86_64.whl"], "p-1-cp312-cp312-manylinux_2_17_x86_64.whl"),
        (["p-1-cp36-abi3-win_amd64.whl", "p-1.zip"], "p-1-cp36-abi3-win_amd64.whl"),
    ],
)
def test_the_file_that_is_nearest_to_the_target_is_read(names: list[str], best: str) -> None:
    found = best_file([IndexFile(name, f"file:///{name}", "1", {}) for name in names], EL9)
    assert found is not None
    assert found.filename == best


def test_entry_points_that_cannot_be_read_name_nothing() -> None:
    assert entry_point_modules("[a]\nx = m.n:f\n[a]\ny = k\n") == ("k", "m.n")
    assert entry_point_modules("no section\n") == ()
