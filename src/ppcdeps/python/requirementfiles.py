"""Files in pip's requirements format: their requirements and options, and those of the files that they include.

The format is that of pip's documentation ("Requirements File Format"): lines are joined at a backslash before
comments go, `-r` and `-c` are relative to the file that has them, and an option that pip does not know is an error.
"""

import optparse
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, NoReturn

from ppcdeps.base.named_files import read_named_text
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.values import dataclass
from ppcdeps.python.otherlocks import refuse_other_lock

MOST_FAULTS = 20
"""Faults of a file that are named: one of another format has one in each line."""
_SHOWN = 200
"""Characters of a line in an error."""
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_ARCHIVES = (
    ".whl",
    ".zip",
    ".tar.gz",
    ".tgz",
    ".tar",
    ".tar.bz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tlz",
    ".tar.lz",
    ".tar.lzma",
)
_WHERE_TO_LOOK = ("index_url", "extra_index_url", "no_index", "find_links")


@dataclass(frozen=True, slots=True)
class RequirementLine:
    """A requirement as it is written, and the file and line that have it.

    ``digests`` are its SHA-256 hashes. ``is_constraint``: it installs nothing. ``is_required``: `-r` brought it, so
    that it may name extras in constraints, too. ``is_project``: a folder, a file or a URL without a name (`-e .`),
    which is not a requirement of PEP 508.
    """

    text: str
    where: str
    digests: frozenset[str] = frozenset()
    is_constraint: bool = False
    is_required: bool = False
    is_project: bool = False


@dataclass(frozen=True, slots=True)
class RequirementFile:
    """What a file and those that it includes say. ``texts`` are their contents, ``files`` where they were read.

    ``unfollowed`` are options that say where pip looks, with file and line: here pip's configuration says it.
    """

    lines: tuple[RequirementLine, ...]
    texts: tuple[str, ...]
    unfollowed: tuple[tuple[str, str], ...] = ()
    files: tuple[Path, ...] = ()


def read_requirement_file(
    path: Path, *, what: str, shown: str | None = None, constraint: bool = False
) -> RequirementFile:
    """A file and what it includes. ``what`` it is, and how it is ``shown``, is for messages.

    Raises ConfigError where one of the files cannot be read, meets a ceiling, includes itself, or has lines that pip
    refuses.
    """
    reading = _Reading(what)
    reading.read(path, shown or str(path), constraint=constraint)
    return reading.result(shown or str(path))


def parse_requirement_text(text: str, *, what: str, origin: str, constraint: bool = False) -> RequirementFile:
    """Like ``read_requirement_file``, from a text, which can include no files."""
    reading = _Reading(what)
    reading.parse(text, origin, None, constraint=constraint)
    return reading.result(origin)


def refused(what: str, origin: str, faults: Iterable[str]) -> ConfigError:
    """The error for a file with faults: the first of them, and how many more there are."""
    faults = tuple(faults)
    more = len(faults) - MOST_FAULTS
    rest = (f"and {more} more lines: is this a file for pip?",) if more > 0 else ()
    return ConfigError(f"{what} {origin} cannot be used", faults=(*faults[:MOST_FAULTS], *rest))


class _OptionError(ValueError):
    pass


class _Parser(optparse.OptionParser):
    """pip's own parser of these lines is one of optparse, so that abbreviations and `-rFILE` mean the same."""

    def error(self, msg: str) -> NoReturn:
        raise _OptionError(msg)


def _parser() -> _Parser:
    parser = _Parser(add_help_option=False)
    parser.add_option("-i", "--index-url", "--pypi-url", dest="index_url")
    parser.add_option("--extra-index-url", action="append")
    parser.add_option("--no-index", action="store_true")
    parser.add_option("-f", "--find-links", action="append")
    parser.add_option("-r", "--requirement", action="append", dest="requirements")
    parser.add_option("-c", "--constraint", action="append", dest="constraints")
    parser.add_option("-e", "--editable", action="append", dest="editables")
    parser.add_option("--hash", action="append", dest="hashes")
    for flag in ("--prefer-binary", "--require-hashes", "--pre"):
        parser.add_option(flag, action="store_true")
    for value in ("--no-binary", "--only-binary", "--trusted-host", "--use-feature"):
        parser.add_option(value, action="append")
    for value in ("--global-option", "--install-option", "-C", "--config-settings", "--config-setting"):
        parser.add_option(value, action="append", dest="settings")
    return parser


