"""The bridge RPM: it provides to RPM what pip satisfies, and has no files.

Where an RPM requires a Python distribution that pip installs, `dnf install` would refuse. The bridge provides
exactly the capabilities that RPMs require, at the pinned versions, so that dnf and `rpm -V` stay content and
honest. It requires what the RPMs in whose place pip's distributions come require of other RPMs: pip brings no
programs, and no distribution that is to stay an RPM.
"""

import re
from collections.abc import Iterable, Iterator

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.evr import satisfies
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.values import dataclass
from ppcdeps.python.lock import PythonLock
from ppcdeps.python.names import normalize, python_version, rpm_version

_TEMPLATE = """\
# Written by ppcdeps for {workload}. It stands for what pip installs from requirements-{workload}.txt.
Name:           ppcdeps-bridge-{workload}
Version:        {serial}
Release:        1
Summary:        What RPM packages of {workload} require and pip provides
License:        Apache-2.0
BuildArch:      noarch
AutoReqProv:    no

{relations}

%description
This package has no files. It records which Python distributions pip has installed for {workload},
at the versions that its lock file pins. Remove it together with them.

%files
"""
_PYTHON_CAPABILITY = re.compile(r"python\d+(?:\.\d+)?dist\((?P<name>[^)\[]+)(?:\[[^\]]*\])?\)")
# What goes into the spec has neither % nor line breaks: rpm would expand macros and read further tags.
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SAFE_PROVIDE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+()\[\],:-]* = [A-Za-z0-9:][A-Za-z0-9._+~^:-]*")
_SAFE_REQUIRE = re.compile(r"[A-Za-z0-9_/(][A-Za-z0-9._+()\[\],:/~^<>= -]*")
_SAFE_CAPABILITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+()\[\],:-]*")


@dataclass(frozen=True, slots=True)
class BridgedCapability:
    """A capability that an RPM requires and a distribution stands behind.

    ``name`` is the capability (``python3.9dist(oslo.utils)``, ``python3-oslo-utils``), ``relation`` and
    ``evr`` what is required of its version, perhaps empty; ``by`` is the RPM that requires it. ``written`` is how a
    part of a boolean requirement writes the version, where ``evr`` does not say it.
    """

    name: str
    distribution: str
    relation: str = ""
    evr: str = ""
    by: str = ""
    written: str = ""


def spec_of_bridge(workload: str, provides: Iterable[str], requires: Iterable[str] = (), *, serial: int = 1) -> str:
    """The spec file of the bridge that provides and requires these capabilities.

    ``serial`` is the version of the bridge itself: it must grow where an installed bridge is to be updated.
    Raises ConfigError where the workload's name cannot be part of a package's, or a capability or requirement is not
    one.
    """
    if not _SAFE_NAME.fullmatch(workload):
        raise ConfigError(f"{workload!r} cannot be part of a package's name")
    lines = []
    for text in provides:
        if not _SAFE_PROVIDE.fullmatch(text):
            raise ConfigError(f"{text!r} is not a capability that a bridge can provide")
        lines.append(f"Provides:       {text}")
    lines += [f"Requires:       {text}" for text in bridge_requires(workload, requires)]
    return _TEMPLATE.format(workload=workload, serial=serial, relations="\n".join(lines))


def bridge_requires(workload: str, requirements: Iterable[str]) -> tuple[str, ...]:
    """What the bridge requires, sorted. Raises ConfigError with all that a spec cannot have."""
    wanted = sorted(set(requirements))
    faults = [
        f"{text!r} is not a requirement that a bridge can have"
        for text in wanted
        if not _SAFE_REQUIRE.fullmatch(text)
    ]
    if faults:
        raise ConfigError(f"pip cannot take over what RPM packages of {workload} require", faults=tuple(faults))
    return tuple(wanted)


