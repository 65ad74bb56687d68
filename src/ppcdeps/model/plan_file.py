"""Plans as `plan.json`: the same bytes for the same plan, and back again."""

import contextlib
from collections.abc import Callable
from itertools import starmap
from pathlib import Path
from typing import Any

from ppcdeps.model import names
from ppcdeps.model.build_order import Bootstrap, Cycle
from ppcdeps.model.commands import RECORDED_OPTIONS, RequestRecord
from ppcdeps.model.documents import DocumentError, dump_document, parse_json, read_document
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import (
    SCHEMA,
    ChosenPackage,
    DroppedRequirement,
    Enabling,
    OwnPackages,
    Plan,
    Replacement,
    RepositoryState,
)
from ppcdeps.model.python_plan import (
    DistributionRequirer,
    PlannedDistribution,
    PlannedFile,
    PlannedPython,
    Provision,
    PythonFallback,
)
from ppcdeps.model.visible import visible


def dump_plan(plan: Plan) -> str:
    """The plan as JSON text, keys sorted, an entry of a list on a line, as `plan.schema.json` describes it."""
    return dump_document(as_document(plan))


def load_plan(path: Path, read: Callable[[Path], bytes] = read_document) -> Plan:
    """Read a plan that `dump_plan` wrote.

    ``read`` has the content of the file, if it was read before. Raises ConfigError where the file cannot be read,
    and what `parse_plan` raises.
    """
    try:
        return parse_plan(read(path), path)
    except OSError as error:
        raise ConfigError(f"cannot read the plan {path}: {error.strerror}") from error
    except DocumentError as error:
        raise _not_a_plan(path, f"it {error}") from error


def parse_plan(content: bytes | str, path: Path) -> Plan:
    """Read the content of a plan's file.

    Raises ConfigError where it is not a plan of this schema, or has a value of another kind than the schema says,
    with the place of that value.
    """
    try:
        document = parse_json(content)
    except DocumentError as error:
        raise _not_a_plan(path, f"it {error}") from error
    if isinstance(document, dict) and document.get("kind") == "audit":
        raise ConfigError(f"{path} is an audit, not a plan", hint="make a plan with `ppcdeps plan WORKLOAD`")
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise _not_a_plan(path, "it names no schema")
    if schema != SCHEMA:
        told = f"{path} is a plan of schema {schema}, and schema {SCHEMA} is read here"
        raise ConfigError(told, hint=_anew(document))
    try:
        return _plan(JsonObject(document))
    except WrongValueError as fault:
        raise ConfigError(f"{path} is not a whole plan: {fault}", hint=_anew(document)) from fault


def _not_a_plan(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path} is not a plan: {why}", hint="make one with `ppcdeps plan WORKLOAD`")


def _anew(document: Any) -> str:
    """How to make a plan that cannot be read anew: as it was requested, where it says that."""
    command = "ppcdeps plan WORKLOAD"
    with contextlib.suppress(WrongValueError):
        command = request_from(JsonObject(document).inner("request")).command()
    return f"make it anew with `{command}`"


def summary_of(plan: Plan) -> dict[str, Any]:
    """The counts that a person looks for first."""
    sides = [package.side for package in plan.closure]
    routes: dict[str, int] = {}
    for gap in plan.gaps:
        routes[gap.route.kind] = routes.get(gap.route.kind, 0) + 1
    return {
        "packages": len(plan.closure),
        "target": sides.count("target"),
        "reference": sides.count("reference"),
        "standins": sides.count("standin"),
        "gaps": {phase: sum(1 for gap in plan.gaps if gap.phase is phase) for phase in Phase},
        "routes": routes,
    }


