"""Tar archives of others: headers no larger than a ceiling, no sparse members."""

import tarfile
from typing import Any

from ppcdeps.model.ceilings import CEILINGS, beyond

_WITH_TEXT = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class BoundedMember(tarfile.TarInfo):
    """A member for ``tarfile.open(..., tarinfo=BoundedMember)``. Raises tarfile.ReadError where it is refused."""

    def _proc_member(self, archive: Any) -> Any:
        # tarfile reads the names and attributes that such a header announces in one piece, whatever their size.
        if self.type in _WITH_TEXT and self.size > CEILINGS.archive_header:
            raise tarfile.ReadError(f"a header {beyond('archive_header')}")
        found = super()._proc_member(archive)  # type: ignore[misc]
        if isinstance(found, tarfile.TarInfo) and found.issparse():
            raise tarfile.ReadError(f"the member {found.name[:80]!r} is sparse")
        return found