def bridge_provides(workload: str, capabilities: Iterable[BridgedCapability], lock: PythonLock) -> tuple[str, ...]:
    """What the bridge provides, as ``name = evr`` at the versions of the lock, sorted.

    Raises ConfigError, with all faults, where the lock has not the distribution, or has it in a version that
    an RPM refuses.
    """
    wanted = sorted(set(capabilities), key=lambda each: (each.name, each.relation, each.evr, each.by))
    faults = [fault for each in wanted if (fault := _fault(each, lock))]
    if faults:
        raise ConfigError(f"pip cannot satisfy what RPM packages of {workload} require", faults=tuple(faults))
    epochs: dict[str, int] = {}
    for each in wanted:
        # The highest that a requirer names: with a lower epoch the provide would be too old for it.
        epochs[each.name] = max(epochs.get(each.name, 0), _epoch(each.evr))
    behind = {each.name: each.distribution for each in wanted}
    provided = {(name, _evr(name, behind[name], epochs[name], lock)) for name in behind}
    provided.update(alike for each in wanted if (alike := _as_written(each, epochs[each.name], lock)) is not None)
    return tuple(f"{name} = {evr}" for name, evr in sorted(provided))


def _as_written(wanted: BridgedCapability, epoch: int, lock: PythonLock) -> tuple[str, str] | None:
    """The capability at the version that the requirement writes, where that is the pinned one in other digits.

    To pip 11.2 is 11.2.0; rpm has 11.2 before 11.2.0, and its generators leave zeros away on one side.
    """
    from packaging.version import Version

    version = (wanted.evr or wanted.written).rpartition(":")[2].partition("-")[0]
    pinned = lock.by_name(wanted.distribution)
    try:
        same = pinned is not None and Version(python_version(version)) == Version(pinned.version)
    except ValueError:
        return None
    if not same:
        return None
    evr = _evr(wanted.name, wanted.distribution, epoch, lock)
    if wanted.relation and satisfies(evr, wanted.relation, wanted.evr):
        return None
    return wanted.name, _with_epoch(wanted.name, wanted.distribution, epoch, version)


def bridged_for_builds(lock: PythonLock, tag: str, package: str = "python3") -> Iterator[BridgedCapability]:
    """What the RPMs of distributions that are built from sdists will require of those that pip installs.

    rpm's generator makes these requirements from their metadata, as ``python3.9dist(NAME)``; ``tag`` is the 3.9,
    ``package`` the interpreter's package.
    """
    built = {each.name for each in lock.having(Provision.BUILD)}
    for each in lock.having(Provision.WHEEL, Provision.SDIST):
        for by in sorted({name for name, _ in each.required_by} & built):
            yield BridgedCapability(f"python{tag}dist({each.name})", each.name, by=f"{package}-{by}")


def _fault(wanted: BridgedCapability, lock: PythonLock) -> str:
    by = f" needed by {wanted.by}" if wanted.by else ""
    if not _SAFE_CAPABILITY.fullmatch(wanted.name):
        return f"{wanted.name!r}{by} is not a capability that a bridge can provide"
    pinned = lock.by_name(wanted.distribution)
    if pinned is None:
        return f"nothing provides {wanted.name}{by}: {wanted.distribution} is not in the lock"
    if not wanted.relation or _satisfies(pinned.version, wanted.relation, wanted.evr):
        return ""
    return f"nothing provides {wanted.name} {wanted.relation} {wanted.evr}{by}: pip has {pinned.version}"


def _satisfies(version: str, relation: str, evr: str) -> bool:
    from packaging.version import Version

    try:
        # The release has no counterpart on the Python side: where one side lacks it, rpm ignores it too.
        wanted, found = Version(python_version(evr)), Version(version)
    except ValueError:
        return False
    holds = {
        "=": found == wanted,
        "<": found < wanted,
        ">": found > wanted,
        "<=": found <= wanted,
        ">=": found >= wanted,
    }
    return holds.get(relation, False)


def _evr(name: str, distribution: str, epoch: int, lock: PythonLock) -> str:
    pinned = lock.by_name(distribution)
    assert pinned is not None
    return _with_epoch(name, distribution, epoch, rpm_version(pinned.version))


def _with_epoch(name: str, distribution: str, epoch: int, version: str) -> str:
    found = _PYTHON_CAPABILITY.fullmatch(name)
    if found is not None and normalize(found["name"]) == normalize(distribution):
        # rpm's generator knows no epochs there.
        return version
    return f"{epoch}:{version}" if epoch else version


def _epoch(evr: str) -> int:
    head, colon, _ = evr.partition(":")
    return int(head) if colon and head.isdigit() else 0
