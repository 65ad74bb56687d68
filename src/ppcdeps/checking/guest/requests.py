"""Requests of a guest to its hypervisor, from image properties, from nova, or from a libvirt domain."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ppcdeps.checking.findings import Skipped

if TYPE_CHECKING:
    from ppcdeps.checking.guest.xmltext import Element


class RequestedBy(StrEnum):
    """Where a request comes from."""

    PROPERTY = "property"
    """A property of an image or a flavor."""
    DEFAULT = "default"
    """Nova, where no property decides."""
    CONFIG = "config"
    """nova.conf."""
    DOMAIN = "domain"
    """A libvirt domain."""


@dataclass(frozen=True, slots=True)
class GuestRequest:
    """One request. ``kind`` is as in `offers.HypervisorOffer`; ``where`` names the place for a person; ``device`` is
    what a disk bus connects; ``property`` is the image property that decides it, where there is one.

    ``reason`` and ``fixed_in`` belong to a default of nova; ``element`` is where a domain says it.
    """

    kind: str
    value: str
    by: RequestedBy
    where: str
    device: str = ""
    property: str = ""
    reason: str = ""
    fixed_in: str = ""
    element: "Element | None" = None


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest to be checked: what it is called, and what it requests.

    ``arch`` and ``machine`` are empty where nothing says them; ``arch_where`` and ``machine_where`` are the
    places that do. ``nova`` is the version that starts it, empty where that is not known. ``unseen`` is what of the
    description nothing judges.
    """

    subject: str
    requests: tuple[GuestRequest, ...]
    arch: str = ""
    machine: str = ""
    arch_where: str = ""
    machine_where: str = ""
    nova: str = ""
    unseen: tuple[Skipped, ...] = ()
