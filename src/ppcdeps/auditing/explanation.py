"""Why a package or a source of an audit is what it is: read from the audit alone."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from ppcdeps.auditing.audit import Audit, AuditedPackage, AuditedSource
from ppcdeps.auditing.groups import groups_by_source
from ppcdeps.model.evr import evr_key
from ppcdeps.model.nevra import Nevra


@dataclass(frozen=True, slots=True)
class Link:
    """A requirement of a package, and the package that would meet it."""

    by: str
    requirement: str
    met_by: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The packages of a name, newest first, and the sources.

    ``chains`` lead from a package to each source that it waits for; ``alone`` and ``holds`` are by source the
    names of the packages that its build opens with no other, and of all that wait for it; ``groups`` the package
    groups of which some do.
    """

    name: str
    packages: tuple[AuditedPackage, ...]
    sources: tuple[AuditedSource, ...]
    chains: Mapping[tuple[str, str], tuple[Link, ...]]
    alone: Mapping[str, tuple[str, ...]]
    holds: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[str, ...]]


def subject_of(audit: Audit, name: str) -> Subject | None:
    """What an audit says of a package's name or identity, or a source's name; None where it has neither."""
    packages = tuple(
        sorted(
            (each for each in audit.packages if name in (each.name, each.nevra)),
            key=lambda each: evr_key(Nevra.parse(each.nevra).evr),
            reverse=True,
        )
    )
    sources = tuple(each for each in audit.sources if each.name == name)
    if not packages and not sources:
        return None
    by_nevra, groups = {each.nevra: each for each in audit.packages}, groups_by_source(audit.groups)
    chains = {
        (package.nevra, source): chain
        for package in packages
        for source in package.needs
        if (chain := chain_to(by_nevra, package, source))
    }
    return Subject(
        name,
        packages,
        sources,
        chains,
        {one.name: tuple(each.name for each in audit.packages if each.needs == (one.name,)) for one in sources},
        {one.name: tuple(each.name for each in audit.packages if one.name in each.needs) for one in sources},
        {one.name: tuple(groups.get(one.name, ())) for one in sources},
    )


def chain_to(by_nevra: Mapping[str, AuditedPackage], package: AuditedPackage, source: str) -> tuple[Link, ...]:
    """A shortest chain of unmet requirements from a package to one of a source's; empty where there is none.

    ``by_nevra`` has the packages of the audit by identity.
    """
    came_by: dict[str, Link | None] = {package.nevra: None}
    waiting = deque([package])
    while waiting:
        at = waiting.popleft()
        if at.source == source and at is not package:
            return _unwound(came_by, at.nevra)
        for unmet in at.unmet:
            for met_by in unmet.met_by:
                if met_by not in came_by and (known := by_nevra.get(met_by)) is not None:
                    came_by[met_by] = Link(at.nevra, unmet.requirement, met_by)
                    waiting.append(known)
    return ()


def _unwound(came_by: Mapping[str, Link | None], end: str) -> tuple[Link, ...]:
    chain = []
    link = came_by[end]
    while link is not None:
        chain.append(link)
        link = came_by[link.by]
    return tuple(chain[::-1])
