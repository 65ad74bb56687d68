"""The states of a repository, one after the other: a new one is written in full before readers see any of it.

Metadata and packages of the last generations stay, so that a reader who began before a switch finds all that the
metadata names which it has read.
"""

import itertools
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.base.atomic import NEW, flush, link, put_file, same_file
from ppcdeps.base.removal import remove_tree
from ppcdeps.building.createrepo import write_metadata
from ppcdeps.building.publishing.cyclonedx import cyclonedx_of
from ppcdeps.building.publishing.envelope import envelope_of
from ppcdeps.building.publishing.provenance import provenance_of
from ppcdeps.building.publishing.records import BuildRecord
from ppcdeps.building.publishing.repository import (
    CURRENT,
    GENERATIONS,
    MANIFEST,
    PACKAGES,
    SEEN,
    Manifest,
    PublishedPackage,
    PublishedWheel,
    dumped,
    generation_name,
    read_manifest,
)
from ppcdeps.building.publishing.sbom import sbom_of
from ppcdeps.building.publishing.signing import SigningKey, sign_detached
from ppcdeps.building.publishing.wheels import index_pages
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.reporter import Reporter

KEPT_GENERATIONS = 3
KEPT_SECONDS = 900.0
"""Metadata and packages stay of the last states, and of those seen in the last minutes: a reader may be slow."""

_METADATA = re.compile(rb'href="repodata/([^"/]+)"')


@dataclass(frozen=True, slots=True)
class RepositoryContent:
    """What a repository is to have. ``records`` are by source."""

    packages: tuple[PublishedPackage, ...]
    wheels: tuple[PublishedWheel, ...]
    records: Mapping[str, BuildRecord]

    def documents(self, name: str, key: SigningKey | None) -> Mapping[str, bytes]:
        """What is published about the packages, by place in the generation; statements also as ``key`` signs them."""
        found = {f"records/{source}.json": one.to_json().encode() for source, one in self.records.items()}
        found |= {
            f"provenance/{source}.intoto.json": dumped(provenance_of(one, self.packages))
            for source, one in self.records.items()
        }
        if key is not None:
            found |= {
                f"{place}l": json.dumps(envelope_of(statement, key), sort_keys=True).encode() + b"\n"
                for place, statement in found.items()
                if place.startswith("provenance/")
            }
        found[f"sbom/{name}.spdx.json"] = dumped(sbom_of(name, self.packages, list(self.records.values())))
        found[f"sbom/{name}.cdx.json"] = cyclonedx_of(name, self.packages, list(self.records.values()), self.wheels)
        if self.wheels:
            found |= {f"wheels/{place}": page for place, page in index_pages(self.wheels).items()}
        return found


@dataclass(frozen=True, slots=True)
class Generations:
    """The generations of the repository in ``folder``, whose lock is held as the descriptor ``lock``."""

    folder: Path
    lock: int
    key: SigningKey | None

    def records(self) -> dict[str, BuildRecord]:
        """The records of the builds whose packages are there now, by source."""
        paths = sorted((self.folder / CURRENT / "records").glob("*.json"))
        return {path.stem: BuildRecord.from_json(path.read_text(encoding="utf-8"), str(path)) for path in paths}

    def switch(self, number: int, content: RepositoryContent, name: str) -> Manifest:
        """Make the generation of that number, and let readers see it."""
        key = self.key.fingerprint if self.key else ""
        manifest = Manifest(number, content.packages, key, content.wheels)
        scratch = self.folder / GENERATIONS / f"{NEW}{number}"
        scratch.mkdir(parents=True)
        write_metadata(self.folder, scratch, content.packages, self.lock)
        if self.key is not None:
            sign_detached(scratch / "repodata/repomd.xml", self.key)
            put_file(self.folder / self.key.file_name, self.key.public)
        for place, document in content.documents(name, self.key).items():
            path = scratch / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document)
        (scratch / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
        self._link_old_metadata(scratch / "repodata", number)
        for path in scratch.rglob("*"):
            flush(path)
        final = self.folder / GENERATIONS / generation_name(number)
        scratch.rename(final)
        flush(final.parent)
        for seen in SEEN:
            if (final / seen).is_dir():
                link(self.folder / seen, f"{CURRENT}/{seen}")
        link(self.folder / CURRENT, f"{GENERATIONS}/{final.name}")
        flush(self.folder)
        return manifest

    def remove_unfinished(self) -> None:
        """Remove what a publication left that did not end: no reader sees it."""
        for place in (self.folder, self.folder / GENERATIONS, self.folder / PACKAGES):
            for path in place.glob(f"{NEW}*"):
                remove_tree(path)
        now = read_manifest(self.folder)
        for path in (self.folder / GENERATIONS).glob("[0-9]*"):
            if now is None or path.name > generation_name(now.generation):
                remove_tree(path)

    def remove_old(self, newest: int, reporter: Reporter) -> None:
        """Remove generations that no reader needs any more, and packages that are in none of those that stay."""
        staying = self._staying(newest)
        for path in set((self.folder / GENERATIONS).glob("[0-9]*")) - set(staying):
            remove_tree(path)
        named: set[str] = set()
        for path in staying:
            try:
                manifest = Manifest.from_json((path / MANIFEST).read_text(encoding="utf-8"), str(path))
            except (OSError, UnicodeDecodeError, ConfigError) as fault:
                reporter.warn(f"{path} is damaged, so that no old packages are removed: {fault}")
                return
            paths = [*(one.path for one in manifest.packages), *(one.path for one in manifest.wheels)]
            named |= {Path(one).parent.name for one in paths}
        for path in (self.folder / PACKAGES).glob("[0-9a-f]*"):
            if path.name not in named:
                remove_tree(path)

    def _staying(self, newest: int) -> list[Path]:
        """The generations that stay: the last ones, and those that were replaced a short time ago."""
        paths = sorted((self.folder / GENERATIONS).glob("[0-9]*"))
        found = []
        for path, following in itertools.zip_longest(paths, paths[1:]):
            is_fresh = following is None or following.stat().st_mtime > time.time() - KEPT_SECONDS
            if is_fresh or int(path.name) > newest - KEPT_GENERATIONS:
                found.append(path)
        return found

    def _link_old_metadata(self, repodata: Path, number: int) -> None:
        """Have the files there, too, that repomd.xml of the last generations names."""
        for generation in self._staying(number):
            old = generation / "repodata"
            if not (old / "repomd.xml").is_file():
                continue
            for name in map(bytes.decode, _METADATA.findall((old / "repomd.xml").read_bytes())):
                if not (repodata / name).exists() and (old / name).is_file():
                    same_file(old / name, repodata / name)
