"""The Python lock as a plan has it: its distributions, and a gap with its route for each that no RPM provides."""

from collections.abc import Sequence

from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.python_plan import (
    DistributionRequirer,
    PlannedDistribution,
    PlannedFile,
    PlannedPython,
    Provision,
)
from ppcdeps.python.lock import LockedDistribution, PythonLock

_ROUTES = {
    Provision.WHEEL: RouteKind.PIP_WHEEL,
    Provision.SDIST: RouteKind.PIP_SDIST,
    Provision.BUILD: RouteKind.BUILD_SDIST,
}


def python_gaps(lock: PythonLock) -> tuple[Gap, ...]:
    """A gap for every distribution of the lock that RPMs do not provide, by name."""
    return tuple(_gap(each) for each in lock.distributions if each.provision is not Provision.RPM)


def planned_python(
    lock: PythonLock, bridge: Sequence[str] = (), bridge_requires: Sequence[str] = (), package: str = "python3"
) -> PlannedPython:
    """The lock as a plan has it: the same for the same lock, and without URLs.

    ``bridge`` are the capabilities that the bridge RPM provides, ``bridge_requires`` those that it requires;
    ``package`` is the interpreter's.
    """
    environment = lock.environment
    return PlannedPython(
        python=environment.python,
        machine=environment.machine,
        glibc=".".join(map(str, environment.glibc)),
        distributions=tuple(_planned(each) for each in lock.distributions),
        added_rpms=tuple(each.rpm for each in lock.added),
        notes=tuple(lock.notes),
        bridge=tuple(bridge),
        package=package,
        bridge_requires=tuple(bridge_requires),
    )


def _gap(each: LockedDistribution) -> Gap:
    native = each.provision is Provision.BUILD
    return Gap(
        name=each.name,
        kind=GapKind.PYTHON,
        cause=Cause.NO_WHEEL if native else Cause.ABSENT,
        phase=Phase.RUN,
        wanted=(f"{each.name}=={each.version}",),
        required_by=tuple(Requirer(f"{each.name}{_specifier(text)}", by) for by, text in each.required_by),
        route=Route(
            kind=_ROUTES[each.provision],
            subject=(f"{each.name}=={each.version}",),
            reason=f"version by {each.pinned_by}" + (f"; builds {_languages(each)}" if native else ""),
        ),
        source=each.files[0].filename if native else None,
        detail="; ".join(each.evidence),
        tried=each.tried,
    )


def _specifier(text: str) -> str:
    return "" if text == "any version" else f" {text}"


def _languages(each: LockedDistribution) -> str:
    return ", ".join(each.builds_from) or "native code"


def _planned(each: LockedDistribution) -> PlannedDistribution:
    has_code = each.provision is Provision.BUILD or bool(each.builds_from)
    return PlannedDistribution(
        name=each.name,
        version=each.version,
        provision=each.provision,
        pinned_by=each.pinned_by,
        required_by=tuple(DistributionRequirer(by, text) for by, text in each.required_by),
        files=tuple(PlannedFile(file.filename, file.sha256) for file in each.files),
        rpm=each.rpm,
        extras=each.extras,
        builds_from=each.builds_from,
        evidence=each.evidence if has_code else (),
        optional=has_code and each.optional,
        metadata=each.metadata.value if each.metadata is not None else "",
    )
