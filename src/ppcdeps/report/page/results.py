"""What `build --json` and `verify --json` printed, read for the page of their plan."""

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
    """How one build went. ``tail`` are the last lines of its log; ``cause`` and ``help`` say why it failed."""

    name: str
    outcome: str
    seconds: float
    packages: tuple[str, ...]
    cause: str
    help: str
    log: str
    tail: tuple[str, ...]
    files: tuple[BuiltFileView, ...]


@dataclass(frozen=True, slots=True)
class BuildRunView:
    """A run of builds."""

    mode: str
    buildroot: str
    engine: str
    repository: str
    published: int
    results: tuple[BuildResultView, ...]


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
    """A verdict, and what it rests on."""

    is_closed: bool
    repository: str
    closed: int
    remaining: int
    new: int
    checks: tuple[CheckView, ...]
    warnings: tuple[str, ...]


_CHECKS = (
    ("repoclosure", "dnf repoclosure"),
    ("installation", "dnf install"),
    ("python", "pip install"),
    ("imports", "imports"),
)


def read_build_run(content: bytes, path: Path) -> BuildRunView:
    """The run that `ppcdeps build --json` printed. Raises ConfigError where the content is none."""
    document = _document(content, path, "build")
    try:
        return BuildRunView(
            document.text("mode"),
            document.text("buildroot"),
            document.text("engine"),
            document.optional_text("repository") or "",
            document.count("published"),
            tuple(map(_result, document.objects("results"))),
        )
    except WrongValueError as fault:
        raise _not_printed(path, "build", str(fault)) from fault


def read_verification(content: bytes, path: Path) -> VerificationView:
    """The verdict that `ppcdeps verify --json` printed. Raises ConfigError where the content is none."""
    document = _document(content, path, "verify")
    try:
        gaps = document.inner("gaps")
        checks = [(title, document.inner(key)) for key, title in _CHECKS]
        checks += [("smoke test", each) for each in document.objects("smoke_tests")]
        return VerificationView(
            is_closed=document.truth("closed"),
            repository=document.text("repository"),
            closed=len(list(gaps.objects("closed"))),
            remaining=len(list(gaps.objects("remaining"))),
            new=len(list(gaps.objects("new"))),
            checks=tuple(_checks(checks)),
            warnings=document.texts("warnings"),
        )
    except WrongValueError as fault:
        raise _not_printed(path, "verify", str(fault)) from fault


def _result(one: JsonObject) -> BuildResultView:
    return BuildResultView(
        one.text("name"),
        one.text("outcome"),
        one.number("seconds"),
        one.texts("packages"),
        one.optional_text("cause") or "",
        one.optional_text("help") or "",
        one.optional_text("log") or "",
        one.texts("tail"),
        tuple(
            BuiltFileView(file.text("file"), file.text("sha256"), file.optional_whole("bytes"))
            for file in one.objects("files")
        ),
    )


def _checks(checks: Iterable[tuple[str, JsonObject]]) -> Iterable[CheckView]:
    for title, one in checks:
        outcome, subject, detail = (one.text(key) for key in ("outcome", "subject", "detail"))
        yield CheckView(title, outcome, subject, detail, one.number("seconds"), one.texts("log"))


def _document(content: bytes, path: Path, command: str) -> JsonObject:
    try:
        return JsonObject(parse_json(content))
    except (DocumentError, WrongValueError) as fault:
        raise _not_printed(path, command, str(fault)) from fault


def _not_printed(path: Path, command: str, fault: str) -> ConfigError:
    told = f"{path} is not what {command} --json prints: {fault}"
    return ConfigError(told, hint="keep its standard output in a file")
