"""Phrases that several layers say."""

from collections.abc import Sequence


def counted(number: int, one: str, many: str = "") -> str:
    """The number with its words: ``one`` of one, else ``many`` (default: ``one`` with an s)."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def first_of(names: Sequence[str], most: int) -> str:
    """The first of the names with commas, at most so many, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
