"""What the words for causes, routes and states mean, for people who read them first on a page."""

from collections.abc import Collection, Mapping
from typing import TypeVar

from ppcdeps.model.gap import Cause, RouteKind

Word = TypeVar("Word", bound=str)

CAUSES: Mapping[str, str] = {
    Cause.ABSENT: "no repository of the target has a build of it",
    Cause.EXCLUDED: "its source leaves the architecture out (ExclusiveArch, ExcludeArch)",
    Cause.NOT_BUILT: "the target has other packages of its source, not this one",
    Cause.TOO_OLD: "there, and older than what is required",
    Cause.TOO_NEW: "there, and newer than what is required",
    Cause.NOT_INSTALLABLE: "there, and something that it requires is not",
    Cause.CONFLICT: "there, and not installable together with the rest",
    Cause.NO_WHEEL: "a Python distribution that no wheel of the pinned version fits",
    Cause.UNKNOWN: "nothing that is known provides it",
}
ROUTES: Mapping[str, str] = {
    RouteKind.ENABLE: "enable a repository that is known and not enabled",
    RouteKind.REUSE: "take the noarch package of the reference as it is",
    RouteKind.PIP_WHEEL: "pip installs a wheel",
    RouteKind.PIP_SDIST: "pip installs a source distribution that compiles nothing",
    RouteKind.RECIPE: "build the source with the changes of a recipe",
    RouteKind.REBUILD: "build the source as it is",
    RouteKind.BUILD_SDIST: "build a wheel from a source distribution that compiles code",
    RouteKind.BLOCKED: "no way is known",
}


def meanings_of(words: Collection[str], meanings: Mapping[Word, str]) -> tuple[tuple[str, str], ...]:
    """Those of the words that have a meaning, each with it, in the order of the meanings."""
    return tuple((str(word), meaning) for word, meaning in meanings.items() if word in words)
