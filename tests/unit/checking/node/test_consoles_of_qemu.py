"""The console clients against QEMU, whose VNC and monitor speak WebSocket: nova's proxies stand between them only."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ppcdeps.checking.node.consoles import open_rfb, press_key
from ppcdeps.checking.node.recorder import StepFailed
from ppcdeps.checking.node.websocket import WebSocket

QEMU = shutil.which("qemu-system-ppc64") or shutil.which("qemu-system-x86_64")
pytestmark = [
    pytest.mark.skipif(QEMU is None, reason="QEMU is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with"),
]


@dataclass(frozen=True)
class Consoles:
    """A QEMU without a machine: the addresses of its screen, of one with a password, and of its monitor; that of a
    monitor behind TLS, with its certificate.
    """

    screen: str
    locked: str
    monitor: str
    trace: Path
    secure: str
    certificate: Path


def free_ports(count: int) -> list[int]:
    """Ports that nothing listened on."""
    with_them = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(one.getsockname()[1]) for one in with_them]
    finally:
        for one in with_them:
            one.close()


@pytest.fixture(scope="module")
def consoles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consoles]:
    assert QEMU is not None
    screen, locked, monitor, secure, *plain = free_ports(6)
    folder = tmp_path_factory.mktemp("qemu")
    trace, certificate = folder / "trace", folder / "ca-cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=console"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(certificate), "-keyout", str(folder / "server-key.pem")),
        ],
        check=True,
        capture_output=True,
    )
    shutil.copy(certificate, folder / "server-cert.pem")
    credentials = f"tls-creds-x509,id=tls,dir={folder},endpoint=server,verify-peer=off,sanity-check=off"
    displays = [f"127.0.0.1:{port - 5900},websocket={web}" for port, web in zip(plain, (screen, locked), strict=True)]
    chardev = f"socket,id=monitor,host=127.0.0.1,port={monitor},websocket=on,server=on,wait=off"
    command = [
        *(QEMU, "-machine", "none", "-nodefaults", "-display", "none", "-trace", "vnc_key_event_map"),
        *("-vnc", displays[0], "-vnc", f"{displays[1]},password=on"),
        *("-chardev", chardev, "-mon", "chardev=monitor", "-object", credentials),
        "-chardev",
        f"socket,id=secure,host=127.0.0.1,port={secure},websocket=on,server=on,wait=off,tls-creds=tls",
        *("-mon", "chardev=secure"),
    ]
    with trace.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                WebSocket(f"ws://127.0.0.1:{monitor}/", 5.0).__exit__()
                break
            except StepFailed:
                assert process.poll() is None, trace.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield Consoles(
            f"ws://127.0.0.1:{screen}/",
            f"ws://127.0.0.1:{locked}/",
            f"ws://127.0.0.1:{monitor}/",
            trace,
            f"wss://127.0.0.1:{secure}/",
            certificate,
        )
    finally:
        process.kill()
        process.wait()


def test_a_key_that_is_pressed_through_vnc_arrives(consoles: Consoles) -> None:
    with WebSocket(consoles.screen, 10.0) as console:
        assert "QEMU" in open_rfb(console.receive, console.send)
        press_key(console.send, 0x61)
        deadline = time.monotonic() + 10
        # The key a is number 30 for Linux: the test guest says it so.
        while "down 0, sym 0x61 -> keycode 0x1e" not in consoles.trace.read_text():
            assert time.monotonic() < deadline, consoles.trace.read_text()
            time.sleep(0.1)


def test_a_screen_with_a_password_is_said(consoles: Consoles) -> None:
    with WebSocket(consoles.locked, 10.0) as console, pytest.raises(StepFailed, match="wants a password"):
        open_rfb(console.receive, console.send)


def test_what_is_no_vnc_is_said(consoles: Consoles) -> None:
    with WebSocket(consoles.monitor, 10.0) as console, pytest.raises(StepFailed, match="is not VNC"):
        open_rfb(console.receive, console.send)


def test_what_is_typed_is_answered_and_what_never_comes_is_said(consoles: Consoles) -> None:
    with WebSocket(consoles.monitor, 3.0) as console:
        console.receive_until(b"(qemu)")
        console.send(b"info status\n")
        console.receive_until(b"VM status: running")
        with pytest.raises(StepFailed, match="nothing comes from the console within 3 s"):
            console.receive_until(b"pong")


def test_a_certificate_is_trusted_as_clouds_yaml_says(consoles: Consoles) -> None:
    with pytest.raises(StepFailed, match="certificate verify failed"):
        WebSocket(consoles.secure, 10.0)
    for verify in (str(consoles.certificate), False):
        with WebSocket(consoles.secure, 10.0, verify) as console:
            console.receive_until(b"(qemu)")


def test_an_address_that_does_not_answer_is_said(consoles: Consoles) -> None:
    (port,) = free_ports(1)
    with pytest.raises(StepFailed, match=f"the console's address 127.0.0.1:{port} does not answer"):
        WebSocket(f"ws://127.0.0.1:{port}/", 1.0)
