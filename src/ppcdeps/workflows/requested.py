"""How a plan was requested: recorded with the plan, and taken from it by what goes on with the plan."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ppcdeps.base.urls import without_secrets
from ppcdeps.model import names
from ppcdeps.model.commands import REMOVED, RequestRecord
from ppcdeps.model.documents import read_document
from ppcdeps.model.errors import UsageError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import load_plan
from ppcdeps.planning.workloads import FILE_ENDINGS
from ppcdeps.workflows.choice import RepositoryChoice

_FIELDS: Mapping[str, str] = {
    "target": "target",
    "release": "release",
    "releasever": "releasever",
    "snapshot": "snapshot",
    "repofrompath": "repofrompath",
    "reference": "reference",
    "source": "source",
    "repo-file": "repo_files",
    "repo": "only",
    "enablerepo": "enable",
    "disablerepo": "disable",
    "setopt": "setopt",
    "python-version": "python_version",
    "module": "modules",
}
"""The field of a RepositoryChoice that has the value of an option."""

_PLACES = ("target", "snapshot", "repofrompath", "reference", "source", "repo-file")
"""The options that say where repositories are."""
_SELECTION = ("repo", "enablerepo", "disablerepo")
_PATH = re.compile(r"(?P<before>(?:[A-Za-z0-9_.:+-]+,)?)(?P<path>[^/].*)", re.DOTALL)
_FILES = ("repofrompath", "reference", "source", "repo-file", "srpms", "recipes", "constraints")
"""The options whose values are paths, perhaps after an id and a comma; those of target and snapshot may be names."""
_ENDINGS = (*FILE_ENDINGS, ".tar", *names.OWN_ENDINGS)


def record_of(
    words: Sequence[str],
    choice: RepositoryChoice,
    *,
    python: str | None = None,
    srpms: Path | None = None,
    recipes: Sequence[Path] = (),
    constraints: Path | None = None,
) -> RequestRecord | None:
    """The record of a request, without passwords. None where a word of it is of no text that a plan can keep."""
    options: dict[str, tuple[str, ...]] = {}
    for option, field in _FIELDS.items():
        value = getattr(choice, field)
        values = value if isinstance(value, tuple) else (value,) if value is not None else ()
        options[option] = tuple(without_secrets(str(one)) for one in values)
    options["python"] = (python,) if python is not None else ()
    options["srpms"] = (str(srpms),) if srpms is not None else ()
    options["recipes"] = tuple(map(str, recipes))
    options["constraints"] = (str(constraints),) if constraints is not None else ()
    try:
        for word in (*words, *(value for values in options.values() for value in values)):
            names.typed_word(word)
    except ValueError:
        return None
    return RequestRecord.of(words, options)


def load_requested(path: Path, read: Callable[[Path], bytes] = read_document) -> Plan:
    """The plan in a file, whose request names paths as they are seen from the current folder.

    ``read`` and what is raised are those of `ppcdeps.model.plan_file.load_plan`.
    """
    found = load_plan(path, read)
    if found.request is None:
        return found
    return replace(found, request=located(found.request, path.parent))


def load_kept(path: Path) -> Plan:
    """The same for a command that reads the file again later. Raises UsageError for a pipe as well."""
    if path.is_fifo():
        raise UsageError(f"{path} is a pipe, and the plan is read again later", hint="write the plan to a file")
    return load_requested(path)


def located(request: RequestRecord, folder: Path) -> RequestRecord:
    """A request whose relative paths count from ``folder``, where what they name is there; the others stay."""
    if folder.resolve() == Path.cwd():
        return request
    return RequestRecord.of(
        [_located(word, folder) for word in request.words],
        {name: [located_value(name, value, folder) for value in values] for name, values in request.options},
    )


def located_value(option: str, value: str, folder: Path) -> str:
    """The value of an option, a relative path counted from ``folder`` where what it names is there."""
    named = option in (*_PLACES, *_FILES, "workload")
    return _located(value, folder, is_file=option in _FILES) if named else value


def _located(word: str, folder: Path, *, is_file: bool = False) -> str:
    """A word with a path below the folder, where it is one and something is there."""
    found = _PATH.fullmatch(word)
    if found is None:
        return word
    path = found["path"]
    # A bare word is a name, whatever lies in the folder, unless it ends as a file does.
    if not is_file and "/" not in path and not path.endswith(_ENDINGS):
        return word
    place = folder / path
    try:
        return f"{found['before']}{place}" if place.exists() else word
    except OSError:
        return word  # of a length that no path has


def as_requested(request: RequestRecord | None, choice: RepositoryChoice) -> RepositoryChoice:
    """The choice with what the request says of repositories, where the user says nothing else.

    Who names places of repositories, a target among them, says all about repositories; who selects some selects all.
    Raises UsageError where the request had a password, which a record has not.
    """
    if request is None or any(_given(choice, option) for option in _PLACES):
        return choice
    selects = any(_given(choice, option) for option in _SELECTION)
    changes: dict[str, Any] = {}
    for option, field in _FIELDS.items():
        values = request.values(option)
        if not values or (selects and option in _SELECTION):
            continue
        if option == "setopt":
            own = {text.partition("=")[0] for text in choice.setopt}
            values = (*(text for text in values if text.partition("=")[0] not in own), *choice.setopt)
        elif _given(choice, option):
            continue
        if choice.locked is None:
            # What is in the folder of a lock takes no password.
            _require_whole(option, values)
        changes[field] = _typed(option, values)
    return replace(choice, **changes)


def _given(choice: RepositoryChoice, option: str) -> bool:
    return getattr(choice, _FIELDS[option]) not in (None, ())


def _typed(option: str, values: tuple[str, ...]) -> str | tuple[str, ...] | tuple[Path, ...]:
    """The value of a field of a RepositoryChoice."""
    if option == "repo-file":
        return tuple(map(Path, values))
    return values if isinstance(getattr(RepositoryChoice(), _FIELDS[option]), tuple) else values[-1]


def recipes_of(request: RequestRecord | None, given: Sequence[Path]) -> tuple[Path, ...]:
    """The folders of recipes that were given now, those of the request where none were."""
    requested = request.values("recipes") if request is not None else ()
    return tuple(given) or tuple(map(Path, requested))


def srpms_of(request: RequestRecord | None) -> Path | None:
    """The folder of source RPMs that a request names, if any."""
    return _path(request, "srpms")


def constraints_of(request: RequestRecord | None) -> Path | None:
    """The constraints file that a request names, if any."""
    return _path(request, "constraints")


def _path(request: RequestRecord | None, option: str) -> Path | None:
    requested = request.value(option) if request is not None else None
    return Path(requested) if requested is not None else None


def _require_whole(option: str, values: Sequence[str]) -> None:
    for value in values:
        if REMOVED in value:
            raise UsageError(
                f"the plan was requested with a password, which it does not keep: --{option} {value}",
                hint="give all options of repositories again, with the password, as it was planned",
            )