@dataclass(slots=True)
class _Reading:
    what: str
    lines: list[RequirementLine] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    unfollowed: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    known: set[tuple[Path, bool]] = field(default_factory=set)
    above: list[Path] = field(default_factory=list)
    parser: _Parser = field(default_factory=_parser)

    def result(self, origin: str) -> RequirementFile:
        if self.faults:
            raise refused(self.what, origin, self.faults)
        return RequirementFile(tuple(self.lines), tuple(self.texts), tuple(self.unfollowed), tuple(self.files))

    def read(self, path: Path, shown: str, *, constraint: bool, required: bool = False, by: str = "") -> None:
        try:
            own = path.resolve()
        except (OSError, RuntimeError, ValueError) as fault:
            # ValueError: a name with a null byte.
            self._unreadable(ConfigError(f"cannot read {shown}: {fault}"), by)
            return
        if own in self.above:
            self.faults.append(f"{by}: {shown} includes itself")
            return
        if (own, constraint) in self.known:
            return
        self.known.add((own, constraint))
        if len(self.known) > CEILINGS.pip_files:
            raise ConfigError(f"{by}: {self.what} includes {beyond('pip_files', 'more than')}")
        try:
            text = read_named_text(path, "pip_size", what="" if by else self.what)
        except ConfigError as fault:
            self._unreadable(fault, by)
            return
        self.files.append(path)
        self.above.append(own)
        self.parse(text, shown, path.parent, constraint=constraint, required=required)
        self.above.pop()

    def _unreadable(self, fault: ConfigError, by: str) -> None:
        if not by:
            raise fault
        self.faults.append(f"{by}: {fault}")

    def parse(self, text: str, origin: str, folder: Path | None, *, constraint: bool, required: bool = False) -> None:
        refuse_other_lock(self.what, origin, text)
        self.texts.append(text)
        for number, line in _logical_lines(text):
            where = f"{origin}:{number}"
            requirement, options = _split(line)
            try:
                found = self._options(options)
            except _OptionError as fault:
                self.faults.append(f"{where}: {line[:_SHOWN]!r}: {fault}")
                continue
            if requirement:
                self._requirement(requirement, found, where, constraint=constraint, required=required)
            elif found.editables:
                for each in found.editables:
                    self._add(RequirementLine(each, where, is_constraint=constraint, is_project=True))
            else:
                self._standing_alone(found, where, origin, folder, constraint=constraint)

    def _options(self, text: str) -> Any:
        if not text:
            return self.parser.get_default_values()
        try:
            # Long lists of hashes have nothing for a shell to understand.
            words = shlex.split(text) if re.search(r"[\"'\\]", text) else text.split()
            found, rest = self.parser.parse_args(words)
        except _OptionError:
            raise
        except ValueError as fault:
            raise _OptionError(str(fault)) from fault
        if rest:
            raise _OptionError(f"{rest[0]!r} is neither an option nor the value of one")
        return found

    def _requirement(self, text: str, found: Any, where: str, *, constraint: bool, required: bool) -> None:
        if found.requirements or found.constraints or found.editables:
            self.faults.append(
                f"{where}: pip does not read -r, -c or -e after a requirement: give it a line of its own"
            )
            return
        digests = frozenset(digest for each in found.hashes or () if (digest := _sha256(each)))
        self._add(RequirementLine(text, where, digests, constraint, required, is_project=_is_project(text)))

    def _standing_alone(self, found: Any, where: str, origin: str, folder: Path | None, *, constraint: bool) -> None:
        for option in _WHERE_TO_LOOK:
            if getattr(found, option):
                self.unfollowed.append((f"--{option.replace('_', '-')}", where))
        included = [(each, False) for each in found.requirements or ()]
        included += [(each, True) for each in found.constraints or ()]
        if len(included) > 1:
            self.faults.append(f"{where}: pip reads one file of a line: give each a line of its own")
            return
        for name, is_constraint in included:
            option = "-c" if is_constraint else "-r"
            if _VARIABLE.search(name):
                why = "environment variables are not read in file names"
            elif _URL.match(name):
                why = "files at URLs are not followed: download it, and name the file"
            elif folder is None:
                why = "there is no folder that it could be relative to"
            else:
                # What a file of constraints includes restricts versions as well, with -r as with -c.
                self.read(
                    folder / name,
                    str(Path(origin).parent / name),
                    constraint=constraint or is_constraint,
                    required=not is_constraint,
                    by=where,
                )
                continue
            self.faults.append(f"{where}: {option} {name[:_SHOWN]}: {why}")

    def _add(self, line: RequirementLine) -> None:
        self.lines.append(line)
        if len(self.lines) > CEILINGS.pip_requirements:
            raise ConfigError(f"{line.where}: {self.what} has {beyond('pip_requirements', 'more than')}")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a file without comments, and the number of the first of those that a backslash joins."""
    parts: list[str] = []
    start = 0
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        start = start or number
        is_comment = _COMMENT.match(raw) is not None
        if raw.endswith("\\") and not is_comment:
            parts.append(raw.strip("\\"))
            continue
        # A comment ends what was to go on, and a blank keeps it apart.
        line = _COMMENT.sub("", "".join((*parts, f" {raw}" if is_comment else raw))).strip()
        if line:
            yield start, line
        parts, start = [], 0


def _split(line: str) -> tuple[str, str]:
    """The requirement of a line, and its options: what begins with the first word that begins with a hyphen."""
    words = line.split(" ")
    first = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join(words[:first]).strip(), " ".join(words[first:])


def _sha256(text: str) -> str:
    found = re.fullmatch(r"sha256:([0-9a-f]{64})", text)
    return found[1] if found else ""


def _is_project(text: str) -> bool:
    """Whether a line is a folder, a file or a URL without a name, which pip would install from there."""
    bare = text.partition(";")[0].strip()
    if len(bare) > CEILINGS.pip_requirement or (re.match(r"[A-Za-z0-9._-]+[\s\[@]", bare) and "@" in bare):
        return False
    return (
        bare.startswith(".")
        or "/" in bare.partition("[")[0]
        or re.match(r"(?:git|hg|svn|bzr)\+|https?:|ftp:|file:", bare) is not None
        or bare.lower().endswith(_ARCHIVES)
    )
