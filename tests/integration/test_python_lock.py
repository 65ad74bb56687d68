"""The Python lock for real workloads, from the index that pip is configured for, checked by pip, uv and
pip-tools.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import el9
import pytest
from indexes import index_of_pip

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import open_stream
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, read_constraints
from ppcdeps.python.coremetadata import MetadataSource
from ppcdeps.python.distfiles import sdists_of
from ppcdeps.python.distmetadata import sdist_facts
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.explain import ConflictError
from ppcdeps.python.index import Index
from ppcdeps.python.lock import LockRequest, PythonLock, PythonRoot
from ppcdeps.python.lockfiles import render_files
from ppcdeps.python.names import normalize, provided_distribution
from ppcdeps.python.pipconfig import read_pip_config
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.purity import Purity
from ppcdeps.python.resolution import resolve
from ppcdeps.python.workload import WorkloadPython, constraints_for

EL9 = PythonEnvironment("3.9.25", (2, 34))
EL10 = PythonEnvironment("3.12.9", (2, 39))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache.open(tmp_path_factory.mktemp("python-cache"))


@pytest.fixture(scope="module")
def index(cache: Cache) -> Iterator[Index]:
    """The index of pip's configuration. The tests are skipped where it is out of reach."""
    with index_of_pip(cache) as opened:
        yield opened


def lock_of(
    index: Index, root: str, python: PythonEnvironment, constraints: Path | None = None, **more: Any
) -> PythonLock:
    held = read_constraints(constraints, TargetEnvironment.of(python)) if constraints else NO_CONSTRAINTS
    return resolve(LockRequest(python, (PythonRoot(root, "the test"),), constraints=held, **more), index)


@pytest.fixture(scope="module")
def el9_distributions() -> dict[str, FixedDistribution]:
    """What the RPMs of EL9 for ppc64le provide to Python 3.9, from their metadata."""
    import xml.etree.ElementTree as ElementTree

    rpm = "{http://linux.duke.edu/metadata/rpm}"
    common = "{http://linux.duke.edu/metadata/common}"
    found: dict[str, FixedDistribution] = {}
    for repository in ("baseos", "appstream"):
        with open_stream(el9.primary(repository)) as stream:
            for _, element in ElementTree.iterparse(stream):
                if element.tag != f"{common}package":
                    continue
                name = element.findtext(f"{common}name") or ""
                version = element.find(f"{common}version")
                assert version is not None
                nevra = f"{name}-{version.get('ver')}-{version.get('rel')}.{element.findtext(f'{common}arch')}"
                for entry in element.iterfind(f".//{rpm}provides/{rpm}entry"):
                    stated = provided_distribution(f"{entry.get('name')} = {entry.get('ver')}")
                    if stated and str(entry.get("name")).startswith("python3.9dist("):
                        found[stated[0]] = FixedDistribution(*stated, nevra)
                element.clear()
    return found


# nova-compute on EL9 ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nova(
    index: Index,
    el9_distributions: dict[str, FixedDistribution],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[PythonLock, Path]:
    """nova 25.3.0 beside what EL9's own RPMs provide, and the folder of its files."""
    asked = WorkloadPython(
        "nova-compute",
        EL9,
        (PythonRoot("nova==25.3.0", "openstack-nova-compute"),),
        fixed=tuple(el9_distributions[name] for name in sorted(el9_distributions)),
        constraints=el9.CONSTRAINTS,
    )
    lock, files = constraints_for(asked, index)
    folder = tmp_path_factory.mktemp("nova")
    files.write(folder)
    return lock, folder


def test_every_pin_is_inside_the_constraints(nova: tuple[PythonLock, Path]) -> None:
    held = read_constraints(el9.CONSTRAINTS, TargetEnvironment.of(EL9)).by_name
    by_pip = nova[0].having(Provision.WHEEL, Provision.SDIST, Provision.BUILD)
    assert len(by_pip) > 80
    checked = [each for each in by_pip if each.name in held]
    assert len(checked) > 0.9 * len(by_pip)
    for each in checked:
        # === compares texts, and the file spells 4.12.4 as the release does.
        assert held[each.name].specifier.contains(each.version), each.name


def test_what_rpms_provide_is_in_the_constraints_and_not_for_pip(
    nova: tuple[PythonLock, Path], el9_distributions: dict[str, FixedDistribution]
) -> None:
    lock, folder = nova
    constraints = (folder / "constraints-nova-compute.txt").read_text()
    requirements = (folder / "requirements-nova-compute.txt").read_text()
    needed = [each.name for each in lock.having(Provision.RPM) if each.required_by]
    assert {"six", "pyyaml", "requests"} <= set(needed)
    for name in needed:
        fixed = el9_distributions[name]
        assert f"\n{name}=={fixed.version}\n" in constraints
        assert f"# from the RPM {fixed.rpm}\n" in constraints
        assert not re.search(rf"(?m)^{name}(\[.*\])?==", requirements)


