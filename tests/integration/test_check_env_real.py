"""`check env` on real interpreters, environments, packages and wheels, against what they say of themselves."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from incident import CALLED, CALLER, fetch_wheel, install_wheel, make_incident, pip
from program import Program
from pythonroots import check_env, has_program
from srpms import run

from ppcdeps.checking.env.environment import Environment, read_environment
from ppcdeps.checking.findings import Finding, Severity
from ppcdeps.python.names import normalize

SYSTEM = Path("/usr/bin/python3")
REQUIREMENTS = ["jinja2==3.1.4", "requests==2.31.0", "urllib3==1.20"]
"""MarkupSafe, certifi, charset-normalizer and idna are missing; urllib3 is too old."""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment of this Python with requirements that are not met."""
    folder = tmp_path_factory.mktemp("broken") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    pip("--python", str(folder), "install", "--no-deps", *REQUIREMENTS)
    return folder


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("incident")
    return make_incident(folder / "root", folder / "wheels", with_rpms=has_program("rpmbuild"))


def interpreters(tmp_path: Path) -> list[Path]:
    """This Python's program and the system's, environments of both, and other versions that lie beside this one."""
    versions = Path(sys.executable).resolve().parents[2]
    made = sorted(versions.glob("*/bin/python[23]")) if versions.name == "versions" else []
    for base in {Path(sys.executable).resolve(), SYSTEM}:
        if not base.exists():
            continue
        made.append(base)
        for name, options in (("own", []), ("all", ["--system-site-packages"])):
            folder = tmp_path / f"venv-{len(made)}-{name}"
            run(str(base), "-m", "venv", "--without-pip", *options, str(folder))
            made.append(folder / "bin/python3")
    return made


def test_the_path_is_the_one_that_each_interpreter_has(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    found = interpreters(tmp_path)
    assert found
    for python in found:
        site = next(iter((python.parent.parent / "lib").glob("python3*/site-packages")), None)
        if tmp_path in python.parents and site is not None:
            (site / "more.pth").write_text(f"{tmp_path / 'more'}\n# no\n/nowhere\n")
        said = subprocess.run(
            [python, "-s", "-c", "import json, sys; print(json.dumps(sys.path))"],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": os.environ["PATH"]},
        ).stdout
        # The first is the current folder, the second an archive that nobody has.
        expected = [one for one in json.loads(said) if one and not one.endswith(".zip") and Path(one).is_dir()]
        environment = read_environment(Path("/"), python)
        assert [one.path for one in environment.path.entries] == expected, python
        version = run(str(python), "-c", "import platform; print(platform.python_version())").strip()
        assert environment.python.version in (version, version.rpartition(".")[0])


def told(environment: Environment) -> list[tuple[str, str, tuple[str, ...]]]:
    return sorted((one.name, one.version, tuple(sorted(one.requires))) for one in environment.copies)


@pytest.mark.parametrize("python", [Path(sys.executable), SYSTEM], ids=["project", "system"])
def test_importlib_finds_the_same_distributions(python: Path) -> None:
    if not python.exists():
        pytest.skip(f"{python} is not there")
    environment = read_environment(Path("/"), python)
    found = metadata.distributions(path=[one.path for one in environment.path.entries])
    # importlib joins the marker of an egg-info's section differently; what is required is the same.
    theirs = sorted((one.metadata["Name"], one.version, len(one.requires or ())) for one in found)
    assert [(name, version, len(requires)) for name, version, requires in told(environment)] == theirs


def test_the_project_s_own_environment_is_clean() -> None:
    found = check_env(Path("/"), python=Path(sys.executable))
    assert found.is_clean, found.findings
    assert next(one.count for one in found.examined if one.what == "distributions") > 20


def test_pip_check_finds_the_same_requirements(broken: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(broken), "check"], capture_output=True, text=True, check=False
    )
    missing = re.findall(r"requires ([\w.-]+), which is not installed", asked.stdout)
    wrong = re.findall(r"has requirement ([\w.-]+)\S*, but you have", asked.stdout)
    assert missing
    assert wrong
    found = check_env(broken).findings
    ours = {normalize(one.where) for one in found if one.rule == "env-missing-requirement"}
    assert ours == {normalize(one) for one in missing}
    assert [one.rule for one in found].count("env-wrong-version") == len(set(wrong))


