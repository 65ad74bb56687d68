"""The Python part of a plan: the distributions of the target's environment, pinned, and how each gets there."""

from enum import StrEnum

from ppcdeps.model.target import program_of
from ppcdeps.model.values import dataclass


class Provision(StrEnum):
    """How a distribution gets onto the target."""

    RPM = "rpm"
    """An RPM of the closure provides it."""
    WHEEL = "wheel"
    """pip installs a wheel: a pure one, or one for the target's machine."""
    SDIST = "sdist"
    """pip installs a pure source distribution: no compiler is needed."""
    BUILD = "build"
    """Native, and no wheel fits: it is built from its source distribution first."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of the index that satisfies a pin; ``sha256`` is hexadecimal."""

    name: str
    sha256: str


NEWEST = "the newest that fits"
"""What pins a distribution that nothing pins."""


@dataclass(frozen=True, slots=True)
class DistributionRequirer:
    """Who requires a distribution (another one, an RPM, the workload), and the versions that it takes."""

    by: str
    specifier: str


@dataclass(frozen=True, slots=True)
class PlannedDistribution:
    """One pin of the plan's lock.

    ``files`` are those that pip may take, the best first, and none for an RPM; ``rpm`` is the package that provides
    it, otherwise empty. ``builds_from`` and ``evidence`` say of a source distribution what is compiled and where that
    was seen, ``optional`` that it also works without. ``metadata`` says where its requirements were read.
    """

    name: str
    version: str
    provision: Provision
    pinned_by: str = ""
    required_by: tuple[DistributionRequirer, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    rpm: str = ""
    extras: tuple[str, ...] = ()
    builds_from: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    optional: bool = False
    metadata: str = ""

    @property
    def is_by_pip(self) -> bool:
        """Whether pip installs it without a build of its own."""
        return self.provision in (Provision.WHEEL, Provision.SDIST)


@dataclass(frozen=True, slots=True)
class PlannedPython:
    """The Python environment of the target as the plan has it.

    ``added_rpms`` are packages outside of the closure that spare a native build; ``bridge`` are the capabilities that
    the bridge RPM provides, none where no RPM requires what pip installs; ``bridge_requires`` are the requirements
    that it takes over from the RPMs in whose place pip's distributions come. ``versions_by`` says what the versions
    follow: a constraints file's name, or what is taken in its place; empty where nothing but the index decides.
    """

    python: str
    machine: str
    glibc: str
    distributions: tuple[PlannedDistribution, ...] = ()
    added_rpms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bridge: tuple[str, ...] = ()
    bridge_requires: tuple[str, ...] = ()
    versions_by: str = ""
    package: str = "python3"
    """The interpreter's package, with which the names of its packages begin."""

    @property
    def is_beside(self) -> bool:
        """Whether the interpreter is one beside the platform's."""
        return self.package not in ("python3", "python")

    @property
    def tag(self) -> str:
        """Major and minor number of the interpreter: 3.9."""
        return ".".join(self.python.split(".")[:2])

    @property
    def program(self) -> str:
        """The command that runs the interpreter."""
        return program_of(self.package, self.python)

    @property
    def by_pip(self) -> tuple[PlannedDistribution, ...]:
        """The distributions that pip is to install."""
        return tuple(each for each in self.distributions if each.is_by_pip)

    @property
    def built_packages(self) -> tuple[str, ...]:
        """The names of the RPMs that the builds of its distributions give."""
        return tuple(
            f"{self.package}-{each.name}" for each in self.distributions if each.provision is Provision.BUILD
        )

    def distribution(self, name: str) -> PlannedDistribution | None:
        """The distribution of a name, as the index spells it."""
        return next((each for each in self.distributions if each.name == name), None)


@dataclass(frozen=True, slots=True)
class PythonFallback:
    """Why all Python packages of a plan stay RPMs where pip was to install them, and what would avoid that."""

    reason: str
    help: str = ""
