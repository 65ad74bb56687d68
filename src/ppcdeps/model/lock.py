"""A lock: every file that a plan, its builds and its verification take, by digest, as `ppcdeps.lock` has them."""

from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.values import dataclass

SCHEMA = 1
"""The version of the format of a lock. Locks of another one are refused, and made anew."""

RUN = "run"
"""What needs a package that the workload runs with; all others are sources, whose build needs it."""
EVERY_BUILD = "builds"
"""What needs a package that is in the build environment of every source."""
METADATA = "metadata"
"""What needs a wheel for another machine, of which the requirements of a source distribution are read."""
SHIPPED = "ppcdeps"
"""Where a recipe is from that ppcdeps brings."""
BUILD_SYSTEM = "build-system"
"""What needs a distribution that pip makes wheels of source distributions with."""


@dataclass(frozen=True, slots=True)
class LockedMetadata:
    """A metadata file of a repository: its place there, checksum (``algorithm:hex``) and size in bytes."""

    repo: str
    kind: str
    path: str
    checksum: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class LockedRepository:
    """The state of a repository: ``digest`` is the SHA-256 of its repomd.xml, empty where it did not answer."""

    id: str
    side: str
    revision: str
    digest: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class HeldPackage:
    """A package of a repository that is passed over, since another version of it is locked."""

    nevra: str
    repo: str


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """An RPM of a repository, or a source RPM.

    ``path`` is its place there and ``checksum`` is ``algorithm:hex``; both are empty where the metadata does not say,
    as that of a snapshot does not. ``needed_by`` are RUN, EVERY_BUILD, names of sources, and labels of buildroots.
    """

    nevra: str
    repo: str
    path: str
    checksum: str
    size: int | None
    needed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedDistribution:
    """A file of a Python distribution. ``index`` is the option of pip's configuration that the file's index stands
    in, ``needed_by`` RUN, METADATA, BUILD_SYSTEM or the source that is built of it. ``metadata`` is "index" where the
    index serves the core metadata of a wheel beside it, and the plan rests on that.
    """

    name: str
    version: str
    file: str
    sha256: str
    size: int | None
    index: str
    needed_by: str
    metadata: str = ""


@dataclass(frozen=True, slots=True)
class LockedRecipe:
    """A recipe that a source is built by: the digest of all of its files, as plans have it. ``origin`` is the folder
    of recipes that it is from, as it was given; that of ppcdeps itself is called SHIPPED.
    """

    recipe: str
    sha256: str
    source: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class LockedSource:
    """A file that a source is built from, and that is in no repository and on no index.

    ``origin`` is the URL that the recipe names, the file of the recipe's folder that a patch is, or the path of the
    user's own file.
    """

    source: str
    file: str
    sha256: str
    origin: str
    kind: str = "file"
    """``file`` (fetched by its URL), ``patch`` (of a recipe, which has it) or ``own`` (the user's)."""


@dataclass(frozen=True, slots=True)
class LockedBuildroot:
    """A buildroot that builds run in, or their tests.

    ``definition`` is the digest of what it is defined by, ``requested`` are packages beside the definition's.
    ``origin`` has the suites of a Debian mirror with their dates, or the container image with its digest.
    ``gcc`` and ``rpm`` are their versions in it, ``image`` the id of the image: the SHA-256 of its configuration,
    which names its layers. All of these are empty for one that is not made yet.
    """

    name: str
    mode: str
    kind: str
    definition: str
    arch: str
    requested: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    gcc: str = ""
    rpm: str = ""
    image: str = ""

    @property
    def label(self) -> str:
        """What tells it from another of its definition: one with packages of its own has a sign after its name."""
        return f"{self.name}+" if self.requested else self.name


@dataclass(frozen=True, slots=True)
class LockedRootPackage:
    """A package that buildroots are made of. Of a Debian package ``path`` is its place below a mirror, ``sha256``
    that of its file and ``size`` that in bytes; an image's packages come with the image, and have none of these.
    ``roots`` are the labels of the buildroots.
    """

    package: str
    version: str
    path: str
    sha256: str
    size: int | None
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedBuild:
    """A package that was built: what a build from the lock is compared with.

    ``sha256`` is that of the file before it was signed; ``requires``, ``provides`` and ``files`` are digests of these
    (`ppcdeps.rpm.comparison`). ``epoch`` is the SOURCE_DATE_EPOCH of the build, in seconds since 1970.
    """

    nevra: str
    source: str
    sha256: str
    requires: str
    provides: str
    files: str
    epoch: int
    mode: str
    buildroot: str
    ppcdeps: str


@dataclass(frozen=True, slots=True)
class Lock:
    """All that a plan rests on and takes, each sorted. ``plan`` is the SHA-256 of the plan's text.

    ``basis`` names the snapshot that the metadata is of, and is empty for live repositories. ``request`` says how
    the plan was requested, None where that is not known.
    """

    workload: str
    target: str
    arch: str
    plan: str
    basis: str = ""
    request: RequestRecord | None = None
    repositories: tuple[LockedRepository, ...] = ()
    metadata: tuple[LockedMetadata, ...] = ()
    held: tuple[HeldPackage, ...] = ()
    packages: tuple[LockedPackage, ...] = ()
    python: tuple[LockedDistribution, ...] = ()
    recipes: tuple[LockedRecipe, ...] = ()
    sources: tuple[LockedSource, ...] = ()
    buildroots: tuple[LockedBuildroot, ...] = ()
    root_packages: tuple[LockedRootPackage, ...] = ()
    builds: tuple[LockedBuild, ...] = ()

    def is_of_roots(self, package: LockedPackage) -> bool:
        """Whether an RPM is locked for buildroots alone, which were made of it."""
        return {root.label for root in self.buildroots if root.image}.issuperset(package.needed_by)

    @property
    def archives(self) -> tuple[LockedRootPackage, ...]:
        """The Debian packages of buildroots whose files are known, each file once."""
        return tuple({one.path: one for one in self.root_packages if one.sha256}.values())
