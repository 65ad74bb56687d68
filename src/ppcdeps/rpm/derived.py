"""Values derived from metadata, cached as JSON under a key that says what they were made from."""

import json
from typing import Any, BinaryIO

from ppcdeps.base.cache import Cache


def recall(cache: Cache, key: str) -> Any:
    """The value under the key; None where there is none, or its file cannot be read."""
    try:
        return json.loads(cache.derived_path(key, ".json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def remember(cache: Cache, key: str, value: Any) -> None:
    """Store a value of JSON's kinds under the key."""
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    def write(file: BinaryIO) -> None:
        file.write(content)

    cache.store_derived(key, ".json", write)
