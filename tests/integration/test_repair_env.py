"""`check env --requirements` on a real virtual environment and on the incident's tree: the commands are run, and the
check then finds nothing. pip's and pip-sync's verdicts are the oracle.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from incident import CALLER, HIDDEN, fetch_wheel, install_wheel, make_incident
from incident import pip as own_pip
from indexes import index_of_pip
from pythonroots import el_root, has_program, make_dist
from rpms import Rpm
from srpms import run as run_program
from wheelfiles import make_wheel

from ppcdeps.base.cache import Cache
from ppcdeps.model.reporter import Silence
from ppcdeps.python.names import normalize
from ppcdeps.workflows.checks import ApiCheck, Installation
from ppcdeps.workflows.repair_env import RepairedEnvironment, WantedPython, repair_env

REQUIREMENTS = "alpha==2.0\nbeta==1.0\nnewname==2.0\n"


def wheel(folder: Path, name: str, version: str, requires: str = "", module: str = "") -> None:
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    files = {f"{module or name}/__init__.py": f"NAME = {name!r}\n".encode(), f"{name}.py": b""}
    make_wheel(folder, name, version, "py3-none-any", files, {"METADATA": metadata.encode()})


@pytest.fixture
def disordered(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An environment with what pip brought, and the variables with which pip finds the wheels."""
    wheels = tmp_path / "wheels"
    for name, version, requires, module in (
        ("alpha", "1.0", "", ""),
        ("alpha", "2.0", "", ""),
        ("beta", "1.0", "alpha>=2", ""),
        ("gamma", "1.0", "", ""),
        ("oldname", "1.0", "", "shared"),
        ("newname", "2.0", "", "shared"),
    ):
        wheel(wheels, name, version, requires, module)
    place = tmp_path / "venv"
    venv.create(place, with_pip=True, symlinks=True)
    variables = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    pip(place, variables, "install", "--no-deps", "alpha==1.0", "gamma", "oldname")
    return place, variables


def pip(place: Path, variables: dict[str, str], *words: str) -> str:
    command = [str(place / "bin/python"), "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def order(
    root: Path, requirements: Path, cache: Path, *, pins: Path | None = None, follow: bool = False
) -> RepairedEnvironment:
    api, wanted = ApiCheck(Cache.open(cache), offline=True), WantedPython(requirements)
    return repair_env(Installation(root), wanted, Silence(), constraints=pins, api=api, follow=follow)


