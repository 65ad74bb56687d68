"""Doors of locks: one that was damaged, one that somebody made with a digest that fits, and the folder of one."""

import functools
import json
import tempfile
from pathlib import Path

from damage import damage_json, damage_tar, tar_of
from door import door, quietly, unpack
from doortrial import Scene
from rpmmd import Package, write_repository

from ppcdeps.model.lock_file import sealed
from ppcdeps.model.nevra import Nevra

PACKAGES = [
    Package(Nevra.parse("app-1-1.ppc64le"), relations={"requires": ("lib",)}, content=b"app"),
    Package(Nevra.parse("lib-1-1.ppc64le"), content=b"lib"),
]
PLAIN = ("--python", "rpm", "-q")


def _repository(scene: Scene) -> str:
    if not (scene.inputs / "repo").exists():
        write_repository(scene.inputs / "repo", PACKAGES)
    return f"base,{(scene.inputs / 'repo').as_uri()}/"


@functools.cache
def _made() -> tuple[bytes, bytes]:
    """A lock of the small repository, and a tar of the folder that is filled from it."""
    from ppcdeps.cli.main import main

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_repository(folder / "repo", PACKAGES)
        place = ["--repofrompath", f"base,{(folder / 'repo').as_uri()}/", "--cache-dir", f"{folder}/cache", "-q"]
        with quietly():
            assert main(["plan", "app", "--python", "rpm", "-o", f"{folder}/plan.json", *place]) == 0
            assert main(["lock", f"{folder}/plan.json", "-o", f"{folder}/ppcdeps.lock", *place]) == 0
            assert main(["fetch", f"{folder}/ppcdeps.lock", "--to", f"{folder}/files", *place]) == 0
        files = {
            str(path.relative_to(folder / "files")): path.read_bytes()
            for path in sorted((folder / "files").rglob("*"))
            if path.is_file()
        }
        return (folder / "ppcdeps.lock").read_bytes(), tar_of(files)


def _lock() -> bytes:
    # It names more than the small repository has, so that every list has something to damage.
    document = json.loads(_made()[0])
    sha = "a" * 64
    document["recipes"] = [{"recipe": "yajl", "sha256": sha, "source": "yajl"}]
    document["sources"] = [{"file": "a.patch", "kind": "patch", "origin": "o", "sha256": sha, "source": "yajl"}]
    return sealed(document).encode()


def _resealed(document: bytes) -> bytes:
    """The damaged lock with a digest that fits it, as far as it is one."""
    try:
        return sealed(json.loads(document)).encode()
    except (ValueError, TypeError, AttributeError, RecursionError):
        return document


@door("lock-check", damage_json, _lock, ".lock")
def _check(scene: Scene, document: bytes) -> list[str]:
    return ["lock", "--check", "-o", str(scene.file("l.lock", document)), "--repofrompath", _repository(scene)]


@door("lock-fetch", damage_json, _lock, ".lock")
def _fetch(scene: Scene, document: bytes) -> list[str]:
    file = scene.file("l.lock", _resealed(document))
    return ["fetch", str(file), "--to", "out", "--repofrompath", _repository(scene)]


@door("lock-folder", damage_tar, lambda: _made()[1], ".tar")
def _folder(scene: Scene, document: bytes) -> list[str]:
    unpack(document, scene.inputs / "files")
    lock = str(scene.inputs / "files" / "ppcdeps.lock")
    return ["plan", "app", "--locked", lock, "--repofrompath", _repository(scene), "--no-output", *PLAIN]
