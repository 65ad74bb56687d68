"""Plans as `plan.json`: the same bytes for the same plan, and back again."""

import json
from pathlib import Path
from typing import Any

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.plan import SCHEMA, ChosenPackage, DroppedRequirement, Plan, RepositoryState


def dump_plan(plan: Plan) -> str:
    """The plan as JSON text, keys sorted, an entry of a list on a line, as `plan.schema.json` describes it."""
    members = (f"{_compact(key)}: {_spread(value)}" for key, value in sorted(as_document(plan).items()))
    return "{\n" + ",\n".join(members) + "\n}\n"


def _spread(value: Any) -> str:
    """A list with a line for each entry, anything else on one line: json's own indentation is slow."""
    if not isinstance(value, list) or not value:
        return _compact(value)
    return "[\n " + ",\n ".join(map(_compact, value)) + "\n]"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def load_plan(path: Path) -> Plan:
    """Read a plan that `dump_plan` wrote.

    Raises ConfigError where the file cannot be read or is not a plan of this schema.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the plan {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not a plan: {error}", hint="make one with `ppcdeps plan`") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ConfigError(f"{path} is not a plan of schema {SCHEMA}", hint="make it anew with `ppcdeps plan`")
    try:
        return _plan(document)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a whole plan: {type(error).__name__} {error}", hint="make it anew with `ppcdeps plan`"
        ) from error


def summary_of(plan: Plan) -> dict[str, Any]:
    """The counts that a person asks for first."""
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
    return {
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
            }
            for state in plan.repositories
        },
        "summary": summary_of(plan),
        "closure": [
            {
                "nevra": package.nevra,
                "repo": package.repo,
                "side": package.side,
                "source": package.source,
                "required_by": _requirers(package.required_by),
            }
            for package in plan.closure
        ],
        "gaps": [gap_document(gap) for gap in plan.gaps],
        "reliefs": [
            {"source": dropped.source, "requirement": dropped.requirement, "grounds": dropped.grounds}
            for dropped in plan.dropped_requirements
        ],
        "waves": [list(wave) for wave in plan.waves],
        "needs": {source: list(needed) for source, needed in plan.needs.items()},
        "python": dict(plan.python),
        "advice": list(plan.advice),
    }


def gap_document(gap: Gap) -> dict[str, Any]:
    """One gap in JSON's own kinds."""
    return {
        "name": gap.name,
        "kind": gap.kind,
        "cause": gap.cause,
        "phase": gap.phase,
        "wanted": list(gap.wanted),
        "required_by": _requirers(gap.required_by),
        "source": gap.source,
        "route": {
            "kind": gap.route.kind,
            "subject": list(gap.route.subject),
            "reason": gap.route.reason,
            "help": gap.route.help,
            "minutes": dict(gap.route.minutes),
            "digest": gap.route.digest,
        },
        "detail": gap.detail,
    }


def _requirers(requirers: tuple[Requirer, ...]) -> list[dict[str, str]]:
    return [{"by": requirer.by, "requirement": requirer.requirement} for requirer in requirers]


def _plan(document: dict[str, Any]) -> Plan:
    return Plan(
        workload=document["workload"],
        target=document["target"],
        arch=document["arch"],
        roots=tuple(document["roots"]),
        repositories=tuple(RepositoryState(id=name, **state) for name, state in document["created_from"].items()),
        closure=tuple(
            ChosenPackage(
                nevra=package["nevra"],
                repo=package["repo"],
                side=package["side"],
                required_by=_requirers_from(package["required_by"]),
                source=package["source"],
            )
            for package in document["closure"]
        ),
        gaps=tuple(_gap(gap) for gap in document["gaps"]),
        dropped_requirements=tuple(DroppedRequirement(**dropped) for dropped in document["reliefs"]),
        waves=tuple(tuple(wave) for wave in document["waves"]),
        needs={source: tuple(needed) for source, needed in document["needs"].items()},
        python=document["python"],
        advice=tuple(document["advice"]),
    )


def _gap(document: dict[str, Any]) -> Gap:
    route = document["route"]
    return Gap(
        name=document["name"],
        kind=GapKind(document["kind"]),
        cause=Cause(document["cause"]),
        phase=Phase(document["phase"]),
        wanted=tuple(document["wanted"]),
        required_by=_requirers_from(document["required_by"]),
        route=Route(
            RouteKind(route["kind"]),
            tuple(route["subject"]),
            route["reason"],
            route["help"],
            tuple(sorted(route["minutes"].items())),
            route["digest"],
        ),
        source=document["source"],
        detail=document["detail"],
    )


def _requirers_from(documents: list[dict[str, str]]) -> tuple[Requirer, ...]:
    return tuple(Requirer(each["requirement"], each["by"]) for each in documents)
