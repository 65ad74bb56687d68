"""What a publication did, as text and as JSON."""

import dataclasses
import json
from typing import Any

from ppcdeps.building.publishing.publishing import Published


def render_published(done: Published) -> str:
    """What came, was replaced and went, a line each, and what the target needs of it."""
    manifest = done.manifest
    wheels = f" and {_counted(len(manifest.wheels), 'wheel')}" if manifest.wheels else ""
    signed = f", signed by {manifest.key[-16:]}" if manifest.key else ""
    state = "" if done.is_changed else ", as before"
    lines = [f"{done.folder} holds {_counted(len(manifest.packages), 'package')}{wheels}{signed}{state}"]
    lines += [f"  {'!' if one in done.replaced else '+'} {one}" for one in done.added]
    lines += [f"  - {one}" for one in done.withdrawn]
    return "\n".join([*lines, f"  for the target: {done.repo_file}", ""])


def dump_published(done: Published) -> str:
    """The same as JSON text, keys sorted."""
    return json.dumps(published_document(done), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def published_document(done: Published) -> dict[str, Any]:
    """The same as JSON has it, with all that the repository holds now."""
    return {
        "folder": str(done.folder),
        "repo_file": str(done.repo_file),
        "changed": done.is_changed,
        "added": list(done.added),
        "replaced": list(done.replaced),
        "withdrawn": list(done.withdrawn),
        "generation": done.manifest.generation,
        "key": done.manifest.key,
        "packages": [dataclasses.asdict(one) for one in done.manifest.packages],
        "wheels": [dataclasses.asdict(one) for one in done.manifest.wheels],
    }


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
