"""The RPM that stands for a Debian root: without files, it provides what the root's Debian packages provide.

A Debian root has no RPM database. With this package in it, rpmbuild can check BuildRequires and dnf can install into
the root; a repository of this one package is the first repository of a target with that root.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

from ppcdeps.base.programs import run_program
from ppcdeps.building.buildroots.definitions import DEBIAN_ARCH, TRIPLET, DebianMaking
from ppcdeps.building.createrepo import index_folder
from ppcdeps.model.errors import BuildError, EnvironmentLacksError
from ppcdeps.python.names import normalize, rpm_version
from ppcdeps.rpm.database import IN_THIS_FOLDER

_DATABASE: Final = Path("var/lib/rpm")
_UPSTREAM = re.compile(r"(?:[0-9]+:)?(?P<version>[^-]+(?:-[^-]+)*?)(?:-[^-]+)?")
_REPACKED = re.compile(r"[+~.](?:dfsg|ds|git|really|repack).*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PROVIDE = re.compile(r"[A-Za-z0-9_/.][^\s%\\{}]*( = [A-Za-z0-9.+~^_:-]+)?")
_RPM_WORD = re.compile(r"[^A-Za-z0-9.+~^_]")
_OWN_PROVIDES: Final = ("rtld(GNU_HASH)", "/bin/sh")


@dataclass(frozen=True, slots=True)
class BaseRepository:
    """A repository of one package: ``path`` holds its repodata, ``package`` is the RPM, ``name`` its name."""

    path: Path
    package: Path
    name: str


def base_repository(
    root: Path,
    arch: str,
    to: Path,
    making: DebianMaking,
    *,
    packages: Mapping[str, str] | None = None,
    name: str = "",
) -> BaseRepository:
    """Make the RPM of a Debian root for ``arch``, and the repository in the folder ``to`` (created) that holds it.

    ``packages`` are the versions of the root's Debian packages by ``name:arch``, by default as dpkg has them.
    ``arch`` chooses whose libraries count in a root of several architectures; the same root gives the same bytes.
    Raises EnvironmentLacksError where rpmbuild or createrepo_c is missing, BuildError where one of them fails.
    """
    version = debian_version(root)
    title = name or f"debian-{version.partition('.')[0]}-base"
    provides = provides_of(root, arch, making, packages if packages is not None else dpkg_packages(root))
    to.mkdir(parents=True, exist_ok=True)
    package = _build(title, version, arch, provides, to)
    index_folder(to)
    return BaseRepository(to, package, title)


def install(root: Path, package: Path) -> None:
    """Put a package into the root's RPM database, and nothing into the root."""
    database = root / _DATABASE
    database.mkdir(parents=True, exist_ok=True)
    command = ["rpm", *IN_THIS_FOLDER, "--define", "_db_backend sqlite", "--install"]
    flags = ["--justdb", "--nodeps", "--noscripts", "--notriggers", "--ignorearch", "--ignoreos", "--nosignature"]
    with package.open("rb") as file:
        # Not by its path, in which rpm takes quotes, backslashes and patterns for its own.
        _run([*command, *flags], [f"/proc/self/fd/{file.fileno()}"], database, [file.fileno()])


def dpkg_packages(root: Path) -> dict[str, str]:
    """The versions of the installed Debian packages by ``name:arch``, out of dpkg's database."""
    found: dict[str, str] = {}
    status = root / "var/lib/dpkg/status"
    if not status.is_file():
        return found
    for stanza in status.read_text(errors="replace").split("\n\n"):
        fields = HeaderParser().parsestr(stanza)
        if str(fields.get("Status", "")).endswith(" installed"):
            found[f"{fields['Package']}:{fields['Architecture']}"] = str(fields["Version"])
    return found


def debian_version(root: Path) -> str:
    """The release with its point, such as 12.11, as the root says it."""
    file = root / "etc/debian_version"
    text = file.read_text().strip() if file.is_file() else ""
    return _RPM_WORD.sub(".", text) or "0"


