"""dnf variables: ``$releasever``, ``${arch}``, ``${var:-word}``, ``${var:+word}``, and where their values
come from.

The forms are those of dnf.conf(5): a word may hold variables itself, a backslash takes the meaning of the
next character away, and a variable that is not set stays as it is written.
"""

import os
import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9_]+")
_UNSET = re.compile(r"\$(?:(?P<plain>[A-Za-z0-9_]+)|\{(?P<braced>[A-Za-z0-9_]+)\})")
# The limit of libdnf (MAXIMUM_EXPRESSION_DEPTH).
_DEEPEST = 32
_BASEARCHES = {
    "i386": "i386",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
    "athlon": "i386",
    "amd64": "x86_64",
    "x86_64_v2": "x86_64",
    "ppc64p7": "ppc64",
    "ppc64iseries": "ppc64",
    "ppc64pseries": "ppc64",
    "armv7hl": "armhfp",
    "armv7hnl": "armhfp",
}


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables replaced. What is not set, or not a variable after all, stays as it is."""
    result, _ = _expand(text, 0, variables, depth=0)
    return result


def unset_variables(text: str) -> tuple[str, ...]:
    """The names of the variables that a substituted text still has, each once, in order."""
    names = (found["plain"] or found["braced"] for found in _UNSET.finditer(text))
    return tuple(dict.fromkeys(names))


def builtin_variables(releasever: str, arch: str) -> dict[str, str]:
    """What dnf sets by itself: releasever and its two parts, arch, basearch."""
    major, _, minor = releasever.partition(".")
    return {
        "releasever": releasever,
        "releasever_major": major,
        "releasever_minor": minor,
        "arch": arch,
        "basearch": _BASEARCHES.get(arch, arch),
    }


def distribution_variables(releasever: str, arch: str) -> dict[str, str]:
    """What packages of distributions set in /etc/dnf/vars, or /etc/yum/vars, and their `.repo` files rely on.

    That is ``infra`` and ``contentdir`` of CentOS 7 (centos-release), and ``stream`` of CentOS Stream
    (centos-stream-repos). Where distributions give a name different values, it is left out.
    """
    major = releasever.partition(".")[0]
    found = {"infra": "stock", "stream": f"{major}-stream"}
    if major == "7":
        found["contentdir"] = "centos" if _BASEARCHES.get(arch, arch) == "x86_64" else "altarch"
    return found


def environment_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that dnf takes from the environment: ``DNF0`` to ``DNF9``, and ``DNF_VAR_name`` as
    ``name``.
    """
    found = {}
    for key, value in (os.environ if environment is None else environment).items():
        if re.fullmatch(r"DNF\d", key):
            found[key] = value
        elif key.startswith("DNF_VAR_") and _NAME.fullmatch(key[8:]):
            found[key[8:]] = value
    return found


def _expand(
    text: str, start: int, variables: Mapping[str, str], *, depth: int, in_word: bool = False
) -> tuple[str, int]:
    """Expand from ``start`` to the end, or in a word to its closing brace. Returns the text and where it
    ended.

    The end is -1 where a word has no closing brace: it is not a variable then.
    """
    parts: list[str] = []
    place = start
    while place < len(text):
        char = text[place]
        if in_word and char == "\\" and place + 1 < len(text):
            parts.append(text[place + 1])
            place += 2
        elif in_word and char == "}":
            return "".join(parts), place
        elif char == "$":
            value, place = _variable(text, place, variables, depth)
            parts.append(value)
        else:
            parts.append(char)
            place += 1
    return "".join(parts), -1 if in_word else place


def _variable(text: str, start: int, variables: Mapping[str, str], depth: int) -> tuple[str, int]:
    """The value of the variable whose dollar is at ``start``, and where the text goes on."""
    braced = text.startswith("{", start + 1)
    name = _NAME.match(text, start + (2 if braced else 1))
    if name is None:
        return "$", start + 1
    end = name.end()
    value = variables.get(name[0])
    if not braced:
        return (text[start:end] if value is None else value), end
    if text.startswith("}", end):
        return (text[start : end + 1] if value is None else value), end + 1
    operator = text[end : end + 2]
    if operator not in (":-", ":+") or depth >= _DEEPEST:
        return "$", start + 1
    word, close = _expand(text, end + 2, variables, depth=depth + 1, in_word=True)
    if close < 0:
        return "$", start + 1
    chosen = (value or word) if operator == ":-" else (word if value else "")
    return chosen, close + 1
