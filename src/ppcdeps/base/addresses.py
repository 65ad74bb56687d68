"""How near to this machine an address lies: elsewhere, on it or its link, or on its loopback."""

import ipaddress
from enum import IntEnum
from functools import lru_cache

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Nearness(IntEnum):
    """Where an address lies: what lies at one of these may lead to others as near as itself, and no nearer."""

    ELSEWHERE = 0
    OWN = 1
    """An address of this machine, or of the link that it is on, where clouds answer with their secrets."""
    LOOPBACK = 2

    @property
    def reason(self) -> str:
        """Why what is farther away may not lead here, as a phrase."""
        if self is Nearness.LOOPBACK:
            return "is on this machine's loopback address, which only a server on it may name"
        return "is an address of this machine or of its link, which only a server on it may name"


@lru_cache(maxsize=1024)
def nearness_of_host(host: str) -> Nearness:
    """Where a host lies by its spelling alone: nothing is resolved, and the names of loopback are known."""
    name = host.strip("[]").rstrip(".").partition("%")[0].lower()
    if name in ("localhost", "localhost.localdomain", "ip6-localhost") or name.endswith(".localhost"):
        return Nearness.LOOPBACK
    import socket

    try:
        # Also 127.1, 0x7f.1 and 2130706433, as the C library reads them.
        return _nearness_of(ipaddress.IPv4Address(socket.inet_aton(name)))
    except (OSError, ValueError):
        return nearness_of_address(name)


@lru_cache(maxsize=1024)
def nearness_of_address(address: str) -> Nearness:
    """Where a numeric address lies; a text that is none lies elsewhere."""
    try:
        return _nearness_of(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return Nearness.ELSEWHERE


def _nearness_of(address: _Address) -> Nearness:
    embedded = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    mapped: _Address = embedded or address
    if mapped.is_loopback or mapped.is_unspecified:
        return Nearness.LOOPBACK
    return Nearness.OWN if mapped.is_link_local or _is_of_this_machine(mapped) else Nearness.ELSEWHERE


def _is_of_this_machine(address: _Address) -> bool:
    """Whether the system would send from this address to itself: nothing is sent to learn it."""
    import socket

    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address
    except (OSError, ValueError):
        return False
