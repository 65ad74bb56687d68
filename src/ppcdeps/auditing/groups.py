"""Package groups, as their packages are: which are whole, and what the others wait for."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ppcdeps.auditing.audit import USABLE, AuditedGroup, AuditedPackage, best_by_name

if TYPE_CHECKING:
    from ppcdeps.metadata.comps import PackageGroup


def audited_groups(groups: "Iterable[PackageGroup]", packages: Iterable[AuditedPackage]) -> tuple[AuditedGroup, ...]:
    """The groups of target and reference, those of one name together, the ones that wait for most builds first.

    Of each name the best package counts. Names that neither side has are left out, as dnf does.
    """
    best = best_by_name(packages)
    names: dict[str, set[str]] = {}
    titles: dict[str, str] = {}
    for group in groups:
        names.setdefault(group.id, set()).update(group.packages)
        titles.setdefault(group.id, group.title)
    found = [
        _audited(name, titles[name], [best[one] for one in sorted(of) if one in best]) for name, of in names.items()
    ]
    return tuple(sorted((one for one in found if one.packages), key=lambda one: (-len(one.waiting), one.id)))


def _audited(name: str, title: str, packages: list[AuditedPackage]) -> AuditedGroup:
    lacking = [one for one in packages if one.state not in USABLE]
    return AuditedGroup(
        name,
        title,
        len(packages),
        tuple(one.name for one in lacking if one.needs),
        tuple(one.name for one in lacking if not one.needs),
        tuple(sorted({source for one in lacking for source in one.needs})),
    )


def groups_by_source(groups: Iterable[AuditedGroup]) -> Mapping[str, list[str]]:
    """The groups that wait for a source, by its name."""
    found: dict[str, list[str]] = {}
    for group in groups:
        for source in group.needs:
            found.setdefault(source, []).append(group.id)
    return found
