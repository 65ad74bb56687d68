"""What an sdist says that it requires: PKG-INFO, pyproject.toml, egg-info and setup.py, read and never run."""

import ast
import re
import tomllib
from dataclasses import replace

from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.coremetadata import DistMetadata, MetadataSource, metadata_fields, parse_metadata
from ppcdeps.python.names import normalize
from ppcdeps.python.sdist import SdistContents


def sdist_metadata(contents: SdistContents, filename: str) -> DistMetadata:
    """The metadata, with how far it can be relied on. Raises RepositoryError where it is not an sdist."""
    text = contents.texts.get("PKG-INFO")
    if text is None:
        raise RepositoryError(
            f"{filename} has no PKG-INFO: it is not a source distribution",
            hint="pin another version in the constraints file",
        )
    found = parse_metadata(text.encode(), MetadataSource.DECLARED)
    fields = metadata_fields(text.encode())
    dynamic = {each.lower() for each in fields.get("dynamic") or ()}
    declared = tuple(int(part) for part in re.findall(r"\d+", str(fields.get("metadata_version") or "1.0"))[:2])
    # PEP 643: from 2.2 on, a field that is not listed as dynamic is the same in every build.
    if declared >= (2, 2) and "requires-dist" not in dynamic:
        return replace(found, source=MetadataSource.SDIST)
    static = _static_requirements(contents.texts.get("pyproject.toml", ""))
    if static is not None:
        return replace(found, requires=static, source=MetadataSource.SDIST)
    listed = sorted(path for path in contents.texts if path.endswith(".egg-info/requires.txt"))
    if listed:
        # The uppermost: a vendored distribution may have its own, deeper in the tree.
        requires = requires_txt_requirements(contents.texts[min(listed, key=lambda path: (path.count("/"), path))])
        return replace(found, requires=requires, source=MetadataSource.EGG_INFO)
    if any(".egg-info/" in path for path in contents.paths):
        # setuptools writes no requires.txt where there is nothing to require.
        return replace(found, requires=(), source=MetadataSource.EGG_INFO)
    if found.requires or declared >= (2, 1):
        return found
    scripted = _script_requirements(contents.texts.get("setup.py", ""))
    if scripted is not None and "install_requires" not in contents.texts.get("setup.cfg", ""):
        return replace(found, requires=scripted)
    return replace(found, source=MetadataSource.NEEDS_BUILD)


def _script_requirements(text: str) -> tuple[str, ...] | None:
    """What a setup.py without egg-info requires, where it says so in plain literals or not at all; else
    None.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # MemoryError: the parser says so where its own stack is too small.
        return None
    setups = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup"
    ]
    if len(setups) != 1 or any(keyword.arg is None for keyword in setups[0].keywords):
        return None
    for keyword in setups[0].keywords:
        if keyword.arg == "install_requires":
            try:
                value = ast.literal_eval(keyword.value)
            except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
                return None
            return tuple(str(each) for each in value) if isinstance(value, list | tuple) else None
    return ()


def _static_requirements(text: str) -> tuple[str, ...] | None:
    """Requirements from a ``[project]`` table that declares neither them nor the extras dynamic, else
    None.
    """
    try:
        project = tomllib.loads(text).get("project")
    except (ValueError, RecursionError, TypeError, LookupError):
        return None
    if not isinstance(project, dict) or "name" not in project:
        return None
    if {"dependencies", "optional-dependencies"} & set(project.get("dynamic") or ()):
        return None
    found = [str(each) for each in project.get("dependencies") or ()]
    for extra, requirements in (project.get("optional-dependencies") or {}).items():
        found.extend(_with_marker(str(each), f'extra == "{normalize(str(extra))}"') for each in requirements)
    return tuple(found)


def requires_txt_requirements(text: str) -> tuple[str, ...]:
    """What setuptools' requires.txt says, as PEP 508 texts."""
    found: list[str] = []
    extra = condition = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            extra, _, condition = (part.strip() for part in line[1:-1].partition(":"))
            continue
        markers = [f"({condition})"] if condition else []
        if extra:
            markers.append(f'extra == "{normalize(extra)}"')
        found.append(_with_marker(line, " and ".join(markers)))
    return tuple(found)


def _with_marker(requirement: str, marker: str) -> str:
    if not marker:
        return requirement
    body, semicolon, own = requirement.partition(";")
    # A URL may hold a semicolon; a direct reference's marker follows a blank.
    if "@" in requirement and " ;" in requirement:
        body, semicolon, own = requirement.partition(" ;")
    return f"{body.strip()} ; ({own.strip()}) and {marker}" if semicolon else f"{body.strip()} ; {marker}"
