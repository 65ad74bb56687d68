"""The lock of a workload's Python distributions: what is requested, and the consistent set that answers it."""

from collections.abc import Mapping
from dataclasses import field

from ppcdeps.model.python_plan import Provision
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.model.values import dataclass
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, Constraints
from ppcdeps.python.coremetadata import MetadataSource
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.names import normalize
from ppcdeps.python.provider import FixedDistribution


@dataclass(frozen=True, slots=True)
class PythonRoot:
    """A PEP 508 requirement and who has it: the workload, or an RPM."""

    requirement: str
    by: str


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """What is up to the user.

    ``optional_as_pure``: let pip install without its compiled part what can do without (slower at run time),
    instead of building it. ``most_tries`` bounds how many releases of one distribution are tried before that
    is an error.
    """

    prereleases: bool = False
    optional_as_pure: bool = False
    most_tries: int = 40


DEFAULT_POLICY = LockPolicy()


@dataclass(frozen=True, slots=True)
class LockRequest:
    """Everything a resolution depends on, the index apart.

    ``reference`` gives by name the version that the reference RPM has: preferred where the constraints say
    nothing. ``hints`` are the pins of a former lock: used wherever they still fit, so that little changes.
    """

    python: PythonEnvironment
    roots: tuple[PythonRoot, ...]
    machine: str = "ppc64le"
    fixed: tuple[FixedDistribution, ...] = ()
    constraints: Constraints = NO_CONSTRAINTS
    reference: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    policy: LockPolicy = DEFAULT_POLICY
    available: tuple[FixedDistribution, ...] = ()
    """What further RPMs of the target could provide: one is taken where it spares a native build and fits."""

    @property
    def environment(self) -> TargetEnvironment:
        """The target's markers and tags. Raises ConfigError."""
        return TargetEnvironment.of(self.python, self.machine)


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file that satisfies a pin. ``sha256`` is hexadecimal, ``size`` in bytes, ``upload_time`` as the index
    says.
    """

    filename: str
    url: str
    sha256: str
    size: int | None = None
    upload_time: str = ""

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, slots=True)
class LockedDistribution:
    """One pin. ``required_by`` pairs the requirer (``name``, or what a root says of itself) with the version
    part.

    ``files`` are those that pip may take, the best first; empty for RPM. ``native``: it has compiled code for
    the target. ``builds_from`` and ``evidence`` say of a source distribution what is compiled and where that
    was seen.
    """

    name: str
    version: str
    provision: Provision
    required_by: tuple[tuple[str, str], ...] = ()
    extras: tuple[str, ...] = ()
    files: tuple[LockedFile, ...] = ()
    rpm: str = ""
    url: str = ""
    native: bool = False
    builds_from: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    optional: bool = False
    metadata: MetadataSource | None = None
    requires_python: str = ""
    requires: tuple[str, ...] = ()
    """Names of the distributions that it requires on the target."""
    tried: tuple[str, ...] = ()
    """What the index has of this version, and why files of it do not serve the target: a line each."""
    pinned_by: str = ""
    """What decided the version: an RPM, a line of the constraints, the former lock, the reference RPM, or
    newest.
    """


@dataclass(frozen=True, slots=True)
class PythonLock:
    """A consistent set for the target, sorted by name, and what the user should know about it."""

    environment: TargetEnvironment
    distributions: tuple[LockedDistribution, ...]
    notes: tuple[str, ...] = ()
    added: tuple[FixedDistribution, ...] = ()
    """RPMs of the target that must be installed too, because each spares a native build."""

    def by_name(self, name: str) -> LockedDistribution | None:
        """The pin of a distribution, in any spelling of its name."""
        key = normalize(name)
        return next((each for each in self.distributions if each.name == key), None)

    def having(self, *provisions: Provision) -> tuple[LockedDistribution, ...]:
        """The distributions that get there in one of these ways."""
        return tuple(each for each in self.distributions if each.provision in provisions)