def test_after_the_script_nothing_is_found(disordered: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    place, variables = disordered
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text(REQUIREMENTS)
    # pip-sync names the same: what goes, and what comes.
    command = [sys.executable, "-m", "piptools", "sync", "--dry-run", "--python-executable"]
    command += [str(place / "bin/python"), str(requirements)]
    said = subprocess.run(command, env=variables, capture_output=True, text=True, check=False).stdout.split()
    found = order(place, requirements, tmp_path / "cache")
    assert set(said) >= {one.copy.key for one in found.repair.removals} == {"gamma", "oldname"}
    assert set(said) >= {one.text for one in found.repair.additions} == {"alpha==2.0", "beta==1.0", "newname==2.0"}
    found.write_script(script)
    done = subprocess.run([str(script)], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Installed first and removed then, oldname would have taken newname's module along.
    shown = subprocess.run(
        [str(place / "bin/python"), "-c", "import shared; print(shared.NAME)"], capture_output=True
    )
    assert shown.stdout == b"newname\n"
    assert "No broken requirements" in pip(place, variables, "check")
    after = order(place, requirements, tmp_path / "cache", follow=True)
    assert after.report.is_clean
    assert after.repair.is_in_order


def test_a_failing_download_changes_nothing(disordered: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    place, variables = disordered
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text("alpha==2.0\nabsent==1.0\n")
    before = pip(place, variables, "freeze")
    order(place, requirements, tmp_path / "cache").write_script(script)
    assert subprocess.run([str(script)], env=variables, capture_output=True, check=False).returncode != 0
    assert pip(place, variables, "freeze") == before


def test_pip_removes_the_copy_in_the_folder_of_pythonpath(
    disordered: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    place, variables = disordered
    site = next((place / "lib").glob("python*/site-packages"))
    behind = place / "behind"
    behind.mkdir()
    make_dist(behind, "alpha", "0.5")
    (site / "behind.pth").write_text(f"{behind}\n")
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text("alpha==1.0\ngamma\noldname\n")
    order(place, requirements, tmp_path / "cache").write_script(script)
    done = subprocess.run([str(script)], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(behind.glob("alpha*"))
    assert "alpha==1.0" in pip(place, variables, "freeze")


NEEDS_DNF = pytest.mark.skipif(
    not all(map(has_program, ("rpm", "rpmbuild", "createrepo_c", "dnf"))) or os.geteuid() != 0,
    reason="needs rpm, rpmbuild, createrepo_c and dnf, and to be root: rpm changes into the root",
)
STUBS = {
    # What an RPM brings, native or with a long tail of requirements of its own: the names that oslo's libraries use.
    "netifaces": ("0.10.4", "AF_INET = AF_INET6 = 2\ndef interfaces(): return []\n"
                  "def ifaddresses(name): return {}\ndef gateways(): return {}\n"),
    "posix_ipc": ("0.9.8", "O_CREAT = 64\nclass Semaphore:\n    pass\nclass BusyError(Exception):\n    pass\n"),
    "fixtures": ("1.2.0", "class Fixture:\n    pass\nclass TempDir(Fixture):\n    pass\n"
                 "class MonkeyPatch(Fixture):\n    pass\n"),
}  # fmt: skip
KILO = (
    "oslo.utils==1.4.2", "oslo.i18n==1.5.0", "oslo.config==1.9.3", "stevedore==1.3.0", "pbr==0.11.1", "six==1.16.0",
    "netaddr==0.7.19", "iso8601==0.1.16", "Babel==2.9.1", "pytz==2021.3", "argparse==1.4.0", "retrying==1.3.4",
)  # fmt: skip
"""Releases of nova's 2015 and what they require, of those that have wheels."""


def packaged(mirror: Path, package: str, name: str, version: str, site: str, files: dict[str, bytes]) -> None:
    """An RPM of a distribution, built into the mirror's folder."""
    made = mirror.parent / "made" / package / version
    info = make_dist(made, name, version, files=files, installer="rpm")
    inside = {f"{site}/{path.relative_to(made)}": path.read_bytes() for path in made.rglob("*") if path.is_file()}
    own = (f"{site}/{info.name}",)
    rpm = Rpm(package, version, arch="noarch", files=inside, folders=own, tags=("AutoReqProv: no",))
    shutil.copy(rpm.build(made / "rpm"), mirror)


def run_script(script: Path, root: Path, mirror: Path, python: str, **variables: str) -> str:
    """Run the script with a `dnf` that works on the root with this mirror alone, and a Python that is this machine's
    base interpreter with the root's folders on its path. Returns the commands of dnf that were run.
    """
    import pip as module

    text = script.read_text()
    # Paths in it are those of the inside.
    assert "rm -r /" not in text
    run_program("createrepo_c", "--quiet", str(mirror))
    programs, base = mirror.parent / "programs", Path(getattr(sys, "_base_executable", sys.executable))
    programs.mkdir()
    (programs / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n%_db_backend sqlite\n")
    (programs / "mirror.repo").write_text(f"[mirror]\nname=mirror\nbaseurl={mirror.as_uri()}\ngpgcheck=0\n")
    settings = f"--setopt=reposdir={programs} --setopt=cachedir={programs}/cache --setopt=logdir={programs}"
    (programs / "dnf").write_text(
        f'#!/bin/sh\necho "dnf $*" >>{programs}/log\nHOME={programs} exec {shutil.which("dnf")} --installroot={root} '
        f"--releasever=9 --disableplugin='*' {settings} \"$@\"\n"
    )
    sites = [root / f"usr/{lib}/python{python}/site-packages" for lib in ("local/lib", "lib64", "lib")]
    path = ":".join(map(str, (*sites, Path(module.__file__).parents[1])))
    (programs / f"python{python}").write_text(
        f'#!/bin/sh\nPYTHONPATH="${{PYTHONPATH:+{root}$PYTHONPATH:}}{path}" exec {base} "$@"\n'
    )
    for one in ("dnf", f"python{python}"):
        (programs / one).chmod(0o755)
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        ["sh", str(script)], env={**os.environ, **own, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (programs / "log").read_text()


@NEEDS_DNF
def test_after_the_commands_the_incident_has_nothing_left_to_find(tmp_path: Path) -> None:
    """oslo.concurrency of pip goes, oslo.utils comes as the RPM that fits the other RPMs, the rest comes by pip."""
    wheels, mirror = tmp_path / "wheels", tmp_path / "mirror"
    wheels.mkdir()
    mirror.mkdir()
    root = make_incident(tmp_path / "node", wheels)
    site = "/usr/lib/python2.7/site-packages"
    for name, (version, module) in STUBS.items():
        packaged(mirror, f"python-{name}", name, version, site, {f"{name}.py": module.encode()})
    packaged(mirror, "python2-pip", "pip", "8.1.2", site, {})
    fetched = tmp_path / "fetched"
    install_wheel(fetch_wheel(wheels, "oslo.utils", "1.4.2"), fetched)
    files = {str(one.relative_to(fetched)): one.read_bytes() for one in fetched.glob("oslo*/**/*") if one.is_file()}
    code = {path: content for path, content in files.items() if "dist-info" not in path}
    packaged(mirror, "python-oslo-utils", "oslo.utils", "1.4.2", site, code)
    own_pip(
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(wheels),
        *(one for one in KILO if not one.startswith("oslo.utils")),
    )

    requirements, pins, script = tmp_path / "requirements.txt", tmp_path / "pins.txt", tmp_path / "order.sh"
    requirements.write_text("\n".join((f"{HIDDEN[0]}=={HIDDEN[1]}", *KILO)))
    pins.write_text(
        "".join(
            f"{name.replace('_', '-')}=={version}\n    # from the RPM python-{name}-{version}-1.noarch\n"
            for name, (version, _) in STUBS.items()
        )
    )
    before = order(root, requirements, tmp_path / "cache", pins=pins, follow=True)
    assert any(one.rule == "api-missing-name" and "to_utf8" in one.message for one in before.report.findings)
    assert [(one.copy.name, one.copy.version) for one in before.repair.removals] == [CALLER]
    assert {one.text for one in before.repair.additions} == {one for one in KILO if not one.startswith("oslo.utils")}
    assert before.repair.open == ()
    before.write_script(script)
    # Where pip of the base interpreter installs to below a prefix is where that of the node would.
    places = sysconfig.get_paths(vars={"base": "/usr", "installed_base": "/usr"})
    link = root / Path(places["purelib"]).relative_to("/")
    link.parent.mkdir(parents=True)
    link.symlink_to(root / site[1:])
    into = {"PIP_PREFIX": f"{root}/usr", "PIP_IGNORE_INSTALLED": "1"}
    said = run_script(script, root, mirror, "2.7", PIP_FIND_LINKS=str(wheels), **into)
    shutil.rmtree(link.parent)
    assert said.splitlines() == [
        "dnf install -y python2-pip",
        "dnf install -y python-fixtures-1.2.0 python-netifaces-0.10.4 python-oslo-utils-1.4.2 python-posix_ipc-0.9.8",
    ]
    after = order(root, requirements, tmp_path / "cache", pins=pins, follow=True)
    assert [f"{one.rule} {one.message}" for one in after.report.findings] == []
    assert after.repair.is_in_order
    assert installed(root, "2.7")["oslo.utils"] == "1.4.2"


@NEEDS_DNF
def test_dnf_puts_back_what_pip_overwrote_and_goes_up_and_down(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    root = tmp_path / "root"
    plain, _ = el_root(root)
    site = "/usr/lib/python3.9/site-packages"
    for name, versions in (("six", ("1.15.0",)), ("up", ("1.0", "2.0")), ("down", ("1.0", "2.0")), ("bare", ("1",))):
        for version in versions:
            files = {f"{name}/__init__.py": f"VERSION = {version!r}\n".encode()}
            packaged(mirror, f"python3-{name}", name, version, site, files)
    packaged(mirror, "python3.9-pip", "pip", "21.2.3", site, {})
    database = root / "var/lib/rpm"
    database.mkdir(parents=True)
    there = [mirror / f"python3-{each}-1.noarch.rpm" for each in ("six-1.15.0", "up-1.0", "down-2.0", "bare-1")]
    run_program(
        *("rpm", "-i", "--root", str(root), "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite"),
        *("--nodeps", "--nosignature", *map(str, there)),
    )
    # pip, told to install into the folder of the RPMs, took their metadata away and wrote over their files.
    for name in ("six", "down"):
        shutil.rmtree(next(plain.glob(f"{name}-*.dist-info")))
        make_dist(plain, name, "9.9")
    (plain / "bare/__init__.py").unlink()
    requirements, script = tmp_path / "requirements.txt", tmp_path / "order.sh"
    requirements.write_text("six>=1.15\nup==2.0\ndown==1.0\nbare\n")
    before = order(root, requirements, tmp_path / "cache")
    assert {one.rule for one in before.report.findings} >= {"env-rpm-overwritten", "env-rpm-missing"}
    assert before.repair.put_back == ("python3-bare", "python3-six")
    before.write_script(script)
    said = run_script(script, root, mirror, "3.9")
    assert said.splitlines() == [
        "dnf install -y python3.9-pip",
        "dnf install -y --downloadonly python3-down-1.0",
        "dnf reinstall -y --downloadonly python3-bare python3-six",
        "dnf install -y python3-up-2.0",
        "dnf reinstall -y python3-bare python3-six",
        "dnf install -y python3-down-1.0",
    ]
    after = order(root, requirements, tmp_path / "cache", follow=True)
    assert [f"{one.rule} {one.message}" for one in after.report.findings] == []
    assert after.repair.is_in_order
    assert installed(root, "3.9") == {"six": "1.15.0", "up": "2.0", "down": "1.0", "bare": "1", "pip": "21.2.3"}
    assert (plain / "six/__init__.py").read_text() == "VERSION = '1.15.0'\n"
    verified = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "-Va", "--nodeps", "--nomtime"]
    assert subprocess.run(verified, capture_output=True, text=True, check=False).stdout == ""


def installed(root: Path, python: str) -> dict[str, str]:
    """The distributions in the root's folders by importlib.metadata."""
    from importlib.metadata import distributions

    folders = [str(one) for one in root.glob(f"usr/**/python{python}/site-packages")]
    return {one.metadata["Name"]: one.version for one in distributions(path=folders)}


def test_a_root_gets_what_the_workload_needs(tmp_path: Path) -> None:
    """nova-compute of the embedded snapshot, on a bare root of EL9 to which pip has brought newer releases."""
    root, cache = tmp_path / "root", Cache.open(tmp_path / "cache")
    plain, _ = el_root(root)
    local = root / "usr/local/lib/python3.9/site-packages"
    local.mkdir(parents=True)
    make_dist(plain, "pip", "21.2.3", installer="rpm")
    for name, version in (("oslo.utils", "6.0.0"), ("netaddr", "1.3.0"), ("stray", "1.0")):
        make_dist(local, name, version)
    with index_of_pip(cache):
        pass

    def ordered() -> RepairedEnvironment:
        wanted = WantedPython(workload="nova-compute", target="centos-stream-9", release="yoga")
        return repair_env(Installation(root), wanted, Silence(), api=ApiCheck(cache))

    before = ordered().repair
    yoga = (Path(__file__).parents[2] / "constraints/upper-constraints-yoga.txt").read_text()
    pins = {normalize(name): version for name, version in re.findall(r"(?m)^([\w.-]+)===([\w.]+)", yoga)}
    assert len(before.additions) > 90
    libraries = {one.required.name: one.required.version for one in before.additions if "oslo" in one.required.name}
    assert len(libraries) >= 20
    assert libraries == {name: pins[name] for name in libraries}
    assert next(one.replaced.version for one in before.additions if one.replaced is not None) == "6.0.0"
    assert {one.copy.key for one in before.removals} == {"netaddr", "stray"}
    steps = {command for step in ordered().steps for command in step.commands}
    (dnf,) = (one for one in steps if one.startswith("dnf install"))
    assert {"python3-netaddr-0.10.1", "python3-dateutil-1:2.8.1", "python3-libguestfs-1:1.54.0"} <= set(dnf.split())
    # The pip of EL9 makes no wheel of an old source distribution unless it is told to build apart.
    assert any("-m pip wheel --use-pep517 --wheel-dir" in one and "--require-hashes" in one for one in steps)

    # As the commands leave it: pip's and the RPMs', and what was built.
    for copies in (local, plain):
        shutil.rmtree(copies)
        copies.mkdir()
    make_dist(plain, "pip", "21.2.3", installer="rpm")
    for one in before.additions:
        make_dist(local, one.required.spelling, one.required.version)
    for each in before.owned:
        if each.planned:
            make_dist(plain, each.name, re.split(r"-(?:\d+:)?", each.package)[-1], installer="rpm")
    for name, version in re.findall(r"([\w-]+) ([\w.]+) is built from source first", "\n".join(before.open)):
        make_dist(local, name, version)
    after = ordered()
    assert (after.repair.is_in_order, after.steps) == (True, ())
    assert len(after.repair.satisfied) == len(before.additions)
