"""The layout of a local repository, and what its present generation holds.

    .ppcdeps-repository.json   says that the folder is a repository of ppcdeps; locked while a process writes
    NAME.repo                  for the target's /etc/yum.repos.d
    packages/DIGEST/FILE       the packages, named by their content and never changed
    generations/000007/        metadata and documents of one state, never changed
    current                    a link to the generation that readers see: the one thing that a publication switches
    repodata, records, provenance, sbom, wheels
                               links through current

Programs that read over HTTP, rsync or cp see plain files below these names.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ppcdeps.base.jsonvalues import value_from
from ppcdeps.model.errors import ConfigError

SCHEMA = 1
MARKER = ".ppcdeps-repository.json"
GENERATIONS = "generations"
PACKAGES = "packages"
CURRENT = "current"
MANIFEST = "manifest.json"
SEEN = ("repodata", "provenance", "records", "sbom", "wheels")
"""Folders of a generation that are seen at the top, too."""


@dataclass(frozen=True, slots=True)
class PublishedPackage:
    """A package of a repository.

    ``path`` is its place in the repository. ``sha256`` is that of the published file, ``origin`` that of the file
    as it was built: they differ where it was signed since, by ``key``. ``source`` is the file name of its source
    RPM. ``built`` is in seconds since 1970, ``size`` in bytes of the file.
    """

    nevra: str
    path: str
    sha256: str
    origin: str
    source: str
    license: str
    summary: str
    built: int
    size: int
    key: str = ""

    @property
    def source_name(self) -> str:
        """The name of the source package, without its version."""
        return self.source.removesuffix(".rpm").rpartition(".")[0].rsplit("-", 2)[0]


@dataclass(frozen=True, slots=True)
class PublishedWheel:
    """A wheel of a repository. ``path`` is its place there; its METADATA lies beside it, as FILE.metadata."""

    file: str
    path: str
    name: str
    version: str
    sha256: str
    metadata_sha256: str
    requires_python: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One generation of a repository. ``key`` is its signer's fingerprint, empty where it is not signed."""

    generation: int
    packages: tuple[PublishedPackage, ...]
    key: str = ""
    wheels: tuple[PublishedWheel, ...] = ()

    def to_json(self) -> str:
        """The manifest as JSON text, which ``from_json`` reads."""
        document = {"schema": SCHEMA, **asdict(self)}
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Read what ``to_json`` wrote. Raises ConfigError where it is not that."""
        try:
            document = json.loads(text)
            if document["schema"] != SCHEMA:
                raise ConfigError(f"{where} is of another version of ppcdeps", hint="publish into a new folder")
            document["packages"] = [_renamed(one) for one in document["packages"]]
            return value_from(cls, document)
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise ConfigError(f"{where} is damaged", hint="publish into a new folder") from fault


def _renamed(package: Mapping[str, Any]) -> dict[str, Any]:
    # Manifests that were written before have the British word.
    return {"license" if key == "licence" else key: value for key, value in package.items()}


def read_manifest(folder: Path) -> Manifest | None:
    """What the repository in the folder holds now; None where there is none, or nothing was published yet.

    Raises ConfigError where its manifest is damaged.
    """
    path = folder / CURRENT / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"cannot read {path}: {fault}") from fault
    return Manifest.from_json(text, str(path))


def generation_name(number: int) -> str:
    """The folder of a generation, so that names sort as numbers do."""
    return f"{number:06d}"


def repo_file(name: str, title: str, url: str, key_file: str) -> str:
    """A `.repo` file for the repository at ``url``. ``key_file`` is the key's name there; empty: not signed."""
    signed = int(bool(key_file))
    base = url.rstrip("/")
    options: Mapping[str, str | int] = {
        "name": title,
        "baseurl": f"{base}/",
        "enabled": 1,
        "gpgcheck": signed,
        "repo_gpgcheck": signed,
        **({"gpgkey": f"{base}/{key_file}"} if key_file else {}),
        # On EL8 and EL9 an enabled module stream hides packages of the same name that are in no module.
        "module_hotfixes": 1,
        "metadata_expire": 60,
    }
    return "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in options.items()), ""])


def dumped(document: Mapping[str, Any]) -> bytes:
    """A document as the bytes that are published of it: keys sorted, the same for the same content."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
