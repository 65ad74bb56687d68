"""How much is read at most of what comes from outside: one place for every ceiling on bytes, counts, depth and time.

Each is far above what real distributions and public indexes have, and low enough that a hostile or broken server can
neither fill the memory nor the disk. ceilings.toml changes them: ``metadata_size`` is ``size`` in its table
``[metadata]``.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any, cast

from ppcdeps.model.errors import ConfigError

_MIB = 1024**2
_GIB = 1024**3

VARIABLE = "PPCDEPS_CEILINGS"
"""The environment variable that names the file."""
_SIZE = re.compile(r"([0-9]{1,15})\s*([KMGT]?)(?:i?B)?")
_UNITS = {"": 1, "K": 1024, "M": _MIB, "G": _GIB, "T": 1024 * _GIB}
_HIGHEST = 1 << 62
_LARGEST_FILE = _MIB


class Ceilings:
    """Bytes, where nothing else is said."""

    transfer_seconds: int = 4 * 3600
    """Seconds in which a server is waited for while it sends one file: 300 MB over 20 kB/s."""
    transfer_rate: int = 1000
    """Bytes a second at least, measured over the time-out of the repository or of pip, as dnf's minrate."""
    metadata_list: int = 4 * _MIB
    """A mirror list, a metalink or a .repo file."""
    metadata_mirrors: int = 100
    """A count: the mirrors of a list that are kept."""
    metadata_tries: int = 10
    """A count: the mirrors that are tried for one file."""
    metadata_repomd: int = 8 * _MIB
    metadata_openpgp: int = 4 * _MIB
    """A key file, or a signature."""
    metadata_size: int = 512 * _MIB
    """A file that repomd.xml names, as it is sent. Fedora's file lists have 60 MB."""
    metadata_opened: int = _GIB
    """The same, opened. Those of Fedora open to 300 MB."""
    metadata_packages: int = 1_000_000
    """A count. Fedora has 62,000."""
    metadata_package: int = 16 * _MIB
    """The element of one package in primary.xml or filelists.xml. Kernels have some hundred thousand bytes."""
    metadata_name: int = 16 * 1024
    """A name, a version, a capability or a path. Rich dependencies have some 500 bytes."""
    metadata_modules: int = 64 * _MIB
    """modules.yaml, opened. That of RHEL has 3 MB."""
    metadata_groups: int = 64 * _MIB
    """comps.xml, opened. Those of RHEL have 1 MB."""
    metadata_depth: int = 100
    """Levels of nesting in XML and YAML."""
    snapshot_member: int = _GIB
    snapshot_members: int = 1000
    """A count."""
    snapshot_size: int = 4 * _GIB
    """A snapshot as a tar file. That of Fedora has 40 MB."""
    snapshot_index: int = 16 * _MIB
    """snapshot.json."""
    package_size: int = 8 * _GIB
    """A source RPM or tarball."""
    index_page: int = 64 * _MIB
    """The largest projects of public indexes have pages of 40 MB."""
    index_files: int = 200_000
    """A count: the files of one page. The largest projects have some 20,000."""
    wheel_size: int = 8 * _GIB
    wheel_directory: int = 64 * _MIB
    """The directory of a wheel. Wheels of 20,000 files have 2 MB."""
    wheel_metadata: int = 16 * _MIB
    """METADATA or PKG-INFO."""
    wheel_requirements: int = 10_000
    """A count: requirements and extras in METADATA. Distributions with all extras have 1,000."""
    wheel_requirement: int = 8 * 1024
    """One requirement."""
    sdist_size: int = 8 * _GIB
    archive_members: int = 500_000
    """A count."""
    archive_header: int = _MIB
    """The names and attributes of one member of a tar archive."""
    archive_opened: int = 2 * _GIB
    """What an sdist opens to: the largest of public indexes open to some 500 MB."""
    archive_text: int = 4 * _MIB
    """What is read of one member of an archive."""
    spec_size: int = 8 * _MIB
    """The largest specs, of kernels and TeX Live, have less than 4 MB with their changelogs."""
    spec_seconds: int = 6
    """Seconds for the evaluation of a spec for one architecture. That of a kernel takes less than one."""
    spec_memory: int = 512 * _MIB
    spec_output: int = 16 * _MIB
    spec_files: int = 1000
    """A count: the specs and source RPMs of one's own in a plan."""
    """What rpm prints of an evaluated spec."""
    template_size: int = _MIB
    template_seconds: int = 5
    """Seconds for filling a template. It takes milliseconds."""
    template_memory: int = 512 * _MIB
    template_output: int = 8 * _MIB
    folder_size: int = 512 * _MIB
    """All files in the folder of a recipe or of a buildroot's definition. Those that are shipped have some 50 kB."""
    folder_files: int = 10_000
    """A count: the files in such a folder."""
    patch_size: int = 64 * _MIB
    """A patch of a recipe. Those that move a kernel from one release to the next have some 10 MB."""
    package_header: int = 256 * _MIB
    """The header of an RPM. rpm itself reads no larger one."""
    package_files: int = 50_000
    """A count: the files of a source RPM."""
    package_opened: int = 16 * _GIB
    """What a source RPM unpacks to. Browsers and toolchains have about 4 GB."""
    contained_text: int = 64 * _MIB
    """A log, list or script that contained code leaves."""
    contained_package: int = 16 * _GIB
    """A package or wheel that contained code leaves."""
    loader_files: int = 1000
    """A count: files and patterns that ld.so.conf includes. Those of EL9 are 5."""
    loader_folders: int = 1000
    """A count: folders that ld.so.conf names."""
    document_size: int = 64 * _MIB
    """A plan, or another JSON document."""
    document_toml: int = 4 * _MIB
    """A TOML file: it is read character by character, and 4 MiB take seconds."""
    document_yaml: int = 16 * _MIB
    """A YAML document, with what its aliases stand for. A lock of 1,000 packages for four architectures has 2 MB."""
    document_depth: int = 100
    """Levels of nesting in JSON, TOML and YAML."""
    document_lines: int = 20_000
    """A count: lines of an INI file, such as nova.conf, whose sample has some 10,000."""
    document_roots: int = 5000
    """A count: the roots of a workload file."""
    document_seconds: int = 5
    """Seconds in which a named pipe, such as the shell makes of ``<(virsh dumpxml NAME)``, has been read."""
    guest_size: int = 8 * _MIB
    """A libvirt domain, domcapabilities, an image, a flavor or nova.conf. Large domains have some 200 kB."""
    guest_elements: int = 100_000
    """A count: elements of XML. Domains have some hundred."""
    guest_properties: int = 1000
    """A count: properties of an image or a flavor. OpenStack allows 128."""
    host_size: int = 16 * _MIB
    """Collected facts. Those of a host with 192 threads have some 200 kB."""
    node_kernel: int = 512 * _MIB
    """The kernel of the test guest. Those with all symbols have some 50 MB."""
    node_file: int = 64 * _MIB
    """A driver, a program or a library of the test guest, opened."""
    pip_size: int = 16 * _MIB
    """A constraints or requirements file, or a configuration of pip. With all hashes, they have some MB."""
    pip_requirements: int = 10_000
    """A count, of one file and those that it includes."""
    pip_files: int = 100
    """A count: a requirements or constraints file and those that it includes."""
    pip_requirement: int = 16 * 1024
    """One requirement of a file, without its hashes."""
    root_text: int = _MIB
    """A file of a root such as os-release, ld.so.conf, pyvenv.cfg or a .pth file."""
    root_metadata: int = 16 * _MIB
    """The metadata of a distribution."""
    root_list: int = 64 * _MIB
    """A list of files: RECORD, or dpkg's."""
    root_program: int = 64 * _MIB
    """An interpreter, or its library."""
    root_database: int = 4 * _GIB
    """An RPM database."""
    dependency_depth: int = 100
    """Levels of parentheses in a boolean dependency: libsolv and rpm use the stack for each."""


