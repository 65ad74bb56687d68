"""Wheels written file by file, right or with a fault."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str = "sample",
    version: str = "1.0",
    tag: str = "cp39-cp39-linux_ppc64le",
    files: Mapping[str, bytes] | None = None,
    inside: Mapping[str, bytes | None] | None = None,
    record: Mapping[str, bytes] | None = None,
) -> Path:
    """A wheel in the folder. ``inside`` replaces files of its dist-info (None: leaves one out); ``record`` is what
    its RECORD speaks of where that differs from what is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    told: dict[str, bytes | None] = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.9\n".encode(),
        "WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        **(inside or {}),
    }
    content = {f"{name}.py": b"", **(files or {})}
    content |= {f"{info}/{file}": text for file, text in told.items() if text is not None and file != "RECORD"}
    rows = [f"{place},{_hash(text)},{len(text)}\n" for place, text in {**content, **(record or {})}.items()]
    if told.get("RECORD", b"") is not None:
        content[f"{info}/RECORD"] = told.get("RECORD") or "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, text in content.items():
            archive.writestr(zipfile.ZipInfo(place, (2023, 11, 14, 0, 0, 0)), text)
    return path


def _hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
