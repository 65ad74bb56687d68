"""Targets: the distribution release that a workload is to run on, and where its packages come from."""

from ppcdeps.model.repository import RepoConfig
from ppcdeps.model.values import dataclass


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """The interpreter of the target, as wheels and markers see it."""

    version: str
    """Full version, such as 3.9.25."""
    glibc: tuple[int, int]
    implementation: str = "cpython"
    package: str = "python3"
    """The interpreter's package, with which the names of its packages begin: python3, python3.11, python39."""
    is_platform: bool = True
    """Whether the distribution's own packages are for it. The others are installed beside it."""
    module: str = ""
    """The module stream that has its packages (python39:3.9); empty where they are in no module."""

    @property
    def tag(self) -> str:
        """Major and minor number, as folders and capabilities have them: 3.9."""
        return ".".join(self.version.split(".")[:2])

    @property
    def program(self) -> str:
        """The command that runs it: what no package of another interpreter can change."""
        return program_of(self.package, self.version)

    @property
    def beside(self) -> str:
        """Its package, where it is one beside the platform's; empty otherwise."""
        return "" if self.is_platform else self.package

    @property
    def pip_package(self) -> str:
        """The package of its pip."""
        return "python2-pip" if self.package == "python" else f"{self.package}-pip"


def program_of(package: str, version: str) -> str:
    """The command that runs the interpreter of a package, such as python3.9 for python39 in version 3.9.25."""
    known = {"python3": "python3", "python2": "python2", "python": "python2"}
    return known.get(package, f"python{'.'.join(version.split('.')[:2])}")


@dataclass(frozen=True, slots=True)
class CoprChroot:
    """Where COPR builds for a target: the name of its chroot, the ids of the target's repositories that the builds
    take besides, and how mock starts it (on, off, image, default); None leaves that to the project.
    """

    chroot: str
    repositories: tuple[str, ...] = ()
    bootstrap: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A distribution release on ppc64le with its repositories and its x86_64 reference.

    ``source`` says which file defined it. ``module_streams`` are the enabled streams as ``name:stream``. ``python``
    is the interpreter that pip installs for, ``pythons`` are all that the distribution has, the platform's first.
    """

    name: str
    title: str
    releasever: str
    arch: str
    reference_arch: str
    repositories: tuple[RepoConfig, ...]
    python: PythonEnvironment
    cpu_baseline: str
    platform_id: str | None = None
    module_streams: tuple[str, ...] = ()
    install_weak_deps: bool = False
    buildroot: str | None = None
    build_packages: tuple[str, ...] = ()
    """Roots of the minimal buildroot, such as gcc, make, redhat-rpm-config."""
    origin: str = ""
    openstack: str | None = None
    """The OpenStack release that its repositories are for, where it has such repositories."""
    openstack_releases: tuple[str, ...] = ()
    """All OpenStack releases that can be chosen on it."""
    pythons: tuple[PythonEnvironment, ...] = ()
    slurm: tuple[str, ...] = ()
    """Options of `sbatch` for builds that Slurm runs, as partition=power."""
    copr: CoprChroot | None = None

    @property
    def platform_python(self) -> PythonEnvironment:
        """The interpreter that the distribution's own packages are for."""
        return next((each for each in self.pythons if each.is_platform), self.python)
