"""Installed releases with a known fault that this machine meets: facts that no metadata shows."""

import posixpath
from collections.abc import Iterable, Iterator

from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.installed import Installed
from ppcdeps.checking.findings import Finding, Severity
from ppcdeps.checking.rules import finding
from ppcdeps.planning.knownfaults import KnownFault, known_faults

_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where a service of systemd looks for programs, and where older systems have them."""


def known_fault_findings(environment: Environment, faults: Iterable[KnownFault] | None = None) -> Iterator[Finding]:
    """A finding for each imported distribution whose release has a fault that nothing in the root hides."""
    for fault in known_faults() if faults is None else faults:
        copy = environment.imported.get(fault.distribution)
        if copy is None or not _concerns(fault, environment, copy):
            continue
        lacking = f", and there is no program {' or '.join(fault.unless_programs)}" if fault.unless_programs else ""
        yield finding(
            "env-known-fault",
            f"{copy.shown} has a known fault ({fault.id}){lacking}",
            copy.metadata,
            severity=Severity(fault.severity),
            detail=[fault.what, *fault.sources[:1]],
            fix=(fault.fix if environment.rpm is not None else fault.fix_without_rpm) or fault.fix,
            fixed_in=fault.fixed_in,
        )


def _concerns(fault: KnownFault, environment: Environment, copy: Installed) -> bool:
    if fault.machines and environment.target.machine not in fault.machines:
        return False
    if not fault.is_in(copy.version) or any(_has_program(environment, one) for one in fault.unless_programs):
        return False
    return _shows(fault, environment, copy) is not False


def _has_program(environment: Environment, name: str) -> bool:
    # What is there and cannot be looked into is a program, too: /usr/sbin of a root that another user owns.
    return any(environment.root.is_file(f"{folder}/{name}") for folder in _PATH)


def _shows(fault: KnownFault, environment: Environment, copy: Installed) -> bool | None:
    """Whether the module has the faulty text; None where it cannot be read, or the fact names none."""
    if not fault.file:
        return None
    content = environment.root.read(posixpath.join(copy.entry.real, fault.file), "root_text")
    return None if content is None else fault.text.encode() in content
