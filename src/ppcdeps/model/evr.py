"""RPM version order, as rpmvercmp defines it.

A version is read as a row of segments: runs of digits, runs of letters, `~` and `^`; all else only separates.
Segments are compared from the left. Digits are newer than letters, a number is compared by its value, letters
by their codes; where one version ends first it is older, except that `~` is older than the end (1.0~rc1 comes
before 1.0) and `^` newer than the end but older than any other segment (1.0 < 1.0^git1 < 1.0.1).

Each segment becomes a tuple here, so that Python's own order of tuples is rpm's order. Versions that differ
in separators or leading zeros alone have equal keys, as they are equal to rpm.

Follows rpm: rpmio/rpmvercmp.c and tests/rpmvercmp.at.
"""

import re

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)

Segment = tuple[int, int, str]
VersionKey = tuple[Segment, ...]
EvrKey = tuple[VersionKey, VersionKey, VersionKey]


def version_key(version: str) -> VersionKey:
    """A key that sorts versions (or releases) as rpmvercmp does."""
    return (*map(_segment, _SEGMENT.findall(version)), (_END, 0, ""))


def evr_key(evr: str) -> EvrKey:
    """A key that sorts ``[epoch:]version[-release]`` as rpm sorts packages; no epoch is epoch 0.

    A missing release is older than any other: rpm takes it for any release where it is a requirement's, and
    that is not an order.
    """
    epoch, colon, rest = evr.partition(":")
    if not colon:
        epoch, rest = "0", evr
    version, _, release = rest.partition("-")
    return version_key(epoch or "0"), version_key(version), version_key(release)


def compare_versions(left: str, right: str) -> int:
    """-1 where the left version is older, 1 where it is newer, 0 where rpm takes both for the same."""
    old, new = version_key(left), version_key(right)
    return (old > new) - (old < new)


def compare_evr(left: str, right: str) -> int:
    """As ``compare_versions``, for ``[epoch:]version[-release]``."""
    old, new = evr_key(left), evr_key(right)
    return (old > new) - (old < new)


def satisfies(evr: str, relation: str, bound: str) -> bool:
    """Whether a version satisfies ``relation bound`` (``>= 1.2``); a release that one side lacks does not count."""
    if "-" not in evr or "-" not in bound:
        evr, bound = evr.partition("-")[0], bound.partition("-")[0]
    order = compare_evr(evr, bound)
    return (order < 0 and "<" in relation) or (order == 0 and "=" in relation) or (order > 0 and ">" in relation)


def _segment(text: str) -> Segment:
    if text == "~":
        return _TILDE, 0, ""
    if text == "^":
        return _CARET, 0, ""
    if text[0].isdigit():
        # By length, then by digits: the order of the values, without limit to how long they are.
        digits = text.lstrip("0")
        return _DIGITS, len(digits), digits
    return _LETTERS, 0, text
