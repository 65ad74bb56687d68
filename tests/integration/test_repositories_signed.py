"""repo_gpgcheck with real keys: a repository signed by gpg, checked by gpgv."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rpmmd import Package, write_repository

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import EnvironmentLacksError, RepositoryError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side

pytestmark = pytest.mark.skipif(
    shutil.which("gpg") is None or shutil.which("gpgv") is None,
    reason="needs gpg and gpgv (packages gpg, gpgv)",
)


@dataclass(frozen=True)
class Signer:
    home: Path

    def gpg(self, *options: str) -> bytes:
        done = subprocess.run(
            ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--passphrase", "", *options],
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def make(self, name: str) -> None:
        self.gpg("--quick-generate-key", f"{name} <{name}@example.invalid>", "rsa2048", "sign", "1d")

    def key(self, name: str, *, armour: bool) -> bytes:
        return self.gpg(*(["--armor"] if armour else []), "--export", f"{name}@example.invalid")

    def sign(self, name: str, path: Path) -> None:
        self.gpg("--armor", "--local-user", f"{name}@example.invalid", "--detach-sign", str(path))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    """Two throw-away keys: that of the owner, and that of somebody else."""
    home = tmp_path_factory.mktemp("gnupg", numbered=False)
    home.chmod(0o700)
    signer = Signer(home)
    signer.make("owner")
    signer.make("other")
    yield signer
    # gpg leaves its agent running for this home.
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


@pytest.fixture
def signed(signer: Signer, tmp_path: Path) -> RepoConfig:
    """A repository, signed by a key that the test has."""
    folder = write_repository(tmp_path / "repository", [Package(Nevra.parse("app-1-1.ppc64le"))])
    signer.sign("owner", folder / "repodata/repomd.xml")
    key = tmp_path / "key.asc"
    key.write_bytes(signer.key("owner", armour=True))
    return RepoConfig("signed", Side.TARGET, baseurl=(folder.as_uri(),), repo_gpgcheck=True, gpgkey=(key.as_uri(),))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def fault_of(config: RepoConfig, cache: Cache) -> str:
    with pytest.raises(RepositoryError) as caught:
        fetch_repositories([config], cache, Silence())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def folder_of(config: RepoConfig) -> Path:
    return Path(config.baseurl[0].removeprefix("file://"))


def test_a_good_signature(signed: RepoConfig, cache: Cache) -> None:
    (metadata,) = fetch_repositories([signed], cache, Silence())
    assert "primary" in metadata.files


def test_binary_keys_and_several_keys(signed: RepoConfig, signer: Signer, tmp_path: Path, cache: Cache) -> None:
    binary = tmp_path / "key.gpg"
    binary.write_bytes(signer.key("owner", armour=False))
    both = tmp_path / "both.asc"
    both.write_bytes(signer.key("other", armour=True) + b"\ntext between\n" + signer.key("owner", armour=True))
    for keys in ((binary.as_uri(),), (both.as_uri(),), (signed.gpgkey[0], binary.as_uri())):
        (metadata,) = fetch_repositories([replace(signed, gpgkey=keys, id=keys[0][-6:])], cache, Silence())
        assert "primary" in metadata.files


def test_a_changed_repomd(signed: RepoConfig, cache: Cache) -> None:
    path = folder_of(signed) / "repodata/repomd.xml"
    path.write_bytes(path.read_bytes() + b"\n")
    message = fault_of(signed, cache)
    assert "does not fit: the file was changed after it was signed" in message
    assert "repodata/repomd.xml" in message


def test_a_key_that_is_not_the_configured_one(signed: RepoConfig, signer: Signer, cache: Cache) -> None:
    signer.sign("other", folder_of(signed) / "repodata/repomd.xml")
    assert "which is not among its gpgkey" in fault_of(signed, cache)


def test_a_published_repository_without_its_key(project_root: Path, signed: RepoConfig, cache: Cache) -> None:
    folder = project_root / "tests/data/repositories/nvidia-ppc64le"
    assert "which is not among its gpgkey" in fault_of(replace(signed, baseurl=(folder.as_uri(),)), cache)


def test_a_missing_or_empty_signature(signed: RepoConfig, cache: Cache) -> None:
    path = folder_of(signed) / "repodata/repomd.xml.asc"
    path.write_bytes(b"")
    assert "has no valid signature" in fault_of(signed, cache)
    path.unlink()
    assert "its signature could not be fetched" in fault_of(signed, cache)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>", "is not an OpenPGP key"),
        (b"", "is not an OpenPGP key"),
        (
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnot*base64\n-----END PGP PUBLIC KEY BLOCK-----\n",
            "damaged",
        ),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "has no public key"),
    ],
)
def test_a_key_file_that_is_none(
    content: bytes, reason: str, signed: RepoConfig, tmp_path: Path, cache: Cache
) -> None:
    key = tmp_path / "bad"
    key.write_bytes(content)
    assert reason in fault_of(replace(signed, gpgkey=(key.as_uri(),)), cache)


def test_no_key_is_configured(signed: RepoConfig, cache: Cache) -> None:
    assert "no gpgkey is configured" in fault_of(replace(signed, gpgkey=()), cache)


def test_what_was_fetched_unsigned_is_checked_once_the_check_is_on(signed: RepoConfig, cache: Cache) -> None:
    fetch_repositories([replace(signed, repo_gpgcheck=False)], cache, Silence())
    (folder_of(signed) / "repodata/repomd.xml.asc").write_bytes(b"")
    assert "has no valid signature" in fault_of(signed, cache)


def test_a_failed_check_keeps_the_good_state(signed: RepoConfig, cache: Cache) -> None:
    (first,) = fetch_repositories([signed], cache, Silence())
    path = folder_of(signed) / "repodata/repomd.xml"
    good = path.read_bytes()
    path.write_bytes(good + b"\n")
    fault_of(signed, cache)
    path.write_bytes(good)
    (folder_of(signed) / "repodata/repomd.xml.asc").unlink()
    assert fetch_repositories([signed], cache, Silence()) == (first,), "nothing had to be fetched again"


def test_without_gpgv_the_environment_lacks_it(
    signed: RepoConfig, cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacksError, match="gpgv is not installed") as caught:
        fetch_repositories([signed], cache, Silence())
    assert caught.value.exit_code == 20
