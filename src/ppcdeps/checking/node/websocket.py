"""A client of the WebSocket protocol (RFC 6455), as far as nova's console proxies need it: bytes, both ways."""

import base64
import os
import secrets
import socket
import ssl
import struct
import time
from typing import Self
from urllib.parse import urlsplit

from ppcdeps.checking.node.recorder import StepFailed

_HEADER = 16 * 1024
_MESSAGE = 16 << 20
_BINARY, _CLOSE, _PING, _PONG = 2, 8, 9, 10


class WebSocket:
    """A connection. ``address`` begins with ws: or wss:, http: or https:; ``seconds`` is for every wait.

    ``verify`` is as in clouds.yaml: whether a certificate is looked at, or a file of those that are trusted.

    Raises StepFailed where the server does not answer, or not in this protocol.
    """

    def __init__(self, address: str, seconds: float = 30.0, verify: bool | str = True) -> None:
        self._seconds = seconds
        self._received = bytearray()
        parts = urlsplit(address)
        secure = parts.scheme in ("wss", "https")
        host = parts.hostname or ""
        opened: socket.socket | None = None
        try:
            port = parts.port or (443 if secure else 80)
            opened = socket.create_connection((host, port), timeout=seconds)
            if secure:
                opened = _context(verify).wrap_socket(opened, server_hostname=host)
            self._socket = opened
            path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
            self._shake_hands(host, port, path, parts.scheme.replace("ws", "http"))
        except (OSError, ValueError) as error:
            if opened is not None:
                opened.close()
            raise StepFailed(
                f"the console's address {host}:{parts.netloc.rpartition(':')[2]} does not answer: {error}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, content: bytes) -> None:
        """Send bytes. Raises StepFailed where the connection is gone."""
        self._send(_BINARY, content)

    def receive(self, count: int) -> bytes:
        """So many bytes. Raises StepFailed where they do not come in time."""
        deadline = time.monotonic() + self._seconds
        while len(self._received) < count:
            self._take_frame(deadline)
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def receive_until(self, text: bytes) -> bytes:
        """What comes until that text has come. Raises StepFailed where it does not come in time."""
        deadline = time.monotonic() + self._seconds
        while text not in self._received:
            self._take_frame(deadline)
        taken = bytes(self._received)
        self._received.clear()
        return taken

    def _shake_hands(self, host: str, port: int, path: str, scheme: str) -> None:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: {host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: binary",
            # nova's proxies look whether the page with the console was theirs.
            f"Origin: {scheme}://{host}:{port}",
        )
        self._socket.sendall("\r\n".join((*lines, "", "")).encode())
        answer = bytearray()
        deadline = time.monotonic() + self._seconds
        while b"\r\n\r\n" not in answer:
            some = self._receive(deadline)
            if not some or len(answer) > _HEADER:
                raise ValueError("it speaks no HTTP")
            answer += some
        head, _, rest = bytes(answer).partition(b"\r\n\r\n")
        status = head.split(b"\r\n")[0].decode("latin-1")
        if " 101 " not in f"{status} ":
            raise ValueError(f"it answers {status}")
        self._raw = bytearray(rest)

    def _take_frame(self, deadline: float) -> None:
        first, second = self._exactly(2, deadline)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._exactly(2, deadline))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._exactly(8, deadline))
        if length + len(self._received) > _MESSAGE:
            raise StepFailed("the console sends more than can be read")
        mask = self._exactly(4, deadline) if second & 0x80 else b"\0\0\0\0"
        content = bytes(one ^ mask[place % 4] for place, one in enumerate(self._exactly(length, deadline)))
        match first & 0x0F:
            case 8:
                raise StepFailed("the console's proxy ends the connection")
            case 9:
                self._send(_PONG, content)
            case 10:
                pass
            case _:
                self._received += content

    def _exactly(self, count: int, deadline: float) -> bytes:
        try:
            while len(self._raw) < count:
                some = self._receive(deadline)
                if not some:
                    raise StepFailed("the console's proxy ends the connection")
                self._raw += some
        except TimeoutError as error:
            raise StepFailed(f"nothing comes from the console within {self._seconds:.0f} s") from error
        except OSError as error:
            raise StepFailed(f"the console's connection is gone: {error}") from error
        taken = bytes(self._raw[:count])
        del self._raw[:count]
        return taken

    def _receive(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        return self._socket.recv(65536)

    def _send(self, kind: int, content: bytes) -> None:
        # Frames of a client are masked; ours are short.
        if len(content) < 126:
            length = bytes([0x80 | len(content)])
        else:
            length = bytes([0x80 | 126]) + struct.pack(">H", len(content))
        mask = os.urandom(4)
        masked = bytes(one ^ mask[place % 4] for place, one in enumerate(content))
        try:
            self._socket.sendall(bytes([0x80 | kind]) + length + mask + masked)
        except OSError as error:
            raise StepFailed(f"the console's connection is gone: {error}") from error


def _context(verify: bool | str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
