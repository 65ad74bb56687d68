"""Roots with distributions in them, made file by file: what pip writes, and what breaks it."""

import base64
import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from srpms import run

from ppcdeps.checking.env.check import report_on
from ppcdeps.checking.env.environment import read_environment
from ppcdeps.checking.findings import Report
from ppcdeps.model.reporter import Silence
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS


def make_dist(
    site: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    files: Mapping[str, bytes] | None = None,
    requires_python: str = "",
    installer: str = "pip",
) -> Path:
    """A distribution as pip installs it: modules, METADATA, INSTALLER, RECORD with digests. Returns its dist-info."""
    module = name.lower().replace("-", "_").replace(".", "_")
    contents = dict(files if files is not None else {f"{module}/__init__.py": f"VERSION = {version!r}\n".encode()})
    info = f"{module}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Requires-Dist: {one}" for one in requires]
    contents[f"{info}/METADATA"] = ("\n".join(lines) + "\n\nA description.\n").encode()
    contents[f"{info}/INSTALLER"] = f"{installer}\n".encode()
    record = []
    for path, content in contents.items():
        place = site / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        record.append(f"{path},sha256={_digest(content)},{len(content)}")
    record.append(f"{info}/RECORD,,")
    (site / info / "RECORD").write_text("\n".join(record) + "\n")
    return site / info


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def el_root(folder: Path, python: str = "3.9") -> tuple[Path, Path]:
    """The folders of an EL system's Python, without a program. Returns site-packages below lib and below lib64."""
    plain = folder / f"usr/lib/python{python}/site-packages"
    native = folder / f"usr/lib64/python{python}/site-packages"
    for one in (plain, native):
        one.mkdir(parents=True)
    (native.parent / "os.py").touch()
    (folder / "etc").mkdir()
    (folder / "etc/os-release").write_text('ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n')
    return plain, native


def own_rpm(root: Path, name: str, version: str, paths: Iterable[Path], requires: Iterable[str] = ()) -> None:
    """Make an RPM of files that are in the root, by rpmbuild, and enter it in the root's database, by rpm."""
    build = root.parent / f"{root.name}-rpms" / name
    spec = build / f"{name}.spec"
    build.mkdir(parents=True)
    listed = [f"/{path.relative_to(root)}" for path in paths]
    spec.write_text(
        f"Name: {name}\nVersion: {version}\nRelease: 1.el9\nSummary: S\nLicense: MIT\n"
        "BuildArch: noarch\nAutoReqProv: no\n"
        + "".join(f"Requires: {one}\n" for one in requires)
        + "%description\nD\n%install\n"
        + "".join(
            f"mkdir -p %{{buildroot}}$(dirname '{one}')\ncp -r '{root}{one}' %{{buildroot}}'{one}'\n"
            for one in listed
        )
        + "%files\n"
        + "".join(f'"{one}"\n' for one in listed)
    )
    options = ["--define", f"_topdir {build}", "--define", "__os_install_post %{nil}"]
    run("rpmbuild", "-bb", "--target", "noarch", *options, str(spec))
    package = next((build / "RPMS").rglob("*.rpm"))
    database = root / "var/lib/rpm"
    database.mkdir(parents=True, exist_ok=True)
    where = ["--dbpath", str(database), "--define", "_db_backend sqlite"]
    run("rpm", "-i", "--justdb", "--nodeps", "--ignorearch", "--ignoreos", "--nosignature", *where, str(package))


def compile_library(
    to: Path,
    *,
    soname: str = "",
    needs: Iterable[Path] = (),
    source: str = "",
    versions: Iterable[str] = (),
    options: Iterable[str] = (),
) -> Path:
    """A shared library of this machine, by gcc, that needs no C library.

    ``versions`` are symbol versions; of each, NAME_1.0, there is a function name_1_0 that other libraries can call.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    functions = [f"void {one.lower().replace('.', '_')}(void) {{}}" for one in versions]
    code = to.parent / f".{to.name}.c"
    code.write_text("\n".join([*functions, source, ""]))
    more: list[str] = []
    if functions:
        script = to.parent / f".{to.name}.map"
        nodes = [f"{one} {{ global: {one.lower().replace('.', '_')}; }};" for one in versions]
        script.write_text("\n".join(nodes) + "\n")
        more = [f"-Wl,--version-script={script}"]
    named = [f"-Wl,-soname,{soname}"] if soname else []
    libraries = [str(one) for one in needs]
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-nostdlib",
        "-Wl,--no-as-needed",
        *named,
        *more,
        *options,
        "-o",
        str(to),
        str(code),
        *libraries,
    ]
    run(*command)
    for left in to.parent.glob(f".{to.name}.*"):
        left.unlink()
    return to


def has_program(name: str) -> bool:
    """Whether the program is on this machine."""
    return subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, check=False).returncode == 0


def check_env(folder: Path, python: Path | None = None, constraints: Path | None = None) -> Report:
    """What `check env` reports on the environment below a folder."""
    return report_on(read_environment(folder, python), Silence(), constraints or NO_CONSTRAINTS)
