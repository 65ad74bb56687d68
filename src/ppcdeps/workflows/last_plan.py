"""The last plan of a folder: where it was written, when it was made, and how it was requested."""

import hashlib
import os
import time
from dataclasses import replace
from pathlib import Path

from ppcdeps.base.cache import Cache
from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.json_object import JsonObject, WrongValueError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import request_document, request_from
from ppcdeps.model.values import dataclass
from ppcdeps.workflows.requested import load_requested

_PLANS = "plan-*.json"
"""The names of the files that `ppcdeps plan` writes where the user names none."""


@dataclass(frozen=True, slots=True)
class FormerPlan:
    """A plan that was made before. ``made`` is in seconds since 1970.

    One that was written has its ``file`` and what is in it; of one that was not, the ``request`` is known.
    """

    made: float
    request: RequestRecord | None
    file: Path | None = None
    plan: Plan | None = None

    def line(self) -> str:
        """One line for the user: which plan it is, when it was made, and by which command."""
        moment = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.made))
        how = f"by: {self.request.command()}" if self.request is not None else "and does not say by which command"
        if self.file is None:
            return f"the plan that was made in this folder on {moment} {how}"
        return f"{self.file}, made on {moment} {how}"


def former_plan(file: Path) -> FormerPlan:
    """The plan in a file, made when that was last written. Raises ConfigError where there is none."""
    found = load_requested(file)
    try:
        made = file.stat().st_mtime
    except OSError as fault:
        raise ConfigError(f"cannot read the plan {file}: {fault.strerror}") from fault
    return FormerPlan(made, found.request, file, found)


def remember_plan(made: Plan, file: Path | None, cache: Cache) -> None:
    """Let a plan be the last one of the current folder. ``file`` is where it was written, if it was."""
    if made.request is None and file is None:
        return
    cache.write_state(
        _key(),
        {
            "folder": os.fsencode(Path.cwd()).decode(errors="replace"),
            "file": str(file.absolute()) if file is not None else None,
            "request": request_document(made.request) if made.request is not None else None,
            "made": int(time.time()),
        },
        durable=False,
    )


def last_plan(cache: Cache) -> FormerPlan | None:
    """The plan that was made last in the current folder, or written into it; None where there is none.

    Raises UsageError where several files were written at the same time and none is remembered, and ConfigError
    where the last one is not a plan any more.
    """
    remembered = _remembered(cache)
    written = {path: path.stat().st_mtime for path in sorted(Path().glob(_PLANS)) if path.is_file()}
    newest = max(written.values(), default=0.0)
    if remembered is not None and int(newest) <= remembered.made:
        if remembered.file is not None and remembered.file.is_file():
            return former_plan(_shown(remembered.file))
        if remembered.request is not None:
            return replace(remembered, file=None)
    latest = [path for path, moment in written.items() if moment == newest]
    if len(latest) > 1:
        raise UsageError(
            f"several plans of this folder are equally old: {', '.join(map(str, latest))}",
            hint="name one with --plan FILE",
        )
    return former_plan(latest[0]) if latest else None


def _remembered(cache: Cache) -> FormerPlan | None:
    state = cache.read_state(_key())
    if state is None:
        return None
    try:
        document = JsonObject(state)
        made, file = document.whole("made"), document.optional_text("file")
        request = None if document.is_null("request") else request_from(document.inner("request"))
    except WrongValueError:
        return None
    return FormerPlan(made, request, Path(file) if file is not None else None)


def _key() -> str:
    """A name that no repository's state can have."""
    return f"@plan-{hashlib.sha256(os.fsencode(Path.cwd())).hexdigest()[:16]}"


def _shown(file: Path) -> Path:
    """The path as a person in the current folder writes it."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