def test_pip_accepts_the_requirements_for_the_target(nova: tuple[PythonLock, Path], tmp_path: Path) -> None:
    """Every file is found by its hash, for the target's interpreter and tags, with nothing but what the
    file names.
    """
    lock, folder = nova
    environment = lock.environment
    sdists = [each.name for each in lock.having(Provision.SDIST)]
    command = [
        *(
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--require-hashes",
            "--no-build-isolation",
            "-q",
        ),
        *("-r", str(folder / "requirements-nova-compute.txt"), "-d", str(tmp_path)),
        *(
            "--python-version",
            environment.python,
            "--implementation",
            "cp",
            "--abi",
            "cp39",
            "--abi",
            "abi3",
            "--abi",
            "none",
        ),
        *(part for platform in environment.platforms for part in ("--platform", platform)),
        *("--only-binary", ":all:", "--no-binary", ",".join(sdists)),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    expected = {each.files[0].filename for each in lock.having(Provision.WHEEL, Provision.SDIST)}
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_pip_tools_accepts_the_files(nova: tuple[PythonLock, Path], tmp_path: Path) -> None:
    _, folder = nova
    (tmp_path / "in.txt").write_text("webob\n")
    common = {"capture_output": True, "text": True, "check": False, "cwd": tmp_path}
    compiled = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "piptools",
                "compile",
                "-q",
                "--no-header",
                "--no-emit-options",
                "--strip-extras",
            ),
            *("-c", str(folder / "constraints-nova-compute.txt"), "-o", "-", "in.txt"),
        ],
        **common,  # type: ignore[call-overload]
    )
    assert compiled.returncode == 0, compiled.stderr[-2000:]
    assert "webob==1.8.7" in compiled.stdout + compiled.stderr
    synced = subprocess.run(
        [
            *(sys.executable, "-m", "piptools", "sync", "--dry-run"),
            str(folder / "requirements-nova-compute.txt"),
        ],
        **common,  # type: ignore[call-overload]
    )
    assert "Would install:" in synced.stdout, synced.stderr[-2000:]
    assert re.search(r"(?m)^  nova==25\.3\.0$", synced.stdout)


def test_the_files_name_no_index(nova: tuple[PythonLock, Path], index: Index) -> None:
    texts = [path.read_text() for path in nova[1].iterdir()]
    assert len(texts) == 3
    assert not any("://" in text for text in texts)


def test_repetition_gives_the_same_bytes(nova: tuple[PythonLock, Path]) -> None:
    lock, folder = nova
    for name, text in render_files(lock, "nova-compute", command="ppcdeps constraints nova-compute").texts:
        assert (folder / name).read_text() == text


# The same as uv --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv")


