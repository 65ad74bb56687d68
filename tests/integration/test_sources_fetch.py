"""Sources fetched for builds: source RPMs from repositories, files by URL, sdists from an index; all verified."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import sdist, serving, wheel
from trapsrpms import MISSING, SPECS, build_srpm

from ppcdeps.base.cache import Cache
from ppcdeps.cli.main import main
from ppcdeps.metadata.snapshot import use
from ppcdeps.metadata.sources import (
    RECORD,
    RepositoryPackage,
    fetch_file,
    fetch_srpm,
    read_record,
    source_packages,
    write_sources,
)
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.python.index import Index
from ppcdeps.python.pipconfig import PipConfig
from ppcdeps.python.sdistfetch import fetch_sdist

LACKING = [*MISSING, *([] if shutil.which("createrepo_c") else ["createrepo_c"])]
needs_tools = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")
TELL = Silence()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source repository with two source RPMs, one of them with an epoch."""
    folder = tmp_path_factory.mktemp("built")
    for name in ("trap-epoch", "trap-rich"):
        srpm = build_srpm(SPECS / f"{name}.spec", folder / "top" / name)
        (folder / "repo" / "Packages").mkdir(parents=True, exist_ok=True)
        shutil.copy(srpm, folder / "repo" / "Packages")
    subprocess.run(["createrepo_c", "-q", str(folder / "repo")], check=True)
    return folder / "repo"


@pytest.fixture
def repository(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(built, tmp_path / "repo"))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def package(repository: Path, cache: Cache, name: str) -> RepositoryPackage:
    config = RepoConfig("traps", Side.SOURCE, baseurl=(repository.as_uri(),))
    metadata = fetch_repositories([config], cache, TELL)
    (found,) = source_packages(metadata, lambda each: each == name)
    return found


@needs_tools
def test_a_source_rpm_is_found_fetched_and_recorded(repository: Path, cache: Cache, tmp_path: Path) -> None:
    found = package(repository, cache, "trap-epoch")
    assert str(found.nevra) == "trap-epoch-2:1.0~rc1-3.el9.src"
    fetched = fetch_srpm(found, cache, TELL)
    original = repository / "Packages" / "trap-epoch-1.0~rc1-3.el9.src.rpm"
    assert fetched.path.read_bytes() == original.read_bytes()
    assert fetched.sha256 == hashlib.sha256(original.read_bytes()).hexdigest()
    record = write_sources(tmp_path / "to", [fetched])
    assert record == tmp_path / "to" / RECORD
    assert (tmp_path / "to" / original.name).read_bytes() == original.read_bytes()
    (entry,) = read_record(record)
    assert entry == {
        "kind": "srpm",
        "name": "trap-epoch",
        "version": "2:1.0~rc1-3.el9",
        "file": original.name,
        "url": original.as_uri(),
        "checksum": fetched.checksum,
        "sha256": fetched.sha256,
        "size": original.stat().st_size,
        "origin": "traps",
    }


@needs_tools
def test_what_is_in_the_cache_is_not_asked_for_again(repository: Path, cache: Cache) -> None:
    found = package(repository, cache, "trap-rich")
    first = fetch_srpm(found, cache, TELL)
    shutil.rmtree(repository / "Packages")
    assert fetch_srpm(found, cache, TELL, offline=True) == first


