"""Files that other tools of Python lock with, told apart from files in pip's requirements format."""

import re

from ppcdeps.model.errors import ConfigError

_EXPORTS = {
    "uv.lock": "uv export --format requirements-txt --output-file requirements.txt",
    "poetry.lock": "poetry export --output requirements.txt (with poetry-plugin-export)",
    "pdm.lock": "pdm export --format requirements --output requirements.txt",
    "Pipfile.lock": "pipenv requirements > requirements.txt",
    "Pipfile": "pipenv requirements > requirements.txt",
    "pyproject.toml": "pip-compile --output-file requirements.txt pyproject.toml",
    "pixi.lock": "",
    "conda-lock.yml": "",
    "environment.yml": "",
}
"""Files of other tools by name, and the command that makes one for pip."""
_TABLES = re.compile(r"(?m)^\[\[(packages?)\]\]\s*$")


def refuse_other_lock(what: str, origin: str, text: str) -> None:
    """Raise ConfigError, in one line, where a text that is to be ``what`` is a lock of another tool."""
    kind = _kind(origin.rpartition("/")[2], text)
    if kind is None:
        return
    command = _EXPORTS.get(kind, "")
    raise ConfigError(
        f"{what} {origin} is not a file for pip: it is a {kind}",
        hint=f"make one with `{command}`" if command else "write one with lines like name==1.2",
    )


def _kind(name: str, text: str) -> str | None:
    if name in _EXPORTS:
        return name
    if text.lstrip().startswith("{"):
        return "Pipfile.lock" if '"pipfile-spec"' in text else "JSON document"
    found = _TABLES.search(text)
    if found is None:
        return None
    if found[1] == "packages":
        return "pylock.toml"
    head = text.partition("\n")[0]
    return "pdm.lock" if "by PDM" in head else "poetry.lock" if "by Poetry" in head else "uv.lock"
