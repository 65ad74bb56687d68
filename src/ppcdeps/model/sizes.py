"""Sizes as people write them: 500M, 4G."""

import re

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def bytes_of(text: str) -> int:
    """The number of bytes that a text means. Raises ValueError where it is not a size."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)i?b?", text.strip().lower(), re.ASCII)
    if found is None:
        raise ValueError(f"{text!r} is not a size such as 500M or 4G")
    return int(float(found[1]) * _UNITS[found[2]])