@needs_tools
def test_a_source_rpm_that_is_another_is_refused(repository: Path, cache: Cache) -> None:
    found = package(repository, cache, "trap-rich")
    file = next((repository / "Packages").glob("trap-rich-*"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(RepositoryError, match="has another sha256 checksum than the metadata of traps says"):
        fetch_srpm(found, cache, TELL)
    assert cache.find_object(found.checksum) is None
    file.write_bytes(content[:-10])
    with pytest.raises(RepositoryError, match="ends after"):
        fetch_srpm(found, cache, TELL)
    file.unlink()
    with pytest.raises(RepositoryError, match=r"repository traps: trap-rich-1\.0-1\.el9\.src: could not be fetched"):
        fetch_srpm(found, cache, TELL)


@needs_tools
def test_a_location_outside_of_the_repository_is_refused(repository: Path, cache: Cache) -> None:
    found = package(repository, cache, "trap-rich")
    for location in (
        "../secret.src.rpm",
        "/etc/passwd",
        "file:///etc/passwd",
        "Packages/../../x.src.rpm",
        "a/",
        "%2e%2e/x.src.rpm",
    ):
        with pytest.raises(RepositoryError, match=r"it (climbs out|lies elsewhere|has an impossible location)"):
            fetch_srpm(replace(found, location=location), cache, TELL)


@needs_tools
def test_a_weak_or_impossible_checksum_proves_nothing(repository: Path, cache: Cache) -> None:
    found = package(repository, cache, "trap-rich")
    with pytest.raises(RepositoryError, match="the sha1 checksum only"):
        fetch_srpm(replace(found, checksum=f"sha1:{'0' * 40}"), cache, TELL)
    with pytest.raises(RepositoryError, match="a sha256 checksum of 2 digits"):
        fetch_srpm(replace(found, checksum="sha256:00"), cache, TELL)


def test_the_shipped_snapshot_knows_no_locations_and_says_so(cache: Cache) -> None:
    snapshot = use("centos-stream-9-yoga", cache)
    metadata = fetch_repositories([one for one in snapshot.configs if one.side is Side.SOURCE], cache, TELL)
    (found,) = source_packages(metadata, lambda name: name == "supermin")
    with pytest.raises(RepositoryError) as told:
        fetch_srpm(found, cache, TELL)
    assert "does not say where its packages are" in str(told.value)
    assert "ppcdeps sync" in str(told.value)


def test_a_file_by_url_is_verified_by_its_digest(cache: Cache, tmp_path: Path) -> None:
    file = tmp_path / "x-1.tar.gz"
    file.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    fetched = fetch_file(file.as_uri(), digest, cache, TELL, name="x", version="1", origin="recipe x")
    assert (fetched.file, fetched.path.read_bytes()) == ("x-1.tar.gz", b"content")
    with pytest.raises(RepositoryError, match="another sha256 checksum than recipe y says"):
        fetch_file(file.as_uri(), "0" * 64, cache, TELL, origin="recipe y")
    with pytest.raises(ConfigError, match="is not 64 lower-case hexadecimal digits"):
        fetch_file(file.as_uri(), "0" * 40, cache, TELL)
    with pytest.raises(ConfigError, match="cannot be the name of a file"):
        fetch_file(file.as_uri(), digest, cache, TELL, file="../x")
    with pytest.raises(RepositoryError, match="no network may be used"):
        fetch_file("http://127.0.0.1:9/x", "1" * 64, cache, TELL, offline=True)


def test_a_record_keeps_what_it_told_of_other_files(cache: Cache, tmp_path: Path) -> None:
    def fetched(name: str, content: bytes):  # type: ignore[no-untyped-def]
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "file").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return fetch_file((tmp_path / name / "file").as_uri(), digest, cache, TELL, file=name)

    one, two = fetched("b", b"1"), fetched("a", b"2")
    to = tmp_path / "to"
    write_sources(to, [one])
    write_sources(to, [two])
    assert [entry["file"] for entry in read_record(to / RECORD)] == ["a", "b"]
    together = tmp_path / "together"
    write_sources(together, [two, one])
    assert (together / RECORD).read_bytes() == (to / RECORD).read_bytes()
    (to / "a").write_bytes(b"changed")
    write_sources(to, [two])
    assert (to / "a").read_bytes() == b"2"
    with pytest.raises(ConfigError, match="are both named b"):
        write_sources(to, [one, replace(two, file="b")])
    (to / RECORD).write_text("{}")
    with pytest.raises(ConfigError, match="is not a record of sources"):
        write_sources(to, [one])


def test_an_sdist_comes_from_the_index_with_its_digest(cache: Cache) -> None:
    with serving() as shop:
        file = sdist("native", "1.0", {"setup.py": "x"})
        shop.add("native", file)
        shop.add("native", wheel("native", "2.0"))
        config = PipConfig((shop.url,), timeout=5.0, retries=0)
        with Index(config, cache) as index:
            fetched = fetch_sdist(index, "Native", "1")
            assert fetched.path.read_bytes() == file[1]
            assert (fetched.kind, fetched.file, fetched.origin) == ("sdist", file[0], shop.url)
            with pytest.raises(RepositoryError, match="has no source distribution, only wheels, of Native 2"):
                fetch_sdist(index, "Native", "2.0")
            with pytest.raises(RepositoryError, match="has no release of Native 3"):
                fetch_sdist(index, "Native", "3")
            with pytest.raises(RepositoryError, match="no index knows"):
                fetch_sdist(index, "unheard", "1")
            with pytest.raises(UsageError, match="is not a version"):
                fetch_sdist(index, "Native", "one")
        shop.files[file[0]] = file[1][:-1] + b"x"
        other = Cache.open(cache.directory / "other")
        with Index(config, other) as index, pytest.raises(RepositoryError, match="is not what its index says"):
            fetch_sdist(index, "Native", "1")
        with Index(config, cache, offline=True) as index:
            assert fetch_sdist(index, "Native", "1").path.read_bytes() == file[1]


@needs_tools
def test_the_command_fetches_source_packages_recipes_and_sdists(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipes" / "trap" / "recipe.toml"
    recipe.parent.mkdir(parents=True)
    to = tmp_path / "to"
    options = ["--to", str(to), "--recipes", str(recipe.parents[1]), "--cache-dir", str(tmp_path / "cache")]
    options += ["--repofrompath", f"here,{repository}", "--source", f"traps,{repository}"]
    with serving() as shop:
        shop.add("native", sdist("native", "1.0", {"setup.py": "x"}))
        shop.files["trap-1.tar.gz"] = b"content"
        url = f"{shop.url.removesuffix('/simple')}/files/trap-1.tar.gz"
        recipe.write_text(RECIPE.format(url=url, digest=hashlib.sha256(b"content").hexdigest()))
        monkeypatch.setenv("PIP_INDEX_URL", shop.url)
        arguments = ["recipes", "fetch", "trap-epoch", "trap", "pypi:native==1.0", *options]
        assert main(arguments) == 0
    files = ["trap-epoch-1.0~rc1-3.el9.src.rpm", "trap-1.tar.gz", "native-1.0.tar.gz"]
    assert capsys.readouterr().out.splitlines() == [str(to / file) for file in files]
    assert {entry["file"]: entry["kind"] for entry in read_record(to / RECORD)} == dict(
        zip(files, ("srpm", "file", "sdist"), strict=True)
    )
    assert main(["recipes", "fetch", "trap-epoch", "--offline", "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "trap-epoch"


@needs_tools
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such-thing"], 2, "traps: no source package no-such-thing, and no such recipe"),
        (["trap-epoch", "--version", "7"], 2, "traps: no trap-epoch of version 7; there is trap-epoch-2:1.0~rc1-3"),
        (["supermin"], 2, "traps: no source package supermin"),
        (["seabios"], 2, "its noarch packages are used as they are"),
        (["pypi:native"], 2, "which version?"),
        (["a", "b", "--version", "1"], 2, "--version is for one NAME"),
        ([], 2, "NAME"),
    ],
)
def test_the_command_says_what_it_cannot_find(
    words: list[str],
    code: int,
    said: str,
    repository: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--to", str(tmp_path / "to"), "--cache-dir", str(tmp_path / "cache")]
    options += ["--repofrompath", f"here,{repository}", "--source", f"traps,{repository}"]
    assert main(["recipes", "fetch", *words, *options]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "to").exists()


RECIPE = """
source = "trap"
kind = "compile"
summary = "A trap"
reason = "for a test"
links = ["https://example.org/"]
packages = ["trap"]
smoke_test = "true"

[upstream]
name = "trap"
summary = "A trap"
license = "MIT"
url = "https://example.org/"
description = "A trap."
system = "make"

[[sources]]
version = "1"
url = "{url}"
sha256 = "{digest}"
"""
