"""What `check env --requirements` removes, installs and leaves alone, and the order of its commands."""

import json
from pathlib import Path

import pytest
from pythonroots import el_root, has_program, make_dist, own_rpm

from ppcdeps.checking.env.check import report_on
from ppcdeps.checking.env.environment import Environment, read_environment
from ppcdeps.checking.env.repair import Repair, repair_of
from ppcdeps.checking.env.repair_steps import script_of, steps_of
from ppcdeps.checking.env.wanted import read_wanted
from ppcdeps.cli.main import main
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.reporter import Silence
from ppcdeps.python.requirementset import requirement_set

HASH = "a" * 64


def root_of(folder: Path) -> tuple[Path, Path, Path]:
    """An EL9 root: the folder of RPMs, and the one below /usr/local that pip installs to."""
    plain, _ = el_root(folder / "root")
    local = folder / "root/usr/local/lib/python3.9/site-packages"
    local.mkdir(parents=True)
    make_dist(local, "pip", "21.2.3")
    return folder / "root", plain, local


def repaired(folder: Path, requirements: str, constraints: str = "") -> tuple[Environment, Repair]:
    file = folder / "requirements.txt"
    file.write_text(requirements)
    pins = folder / "constraints.txt"
    pins.write_text(constraints)
    environment = read_environment(folder / "root")
    wanted = read_wanted(file, environment.target, pins)
    return environment, repair_of(environment, wanted, report_on(environment, Silence()).findings)


def removed(repair: Repair) -> list[str]:
    return [f"{one.copy.name} {one.copy.version}" for one in repair.removals]


def added(repair: Repair) -> list[str]:
    return [one.text for one in repair.additions]


def commands(environment: Environment, repair: Repair) -> list[str]:
    return [command for step in steps_of(environment, repair) for command in step.commands]