def as_document(plan: Plan) -> dict[str, Any]:
    """The plan in JSON's own kinds."""
    document = {
        "schema": SCHEMA,
        "workload": plan.workload,
        "target": plan.target,
        "arch": plan.arch,
        "roots": list(plan.roots),
        "created_from": {
            state.id: {
                "side": state.side,
                "revision": state.revision,
                "date": state.date,
                "digest": state.digest,
                "packages": state.packages,
                "problem": state.problem,
                "enabled": state.enabled,
            }
            for state in plan.repositories
        },
        "summary": summary_of(plan),
        "closure": [
            {
                "nevra": str(package.nevra),
                "repo": package.repo,
                "side": package.side,
                "source": package.source,
                "required_by": _requirers(package.required_by),
            }
            for package in plan.closure
        ],
        "gaps": [gap_document(gap) for gap in plan.gaps],
        "dropped_requirements": [
            {"source": dropped.source, "requirement": dropped.requirement, "grounds": dropped.grounds}
            for dropped in plan.dropped_requirements
        ],
        "modules": list(plan.modules),
        "waves": [list(wave) for wave in plan.waves],
        "needs": {source: list(needed) for source, needed in plan.needs.items()},
        "blocked_by": {source: list(blocked) for source, blocked in plan.blocked_by.items()},
        "cycles": [cycle_document(cycle) for cycle in plan.cycles],
        "python": {} if plan.python is None else python_document(plan.python),
        "advice": list(plan.advice),
        "enabling": [_enabling_document(each) for each in plan.enablings],
        "own": [_own_document(own) for own in plan.own],
    }
    if plan.python_fallback is not None:
        document["python_fallback"] = {"reason": plan.python_fallback.reason, "help": plan.python_fallback.help}
    if plan.release is not None:
        document["release"] = plan.release
    if plan.request is not None:
        document["request"] = request_document(plan.request)
    return document


def request_document(request: RequestRecord) -> dict[str, Any]:
    """How a plan or an audit was requested, in JSON's own kinds."""
    return {"words": list(request.words), "options": {name: list(values) for name, values in request.options}}


def _own_document(own: OwnPackages) -> dict[str, Any]:
    return {
        "source": own.source,
        "file": own.file,
        "sha256": own.sha256,
        "packages": [str(package) for package in own.packages],
        "build_requires": list(own.build_requires),
        "files": list(own.files),
        "notes": list(own.notes),
    }


def gap_document(gap: Gap) -> dict[str, Any]:
    """One gap in JSON's own kinds."""
    return {
        "name": gap.name,
        "kind": gap.kind,
        "cause": gap.cause,
        "phase": gap.phase,
        "wanted": [str(one) for one in gap.wanted],
        "required_by": _requirers(gap.required_by),
        "source": gap.source,
        "route": _route_document(gap.route),
        "alternative": None if gap.alternative is None else _route_document(gap.alternative),
        "detail": gap.detail,
        "tried": list(gap.tried),
        "build_requires": list(gap.build_requires),
    }


def _route_document(route: Route) -> dict[str, Any]:
    return {
        "kind": route.kind,
        "subject": list(route.subject),
        "reason": route.reason,
        "help": route.help,
        "minutes": dict(route.minutes),
        "timed_by": route.timed_by,
        "digest": route.digest,
    }


def _enabling_document(one: Enabling) -> dict[str, Any]:
    return {
        "repositories": list(one.repositories),
        "closes": list(one.closes),
        "opens": list(one.opens),
        "replaces": [
            {"package": str(each.package), "by": str(each.by), "needed": each.needed} for each in one.replaces
        ],
        "apart_from": list(one.apart_from),
    }


def cycle_document(cycle: Cycle) -> dict[str, Any]:
    """A cycle of builds in JSON's own kinds."""
    broken = cycle.broken_by
    return {
        "chain": list(cycle.chain),
        "members": list(cycle.members),
        "broken_by": broken
        and {"source": broken.source, "condition": broken.condition, "without": sorted(broken.without or ())},
        "text": str(cycle),
    }


def python_document(python: PlannedPython) -> dict[str, Any]:
    """The Python part of a plan in JSON's own kinds; it has no URL of an index."""
    return {
        "python": python.python,
        "machine": python.machine,
        "glibc": python.glibc,
        "distributions": [_distribution_document(each) for each in python.distributions],
        "added_rpms": list(python.added_rpms),
        "notes": list(python.notes),
        "bridge": list(python.bridge),
        "package": python.package,
        "versions_by": python.versions_by,
        "bridge_requires": list(python.bridge_requires),
    }


def _distribution_document(one: PlannedDistribution) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": one.name,
        "version": one.version,
        "provision": one.provision,
        "pinned_by": one.pinned_by,
        "required_by": [{"by": each.by, "specifier": each.specifier} for each in one.required_by],
        "files": [{"name": file.name, "sha256": file.sha256} for file in one.files],
    }
    if one.rpm:
        document["rpm"] = one.rpm
    if one.extras:
        document["extras"] = list(one.extras)
    if one.provision is Provision.BUILD or one.builds_from:
        document["builds_from"] = list(one.builds_from)
        document["evidence"] = list(one.evidence)
        document["optional"] = one.optional
    if one.metadata:
        document["metadata"] = one.metadata
    return document


