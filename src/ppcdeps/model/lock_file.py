"""Locks as `ppcdeps.lock`: the same bytes for the same lock, a line for each thing, and back again."""

import contextlib
import hashlib
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from ppcdeps.model import names
from ppcdeps.model.commands import command_line
from ppcdeps.model.documents import DocumentError, dump_document, parse_json, read_document
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.lock import (
    SCHEMA,
    HeldPackage,
    Lock,
    LockedBuild,
    LockedBuildroot,
    LockedDistribution,
    LockedMetadata,
    LockedPackage,
    LockedRecipe,
    LockedRepository,
    LockedRootPackage,
    LockedSource,
)
from ppcdeps.model.plan_file import request_document, request_from

_CHECKSUM = re.compile(r"sha(?:1|224|256|384|512):[0-9a-f]{40,128}")
_PLACE = re.compile(r"[\w.+~^:@%=,&()\[\]!{}' -]+(?:/[\w.+~^:@%=,&()\[\]!{}' -]+)*")
_CONFLICT = re.compile(rb"^(?:<{7}|={7}|>{7})(?:[ \r]|$)", re.MULTILINE)
_LIKE_A_LOCK = re.compile(rb'"buildroots"\s*:\s*\[|\A\s*(?:\{\s*(?:"arch.{0,60})?)?\Z', re.DOTALL)
"""What the beginning of a damaged lock has, or is where it ends early."""
_LISTS = (
    "repositories",
    "metadata",
    "held",
    "packages",
    "python",
    "recipes",
    "sources",
    "buildroots",
    "root_packages",
    "builds",
)
_Value = TypeVar("_Value")


def dump_lock(lock: Lock) -> str:
    """The lock as JSON text, as `lock.schema.json` describes it: lists sorted, an entry on a line."""
    return sealed(_document(lock))


def sealed(document: dict[str, Any]) -> str:
    """The text of a lock's document, with the digest of all else in it."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    return dump_document({**rest, "digest": _digest_of(rest)})


def _document(lock: Lock) -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "workload": lock.workload,
        "target": lock.target,
        "arch": lock.arch,
        "plan": lock.plan,
        "basis": lock.basis,
    }
    if lock.request is not None:
        document["request"] = request_document(lock.request)
    for name in _LISTS:
        document[name] = sorted(map(_entry, getattr(lock, name)), key=lambda entry: [str(v) for v in entry.values()])
    return document


def _entry(value: Any) -> dict[str, Any]:
    """A value in JSON's own kinds, without what is not known of it; its first fields are what it is sorted by."""
    found = {name: list(each) if isinstance(each, tuple) else each for name, each in asdict(value).items()}
    return {name: each for name, each in found.items() if each is not None and each not in ("", [])}


def _digest_of(document: dict[str, Any]) -> str:
    """What tells that a lock was written by ppcdeps and not changed since: the SHA-256 of all else in it."""
    return hashlib.sha256(dump_document(document).encode()).hexdigest()


def load_lock(path: Path) -> Lock:
    """Read a lock that `dump_lock` wrote.

    Raises ConfigError where the file cannot be read, is not a whole lock of this schema, or was changed by hand.
    """
    content = b""
    try:
        content = read_document(path)
        document = parse_json(content, unique=True)
    except OSError as error:
        hint = "write one with `ppcdeps lock PLAN`" if isinstance(error, FileNotFoundError) else None
        raise ConfigError(f"cannot read the lock {path}: {error.strerror}", hint=hint) from error
    except DocumentError as error:
        if conflict := _CONFLICT.search(content):
            line = content.count(b"\n", 0, conflict.start()) + 1
            raise ConfigError(
                f"{path} has the marks of a merge conflict (line {line}), and locks cannot be merged",
                hint=f"take plan and lock of one side, and move on from there; or {_anew(None)}",
            ) from error
        raise ConfigError(f"{path} is not a whole lock: {error}", hint=_anew(None)) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or "plan" not in document:
        raise ConfigError(f"{path} is not a lock of ppcdeps", hint="write one with `ppcdeps lock PLAN`")
    if schema != SCHEMA:
        newer = "take a newer ppcdeps, or " if schema > SCHEMA else ""
        raise ConfigError(
            f"{path} is a lock of schema {schema}, and schema {SCHEMA} is read here",
            hint=f"{newer}{_anew(document)}",
        )
    try:
        top = JsonObject(document)
        stated = top.named("digest", names.sha256)
        lock = _lock(top)
        _check_repositories(lock, top)
    except WrongValueError as fault:
        raise ConfigError(f"{path} is not a whole lock: {fault}", hint=_anew(document)) from fault
    rest = {name: value for name, value in document.items() if name != "digest"}
    if _digest_of(rest) != stated or _document(lock) != rest:
        raise ConfigError(
            f"{path} was changed by something else than ppcdeps: its content does not fit its digest",
            hint=f"take back the change, or {_anew(document)}",
        )
    return lock


