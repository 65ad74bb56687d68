"""Detached OpenPGP signatures, checked by gpgv against nothing but the keys that the repository is
configured with.
"""

import base64
import binascii
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ppcdeps.model.errors import RepositoryError

_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?P<body>.*?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_SECONDS = 60


def verify_signature(data: bytes, signature: bytes, keys: Sequence[bytes], where: str) -> None:
    """Return if one of ``keys`` (files as they were fetched, armored or binary) signed ``data``, and has neither
    expired nor been revoked, as dnf asks.

    ``where`` says in messages what is being verified. Raises RepositoryError where the signature is bad,
    missing or by another key, and EnvironmentLacksError where gpgv is not installed.
    """
    # Only here: most repositories sign no metadata, and every plan starts with the imports of this module.
    from ppcdeps.base.programs import UnfinishedProgramError, run_program

    keyring = b"".join(_binary_keys(key, where) for key in keys)
    if not keyring:
        raise RepositoryError(
            f"{where}: repo_gpgcheck is on, but no gpgkey is configured",
            hint="set gpgkey, or repo_gpgcheck=0",
        )
    with tempfile.TemporaryDirectory(prefix="ppcdeps-gpg-") as name:
        place = Path(name)
        (place / "keyring.gpg").write_bytes(keyring)
        (place / "signature").write_bytes(signature)
        (place / "data").write_bytes(data)
        command = [
            "gpgv",
            "--homedir",
            name,
            "--status-fd",
            "1",
            "--keyring",
            str(place / "keyring.gpg"),
            str(place / "signature"),
            str(place / "data"),
        ]
        try:
            done = run_program(
                command,
                needed_for=f"the signature of {where} is checked with it",
                install="the package gpgv (Debian) or gnupg2 (Fedora, EL)",
                seconds=_SECONDS,
            )
        except UnfinishedProgramError as fault:
            raise RepositoryError(f"{where}: {fault.message}") from fault
    # VALIDSIG is said of keys that have expired, too, with exit code 0.
    if done.is_well and "[GNUPG:] GOODSIG " in done.text:
        return
    raise RepositoryError(f"{where}: {_reason(done.text)}", hint="the mirror or the configured gpgkey is wrong")


def _reason(status: str) -> str:
    for line in status.splitlines():
        words = line.removeprefix("[GNUPG:] ").split()
        match words[:2]:
            case ["BADSIG", key]:
                return f"the signature by key {key} does not fit: the file was changed after it was signed"
            case ["NO_PUBKEY", key]:
                return f"signed by key {key}, which is not among its gpgkey"
            case ["EXPKEYSIG", key]:
                return f"signed by a key that has expired ({key})"
            case ["REVKEYSIG", key]:
                return f"signed by a key that was revoked ({key})"
    return "has no valid signature"


def _binary_keys(key: bytes, where: str) -> bytes:
    """The OpenPGP packets of a key file: gpgv takes no ASCII armor."""
    if b"-----BEGIN PGP" not in key:
        # A binary packet has its highest bit set; anything else (a web page, an empty file) is not a key.
        if not key or not key[0] & 0x80:
            raise RepositoryError(f"{where}: a file named by gpgkey is not an OpenPGP key")
        return key
    packets = []
    for block in _ARMOR.finditer(key):
        # Headers (Version:, Comment:) end at the first empty line; a line that begins with = is the checksum.
        lines = block["body"].replace(b"\r", b"").split(b"\n")
        start = lines.index(b"") + 1 if b"" in [line.strip() for line in lines[:-1]] and b"" in lines else 0
        body = b"".join(line.strip() for line in lines[start:] if not line.startswith(b"="))
        try:
            packets.append(base64.b64decode(body, validate=True))
        except binascii.Error as fault:
            raise RepositoryError(f"{where}: a file named by gpgkey is a damaged OpenPGP key") from fault
    if not packets:
        raise RepositoryError(f"{where}: a file named by gpgkey has no public key")
    return b"".join(packets)
