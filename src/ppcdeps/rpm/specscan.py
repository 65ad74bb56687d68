"""Code in spec files: which lines would run a shell, or Lua that reaches out, when rpm reads the spec.

The scan is textual and on the safe side: it also finds what stands in branches that are not taken, and does not
know what macros make of each other. That these start nothing is the matter of `ppcdeps.engines.confinement`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SECTION = re.compile(
    r"%(changelog|description|package|prep|build|install|check|clean|files|pre|post|generate_)\w*\b"
)
_SHELL = re.compile(r"(%+)(?=\()")
_COMMENT = re.compile(r"^\s*%dnl\b")
_LUA = re.compile(r"\{\s*lua\s*:|\[[^\]\n]*\blua\s*:")
_REACHING = re.compile(
    r"\b(?:io|os|posix|package|debug|require|load|loadfile|loadstring|dofile|collectgarbage|coroutine"
    r"|getmetatable|setmetatable|rawget|rawset|getfenv|setfenv|_G|_ENV)\b"
)
_RPM_IN_LUA = re.compile(r"\brpm\b(?:\s*\.\s*(?P<function>\w+))?")
_HARMLESS = frozenset({"expand", "define", "undefine", "isdefined", "vercmp", "ver", "splitargs", "unsplitargs"})
_INCLUDE = re.compile(r"^\s*%include\s+(?P<path>\S+)|%\{\s*load\s*:\s*(?P<loaded>[^}\s]+)", re.MULTILINE)
_OWN_SOURCE = re.compile(r"%\{?(?:SOURCE\d*|S:\d+|_sourcedir)\b", re.IGNORECASE)
_GLUED_NAME = re.compile(r"%%+\{\w*%[^:}\n]*\}?\w*\s*:")


@dataclass(frozen=True, slots=True)
class Code:
    """A place in a spec where code would run: the line, from 1 on, and what it is."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


def code_in(text: str) -> tuple[Code, ...]:
    """All places in the text of a spec (or a macro file) that run code when rpm expands it, in their order."""
    found = [*_shells(text), *_luas(text), *_includes(text)]
    return tuple(sorted(set(found), key=lambda code: (code.line, code.what)))


def _shells(text: str) -> Iterator[Code]:
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if starts := _SECTION.match(line):
            section = starts[1]
        if _COMMENT.match(line):
            continue
        for signs in _SHELL.finditer(line):
            # An even number is the text "%(": harmless where it is read once, as in a changelog.
            if len(signs[1]) % 2 or section != "changelog":
                yield Code(number, f"runs a shell: {_shown(line[signs.start() :])}")
        if _GLUED_NAME.search(line):
            yield Code(number, f"builds a macro's name from macros: {_shown(line)}")


def _luas(text: str) -> Iterator[Code]:
    for start in _LUA.finditer(text):
        body = _body(text, start.end())
        for word in _REACHING.finditer(body):
            yield _lua_code(text, start.end() + word.start(), word[0])
        for word in _RPM_IN_LUA.finditer(body):
            if word["function"] not in _HARMLESS:
                yield _lua_code(text, start.end() + word.start(), " ".join(word[0].split()))


def _lua_code(text: str, position: int, word: str) -> Code:
    return Code(text.count("\n", 0, position) + 1, f"runs Lua that uses {word}")


def _body(text: str, start: int) -> str:
    """The Lua up to the brace that closes it; to the end of the text where braces in strings hide it."""
    depth, position = 1, start
    while position < len(text):
        # As rpm counts them: what follows a backslash does not count, though Lua may see it otherwise.
        if text[position] == "\\":
            position += 2
            continue
        depth += (text[position] in "{[") - (text[position] in "}]")
        if not depth:
            return text[start:position]
        position += 1
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