def former_lock(path: Path) -> Lock | None:
    """The lock in a file that is about to be written anew; None where there is none that can be read.

    A damaged lock is written anew. Raises ConfigError where the file is something else than a lock.
    """
    try:
        return load_lock(path)
    except ConfigError:
        if path.is_file() and not _is_like_a_lock(path):
            raise ConfigError(
                f"{path} is not a lock of ppcdeps, and would be written over",
                hint="name another file with --output, or remove it",
            ) from None
        return None


def _is_like_a_lock(path: Path) -> bool:
    """Whether a file that cannot be read as a lock was one: of another schema, changed, or damaged."""
    content = b""
    try:
        content = read_document(path)
        document = parse_json(content)
    except DocumentError:
        return _LIKE_A_LOCK.search(content) is not None
    except OSError:
        return False
    return isinstance(document, dict) and document.keys() >= {"schema", "plan", "digest"}


def _anew(document: Any) -> str:
    """How to make a lock that cannot be read anew: of the plan that it names, where it does."""
    plan = "PLAN"
    with contextlib.suppress(WrongValueError):
        if document is not None:
            plan = f"plan-{JsonObject(document).named('workload', names.workload_name)}.json"
    return f"make it anew with `{command_line('lock', plan)}`"


def _check_repositories(lock: Lock, top: JsonObject) -> None:
    known = {one.id: one.digest for one in lock.repositories}
    for name, entries in (("metadata", lock.metadata), ("held", lock.held), ("packages", lock.packages)):
        for one in entries:
            if one.repo not in known:
                top.refuse(name, f"has something of the repository {one.repo}, which is not among its repositories")
    fetched = [one.repo for one in lock.packages if one.checksum]
    for name, repos in (("metadata", [one.repo for one in lock.metadata]), ("packages", fetched)):
        for repo in repos:
            if not known[repo]:
                top.refuse(name, f"has a file of the repository {repo}, of whose metadata the lock has no digest")


def _lock(top: JsonObject) -> Lock:
    return Lock(
        workload=top.named("workload", names.workload_name),
        target=top.named("target", names.target_name),
        arch=top.named("arch", names.architecture),
        plan=top.named("plan", names.sha256),
        basis=top.text("basis"),
        request=request_from(top.inner("request")) if "request" in top else None,
        repositories=tuple(map(_repository, top.objects("repositories"))),
        metadata=tuple(map(_metadata, top.objects("metadata"))),
        held=tuple(
            HeldPackage(_nevra(each), each.named("repo", names.repository_id)) for each in top.objects("held")
        ),
        packages=tuple(map(_package, top.objects("packages"))),
        python=tuple(map(_distribution, top.objects("python"))),
        recipes=tuple(map(_recipe, top.objects("recipes"))),
        sources=tuple(map(_source, top.objects("sources"))),
        buildroots=tuple(map(_buildroot, top.objects("buildroots"))),
        root_packages=tuple(map(_root_package, top.objects("root_packages"))),
        builds=tuple(map(_build, top.objects("builds"))),
    )


def _repository(entry: JsonObject) -> LockedRepository:
    return LockedRepository(
        entry.named("id", names.repository_id),
        entry.one_of("side", ("target", "reference", "source")),
        _text(entry, "revision"),
        entry.named("digest", names.sha256) if "digest" in entry else "",
        entry.truth("enabled"),
    )


def _held(entry: JsonObject) -> HeldPackage:
    return HeldPackage(_nevra(entry), entry.named("repo", names.repository_id))