def key_of(name: str) -> str:
    """The key of a ceiling in ceilings.toml: ``metadata.size`` for ``metadata_size``."""
    return name.replace("_", ".", 1)


def how_to_raise(name: str) -> str:
    """What the error says that names a ceiling, as its hint."""
    return f"raise {key_of(name)} in ceilings.toml (the file that {VARIABLE} names) if this is meant to be so large"


def beyond(name: str, what: str = "") -> str:
    """That a ceiling was met, as a phrase for an error: by which, and how it is raised."""
    value = getattr(CEILINGS, name)
    return f"{what or 'is larger than'} {value} {_unit_of(name)}, the ceiling {key_of(name)}: {how_to_raise(name)}"


def read_ceilings() -> Ceilings:
    """The ceilings that ceilings.toml says, the defaults for the others. Raises ConfigError."""
    chosen = os.environ.get(VARIABLE)
    file = Path(chosen) if chosen else _default_file()
    try:
        if not chosen and not file.is_file():
            return Ceilings()
    except OSError as error:
        # A folder on the way that this user may not enter.
        raise _unreadable(file, error) from error
    values: dict[str, int] = {}
    faults: list[str] = []
    names = {key_of(name): name for name in Ceilings.__annotations__}
    for key, value in _entries(_document(file)):
        number = _number(value)
        if key not in names:
            faults.append(f'unknown key "{key}"; known are {", ".join(sorted(names))}')
        elif number is None:
            faults.append(f'"{key}" is to be a number from 1 on, or a size such as "4G"')
        else:
            values[names[key]] = number
    if faults:
        raise ConfigError(f"the file of ceilings {file} has faults:", faults=tuple(faults[:20]))
    found = Ceilings()
    vars(found).update(values)
    return found


def _default_file() -> Path:
    place = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(place) if place.startswith("/") else Path(os.environ.get("HOME") or "/", ".config")
    return folder / "ppcdeps" / "ceilings.toml"


def _document(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        state = file.stat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST_FILE:
            raise ConfigError(
                f"the file of ceilings {file} is not a regular file of at most {_LARGEST_FILE >> 20} MiB"
            )
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise _unreadable(file, error) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the file of ceilings {file} is not TOML: {error}") from error


def _unreadable(file: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot read the file of ceilings {file}: {error.strerror}")


def _entries(document: dict[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for name, value in document.items():
        if isinstance(value, dict):
            found += [(f"{name}.{key}", one) for key, one in value.items()]
        else:
            found.append((name, value))
    return found


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        value = int(found[1]) * _UNITS[found[2]] if found else None
    return value if type(value) is int and 0 < value <= _HIGHEST else None


def _unit_of(name: str) -> str:
    if name.endswith("_seconds"):
        return "seconds"
    if name.endswith("_depth"):
        return "levels"
    counted = (
        "_members",
        "_mirrors",
        "_tries",
        "_packages",
        "_files",
        "_folders",
        "_requirements",
        "_roots",
        "_lines",
        "_elements",
        "_properties",
    )
    return name.rpartition("_")[2] if name.endswith(counted) else "bytes"


class _Configured:
    """Reads the file when a ceiling is first needed: `--help` needs none."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = read_ceilings()
        for one in Ceilings.__annotations__:
            setattr(self, one, getattr(found, one))
        return object.__getattribute__(self, name)


CEILINGS = cast(Ceilings, _Configured())
