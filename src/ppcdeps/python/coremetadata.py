"""Core metadata (METADATA, PKG-INFO) as values: what a release requires, and where that was read."""

import re
from enum import StrEnum
from typing import Any

from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass

_COUNTED = re.compile(rb"(?im)^(?:requires-dist|provides-extra)[ \t]*:")


class MetadataSource(StrEnum):
    """Where the requirements of a release were read, from the most to the least certain."""

    INDEX = "index"
    """PEP 658: the index serves the wheel's METADATA."""
    WHEEL = "wheel"
    SDIST = "sdist"
    """Metadata 2.2 or later that does not declare its requirements dynamic, or static pyproject.toml."""
    OTHER_WHEEL = "other-wheel"
    """A wheel of the same release for another machine."""
    EGG_INFO = "egg-info"
    """What setuptools wrote when the author made the sdist. A build on the target may say something else."""
    DECLARED = "declared"
    """PKG-INFO older than 2.2 of another build backend, or plain literals in setup.py: the same doubt."""
    NEEDS_BUILD = "needs-build"
    """Nothing in the archive says it: the requirements are unknown."""

    @property
    def is_certain(self) -> bool:
        """Whether the specifications guarantee that a build on the target says the same."""
        return self in (MetadataSource.INDEX, MetadataSource.WHEEL, MetadataSource.SDIST)


@dataclass(frozen=True, slots=True)
class DistMetadata:
    """Requirements of a release as PEP 508 texts, extras included, and where they were read."""

    name: str
    version: str
    requires: tuple[str, ...]
    requires_python: str
    source: MetadataSource


def metadata_fields(text: bytes) -> dict[str, Any]:
    """The fields by the names that ``packaging.metadata`` has for them, as far as they can be read.

    Raises RepositoryError where there are more requirements and extras than a ceiling allows, or longer ones.
    """
    from packaging.metadata import parse_email

    if len(_COUNTED.findall(text)) > CEILINGS.wheel_requirements:
        raise RepositoryError(f"the metadata have {beyond('wheel_requirements', 'more than')}")
    try:
        # It passes over malformed fields, where packaging's Metadata would refuse all of the text.
        raw, _ = parse_email(text)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as fault:
        # What the parser of mails raises depends on the version of Python.
        raise RepositoryError(f"the metadata cannot be read ({fault})") from None
    fields: dict[str, Any] = dict(raw)
    if any(len(str(each)) > CEILINGS.wheel_requirement for each in fields.get("requires_dist") or ()):
        raise RepositoryError(f"the metadata have a requirement of {beyond('wheel_requirement', 'more than')}")
    return fields


def parse_metadata(text: bytes, source: MetadataSource) -> DistMetadata:
    """The metadata as the text has it; what is missing is empty."""
    fields = metadata_fields(text)
    return DistMetadata(
        str(fields.get("name") or ""),
        str(fields.get("version") or ""),
        tuple(str(each) for each in fields.get("requires_dist") or ()),
        str(fields.get("requires_python") or ""),
        source,
    )