def _requirers(requirers: tuple[Requirer, ...]) -> list[dict[str, str]]:
    return [{"by": requirer.by, "requirement": requirer.requirement} for requirer in requirers]


def _plan(document: JsonObject) -> Plan:
    created_from, needs = document.inner("created_from"), document.inner("needs")
    python = document.inner("python")
    return Plan(
        workload=document.named("workload", names.workload_name),
        target=document.named("target", names.target_name),
        arch=document.named("arch", names.architecture),
        roots=document.all_named("roots", names.root),
        repositories=tuple(
            _state(created_from.checked(name, name, names.repository_id), created_from.inner(name))
            for name in created_from.names
        ),
        closure=tuple(map(_package, document.objects("closure"))),
        gaps=tuple(map(_gap, document.objects("gaps"))),
        dropped_requirements=tuple(
            DroppedRequirement(each.text("source"), each.text("requirement"), each.text("grounds"))
            for each in document.objects("dropped_requirements")
        ),
        waves=tuple(
            tuple(document.checked("waves", name, names.step_name) for name in wave)
            for wave in document.text_arrays("waves")
        ),
        needs={
            needs.checked(source, source, names.step_name): needs.all_named(source, names.step_name)
            for source in needs.names
        },
        blocked_by=_blocked_by(document.inner("blocked_by")),
        cycles=tuple(map(_cycle, document.objects("cycles"))),
        python=_python(python) if python.names else None,
        advice=document.texts("advice"),
        modules=document.all_named("modules", names.module_stream) if "modules" in document else (),
        enablings=tuple(map(_enabling, document.objects("enabling"))),
        python_fallback=_fallback(document.inner("python_fallback")) if "python_fallback" in document else None,
        release=document.text("release") if "release" in document else None,
        own=tuple(map(_own, document.objects("own"))),
        request=request_from(document.inner("request")) if "request" in document else None,
    )


def request_from(document: JsonObject) -> RequestRecord:
    """How a plan was requested, of what `request_document` made. Raises WrongValueError."""
    record = record_from(document)
    if not record.words:
        document.refuse("words", "names nothing to plan")
    return record


def record_from(document: JsonObject) -> RequestRecord:
    """How a plan was requested, or what names no words, as an audit. Raises WrongValueError."""
    options = document.inner("options")
    for name in options.names:
        if name not in RECORDED_OPTIONS:
            document.refuse("options", f"has an option that plans do not record: {visible(name)}")
    words = document.all_named("words", names.typed_word)
    return RequestRecord.of(words, {name: options.all_named(name, names.typed_word) for name in options.names})


def _fallback(document: JsonObject) -> PythonFallback:
    return PythonFallback(document.text("reason"), document.text("help"))


def _own(document: JsonObject) -> OwnPackages:
    return OwnPackages(
        source=document.named("source", names.package_name),
        file=document.named("file", names.own_file),
        sha256=document.named("sha256", names.sha256),
        packages=document.all_named("packages", names.nevra),
        build_requires=document.all_named("build_requires", names.requirement_text),
        files=document.all_named("files", names.source_file),
        notes=document.texts("notes"),
    )


def _blocked_by(document: JsonObject) -> dict[str, tuple[str, ...]]:
    return {
        document.checked(source, source, names.step_name): document.all_named(source, names.requirement_text)
        for source in document.names
    }


def _cycle(document: JsonObject) -> Cycle:
    broken = None
    if not document.is_null("broken_by"):
        inner = document.inner("broken_by")
        without = frozenset(inner.all_named("without", names.step_name))
        broken = Bootstrap(
            inner.named("source", names.step_name), inner.named("condition", names.build_condition), without
        )
    chain = document.all_named("chain", names.step_name)
    if not chain:
        document.refuse("chain", "names no source")
    return Cycle(chain, document.all_named("members", names.step_name), broken)


def _state(name: str, document: JsonObject) -> RepositoryState:
    return RepositoryState(
        id=name,
        side=document.one_of("side", ("target", "reference", "source")),
        revision=document.text("revision"),
        date=document.optional_moment("date"),
        digest=document.named("digest", names.digest),
        packages=document.count("packages"),
        problem=document.text("problem"),
        enabled=document.truth("enabled"),
    )


