"""The module search path of interpreters that are not run."""

import zipfile
from pathlib import Path

import pytest
from pythonroots import el_root, make_dist

from ppcdeps.checking.env.environment import read_environment
from ppcdeps.checking.env.interpreters import Style, find_interpreter
from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.checking.env.searchpath import search_path


def folders(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)


def path_of(root: Path, **options: bool | str) -> list[str]:
    inside = RootFileSystem(root)
    found = search_path(inside, find_interpreter(inside), **options)  # type: ignore[arg-type]
    return [one.path for one in found.entries]


EL9 = [
    "/usr/lib64/python3.9",
    "/usr/lib64/python3.9/lib-dynload",
    "/usr/local/lib64/python3.9/site-packages",
    "/usr/local/lib/python3.9/site-packages",
    "/usr/lib64/python3.9/site-packages",
    "/usr/lib/python3.9/site-packages",
]


def test_el_has_usr_local_first_and_lib64_before_lib(tmp_path: Path) -> None:
    el_root(tmp_path)
    folders(tmp_path, *(one.lstrip("/") for one in EL9))
    assert path_of(tmp_path) == EL9


def test_a_program_of_an_el_rpm_sees_no_usr_local(tmp_path: Path) -> None:
    el_root(tmp_path)
    folders(tmp_path, *(one.lstrip("/") for one in EL9))
    assert path_of(tmp_path, isolated=True) == EL9[:2] + EL9[4:]


def test_python_2_of_el7_has_no_usr_local(tmp_path: Path) -> None:
    el_root(tmp_path, "2.7")
    folders(tmp_path, "usr/local/lib/python2.7/site-packages")
    assert path_of(tmp_path)[1:] == ["/usr/lib64/python2.7/site-packages", "/usr/lib/python2.7/site-packages"]


def test_debian_has_one_folder_for_all_versions(tmp_path: Path) -> None:
    debian = [
        "/usr/lib/python3.11",
        "/usr/local/lib/python3.11/dist-packages",
        "/usr/lib/python3/dist-packages",
        "/usr/lib/python3.11/dist-packages",
    ]
    folders(tmp_path, *(one.lstrip("/") for one in debian), "etc")
    (tmp_path / "etc/os-release").write_text("ID=debian\n")
    (tmp_path / "usr/lib/python3.11/os.py").touch()
    assert path_of(tmp_path) == debian


def test_the_interpreter_s_own_site_module_tells_its_style(tmp_path: Path) -> None:
    el_root(tmp_path)
    site = tmp_path / "usr/lib64/python3.9/site.py"
    site.write_text('sitepackages.append(os.path.join(prefix, "lib", "site-packages"))\n')
    assert find_interpreter(RootFileSystem(tmp_path)).style is Style.UPSTREAM
    site.write_text('PREFIXES = ["/usr/local", *PREFIXES]\n')
    assert find_interpreter(RootFileSystem(tmp_path)).style is Style.FEDORA


def test_the_user_site_is_there_when_its_home_is_named(tmp_path: Path) -> None:
    el_root(tmp_path)
    folders(tmp_path, "home/nova/.local/lib/python3.9/site-packages")
    assert not any("/home/" in one for one in path_of(tmp_path))
    assert path_of(tmp_path, user_home="/home/nova")[1] == "/home/nova/.local/lib/python3.9/site-packages"


