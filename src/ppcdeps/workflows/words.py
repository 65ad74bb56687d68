"""What the words of a command line name: workloads or their files, own packages, and roots."""

from collections.abc import Sequence
from pathlib import Path

from ppcdeps.model.values import dataclass
from ppcdeps.planning.own_files import is_own_word
from ppcdeps.planning.workloads import FILE_ENDINGS, list_workloads, workload_of_roots


@dataclass(frozen=True, slots=True)
class SortedWords:
    """What words of the command line name: workloads or their files, own packages, and roots."""

    workloads: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()


def sorted_words(words: Sequence[str]) -> SortedWords:
    """What these words name. Raises UsageError for a root that is not well-formed."""
    names = tuple(word for word in words if word in list_workloads() or is_workload_file(word))
    own = tuple(word for word in words if word not in names and is_own_word(word))
    roots = tuple(word for word in words if word not in (*names, *own))
    if roots:
        workload_of_roots(roots)
    return SortedWords(names, own, roots)


def is_workload_file(word: str) -> bool:
    """Whether a word names a workload's file, or a lock's."""
    return word.endswith(FILE_ENDINGS) and ("/" in word or Path(word).is_file())
