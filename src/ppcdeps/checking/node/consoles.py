"""The consoles that a person uses: the serial one, and VNC with its keyboard."""

import contextlib
import secrets
import struct
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from ppcdeps.base.urls import has_host
from ppcdeps.checking.node.api import ApiError, Cloud
from ppcdeps.checking.node.lifecycle import LivingGuest
from ppcdeps.checking.node.recorder import Recorder, StepFailed, StepSkipped
from ppcdeps.checking.node.results import TestedPart
from ppcdeps.checking.node.websocket import WebSocket

STEPS = ("serial console", "VNC keyboard")
_KEY_A = 0x61
"""The keysym of the key that is pressed; Linux calls it KEY_A, 30."""
_LINUX_KEY_A = "30"
_SECONDS = 30.0
_PRESSES = 6
"""How often the key is pressed: a guest that has just booted finds its keyboard on USB some seconds later."""


def test_consoles(recorder: Recorder, cloud: Cloud, guest: LivingGuest) -> None:
    """Open each console that nova offers, and see that what is typed arrives in the guest."""
    recorder.step(TestedPart.CONSOLE, STEPS[0], lambda: _serial(cloud, guest))
    recorder.step(TestedPart.CONSOLE, STEPS[1], lambda: _keyboard(cloud, guest))


def _serial(cloud: Cloud, guest: LivingGuest) -> str:
    address = _address(cloud, guest, "serial", "serial")
    with WebSocket(address, _SECONDS, cloud.verify) as console:
        if not guest.console.speaks:
            return "its address answers; of this image it is not known what it would answer"
        word = secrets.token_hex(4)
        console.send(f"\nping {word}\n".encode())
        console.receive_until(f"pong {word}".encode())
    return "the guest answers what is typed"


def _keyboard(cloud: Cloud, guest: LivingGuest) -> str:
    address = _address(cloud, guest, "vnc", "novnc")
    before = len(guest.console.read().keys)
    with WebSocket(_socket_of(address), _SECONDS, cloud.verify) as console:
        name = open_rfb(console.receive, console.send)
        if not guest.console.speaks:
            press_key(console.send, _KEY_A)
            return f"the screen {name} is there; of this image it is not known how it says that a key came"
        for press in range(_PRESSES):
            press_key(console.send, _KEY_A)
            with contextlib.suppress(StepFailed) if press + 1 < _PRESSES else contextlib.nullcontext():
                guest.console.wait_for(
                    f"the key that was pressed {_PRESSES} times through VNC does not arrive in the guest",
                    lambda state: _LINUX_KEY_A in state.keys[before:],
                    _SECONDS / _PRESSES,
                )
                break
    return "the key that is pressed arrives in the guest"


def open_rfb(receive: Callable[[int], bytes], send: Callable[[bytes], None]) -> str:
    """Speak RFB 3.8 (RFC 6143) until the screen is there. Returns its name.

    Raises StepFailed where it is not VNC, or wants a password.
    """
    version = receive(12)
    if not version.startswith(b"RFB 003."):
        raise StepFailed("what answers at the console's address is not VNC")
    send(b"RFB 003.008\n")
    count = receive(1)[0]
    if not count:
        raise StepFailed(f"VNC refuses: {_text(receive)}")
    if 1 not in receive(count):
        raise StepFailed("VNC wants a password, which nova's proxy does not pass on")
    send(b"\x01")
    if struct.unpack(">I", receive(4))[0]:
        raise StepFailed(f"VNC refuses: {_text(receive)}")
    send(b"\x01")  # others may look, too
    width, height = struct.unpack(">HH", receive(4))
    receive(16)
    return f"{_text(receive)} ({width}x{height})"


def press_key(send: Callable[[bytes], None], keysym: int) -> None:
    """Press a key of an open screen, and let it go."""
    for down in (1, 0):
        send(struct.pack(">BBxxI", 4, down, keysym))


def _text(receive: Callable[[int], bytes]) -> str:
    (length,) = struct.unpack(">I", receive(4))
    return receive(min(length, 4096)).decode("utf-8", "replace")


def _address(cloud: Cloud, guest: LivingGuest, protocol: str, kind: str) -> str:
    """Where nova says that the console is. Raises StepSkipped where it offers none."""
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    try:
        found = cloud.compute.post(f"/servers/{guest.server.id}/remote-consoles", body).document
    except ApiError as error:
        if error.status in (400, 404, 501):
            raise StepSkipped(f"nova offers no {protocol} console: {error.message}") from error
        raise
    console = found.inner("remote_console")
    url = console.text("url")
    if not has_host(url):
        console.refuse("url", "is not a URL with a host")
    return url


def _socket_of(address: str) -> str:
    """The WebSocket behind noVNC's page: where ``path`` in its query says, else where the query itself does."""
    parts = urlsplit(address)
    path = parse_qs(parts.query).get("path", [f"?{parts.query}"])[0]
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    return f"{scheme}://{parts.netloc}/{path.lstrip('/')}"
