"""Audits as JSON: the same bytes for the same audit, and back again."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ppcdeps.auditing.audit import (
    SCHEMA,
    Audit,
    AuditedGroup,
    AuditedPackage,
    AuditedRepository,
    AuditedSource,
    AuditedWorkload,
    Enabled,
    State,
    Step,
    Unmet,
)
from ppcdeps.model.documents import DocumentError, dump_document, parse_json, read_document
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.plan_file import record_from, request_document

KIND = "audit"
_ANEW = "make it anew with `ppcdeps audit --output FILE`"


def dump_audit(audit: Audit) -> str:
    """The audit as JSON text, keys sorted, an entry of a list on a line."""
    return dump_document(as_document(audit))


def as_document(audit: Audit) -> dict[str, Any]:
    """The audit in JSON's own kinds."""
    document = {
        "schema": SCHEMA,
        "kind": KIND,
        "target": audit.target,
        "arch": audit.arch,
        "only": list(audit.only),
        "totals": dict(audit.totals),
        "packages": [_package(each) for each in audit.packages],
        "sources": [asdict(each) for each in audit.sources],
        "built": audit.built,
        "reused": audit.reused,
        "steps": [asdict(each) for each in audit.steps],
        "cycles": [list(each) for each in audit.cycles],
        "workloads": [asdict(each) for each in audit.workloads],
        "groups": [asdict(each) for each in audit.groups],
        "enabling": [asdict(each) for each in audit.enabling],
        "repositories": [asdict(each) for each in audit.repositories],
    }
    if audit.request is not None:
        document["request"] = request_document(audit.request)
    return document


def _package(package: AuditedPackage) -> dict[str, Any]:
    """A package; what says nothing of one that is usable is left out, as thousands are."""
    document: dict[str, Any] = {
        "nevra": package.nevra,
        "name": package.name,
        "side": package.side,
        "repository": package.repository,
        "source": package.source,
        "state": package.state,
    }
    if package.needs:
        document["needs"] = list(package.needs)
    if package.unmet:
        document["unmet"] = [{"requirement": each.requirement, "met_by": list(each.met_by)} for each in package.unmet]
    if package.reason:
        document["reason"] = package.reason
    return document


def is_audit(path: Path, read: Callable[[Path], bytes] = read_document) -> bool:
    """Whether a file has a JSON document that calls itself an audit; False where it cannot be read.

    ``read`` has the content of the file, if it was read before, here as below.
    """
    try:
        document = parse_json(read(path))
    except (OSError, DocumentError):
        return False
    return isinstance(document, dict) and document.get("kind") == KIND


def load_audit(path: Path, read: Callable[[Path], bytes] = read_document) -> Audit:
    """Read an audit that `dump_audit` wrote. Raises ConfigError where the file cannot be read or is not an audit."""
    return parse_audit(read_json(path, read), path)


def read_json(path: Path, read: Callable[[Path], bytes] = read_document) -> Any:
    """What is in a file that is to be an audit. Raises ConfigError where it cannot be read or is not JSON."""
    try:
        return parse_json(read(path))
    except OSError as error:
        raise ConfigError(f"cannot read the audit {path}: {error.strerror}") from error
    except DocumentError as error:
        raise ConfigError(f"{path} is not an audit: it {error}", hint=_ANEW) from error


def parse_audit(document: Any, path: Path) -> Audit:
    """An audit from its document. Raises ConfigError, with the place of a value that is not as it has to be."""
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ConfigError(f"{path} is not an audit", hint=_ANEW)
    schema = document.get("schema")
    if schema != SCHEMA:
        raise ConfigError(f"{path} is an audit of schema {schema}, and schema {SCHEMA} is read here", hint=_ANEW)
    try:
        return _audit(JsonObject(document))
    except WrongValueError as fault:
        raise ConfigError(f"{path} is not a whole audit: {fault}", hint=_ANEW) from fault


def _audit(top: JsonObject) -> Audit:
    return Audit(
        target=top.text("target"),
        arch=top.text("arch"),
        only=top.texts("only"),
        packages=tuple(map(_parsed_package, top.objects("packages"))),
        sources=tuple(map(_parsed_source, top.objects("sources"))),
        built=top.count("built"),
        reused=top.count("reused") if "reused" in top else 0,
        steps=tuple(
            Step(each.texts("sources"), each.count("opens"), each.count("so_far")) for each in top.objects("steps")
        ),
        cycles=top.text_arrays("cycles"),
        workloads=tuple(
            AuditedWorkload(each.text("name"), each.choice("state", State), each.texts("needs"), each.text("reason"))
            for each in top.objects("workloads")
        ),
        enabling=tuple(
            Enabled(each.text("repository"), each.texts("opens"), each.text("problem"))
            for each in top.objects("enabling")
        ),
        repositories=tuple(
            AuditedRepository(
                each.text("id"),
                each.one_of("side", ("target", "reference", "source")),
                each.text("revision"),
                each.optional_moment("date"),
                each.count("packages"),
            )
            for each in top.objects("repositories")
        ),
        groups=tuple(map(_parsed_group, top.objects("groups"))) if "groups" in top else (),
        request=record_from(top.inner("request")) if "request" in top else None,
    )


def _parsed_group(one: JsonObject) -> AuditedGroup:
    return AuditedGroup(
        one.text("id"),
        one.text("title"),
        one.count("packages"),
        one.texts("waiting"),
        one.texts("blocked"),
        one.texts("needs"),
    )


def _parsed_package(one: JsonObject) -> AuditedPackage:
    return AuditedPackage(
        nevra=one.text("nevra"),
        name=one.text("name"),
        side=one.one_of("side", ("target", "reference")),
        repository=one.text("repository"),
        source=one.text("source"),
        state=one.choice("state", State),
        needs=one.texts("needs") if "needs" in one else (),
        unmet=tuple(Unmet(each.text("requirement"), each.texts("met_by")) for each in one.objects("unmet"))
        if "unmet" in one
        else (),
        reason=one.text("reason") if "reason" in one else "",
    )


def _parsed_source(one: JsonObject) -> AuditedSource:
    return AuditedSource(
        name=one.text("name"),
        cause=one.choice("cause", Cause),
        detail=one.text("detail"),
        missing=one.texts("missing"),
        alone=one.count("alone"),
        holds_back=one.count("holds_back"),
        workloads=one.texts("workloads"),
        build_needs=one.texts("build_needs"),
        build_blocked=one.text("build_blocked"),
        recipe=one.text("recipe"),
    )