@pytest.mark.parametrize(
    ("root", "python", "release"),
    [
        ("nova==25.3.0", EL9, "yoga"),
        ("nova==29.0.1", EL10, "2024.1"),
        ("ansible-core", EL10, None),
        ("celery[redis]", EL10, None),
        ("fastapi[standard]", EL10, None),
        ("scrapy", EL10, None),
        ("sphinx", EL9, None),
    ],
)
def test_uv_finds_the_same_pins(
    index: Index,
    uv_cache: Path,
    project_root: Path,
    tmp_path: Path,
    root: str,
    python: PythonEnvironment,
    release: str | None,
) -> None:
    """uv resolves for the same platform, Python and constraints, on its own.

    It may build sdists to learn what they require, which ppcdeps does not; so far that never made a
    difference.
    """
    constraints = project_root / f"constraints/upper-constraints-{release}.txt" if release else None
    (tmp_path / "in.txt").write_text(f"{root}\n")
    config = read_pip_config()
    command = [
        *(
            "uv",
            "pip",
            "compile",
            "-q",
            "--no-annotate",
            "--no-header",
            "--no-config",
            "--cache-dir",
            str(uv_cache),
        ),
        *("--python-platform", "powerpc64le-unknown-linux-gnu", "--python-version", python.version),
        *("--default-index", config.indexes[0], "--no-strip-extras"),
        *(("-c", str(constraints)) if constraints else ()),
        str(tmp_path / "in.txt"),
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    theirs = dict(line.split("==") for line in result.stdout.splitlines() if "==" in line)
    lock = lock_of(index, root, python, constraints)
    ours = {each.name: each.version for each in lock.distributions}
    assert ours == {normalize(name.partition("[")[0]): version.split(" ")[0] for name, version in theirs.items()}


# Native distributions --------------------------------------------------------------------------------


def test_all_native_distributions_without_a_wheel_are_told_at_once(index: Index, project_root: Path) -> None:
    lock = lock_of(index, "nova==29.0.1", EL10, project_root / "constraints/upper-constraints-2024.1.txt")
    native = {each.name: each for each in lock.having(Provision.BUILD)}
    assert set(native) == {
        *("bcrypt", "cryptography", "lxml", "markupsafe", "msgpack", "netifaces", "numpy", "ovs", "psutil"),
        *("pyinotify", "pynacl", "pyyaml", "sqlalchemy", "yappi"),
    }
    assert native["cryptography"].builds_from[0] == "Rust"
    assert native["numpy"].builds_from[0] == "meson"
    assert native["lxml"].builds_from == ("Cython", "C")
    assert all(each.evidence and each.files[0].filename.endswith(".tar.gz") for each in native.values())
    assert {name for name, each in native.items() if each.optional} == {
        "markupsafe",
        "ovs",
        "pyyaml",
        "sqlalchemy",
    }
    greenlet = lock.by_name("greenlet")
    assert greenlet is not None
    assert greenlet.provision is Provision.WHEEL
    assert "ppc64le" in greenlet.files[0].filename


REAL_SDISTS = {
    "PyYAML 6.0": (Purity.OPTIONAL, "Cython"),
    "simplejson 3.17.6": (Purity.OPTIONAL, "C"),
    "wrapt 1.13.3": (Purity.OPTIONAL, "C"),
    "MarkupSafe 2.0.1": (Purity.OPTIONAL, "C"),
    "msgpack 1.0.3": (Purity.OPTIONAL, "Cython"),
    "netifaces 0.11.0": (Purity.NATIVE, "C"),
    "psutil 5.9.0": (Purity.NATIVE, "C"),
    "python-ldap 3.4.0": (Purity.NATIVE, "C"),
    "rpds-py 0.18.0": (Purity.NATIVE, "Rust"),
    "bcrypt 3.2.0": (Purity.NATIVE, "cffi"),
    "libvirt-python 8.0.0": (Purity.NATIVE, "C"),
    "pyroute2 0.6.6": (Purity.PURE, ""),
    "oslo.utils 4.12.4": (Purity.PURE, ""),
    "retrying 1.3.3": (Purity.PURE, ""),
    "jsonschema 4.21.1": (Purity.PURE, ""),
}


@pytest.mark.parametrize("release", REAL_SDISTS)
def test_real_sdists_are_judged_right(index: Index, release: str) -> None:
    name, version = release.split()
    (file, *_) = sdists_of(index.project(name).files[version])
    verdict = sdist_facts(index, file).verdict
    purity, language = REAL_SDISTS[release]
    assert verdict.purity is purity, verdict
    assert verdict.builds_from[:1] == ((language,) if language else ())


def test_metadata_of_a_real_sdist_is_marked_as_what_it_is(index: Index) -> None:
    lock = lock_of(index, "yappi==1.3.3", EL9)
    (found,) = lock.distributions
    assert found.metadata is MetadataSource.EGG_INFO
    assert "what yappi 1.3.3 requires is read from its egg-info" in lock.notes


# The incident ----------------------------------------------------------------------------------------


def test_the_first_compute_nodes_failure_is_a_conflict_that_is_explained(index: Index) -> None:
    """oslo.concurrency 3.20.0 was installed by pip beside an older oslo.utils from an RPM, and nova failed
    when the first instance was built: 'module' object has no attribute 'to_utf8'.
    """
    rpm = "python3-oslo-utils-3.4.0-1.el9.noarch"
    fixed = (FixedDistribution("oslo.utils", "3.4.0", rpm),)
    with pytest.raises(ConflictError) as caught:
        lock_of(index, "oslo.concurrency==3.20.0", EL9, fixed=fixed)
    lines = str(caught.value).splitlines()
    assert len(lines) <= 6
    assert "  oslo-utils >=3.20.0: required by oslo-concurrency 3.20.0, which is required by the test" in lines
    assert f"  oslo-utils ==3.4.0: fixed by the RPM {rpm}" in lines
    offered = dict(pin.split("==") for pin in caught.value.offer)
    assert offered["oslo-utils"] == "3.4.0"
    consistent = lock_of(index, f"oslo.concurrency=={offered['oslo-concurrency']}", EL9, fixed=fixed)
    assert consistent.by_name("oslo.utils") is not None