def provides_of(root: Path, arch: str, making: DebianMaking, packages: Mapping[str, str]) -> tuple[str, ...]:
    """All that the root provides to RPMs of ``arch``, sorted: sonames and symbol versions, programs, pkg-config and
    Python names, Perl modules, and the names of the definition's tables.
    """
    found = {
        *_OWN_PROVIDES,
        *_of_libraries(root, arch),
        *_of_programs(root),
        *_of_pkgconfig(root, arch),
        *_of_python(root),
        *_of_perl(root, arch),
        *_of_tables(arch, making, packages),
    }
    # The names of files: anything could stand in them, and rpmbuild would expand a macro on this machine.
    return tuple(sorted(one for one in found if _PROVIDE.fullmatch(one)))


# --- what is in a root -------------------------------------------------------------------------------------


def _of_libraries(root: Path, arch: str) -> Iterator[str]:
    folders = [root / "usr/lib" / TRIPLET[arch], root / "usr/lib64", root / "usr/lib"]
    names = [
        path
        for folder in folders
        if folder.is_dir() and not folder.is_symlink()
        for path in sorted(folder.glob("*.so*"))
        if path.is_file() and not path.is_symlink()
    ]
    program = Path(_eval("%{_rpmconfigdir}")) / "elfdeps"
    if not program.is_file():
        raise EnvironmentLacksError(
            f"rpm's elfdeps is not there ({program})", hint="install rpm-build (rpm on Debian)"
        )
    listed = run_program([str(program), "--provides"], given="".join(f"{path}\n" for path in names))
    yield from (line.strip() for line in listed.text.splitlines() if line.strip())


def _of_programs(root: Path) -> Iterator[str]:
    for folder in ("usr/bin", "usr/sbin"):
        place = root / folder
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if re.fullmatch(r"[\w.+\[@:-]+", path.name):
                yield f"/{folder}/{path.name}"
                # /bin is a link to /usr/bin.
                yield f"/{folder.removeprefix('usr/')}/{path.name}"


def _of_pkgconfig(root: Path, arch: str) -> Iterator[str]:
    for folder in (f"usr/lib/{TRIPLET[arch]}/pkgconfig", "usr/share/pkgconfig", "usr/lib/pkgconfig"):
        for file in sorted((root / folder).glob("*.pc")):
            if not file.resolve().is_relative_to(root.resolve()) or not file.is_file():
                yield f"pkgconfig({file.stem})"
                continue
            version = _pkgconfig_version(file.read_text(errors="replace"))
            yield f"pkgconfig({file.stem}) = {version}" if version else f"pkgconfig({file.stem})"


def _pkgconfig_version(text: str) -> str:
    variables: dict[str, str] = {}
    version = ""
    for line in text.splitlines():
        if found := re.fullmatch(r"\s*([\w.]+)\s*=\s*(.*?)\s*", line):
            variables[found[1]] = found[2]
        elif line.startswith("Version:"):
            version = line.removeprefix("Version:").strip()
    for _ in range(8):
        if "${" not in version:
            break
        version = _VARIABLE.sub(lambda match: variables.get(match[1], ""), version)
    return _RPM_WORD.sub(".", version)


def _of_python(root: Path) -> Iterator[str]:
    interpreters = sorted(root.glob("usr/bin/python3.[0-9]*"))
    minors = [path.name.removeprefix("python") for path in interpreters if re.fullmatch(r"python3\.\d+", path.name)]
    for minor in minors:
        yield f"python(abi) = {minor}"
    for place in sorted(root.glob("usr/lib/python3*/dist-packages")):
        for info in sorted((*place.glob("*.dist-info"), *place.glob("*.egg-info"))):
            distribution = _distribution(info)
            if distribution is None:
                continue
            name, version = distribution
            yield f"python3dist({name}) = {version}"
            yield from (f"python{minor}dist({name}) = {version}" for minor in minors)


def _distribution(info: Path) -> tuple[str, str] | None:
    for file in (info / "METADATA", info / "PKG-INFO", info):
        if file.is_file():
            fields = HeaderParser().parsestr(file.read_text(errors="replace"))
            if fields["Name"] and fields["Version"]:
                return normalize(fields["Name"]), rpm_version(fields["Version"])
    return None


