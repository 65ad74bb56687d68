"""Packages that a repository has and the solver must not see: excludepkgs and includepkgs."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

from ppcdeps.model.nevra import Nevra
from ppcdeps.rpm.loading import Part, Role

_FORMS: tuple[Callable[[Nevra], tuple[str, ...]], ...] = (
    lambda one: _with_epoch(one, f"-{one.release}.{one.arch}"),
    lambda one: (f"{one.name}.{one.arch}",),
    lambda one: (one.name,),
    lambda one: _with_epoch(one, f"-{one.release}"),
    lambda one: _with_epoch(one, ""),
)
"""What a pattern may speak of, in the order in which dnf tries: the first form that matches anything counts."""


def excluded_ids(parts: Iterable[Part], reference_arch: str) -> set[int]:
    """The ids of all packages that their repository's own options exclude, as dnf.conf(5) defines them.

    Patterns speak of the architecture that the repository has, which is not the one that stand-ins go by.
    """
    excluded: set[int] = set()
    for part in parts:
        config = part.metadata.config
        if not config.includepkgs and not config.excludepkgs:
            continue
        packages = {s.id: Nevra.parse(_identity(str(s), part, reference_arch)) for s in part.repo.solvables_iter()}
        if config.includepkgs:
            excluded |= packages.keys() - _matching(packages, config.includepkgs)
        if config.excludepkgs:
            excluded |= _matching(packages, config.excludepkgs)
    return excluded


def _identity(text: str, part: Part, reference_arch: str) -> str:
    return f"{text.rpartition('.')[0]}.{reference_arch}" if part.role is Role.STANDIN else text


def _matching(packages: dict[int, Nevra], patterns: Iterable[str]) -> set[int]:
    """The packages that match any of the shell patterns."""
    found: set[int] = set()
    for pattern in patterns:
        matches = re.compile(translate(pattern)).match
        for form in _FORMS:
            matched = {i for i, nevra in packages.items() if any(map(matches, form(nevra)))}
            if matched:
                found |= matched
                break
    return found


def _with_epoch(nevra: Nevra, rest: str) -> tuple[str, ...]:
    tail = f"{nevra.version}{rest}"
    return f"{nevra.name}-{tail}", f"{nevra.name}-{nevra.epoch}:{tail}"
