"""Workloads: the roots that are to be installed together on the target."""

from collections.abc import Mapping
from dataclasses import field

from ppcdeps.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Workload:
    """Roots to install together.

    A root is an RPM package name, any RPM capability (``libfoo.so.1()(64bit)``, ``foo >= 2``), an absolute
    path, or ``pypi:name`` for a Python distribution.
    """

    name: str
    title: str
    roots: tuple[str, ...]
    release: str | None = None
    """The OpenStack release, such as yoga, where the workload has one."""
    releases: tuple[str, ...] = ()
    constraints: str | None = None
    """The curated constraints file (upper-constraints) of the release."""
    advice: tuple[str, ...] = ()
    origin: str = ""
    locked: Mapping[str, str] = field(default_factory=dict)
    """The version that a lock file has of each package, by name."""
    notes: tuple[str, ...] = ()
    """What is to be known of how it was read: what of a lock file is not among the roots."""
