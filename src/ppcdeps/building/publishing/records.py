"""The record of one build: from what, with what, by what command, and what came out. Published with the packages."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Self

from ppcdeps.base.jsonvalues import value_from
from ppcdeps.model.errors import ConfigError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was built from: its name, SHA-256 in hex, and where it came from (empty: not known)."""

    file: str
    sha256: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A file that was built: its name, SHA-256 in hex, and identity (for a wheel, name and version)."""

    file: str
    sha256: str
    nevra: str


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """How the packages of one source were built.

    ``recipe`` is empty where none was applied. ``mode`` is native, emulated, accelerated or cross. ``buildroot_key``
    names all that the buildroot was made from. ``build_requires`` are what was installed for the build, with
    versions where known. ``started`` and ``finished`` are seconds since 1970.
    """

    source: str
    version: str
    arch: str
    mode: str
    buildroot: str
    buildroot_key: str
    command: tuple[str, ...]
    started: int
    finished: int
    ppcdeps_version: str
    recipe: str = ""
    recipe_digest: str | None = None
    sources: tuple[SourceFile, ...] = ()
    build_requires: tuple[str, ...] = ()
    packages: tuple[BuiltPackage, ...] = ()

    @property
    def digests(self) -> frozenset[str]:
        """The SHA-256 of all that was built."""
        return frozenset(one.sha256 for one in self.packages)

    def to_json(self) -> str:
        """The record as JSON text, which ``from_json`` reads."""
        document = {"schema": SCHEMA, **dataclasses.asdict(self)}
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "a build record") -> Self:
        """Read what ``to_json`` wrote. Raises ConfigError, naming ``where`` it stood, where the text is not that."""
        try:
            document = json.loads(text)
            if document["schema"] != SCHEMA:
                raise ConfigError(f"{where} is of another version of ppcdeps", hint="build it again")
            return value_from(cls, document)
        except (ValueError, KeyError, TypeError) as fault:
            reason = f"{fault.args[0]!r} is missing" if isinstance(fault, KeyError) else str(fault)
            raise ConfigError(f"{where} is damaged: {reason}", hint="build it again") from fault