def _of_perl(root: Path, arch: str) -> Iterator[str]:
    for pattern in (
        "usr/share/perl5",
        "usr/share/perl/5.*",
        f"usr/lib/{TRIPLET[arch]}/perl*/5.*",
        "usr/lib/*/perl-base",
    ):
        for place in sorted(root.glob(pattern)):
            if place.is_symlink():
                continue
            for file in sorted(place.rglob("*.pm")):
                parts = file.relative_to(place).with_suffix("").parts
                if all(re.fullmatch(r"\w+", part) for part in parts):
                    yield f"perl({'::'.join(parts)})"


def _of_tables(arch: str, making: DebianMaking, packages: Mapping[str, str]) -> Iterator[str]:
    by_name: dict[str, str] = {}
    for entry, version in packages.items():
        name, _, its_arch = entry.rpartition(":")
        by_name.setdefault(name, version)
        by_name[f"{name}:{its_arch}"] = version
    for capability, package in making.tools.items():
        # Paths of programs were found on the disk, and rpm knows no versions of paths.
        if package in by_name and not capability.startswith("/"):
            yield _versioned(capability, by_name[package])
    wanted = DEBIAN_ARCH[arch]
    for capability, package in making.libraries.items():
        if capability.startswith("pkgconfig("):
            # Their versions are pkg-config's own, and have been read.
            continue
        names = (package, making.instead.get(package, package))
        found = [by_name[key] for name in names for key in (f"{name}:{wanted}", f"{name}:all") if key in by_name]
        if found:
            yield _versioned(capability, found[0])
            yield _versioned(f"{capability}{_isa(arch)}", found[0])


def _isa(arch: str) -> str:
    return {"ppc64le": "(ppc-64)", "x86_64": "(x86-64)", "aarch64": "(aarch-64)"}[arch]


def _versioned(capability: str, debian: str) -> str:
    found = _UPSTREAM.fullmatch(debian)
    version = _REPACKED.sub("", found["version"] if found else debian)
    return f"{capability} = {_RPM_WORD.sub('.', version)}"


# --- the package -------------------------------------------------------------------------------------------


def _build(name: str, version: str, arch: str, provides: Iterable[str], to: Path) -> Path:
    lines = [
        f"Name: {name}",
        f"Version: {version}",
        "Release: 1",
        "Summary: What the Debian packages of this root are to RPMs",
        "License: Apache-2.0",
        "AutoReqProv: no",
        *(f"Provides: {provide}" for provide in provides),
        "",
        "%description",
        "Has no files. Provides what the root's own packages provide, for rpmbuild and dnf.",
        "",
        "%files",
        "",
    ]
    with tempfile.TemporaryDirectory(prefix="ppcdeps-base-") as scratch:
        top = Path(scratch)
        spec = top / f"{name}.spec"
        spec.write_text("\n".join(lines))
        definitions = {
            "_topdir": str(top),
            "_rpmdir": "%{_topdir}",
            "_rpmfilename": "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
            "_buildhost": "ppcdeps",
            "use_source_date_epoch_as_buildtime": "1",
            "debug_package": "%{nil}",
            "_binary_payload": "w9.gzdio",
        }
        defined = [word for key, value in definitions.items() for word in ("--define", f"{key} {value}")]
        _run(["rpmbuild", "-bb", "--quiet", "--nodeps", "--target", arch, *defined], [str(spec)])
        (package,) = top.glob(f"{name}-{version}-1.{arch}.rpm")
        return Path(shutil.move(package, to / package.name))


def _eval(macro: str) -> str:
    return _run(["rpm", "--eval", macro]).strip()


def _run(
    command: Sequence[str],
    operands: Sequence[str] = (),
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
) -> str:
    done = run_program(
        command,
        operands=operands,
        folder=folder,
        descriptors=descriptors,
        install="the package rpm-build (rpm on Debian)",
        environment={"SOURCE_DATE_EPOCH": "1"},
    )
    return done.checked(BuildError).text