def _metadata(entry: JsonObject) -> LockedMetadata:
    return LockedMetadata(
        entry.named("repo", names.repository_id),
        entry.named("kind", names.file_name),
        entry.named("path", place),
        entry.named("checksum", checksum),
        _size(entry),
    )


def _package(entry: JsonObject) -> LockedPackage:
    return LockedPackage(
        _nevra(entry),
        entry.named("repo", names.repository_id),
        entry.named("path", place) if "path" in entry else "",
        entry.named("checksum", checksum) if "checksum" in entry else "",
        _size(entry),
        entry.all_named("needed_by", names.step_name),
    )


def _distribution(entry: JsonObject) -> LockedDistribution:
    return LockedDistribution(
        entry.named("name", names.distribution_name),
        entry.named("version", names.version_text),
        entry.named("file", names.file_name),
        entry.named("sha256", names.sha256),
        _size(entry),
        _text(entry, "index"),
        entry.named("needed_by", names.step_name),
        _text(entry, "metadata"),
    )


def _recipe(entry: JsonObject) -> LockedRecipe:
    return LockedRecipe(
        entry.named("recipe", names.recipe_name),
        entry.named("sha256", names.sha256),
        entry.named("source", names.step_name),
        entry.named("origin", names.typed_word) if "origin" in entry else "",
    )


def _source(entry: JsonObject) -> LockedSource:
    kind = entry.text("kind")
    if kind not in ("file", "patch", "own"):
        entry.refuse("kind", "is none of file, patch, own")
    if kind == "file" and "origin" in entry and not entry.text("origin").startswith(("https://", "http://")):
        entry.refuse("origin", "is not a URL of http or https")
    return LockedSource(
        entry.named("source", names.step_name),
        entry.named("file", place if kind == "patch" else names.source_file),
        entry.named("sha256", names.sha256),
        entry.named("origin", names.typed_word) if "origin" in entry else "",
        kind,
    )


def _buildroot(entry: JsonObject) -> LockedBuildroot:
    return LockedBuildroot(
        entry.named("name", names.buildroot_name),
        entry.named("mode", names.buildroot_name),
        entry.named("kind", names.buildroot_name),
        entry.named("definition", names.sha256),
        entry.named("arch", names.architecture),
        entry.texts("requested") if "requested" in entry else (),
        entry.texts("origin") if "origin" in entry else (),
        _text(entry, "gcc"),
        _text(entry, "rpm"),
        entry.named("image", names.sha256) if "image" in entry else "",
    )


def _root_package(entry: JsonObject) -> LockedRootPackage:
    return LockedRootPackage(
        entry.named("package", names.typed_word),
        entry.named("version", names.typed_word),
        entry.named("path", place) if "path" in entry else "",
        entry.named("sha256", names.sha256) if "sha256" in entry else "",
        _size(entry),
        entry.all_named("roots", names.buildroot_name),
    )


def _build(entry: JsonObject) -> LockedBuild:
    return LockedBuild(
        nevra=_nevra(entry),
        source=entry.named("source", names.step_name),
        sha256=entry.named("sha256", names.sha256),
        requires=entry.named("requires", names.sha256),
        provides=entry.named("provides", names.sha256),
        files=entry.named("files", names.sha256),
        epoch=entry.optional_moment("epoch") or 0,
        mode=entry.named("mode", names.buildroot_name),
        buildroot=entry.named("buildroot", names.buildroot_name),
        ppcdeps=entry.named("ppcdeps", names.version_text),
    )


def checksum(text: str) -> str:
    """A checksum as ``algorithm:hex``."""
    if _CHECKSUM.fullmatch(text) is None:
        raise ValueError("not a checksum (algorithm:hex)")
    return text


def place(text: str) -> str:
    """The place of a file below a repository, a mirror or a folder: no part of it leads outwards."""
    if _PLACE.fullmatch(text) is None or any(part in (".", "..") for part in text.split("/")) or len(text) > 1024:
        raise ValueError("not the place of a file below a folder")
    return text


def _nevra(entry: JsonObject) -> str:
    return str(entry.named("nevra", names.nevra))


def _text(entry: JsonObject, key: str) -> str:
    return entry.text(key) if key in entry else ""


def _size(entry: JsonObject) -> int | None:
    return entry.count("size") if "size" in entry else None
