"""The lock in the plan's terms: each distribution that no RPM provides as a gap with its route."""

from collections.abc import Mapping
from typing import Any

from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.python.lock import LockedDistribution, Provision, PythonLock

_ROUTES = {
    Provision.WHEEL: RouteKind.PIP_WHEEL,
    Provision.SDIST: RouteKind.PIP_SDIST,
    Provision.BUILD: RouteKind.BUILD_SDIST,
}


def python_gaps(lock: PythonLock) -> tuple[Gap, ...]:
    """A gap for every distribution of the lock that RPMs do not provide, by name."""
    return tuple(_gap(each) for each in lock.distributions if each.provision is not Provision.RPM)


def lock_mapping(lock: PythonLock) -> Mapping[str, Any]:
    """What plan.json holds of the lock: JSON's kinds only, the same for the same lock, and no URL."""
    environment = lock.environment
    return {
        "python": environment.python,
        "machine": environment.machine,
        "glibc": ".".join(map(str, environment.glibc)),
        "distributions": [_entry(each) for each in lock.distributions],
        "added_rpms": [each.rpm for each in lock.added],
        "notes": list(lock.notes),
    }


def _gap(each: LockedDistribution) -> Gap:
    native = each.provision is Provision.BUILD
    return Gap(
        name=each.name,
        kind=GapKind.PYTHON,
        cause=Cause.NO_WHEEL if native else Cause.ABSENT,
        phase=Phase.RUN,
        wanted=(f"{each.name}=={each.version}",),
        required_by=tuple(Requirer(f"{each.name}{_asked(text)}", by) for by, text in each.required_by),
        route=Route(
            kind=_ROUTES[each.provision],
            subject=(f"{each.name}=={each.version}",),
            reason=f"version by {each.pinned_by}" + (f"; builds {_languages(each)}" if native else ""),
        ),
        source=each.files[0].filename if native else None,
        detail="; ".join(each.evidence),
    )


def _asked(text: str) -> str:
    return "" if text == "any version" else f" {text}"


def _languages(each: LockedDistribution) -> str:
    return ", ".join(each.builds_from) or "native code"


def _entry(each: LockedDistribution) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": each.name,
        "version": each.version,
        "provision": each.provision.value,
        "pinned_by": each.pinned_by,
        "required_by": [{"by": by, "specifier": text} for by, text in each.required_by],
        "files": [{"name": file.filename, "sha256": file.sha256} for file in each.files],
    }
    if each.rpm:
        entry["rpm"] = each.rpm
    if each.extras:
        entry["extras"] = list(each.extras)
    if each.provision is Provision.BUILD or each.builds_from:
        entry |= {"builds_from": list(each.builds_from), "evidence": list(each.evidence), "optional": each.optional}
    if each.metadata is not None:
        entry["metadata"] = each.metadata.value
    return entry
