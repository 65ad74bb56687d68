"""The identity of an RPM package: name, epoch, version, release, architecture."""

import re
from typing import Self

from ppcdeps.model.values import dataclass

_NEVRA = re.compile(
    r"(?P<name>.+)-(?:(?P<epoch>[0-9]{1,10}):)?(?P<version>[^-:]+)-(?P<release>[^-:]+)\.(?P<arch>[^.-]+)"
)


@dataclass(frozen=True, slots=True, order=False)
class Nevra:
    """One build of a package. The text form leaves an epoch of 0 out, as rpm and dnf print it."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``name-[epoch:]version-release.arch``, with or without a trailing ``.rpm``.

        Raises ValueError where the text is not of that form.
        """
        found = _NEVRA.fullmatch(text.removesuffix(".rpm"))
        if found is None:
            raise ValueError(f"not a package identity (name-version-release.arch): {text[:200]!r}")
        return cls(found["name"], int(found["epoch"] or 0), found["version"], found["release"], found["arch"])

    @property
    def evr(self) -> str:
        """The version as rpm prints it: ``[epoch:]version-release``."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}"

    @property
    def any_release(self) -> str:
        """The requirement that any build of this version satisfies: ``name = [epoch:]version``."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{self.name} = {epoch}{self.version}"

    def __str__(self) -> str:
        return f"{self.name}-{self.evr}.{self.arch}"
