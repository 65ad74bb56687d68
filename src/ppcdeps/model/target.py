"""Targets: the distribution release that a workload is to run on, and where its packages come from."""

from dataclasses import dataclass

from ppcdeps.model.repository import RepoConfig


@dataclass(frozen=True, slots=True)
class PythonEnvironment:
    """The interpreter of the target, as wheels and markers see it."""

    version: str
    """Full version, such as 3.9.25."""
    glibc: tuple[int, int]
    implementation: str = "cpython"


@dataclass(frozen=True, slots=True)
class Target:
    """A distribution release on ppc64le with its repositories and its x86_64 reference.

    ``source`` says which file defined it. ``module_streams`` are the enabled streams as ``name:stream``.
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