def test_the_command_fixes_the_environment(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    pip("--python", str(venv), "install", "--no-deps", "requests==2.31.0", "urllib3==1.20")
    wrong = of_rule(check_env(venv).findings, "env-wrong-version")
    assert [one.fix for one in wrong] == [(f"{venv}/bin/python3 -m pip install --no-deps urllib3==1.21.1",)]
    # The environment has no pip of its own: this one's does it.
    _, _, arguments = wrong[0].fix[0].partition(" -m pip ")
    run("sh", "-c", f"{sys.executable} -m pip --quiet --python {venv} {arguments}")
    assert of_rule(check_env(venv).findings, "env-wrong-version") == []


def of_rule(found: tuple[Finding, ...], rule: str) -> list[Finding]:
    return [one for one in found if one.rule == rule]


def test_the_incident_is_found(incident: Path) -> None:
    found = check_env(incident).findings
    wrong = of_rule(found, "env-wrong-version")
    assert len(wrong) == 1
    assert wrong[0].where == f"/usr/lib/python2.7/site-packages/oslo.utils-{CALLED[1]}.dist-info"
    assert wrong[0].message.endswith("is imported, and oslo.concurrency 3.20.0 requires oslo.utils>=3.20.0")
    assert wrong[0].fix == ("python2.7 -m pip install --no-deps oslo.utils==3.20.0",)
    rule = "env-rpm-shadowed" if has_program("rpmbuild") else "env-shadowed"
    shadowed = of_rule(found, rule)
    assert len(shadowed) == 1
    assert shadowed[0].message == "oslo.concurrency is in 2 folders; imported is 3.20.0, not 1.8.2"
    assert shadowed[0].where.startswith(f"/usr/lib64/python2.7/site-packages/{CALLER[0]}")


def test_the_incident_as_a_user_sees_it(incident: Path, tmp_path: Path) -> None:
    ppcdeps = Program(tmp_path, {})
    shown = ppcdeps("check", "env", "--root", incident, code=1)
    assert "\nErrors\n" in shown.out
    assert "python2.7 -m pip install --no-deps oslo.utils==3.20.0\n" in shown.out
    document = json.loads(ppcdeps("check", "env", "--root", incident, "--json", code=1).out)
    assert document["check"] == "env"
    assert len(document["findings"]) == sum(document["counts"].values())
    assert ppcdeps("check", "env", "--root", incident / "etc", code=3).fault.startswith("ppcdeps: error: ")
    assert "is not a folder" in ppcdeps("check", "env", "--root", incident / "nowhere", code=2).fault


def test_a_wheel_of_another_machine_is_found(tmp_path: Path) -> None:
    other = "x86_64" if os.uname().machine == "ppc64le" else "ppc64le"
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    site = next((venv / "lib").glob("python3*/site-packages"))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    platform = ["--platform", f"manylinux2014_{other}", "--python-version", version]
    pip("install", "--no-deps", "--only-binary", ":all:", *platform, "--target", str(site), "markupsafe")
    found = check_env(venv).findings
    assert [one.rule for one in found] == ["env-wrong-machine"]
    assert f"is for {other}, and the interpreter is for {os.uname().machine}" in found[0].message
    assert "--no-binary MarkupSafe" in found[0].fix[0]


def test_a_ppc64le_root_is_examined_on_any_machine(tmp_path: Path) -> None:
    """Markers and modules are POWER's: a real wheel's module stands for the interpreter's program, too."""
    root = tmp_path / "root"
    site = root / "usr/lib64/python3.9/site-packages"
    site.mkdir(parents=True)
    (root / "usr/lib64/python3.9/os.py").touch()
    platform = ["--platform", "manylinux2014_ppc64le", "--python-version", "3.9"]
    pip("install", "--no-deps", "--only-binary", ":all:", *platform, "--target", str(site), "markupsafe")
    module = next(site.rglob("*.so"))
    (root / "usr/bin").mkdir()
    shutil.copy(module, root / "usr/bin/python3.9")
    (root / "usr/bin/python3").symlink_to("python3.9")
    install_wheel(fetch_wheel(tmp_path, "jinja2", "3.1.4"), site)
    found = check_env(root)
    assert found.findings == ()
    assert found.subject.startswith("Python 3.9 for ppc64le, /usr/bin/python3 in ")
    module.rename(module.with_name("_speedups.cpython-39-x86_64-linux-gnu.so"))
    assert "env-wrong-abi" in {one.rule for one in check_env(root).findings}


@pytest.mark.skipif(not has_program("apt-get") or not has_program("dpkg-deb"), reason="Debian's tools are not here")
def test_real_debian_packages_make_a_clean_root(tmp_path: Path) -> None:
    debs = tmp_path / "debs"
    debs.mkdir()
    debs.chmod(0o777)
    names = [
        "python3-six",
        "python3-idna",
        "python3-requests",
        "python3-urllib3",
        "python3-certifi",
        "python3-chardet",
    ]
    names += [
        "python3-charset-normalizer",
        "python3-minimal",
        "python3.11-minimal",
        "libpython3.11-minimal",
        "python3-yaml",
    ]
    done = subprocess.run(["apt-get", "download", *names], cwd=debs, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"apt-get cannot download packages here: {done.stderr.splitlines()[-1:]}")
    root = tmp_path / "root"
    for deb in sorted(debs.glob("*.deb")):
        run("dpkg-deb", "-x", str(deb), str(root))
    found = check_env(root)
    assert found.subject.startswith("Python 3.11")
    assert [one for one in found.findings if one.severity is not Severity.ADVICE] == []
    assert next(one.count for one in found.examined if one.what == "distributions") == 8
    # pip, as root, puts a newer copy before the package's.
    install_wheel(fetch_wheel(tmp_path, "idna", "3.10"), root / "usr/local/lib/python3.11/dist-packages")
    shadowed = of_rule(check_env(root).findings, "env-shadowed")
    assert [one.message for one in shadowed] == ["idna is in 2 folders; imported is 3.10, not 3.3"]
    assert shadowed[0].fix == ("/usr/bin/python3 -m pip uninstall idna",)
