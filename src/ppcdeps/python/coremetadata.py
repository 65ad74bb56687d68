"""Core metadata (METADATA, PKG-INFO) as values: what a release requires, and where that was read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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
    """The fields by the names that ``packaging.metadata`` has for them, as far as they can be read."""
    from packaging.metadata import parse_email

    # It passes over malformed fields, where packaging's Metadata would refuse all of the text.
    raw, _ = parse_email(text)
    return dict(raw)


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