def _package(document: JsonObject) -> ChosenPackage:
    return ChosenPackage(
        nevra=document.named("nevra", names.nevra),
        repo=document.named("repo", names.repository_id),
        side=document.one_of("side", ("target", "reference", "standin")),
        required_by=_requirers_from(document),
        source=_optional_name(document, "source"),
    )


def _enabling(document: JsonObject) -> Enabling:
    return Enabling(
        repositories=document.all_named("repositories", names.repository_id),
        closes=document.all_named("closes", names.requirement_text),
        opens=document.all_named("opens", names.requirement_text),
        replaces=tuple(
            Replacement(each.named("package", names.nevra), each.named("by", names.nevra), each.truth("needed"))
            for each in document.objects("replaces")
        ),
        apart_from=document.all_named("apart_from", names.repository_id),
    )


def _route(document: JsonObject) -> Route:
    minutes = document.inner("minutes")
    return Route(
        kind=document.choice("kind", RouteKind),
        subject=document.all_named("subject", names.subject_of_route),
        reason=document.text("reason"),
        help=document.text("help"),
        minutes=tuple((mode, minutes.number(mode)) for mode in sorted(minutes.names)),
        timed_by=document.text("timed_by"),
        digest=document.named("digest", names.digest),
    )


def _gap(document: JsonObject) -> Gap:
    kind, cause, source = (
        document.choice("kind", GapKind),
        document.choice("cause", Cause),
        document.named("source", names.step_name) if document.optional_text("source") is not None else None,
    )
    wanted: tuple[Nevra | str, ...] = document.all_named("wanted", names.requirement_text)
    if kind is GapKind.RPM and (source is not None or cause is Cause.CONFLICT):
        wanted = document.all_named("wanted", names.nevra)
    return Gap(
        name=document.named("name", names.requirement_text),
        kind=kind,
        cause=cause,
        phase=document.choice("phase", Phase),
        wanted=wanted,
        required_by=_requirers_from(document),
        route=_route(document.inner("route")),
        source=source,
        detail=document.text("detail"),
        alternative=None if document.is_null("alternative") else _route(document.inner("alternative")),
        tried=document.texts("tried") if "tried" in document else (),
        build_requires=document.texts("build_requires") if "build_requires" in document else (),
    )


def _requirers_from(document: JsonObject) -> tuple[Requirer, ...]:
    return tuple(starmap(Requirer, document.text_rows("required_by", "requirement", "by")))


def _python(document: JsonObject) -> PlannedPython:
    return PlannedPython(
        python=document.named("python", names.dotted_version),
        machine=document.named("machine", names.architecture),
        glibc=document.named("glibc", names.dotted_version),
        distributions=tuple(map(_distribution, document.objects("distributions"))),
        added_rpms=document.all_named("added_rpms", names.requirement_text),
        notes=document.texts("notes"),
        bridge=document.all_named("bridge", names.root),
        package=document.named("package", names.package_name) if "package" in document else "python3",
        versions_by=document.text("versions_by") if "versions_by" in document else "",
        bridge_requires=document.all_named("bridge_requires", names.requirement_text),
    )


def _distribution(document: JsonObject) -> PlannedDistribution:
    def texts(key: str) -> tuple[str, ...]:
        return document.texts(key) if key in document else ()

    return PlannedDistribution(
        name=document.named("name", names.distribution_name),
        version=document.named("version", names.version_text),
        provision=document.choice("provision", Provision),
        pinned_by=document.text("pinned_by"),
        required_by=tuple(starmap(DistributionRequirer, document.text_rows("required_by", "by", "specifier"))),
        files=tuple(
            PlannedFile(each.named("name", names.file_name), each.named("sha256", names.sha256))
            for each in document.objects("files")
        ),
        rpm=document.text("rpm") if "rpm" in document else "",
        extras=texts("extras"),
        builds_from=texts("builds_from"),
        evidence=texts("evidence"),
        optional=document.truth("optional") if "optional" in document else False,
        metadata=document.text("metadata") if "metadata" in document else "",
    )


def _optional_name(document: JsonObject, key: str) -> str:
    """The name of a package, or an empty text."""
    return document.named(key, names.package_name) if document.text(key) else ""
