"""Code in spec files: which lines would run a shell, or Lua that reaches out, when rpm reads the spec.

The scan is textual and on the safe side: it also finds what stands in branches that are not taken, and does not
know what macros make of each other. That these start nothing is the matter of `ppcdeps.engines.confinement`.
"""

import re
from collections.abc import Iterator
from itertools import islice

from ppcdeps.model.values import dataclass

_SECTION = re.compile(
    r"%(changelog|description|package|prep|build|install|check|clean|files|pre|post|generate_)\w*\b"
)
_ANY_SHELL = re.compile(r"%+\(")
_PARENTHESES = re.compile(r"\\.|[()]", re.DOTALL)
_SHELL = re.compile(r"(?<!%)(%+)(?=\()")
_COMMENT = re.compile(r"^\s*%dnl\b")
_LUA = re.compile(r"(?P<mark>[\[\]\n])|(?P<brace>\{\s*)?\blua\s*:")
_BRACKETS = re.compile(r"\\.|[{}\[\]]", re.DOTALL)
_REACHING = re.compile(
    r"\b(?:io|os|posix|package|debug|require|load|loadfile|loadstring|dofile|collectgarbage|coroutine"
    r"|getmetatable|setmetatable|rawget|rawset|getfenv|setfenv|_G|_ENV)\b"
)
_RPM_IN_LUA = re.compile(r"\brpm\b(?:\s*\.\s*(?P<function>\w+))?")
_HARMLESS = frozenset({"expand", "define", "undefine", "isdefined", "vercmp", "ver", "splitargs", "unsplitargs"})
_INCLUDE = re.compile(r"^[ \t]*%include[ \t]+(?P<path>\S+)|%\{\s*load\s*:\s*(?P<loaded>[^}\s]+)", re.MULTILINE)
_OWN_SOURCE = re.compile(r"%\{?(?:SOURCE\d*|S:\d+|_sourcedir)\b", re.IGNORECASE)
_GLUED_NAME = re.compile(r"(?<!%)%%+\{\w{0,40}%[^:}\n]{0,40}\}?\w{0,40}\s{0,9}:")
_SHOWN = 20
# All take a time that grows with the text, not with its square: a line may have the length of the whole spec.


@dataclass(frozen=True, slots=True)
class Code:
    """A place in a spec where code would run: the line, from 1 on, and what it is."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


def code_in(text: str) -> tuple[Code, ...]:
    """The places in the text of a spec (or a macro file) that run code when rpm expands it, in their order.

    Of each kind at most 20.
    """
    found = [code for kind in (_shells, _luas, _includes) for code in islice(kind(text), _SHOWN)]
    return tuple(sorted(set(found), key=lambda code: (code.line, code.what)))


UNKNOWN = "unknown"
"""What stands in a spec in place of what a shell would print."""

RUNS_SHELL = ", as it runs a shell"
"""How the words end that say so."""


def without_shells(text: str) -> tuple[str, tuple[Code, ...]]:
    """A spec with ``unknown`` in place of what its shells, `%(...)`, would print, and where these were.

    Other code is left as it is, and so is a shell that is not closed: `code_in` finds both.
    """
    kept: list[str] = []
    found: list[Code] = []
    place = 0
    for start in _ANY_SHELL.finditer(text):
        if start.start() < place:
            continue
        end = _end_of_shell(text, start.end())
        if end is None:
            break
        shown = _shown(text[start.start() : end])
        found.append(Code(text.count("\n", 0, start.start()) + 1, f'{shown} is taken to be "{UNKNOWN}"{RUNS_SHELL}'))
        kept += [text[place : start.start()], UNKNOWN]
        place = end
    return "".join((*kept, text[place:])), tuple(found)


def _end_of_shell(text: str, start: int) -> int | None:
    """Where the parenthesis that is open at ``start`` is closed, as rpm counts them."""
    depth = 1
    for found in _PARENTHESES.finditer(text, start):
        depth += (found[0] == "(") - (found[0] == ")")
        if not depth:
            return found.end()
    return None


def _shells(text: str) -> Iterator[Code]:
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if "%" not in line:
            continue
        if starts := _SECTION.match(line):
            section = starts[1]
        if _COMMENT.match(line):
            continue
        for signs in _SHELL.finditer(line):
            # An even number is the text "%(": harmless where it is read once, as in a changelog.
            if len(signs[1]) % 2 or section != "changelog":
                yield Code(number, f"runs a shell: {_shown(line[signs.start() :])}")
        if ":" in line and _GLUED_NAME.search(line):
            yield Code(number, f"builds a macro's name from macros: {_shown(line)}")


def _luas(text: str) -> Iterator[Code]:
    if "lua" not in text:
        return
    end, bracket = 0, False
    for start in _LUA.finditer(text):
        if start["mark"]:
            bracket = start["mark"] == "["
            continue
        # Lua within the Lua before it was seen with that.
        if start.start() < end or not (bracket or start["brace"] is not None):
            continue
        body = _body(text, start.end())
        end = start.end() + len(body)
        for word in _REACHING.finditer(body):
            yield _lua_code(text, start.end() + word.start(), word[0])
        for word in _RPM_IN_LUA.finditer(body):
            if word["function"] not in _HARMLESS:
                yield _lua_code(text, start.end() + word.start(), " ".join(word[0].split()))


def _lua_code(text: str, position: int, word: str) -> Code:
    return Code(text.count("\n", 0, position) + 1, f"runs Lua that uses {word}")


def _body(text: str, start: int) -> str:
    """The Lua up to the brace that closes it; to the end of the text where braces in strings hide it."""
    depth = 1
    # As rpm counts them: what follows a backslash does not count, though Lua may see it otherwise.
    for found in _BRACKETS.finditer(text, start):
        depth += (found[0] in "{[") - (found[0] in "}]")
        if not depth:
            return text[start : found.start()]
    return text[start:]


def _includes(text: str) -> Iterator[Code]:
    for found in _INCLUDE.finditer(text):
        path = found["path"] or found["loaded"]
        if not _OWN_SOURCE.match(path) or ".." in path:
            position = found.start("path") if found["path"] else found.start()
            number = text.count("\n", 0, position) + 1
            yield Code(number, f"reads a file that is not one of its sources: {path}")


def _shown(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else f"{words[:60]}…"
