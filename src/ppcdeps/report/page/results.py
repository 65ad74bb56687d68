"""What `build --json` and `verify --json` printed, read for the page of their plan."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.json_object import JsonObject, WrongValueError


@dataclass(frozen=True, slots=True)
class BuiltFileView:
    """A file that a build gave; ``size`` is in bytes, None where it is not known."""

    name: str
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class BuildResultView:
    """How one build went. ``tail`` are the last lines of its log; ``cause`` and ``help`` say why it failed.

    ``size`` is that of its files in bytes, as far as it is known; ``findings`` are what was noticed in them. ``node``
    is the machine that built it, empty where it was this one.
    """

    name: str
    outcome: str
    seconds: float
    packages: tuple[str, ...]
    cause: str
    help: str
    log: str
    tail: tuple[str, ...]
    files: tuple[BuiltFileView, ...]
    size: int
    findings: tuple[str, ...]
    node: str


@dataclass(frozen=True, slots=True)
class BuildRunView:
    """A run of builds of a plan's workload on its target, those that failed first, and how many ended in which way.

    ``mode`` is empty where machines built in several. ``left_out`` are gaps that were not built because enabling a
    repository closes them. ``verification`` is the verdict of `build --until-closed`.
    """

    workload: str
    target: str
    mode: str
    buildroot: str
    engine: str
    repository: str
    published: int
    results: tuple[BuildResultView, ...]
    outcomes: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...] = ()
    verification: "VerificationView | None" = None


@dataclass(frozen=True, slots=True)
class CheckView:
    """A check of a verification."""

    title: str
    outcome: str
    subject: str
    detail: str
    seconds: float
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerificationView:
    """A verdict on a plan's workload on its target, and what it rests on. ``ran`` says how programs ran.

    ``closed``, ``remaining`` and ``new`` are the names of gaps; ``undone`` says why it rests on less than it could.
    """

    workload: str
    target: str
    is_closed: bool
    repository: str
    closed: tuple[str, ...]
    remaining: tuple[str, ...]
    new: tuple[str, ...]
    checks: tuple[CheckView, ...]
    warnings: tuple[str, ...]
    ran: str = ""
    undone: tuple[str, ...] = ()


SCHEMA = 1
"""The schema of both documents; one that names none is of an earlier build, and the same."""

_CHECKS = (
    ("provenance", "provenance"),
    ("repoclosure", "dnf repoclosure"),
    ("installation", "dnf install"),
    ("python", "pip install"),
    ("imports", "imports"),
)


def read_build_run(content: bytes, path: Path) -> BuildRunView:
    """The run that `ppcdeps build --json` printed. Raises ConfigError where the content is none."""
    document = _document(content, path, "build")
    try:
        results = tuple(sorted(map(_result, document.objects("results")), key=lambda one: one.outcome != "failed"))
        return BuildRunView(
            document.text("workload"),
            document.text("target"),
            document.optional_text("mode") or "",
            document.text("buildroot"),
            document.text("engine"),
            document.optional_text("repository") or "",
            document.count("published"),
            results,
            tuple(Counter(one.outcome for one in results).items()),
            document.inner("left_out").texts("gaps") if "left_out" in document else (),
            _embedded(document.inner("verification")) if "verification" in document else None,
        )
    except WrongValueError as fault:
        raise _not_printed(path, "build", str(fault)) from fault


def read_verification(content: bytes, path: Path) -> VerificationView:
    """The verdict that `ppcdeps verify --json` printed. Raises ConfigError where the content is none."""
    document = _document(content, path, "verify")
    try:
        return _verification(document)
    except WrongValueError as fault:
        raise _not_printed(path, "verify", str(fault)) from fault


def _embedded(document: JsonObject) -> VerificationView:
    _check_schema(document, document.place())
    return _verification(document)


def _verification(document: JsonObject) -> VerificationView:
    gaps = document.inner("gaps")
    checks = [(title, document.inner(key)) for key, title in _CHECKS if key in document and not document.is_null(key)]
    checks += [("smoke test", each) for each in document.objects("smoke_tests")]
    return VerificationView(
        workload=document.text("workload"),
        target=document.text("target"),
        is_closed=document.truth("closed"),
        repository=document.text("repository"),
        closed=tuple(each.inner("gap").text("name") for each in gaps.objects("closed")),
        remaining=tuple(each.text("name") for each in gaps.objects("remaining")),
        new=tuple(each.text("name") for each in gaps.objects("new")),
        checks=tuple(_checks(checks)),
        warnings=document.texts("warnings"),
        ran=document.inner("rests_on").optional_text("programs_ran") or "",
        undone=document.inner("rests_on").texts("undone"),
    )


def _result(one: JsonObject) -> BuildResultView:
    files = tuple(
        BuiltFileView(file.text("file"), file.text("sha256"), file.optional_count("bytes"))
        for file in one.objects("files")
    )
    return BuildResultView(
        one.text("name"),
        one.text("outcome"),
        one.number("seconds"),
        one.texts("packages"),
        one.optional_text("cause") or "",
        one.optional_text("help") or "",
        one.optional_text("log") or "",
        one.texts("tail"),
        files,
        sum(file.size or 0 for file in files),
        () if one.is_null("inspection") else one.inner("inspection").texts("findings"),
        one.inner("job").text("node") if "job" in one and not one.is_null("job") else "",
    )


def _checks(checks: Iterable[tuple[str, JsonObject]]) -> Iterable[CheckView]:
    for title, one in checks:
        outcome, subject, detail = (one.text(key) for key in ("outcome", "subject", "detail"))
        yield CheckView(title, outcome, subject, detail, one.number("seconds"), one.texts("log"))


def _document(content: bytes, path: Path, command: str) -> JsonObject:
    try:
        document = JsonObject(parse_json(content))
        _check_schema(document, "it")
    except DocumentError as fault:
        raise _not_printed(path, command, f"it {fault}") from fault
    except WrongValueError as fault:
        raise _not_printed(path, command, str(fault)) from fault
    return document


def _check_schema(document: JsonObject, name: str) -> None:
    schema = document.whole("schema") if "schema" in document else SCHEMA
    if schema != SCHEMA:
        raise WrongValueError(f"{name} is of schema {schema}, and schema {SCHEMA} is read here")


def _not_printed(path: Path, command: str, fault: str) -> ConfigError:
    told = f"{path} is not what {command} --json prints: {fault}"
    return ConfigError(told, hint="keep its standard output in a file")