def test_pth_files_add_folders_in_their_order_and_run_nothing(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    folders(tmp_path, "opt/one", "opt/two", "usr/lib/python3.9/site-packages/sub")
    (plain / "b.pth").write_text("# a comment\n\n/opt/one\nsub\nno-such-folder\nsub\n")
    (plain / "a.pth").write_text(f"/opt/two\nimport os; os.mkdir({str(tmp_path / 'ran')!r})\n")
    (plain / ".hidden.pth").write_text("/opt\n")
    inside = RootFileSystem(tmp_path)
    found = search_path(inside, find_interpreter(inside))
    assert [one.path for one in found.entries][-4:] == [
        "/usr/lib/python3.9/site-packages",
        "/opt/two",
        "/opt/one",
        "/usr/lib/python3.9/site-packages/sub",
    ]
    assert [(one.file.rpartition("/")[2], one.line) for one in found.code] == [("a.pth", 2)]
    assert not (tmp_path / "ran").exists()


def test_a_pth_file_cannot_lead_out_of_the_root(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path / "root")
    folders(tmp_path, "outside")
    make_dist(tmp_path / "outside", "evil", "1")
    (plain / "out.pth").write_text(f"{tmp_path / 'outside'}\n../../../../../outside\n")
    (plain / "linked").symlink_to(tmp_path / "outside")
    (plain / "linked.pth").write_text("linked\n")
    assert read_environment(tmp_path / "root").copies == ()


def test_eggs_of_easy_install_come_first(tmp_path: Path) -> None:
    plain, native = el_root(tmp_path)
    egg = plain / "six-1.10.0-py3.9.egg"
    folders(tmp_path, f"{egg.relative_to(tmp_path)}/EGG-INFO")
    (egg / "EGG-INFO/PKG-INFO").write_text("Metadata-Version: 1.1\nName: six\nVersion: 1.10.0\n")
    make_dist(native, "six", "1.16.0")
    (plain / "easy-install.pth").write_text(
        "import sys; sys.__plen = len(sys.path)\n"
        f"./{egg.name}\n"
        "import sys; new=sys.path[sys.__plen:]; del sys.path[sys.__plen:]; p=getattr(sys,'__egginsert',0); "
        "sys.path[p:p]=new; sys.__egginsert = p+len(new)\n"
    )
    environment = read_environment(tmp_path)
    assert environment.path.entries[0].path == f"/usr/lib/python3.9/site-packages/{egg.name}"
    assert environment.imported["six"].version == "1.10.0"
    assert environment.path.code == ()


def test_a_zipped_egg_on_the_path_is_a_distribution(tmp_path: Path) -> None:
    plain, _ = el_root(tmp_path)
    with zipfile.ZipFile(plain / "six-1.10.0-py3.9.egg", "w") as egg:
        egg.writestr("EGG-INFO/PKG-INFO", "Metadata-Version: 1.1\nName: six\nVersion: 1.10.0\n")
        egg.writestr("EGG-INFO/requires.txt", "seven>=1\n\n[docs]\nsphinx\n")
    (plain / "broken.egg").write_bytes(b"PK\3\4 and no more")
    (plain / "easy-install.pth").write_text("./six-1.10.0-py3.9.egg\n./broken.egg\n")
    environment = read_environment(tmp_path)
    assert [(one.shown, one.requires[0]) for one in environment.copies] == [("six 1.10.0", "seven>=1")]
    assert "cannot be read" in environment.root.unseen["/usr/lib/python3.9/site-packages/broken.egg"]


def test_two_names_of_one_folder_are_one_place(tmp_path: Path) -> None:
    plain, native = el_root(tmp_path)
    make_dist(plain, "six", "1.16.0")
    native.rmdir()
    native.symlink_to("../../lib/python3.9/site-packages")
    environment = read_environment(tmp_path)
    assert len(environment.path.sites) == 1
    assert len(environment.copies) == 1


@pytest.mark.parametrize(
    ("text", "found"), [("version = 3.12.4", "3.12.4"), ("version_info = 3.12.4.final.0", "3.12.4")]
)
def test_an_environment_whose_base_is_gone_still_says_its_version(tmp_path: Path, text: str, found: str) -> None:
    folders(tmp_path, "opt/venv/bin", "opt/venv/lib/python3.12/site-packages")
    (tmp_path / "opt/venv/bin/python3").symlink_to("/gone/bin/python3")
    (tmp_path / "opt/venv/bin/python").touch()
    (tmp_path / "opt/venv/pyvenv.cfg").write_text(f"home = /gone/bin\ninclude-system-site-packages = false\n{text}\n")
    environment = read_environment(tmp_path, Path("/opt/venv/bin/python"))
    assert environment.python.version == found
    assert [one.path for one in environment.path.sites] == ["/opt/venv/lib/python3.12/site-packages"]


def foreign_system(tmp_path: Path) -> Path:
    """A root of EL9 with an environment in /opt, whose base has a distribution that its own path does not see."""
    root = tmp_path / "node"
    plain, _ = el_root(root)
    make_dist(plain, "six", "1.16.0", installer="rpm")
    folders(root, "usr/bin", "opt/venv/bin", "opt/venv/lib/python3.9/site-packages", "opt/venv/lib64")
    (root / "usr/bin/python3.9").touch()
    (root / "usr/bin/python3").symlink_to("python3.9")
    (root / "opt/venv/bin/python3").symlink_to("/usr/bin/python3")
    (root / "opt/venv/bin/python").symlink_to("python3")
    return root


WRITTEN_BY = {
    "uv": "home = /usr/bin\nimplementation = CPython\nuv = 0.13.9\nversion_info = 3.9.25\n",
    "virtualenv": (
        "home = /usr/bin\nimplementation = CPython\nversion_info = 3.9.25.final.0\nvirtualenv = 21.6.1\n"
        "base-prefix = /usr\nbase-exec-prefix = /usr\nbase-executable = /usr/bin/python3.9\n"
    ),
    "venv": (
        "home = /usr/bin\nversion = 3.9.25\nexecutable = /usr/bin/python3.9\n"
        "command = /usr/bin/python3 -m venv /opt/venv\n"
    ),
}


@pytest.mark.parametrize("tool", WRITTEN_BY)
def test_each_tools_environment_in_another_system_is_judged_by_that_system(tool: str, tmp_path: Path) -> None:
    """uv and virtualenv link the interpreter itself, and write more lines."""
    root = foreign_system(tmp_path)
    if tool != "venv":
        (root / "opt/venv/bin/python").unlink()
        (root / "opt/venv/bin/python3").unlink()
        (root / "opt/venv/bin/python").symlink_to("/usr/bin/python3.9")
        (root / "opt/venv/bin/python3").symlink_to("python")
    text = f"{WRITTEN_BY[tool]}include-system-site-packages = true\n"
    (root / "opt/venv/pyvenv.cfg").write_text(text)
    make_dist(root / "opt/venv/lib/python3.9/site-packages", "app", "1", requires=["six>=1.10"])
    for environment in (read_environment(root / "opt/venv"), read_environment(root, Path("/opt/venv/bin/python"))):
        assert environment.root.folder.resolve() == root.resolve()
        assert environment.python.version == "3.9.25"
        assert sorted(environment.imported) == ["app", "six"]


@pytest.mark.parametrize("system_site", [False, True])
@pytest.mark.parametrize("named", ["root", "python of this machine", "python in the root", "environment"])
def test_an_environment_in_another_system_is_judged_by_that_system(
    named: str, system_site: bool, tmp_path: Path
) -> None:
    root = foreign_system(tmp_path)
    settings = f"home = /usr/bin\ninclude-system-site-packages = {str(system_site).lower()}\nversion = 3.9.25\n"
    (root / "opt/venv/pyvenv.cfg").write_text(settings)
    make_dist(root / "opt/venv/lib/python3.9/site-packages", "app", "1", requires=["six>=1.10"])
    match named:
        case "root":
            environment = read_environment(root, Path("/opt/venv/bin/python3"))
        case "python of this machine":
            environment = read_environment(root, root / "opt/venv/bin/python3")
        case "python in the root":
            environment = read_environment(root / "opt/venv", Path("/opt/venv/bin/python3"))
        case _:
            environment = read_environment(root / "opt/venv")
    assert environment.root.folder.resolve() == root.resolve()
    assert environment.python.executable == "/opt/venv/bin/python3"
    assert environment.python.version == "3.9.25"
    assert environment.python.style is Style.FEDORA
    expected = ["app", "six"] if system_site else ["app"]
    assert sorted(environment.imported) == expected
    assert environment.target.machine == "ppc64le", "what is not known is not this machine's"