def test_what_pip_brought_goes_and_what_is_required_comes(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    make_dist(local, "alpha", "1.0")
    make_dist(local, "beta", "1.0")
    environment, repair = repaired(tmp_path, "alpha==2.0\nold==1; python_version < '3'\n")
    assert (removed(repair), added(repair)) == (["beta 1.0"], ["alpha==2.0"])
    assert [one.copy.key for one in repair.kept] == ["pip"]
    lines = commands(environment, repair)
    # Fetched before anything goes, and installed from what was fetched.
    fetch, remove, install = (
        next(place for place, line in enumerate(lines) if f"-m pip {word}" in line)
        for word in ("wheel", "uninstall", "install")
    )
    assert fetch < remove < install
    assert "--no-index" in lines[install]


def test_what_an_rpm_satisfies_is_left_to_the_rpm(tmp_path: Path) -> None:
    _, plain, local = root_of(tmp_path)
    make_dist(plain, "six", "1.15.0", installer="rpm")
    make_dist(local, "six", "1.16.0")
    _, repair = repaired(tmp_path, "six>=1.15\n")
    assert (removed(repair), added(repair)) == (["six 1.16.0"], [])
    assert [(one.name, one.version, one.wanted) for one in repair.owned] == [("six", "1.15.0", "")]


def test_an_rpm_of_another_version_is_not_for_pip(tmp_path: Path) -> None:
    if not (has_program("rpmbuild") and has_program("rpm")):
        pytest.skip("rpm and rpmbuild are not installed")
    root, plain, _ = root_of(tmp_path)
    info = make_dist(plain, "six", "1.15.0", installer="rpm")
    own_rpm(root, "python3-six", "1.15.0", [plain / "six", info])
    environment, repair = repaired(tmp_path, "six==1.16.0\n")
    assert (removed(repair), added(repair)) == ([], [])
    assert commands(environment, repair) == ["dnf install -y python3-six-1.16.0"]


def test_an_rpm_whose_folder_pip_installed_to_is_put_back(tmp_path: Path) -> None:
    if not (has_program("rpmbuild") and has_program("rpm")):
        pytest.skip("rpm and rpmbuild are not installed")
    root, plain, _ = root_of(tmp_path)
    info = make_dist(plain, "six", "1.15.0", installer="rpm")
    own_rpm(root, "python3-six", "1.15.0", [plain / "six", info])
    for file in info.iterdir():
        file.unlink()
    info.rmdir()
    make_dist(plain, "six", "1.16.0")
    environment, repair = repaired(tmp_path, "six==1.15.0\n")
    assert (removed(repair), repair.put_back) == (["six 1.16.0"], ("python3-six",))
    lines = commands(environment, repair)
    assert lines[0] == "dnf reinstall -y --downloadonly python3-six"
    assert lines[-1] == "dnf reinstall -y python3-six"


def test_what_stays_keeps_what_it_requires(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    make_dist(local, "alpha", "1.0", requires=["beta>=1"])
    make_dist(local, "beta", "1.0", requires=["gamma"])
    make_dist(local, "gamma", "1.0")
    make_dist(local, "delta", "1.0", requires=["epsilon"])
    make_dist(local, "epsilon", "1.0", requires=["delta"])
    _, repair = repaired(tmp_path, "alpha==1.0\n")
    assert removed(repair) == ["delta 1.0", "epsilon 1.0"]
    assert [one.copy.key for one in repair.kept] == ["beta", "gamma", "pip"]


def test_a_hidden_copy_is_removed_in_its_folder(tmp_path: Path) -> None:
    root, plain, local = root_of(tmp_path)
    make_dist(local, "alpha", "2.0")
    make_dist(plain, "alpha", "1.0")
    environment, repair = repaired(tmp_path, "alpha==2.0\n")
    assert removed(repair) == ["alpha 1.0"]
    assert commands(environment, repair) == [
        "PYTHONPATH=/usr/lib/python3.9/site-packages python3.9 -m pip uninstall -y alpha"
    ]
    assert root.is_dir()


def test_two_sets_of_metadata_in_one_folder_are_both_removed(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    make_dist(local, "alpha", "1.0")
    make_dist(local, "alpha", "2.0")
    _, repair = repaired(tmp_path, "alpha==2.0\n")
    assert (sorted(removed(repair)), added(repair)) == (["alpha 1.0", "alpha 2.0"], ["alpha==2.0"])


def test_what_loses_files_to_a_renamed_distribution_comes_anew(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    make_dist(local, "msgpack-python", "0.5", files={"msgpack/__init__.py": b"old\n"})
    make_dist(local, "msgpack", "1.0")
    environment, repair = repaired(tmp_path, "msgpack==1.0\n")
    assert (removed(repair), added(repair)) == (["msgpack-python 0.5"], ["msgpack==1.0"])
    assert any("--ignore-installed msgpack==1.0" in line for line in commands(environment, repair))


def test_what_distutils_installed_is_named_and_not_given_to_pip(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    (local / "alpha-1.0.egg-info").write_text("Metadata-Version: 1.0\nName: alpha\nVersion: 1.0\n")
    (local / "beta-1.0.egg-info").write_text("Metadata-Version: 1.0\nName: beta\nVersion: 1.0\n")
    environment, repair = repaired(tmp_path, "alpha==2.0\n")
    lines = commands(environment, repair)
    assert not any("pip uninstall" in line for line in lines)
    assert any(line.startswith("# by hand: beta 1.0") for line in lines)
    assert any("--ignore-installed alpha==2.0" in line for line in lines)
    assert "rm -r /usr/local/lib/python3.9/site-packages/alpha-1.0.egg-info" in lines


def test_hashes_are_checked_where_the_file_has_them(tmp_path: Path) -> None:
    root_of(tmp_path)
    environment, repair = repaired(tmp_path, f"alpha[x]==2.0 --hash=sha256:{HASH}\nbeta\n", "beta==3\n")
    hashed = next(line for line in commands(environment, repair) if "--require-hashes" in line)
    assert f"alpha[x]==2.0 \\\n    --hash=sha256:{HASH}\n" in hashed
    assert any(line.endswith("--no-deps beta==3") for line in commands(environment, repair))


@pytest.mark.parametrize(
    ("pip", "wheel", "python", "command"),
    [
        ("21.2.3", False, "3.9", "wheel --use-pep517 --wheel-dir"),
        ("21.2.3", True, "3.9", "wheel --wheel-dir"),
        ("23.1", False, "3.9", "wheel --wheel-dir"),
        ("9.0.3", True, "3.6", "download --dest"),
        ("not-a-version", False, "3.9", "wheel --use-pep517 --wheel-dir"),
        ("", False, "2.7", "download --dest"),
        ("20.3.4", False, "2.7", "wheel --use-pep517 --wheel-dir"),
    ],
)
def test_sources_are_built_as_the_pip_that_is_there_can(
    tmp_path: Path, pip: str, wheel: bool, python: str, command: str
) -> None:
    plain, _ = el_root(tmp_path / "root", python)
    if pip:
        make_dist(plain, "pip", pip)
    if wheel:
        make_dist(plain, "wheel", "0.36.2")
    environment, repair = repaired(tmp_path, "alpha==1.0\n")
    assert f'python{python} -m pip {command} "$wheels" --no-deps alpha==1.0' in commands(environment, repair)


def test_the_pip_of_python_2_is_the_package_that_el_has(tmp_path: Path) -> None:
    if not has_program("rpmbuild"):
        pytest.skip("rpmbuild is not installed")
    plain, _ = el_root(tmp_path / "root", "2.7")
    info = make_dist(plain, "six", "1.15.0", installer="rpm")
    own_rpm(tmp_path / "root", "python-six", "1.15.0", [plain / "six", info])
    environment, repair = repaired(tmp_path, "alpha==1.0\n")
    assert commands(environment, repair)[0] == "dnf install -y python2-pip"


def virtual_environment(folder: Path, *, sees_the_system: bool) -> Path:
    """A virtual environment in a root of EL9. Returns its site folder."""
    root_of(folder)
    program = folder / "root/usr/bin/python3.9"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    place = folder / "root/opt/v"
    site = place / "lib/python3.9/site-packages"
    site.mkdir(parents=True)
    (place / "bin").mkdir()
    (place / "bin/python3").symlink_to("/usr/bin/python3.9")
    (place / "pyvenv.cfg").write_text(
        f"home = /usr/bin\nversion = 3.9.25\ninclude-system-site-packages = {str(sees_the_system).lower()}\n"
    )
    return site


@pytest.mark.parametrize("sees", [False, True])
def test_what_rpms_bring_counts_where_the_environment_sees_it(tmp_path: Path, sees: bool) -> None:
    site = virtual_environment(tmp_path, sees_the_system=sees)
    make_dist(site, "netaddr", "1.3.0")
    (tmp_path / "requirements.txt").write_text("alpha==1.0\n")
    (tmp_path / "pins.txt").write_text(
        "netaddr==0.10.1\n    # from the RPM python3-netaddr-0.10.1-3.el9.noarch\n"
        "numpy==1.23.5\n    # via alpha\n    # from the RPM python3-numpy-1:1.23.5-1.el9.ppc64le\n"
    )
    environment = read_environment(tmp_path / "root/opt/v")
    wanted = read_wanted(tmp_path / "requirements.txt", environment.target, tmp_path / "pins.txt")
    repair = repair_of(environment, wanted)
    lines = commands(environment, repair)
    if sees:
        assert removed(repair) == ["netaddr 1.3.0"]
        assert "dnf install -y python3-netaddr-0.10.1 python3-numpy-1:1.23.5" in lines
        return
    assert removed(repair) == []
    assert [one.copy.shown for one in repair.kept] == ["netaddr 1.3.0"]
    assert [one.rpartition(": ")[2] for one in repair.open] == ["numpy"]
    assert not any("dnf" in one for one in lines)


def test_what_the_rpms_that_stay_require_is_open(tmp_path: Path) -> None:
    if not has_program("rpmbuild"):
        pytest.skip("rpmbuild is not installed")
    root, plain, _ = root_of(tmp_path)
    made = {
        name: make_dist(plain, name, "1.0", requires=requires, installer="rpm")
        for name, requires in (("app", ["lib>=2", "gone"]), ("lib", []), ("old", ["other<1"]))
    }
    for name, requires in (("app", ["python3.9dist(gone)", "python3.9dist(lib)"]), ("lib", []), ("old", ["sh"])):
        own_rpm(root, f"python3-{name}", "1.0", [plain / name, made[name]], requires)
    _, repair = repaired(tmp_path, "app==1.0\n")
    assert repair.open == (
        "app 1.0, of RPM python3-app, requires gone, which no requirement names",
        "app 1.0, of RPM python3-app, requires lib>=2, and lib 1.0 stays",
        "old 1.0, of RPM python3-old, requires other<1, which no requirement names",
    )
    # What is to come is looked at as well.
    _, repair = repaired(tmp_path, "app==1.0\ngone==1\nlib==1.5\nother==0.1\n")
    assert repair.open == (
        f"app 1.0, of RPM python3-app, requires lib>=2, and {tmp_path}/requirements.txt:3 wants 1.5",
    )
    _, repair = repaired(tmp_path, "app==1.0\ngone==1\nlib==2.0\nother==0.1\n")
    assert repair.open == ()


def test_requirements_for_another_machine_are_said_to_be(tmp_path: Path) -> None:
    root_of(tmp_path)
    _, repair = repaired(tmp_path, "#\n# x on x86_64, Python 3.9.25, glibc 2.34\nalpha==1\n")
    assert [one.why for one in repair.unjudged] == [
        "it is for x86_64, and this environment is for ppc64le: their digests differ"
    ]


def test_a_name_from_a_file_is_no_option(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    info = local / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: -r /etc/passwd; $(reboot)\nVersion: 1.0\n")
    (info / "RECORD").write_text("")
    environment, repair = repaired(tmp_path, "alpha==1.0\n")
    script = script_of(environment, repair, steps_of(environment, repair))
    named = [line for line in script.splitlines() if "reboot" in line]
    assert named
    assert all(line.startswith("#") for line in named)


def test_versions_that_cannot_be_compared_are_no_crash(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    make_dist(local, "alpha", "not-a-version", requires=["beta;;", "pip"])
    (local / "alpha-not-a-version.dist-info").rename(local / "alpha-x.dist-info")
    _, repair = repaired(tmp_path, "alpha==1.0\n")
    assert added(repair) == ["alpha==1.0"]


def test_an_archive_with_its_digest_is_there_already(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    url = "https://host.invalid/alpha-1.0-py3-none-any.whl"
    info = make_dist(local, "alpha", "1.0")
    said = {"url": url, "archive_info": {"hash": f"sha256={HASH}", "hashes": {"sha256": HASH}}}
    (info / "direct_url.json").write_text(json.dumps(said))
    _, repair = repaired(tmp_path, f"alpha @ {url}#sha256={HASH}\n")
    assert (removed(repair), added(repair)) == ([], [])
    environment, repair = repaired(tmp_path, f"alpha @ {url}#sha256={'b' * 64}\nbeta==1\n")
    assert len(added(repair)) == 2
    # pip fetches it where it installs, and the text says no more.
    assert steps_of(environment, repair)[0].purpose.startswith("fetch and build all that has no URL first")


def test_a_file_for_another_python_is_refused(tmp_path: Path) -> None:
    root_of(tmp_path)
    with pytest.raises(ConfigError, match=r"for Python 3\.12, and not for the 3\.9"):
        repaired(tmp_path, "#\n# x on ppc64le, Python 3.12.9, glibc 2.34\nalpha==1\n")


def test_what_is_built_first_stays(tmp_path: Path) -> None:
    _, _, local = root_of(tmp_path)
    make_dist(local, "numpy", "1.2")
    text = (
        "# Native, and no wheel fits: built from source first, and not for pip to install:\n"
        "#    numpy==1.2 (C)\n#    lxml==5\n#\nalpha==1\n"
    )
    _, repair = repaired(tmp_path, text)
    assert removed(repair) == []
    assert [one.partition(" ")[0] for one in repair.open] == ["lxml"]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--requirements", "absent.txt"], 3, "cannot read the requirements absent.txt"),
        (["--requirements", "bad.txt"], 3, "is not a requirement"),
        (["--requirements", "empty.txt"], 3, "requires nothing"),
        (["--script", "s.sh"], 2, "--script takes --requirements or --workload"),
        (["--requirements", "good.txt", "--workload", "nova-compute"], 2, "exclude each other"),
        (["--requirements", "good.txt", "--script", "good.txt"], 3, "is there already"),
        (["--workload", "no-such"], 2, "no-such"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    line: str,
) -> None:
    root_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PPCDEPS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "good.txt").write_text("alpha==1\n")
    (tmp_path / "bad.txt").write_text("alpha===\n!!\n")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    assert main(["check", "env", "--root", "root", "--offline", "-q", *words]) == code
    assert line in capsys.readouterr().err
    assert (tmp_path / "good.txt").read_text() == "alpha==1\n"


def test_requirements_of_one_name_are_one(tmp_path: Path) -> None:
    from ppcdeps.python.requirementfiles import parse_requirement_text

    environment = read_environment(root_of(tmp_path)[0]).target
    file = parse_requirement_text("a>=1\nA[x]<3\n./b.tar.gz\n", what="it", origin="r.txt")
    found = requirement_set(file, environment, what="it", origin="r.txt")
    assert [(one.name, str(one.specifier), one.extras) for one in found.distributions.values()] == [
        ("a", "<3,>=1", ("x",))
    ]
    assert len(found.projects) == 1
