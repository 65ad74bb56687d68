"""How much is read at most of what comes from outside: one place for every ceiling on bytes and counts.

Each is far above what real distributions and public indexes have, and low enough that a hostile or broken server can
neither fill the memory nor the disk.
"""

from dataclasses import dataclass

_MIB = 1024**2
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Bytes, where nothing else is said."""

    mirror_list: int = 4 * _MIB
    repomd: int = 8 * _MIB
    openpgp: int = 4 * _MIB
    """A key file, or a signature."""
    metadata_file: int = 4 * _GIB
    """A file that repomd.xml names, compressed or opened, where its size is not announced."""
    modules: int = 512 * _MIB
    snapshot_member: int = _GIB
    source: int = 16 * _GIB
    """A source RPM or tarball of unknown size."""
    index_page: int = 256 * _MIB
    """The largest projects of public indexes have pages of 40 MB."""
    distribution: int = 16 * _GIB
    """A wheel or an sdist."""
    distribution_metadata: int = 16 * _MIB
    archive_members: int = 200_000
    """A count."""
    archive: int = 2 * _GIB
    """What an sdist opens to: the largest of public indexes open to some 500 MB."""
    archive_text: int = 4 * _MIB
    """What is read of one member of an archive."""
    document: int = 64 * _MIB
    """A plan, or another JSON document."""
    document_depth: int = 100
    """Levels of nesting in a JSON or TOML document."""
    toml: int = 4 * _MIB
    """A TOML file, which is read character by character: 4 MiB take seconds."""
    dependency_depth: int = 100
    """Levels of parentheses in a boolean dependency: libsolv and rpm use the stack for each."""


CEILINGS = Ceilings()


def how_to_raise(key: str) -> str:
    """What an error says of the way to raise a ceiling, by its key in ceilings.toml."""
    return f"raise {key} in the file that PPCDEPS_CEILINGS names, if it is to be read"
