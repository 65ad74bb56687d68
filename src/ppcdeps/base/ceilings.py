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
    spec_size: int = 8 * _MIB
    """The largest specs, of kernels and TeX Live, have less than 4 MB with their changelogs."""
    spec_seconds: int = 6
    """Seconds for the evaluation of a spec for one architecture. That of a kernel takes less than one."""
    spec_memory: int = 512 * _MIB
    spec_output: int = 16 * _MIB
    """What rpm prints of an evaluated spec."""
    template_size: int = _MIB
    template_seconds: int = 5
    """Seconds for filling a template. It takes milliseconds."""
    template_memory: int = 512 * _MIB
    template_output: int = 8 * _MIB
    patch_size: int = 64 * _MIB
    """A patch of a recipe. Those that move a kernel from one release to the next have some 10 MB."""
    package_header: int = 256 * _MIB
    """The header of an RPM. rpm itself reads no larger one."""
    package_files: int = 50_000
    """A count: the files of a source RPM."""
    package_opened: int = 16 * _GIB
    """What a source RPM unpacks to. Browsers and toolchains have about 4 GB."""


CEILINGS = Ceilings()


def raised_by(key: str) -> str:
    """How the ceiling of a key of `Ceilings` is raised, as the hint of an error."""
    return f'raise "{key.replace("_", ".", 1)}" in the file that PPCDEPS_CEILINGS names'
