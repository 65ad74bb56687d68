"""Ports of this machine for servers that get their port's number before they begin."""

import contextlib
import random
import socket
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Ports on the loopback at which nothing listens, and which no connection is given for its own end.

    Those that the system gives (for port 0, and to the own end of a connection) may be given to another test's server
    until the server begins, or while it is started again.
    """
    lowest_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = random.SystemRandom().sample(range(min(10000, lowest_given // 2), lowest_given), 1000)
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port = candidates.pop()
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
    return found
