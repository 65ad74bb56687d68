"""Digests of files, in pieces: a file of any size takes no more memory than a small one."""

import hashlib
from pathlib import Path

from ppcdeps.base.named_files import followed
from ppcdeps.base.untrusted import open_regular


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises as ``digest_of``."""
    return digest_of(path, "sha256")


def digest_of(path: Path, algorithm: str) -> str:
    """The digest of a file by an algorithm of hashlib, in hex. Links are followed.

    Raises OSError where it cannot be read, or is a pipe or a device, which may have no end.
    """
    with open_regular(followed(path)) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
