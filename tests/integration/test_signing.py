"""Packages and metadata signed with a throw-away key, and read by who trusts that key alone."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import lacks, read
from rpms import Rpm
from srpms import run

from ppcdeps.base.signature import verify_signature
from ppcdeps.building.publishing.publishing import publish
from ppcdeps.building.publishing.records import BuildRecord, BuiltPackage
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.building.publishing.signing import SigningKey, check_packages, sign_packages
from ppcdeps.model.errors import BuildError, ConfigError, EnvironmentLacksError, RepositoryError
from ppcdeps.model.verification import CheckOutcome
from ppcdeps.verifying.provenance import check_provenance

_PROGRAMS = ("gpg", "gpgv", "rpmsign", "rpmkeys")

pytestmark = pytest.mark.skipif(
    bool(lacks()) or any(shutil.which(one) is None for one in _PROGRAMS),
    reason=f"needs rpmbuild, createrepo_c, {', '.join(_PROGRAMS)}",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A gpg home with two keys that sign, and one that wants a passphrase."""
    # The agent's socket needs a short path.
    home = tmp_path_factory.mktemp("g", numbered=False)
    home.chmod(0o700)
    for name, passphrase in (("owner", ""), ("other", ""), ("locked", "secret")):
        options = ["--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase]
        identity = f"{name} <{name}@example.invalid>"
        run("gpg", "--homedir", str(home), *options, "--quick-generate-key", identity, "rsa2048", "sign", "1d")
    stop_agent(home)
    yield home
    stop_agent(home)


def stop_agent(home: Path) -> None:
    """So that no passphrase is remembered, and nothing is left running."""
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


@pytest.fixture
def owner(home: Path) -> SigningKey:
    return SigningKey.find("owner@example.invalid", home)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [
        Rpm(name, arch="noarch", files={f"/usr/share/{name}": b"x"}).build(tmp_path_factory.mktemp(name))
        for name in ("ant", "bee")
    ]


def checksig(key: bytes, files: list[Path], place: Path) -> str:
    """What rpm says that trusts this key alone."""
    place.mkdir()
    (place / "key").write_bytes(key)
    run("rpmkeys", "--dbpath", str(place), "--import", str(place / "key"))
    done = subprocess.run(
        ["rpmkeys", "--dbpath", str(place), "--checksig", *map(str, files)], capture_output=True, text=True
    )
    return done.stdout


def test_packages_and_metadata_are_signed_and_the_builds_are_not_changed(
    built: list[Path], owner: SigningKey, tmp_path: Path
) -> None:
    before = [file.read_bytes() for file in built]
    done = publish(tmp_path / "repo", built, sign=owner)
    assert [file.read_bytes() for file in built] == before
    assert read(done.folder) == {file.name for file in built}
    signed = [done.folder / one.path for one in done.manifest.packages]
    assert checksig(owner.public, signed, tmp_path / "db").count("digests signatures OK") == 2
    assert {one.origin for one in done.manifest.packages} == {hashlib.sha256(one).hexdigest() for one in before}
    assert all(one.key == owner.fingerprint and one.sha256 != one.origin for one in done.manifest.packages)
    repomd = done.folder / "repodata/repomd.xml"
    verify_signature(repomd.read_bytes(), repomd.with_name("repomd.xml.asc").read_bytes(), [owner.public], "it")


@pytest.mark.skipif(shutil.which("dnf") is None, reason="needs dnf")
def test_dnf_checks_both_signatures_with_the_key_of_the_repo_file(
    built: list[Path], owner: SigningKey, home: Path, tmp_path: Path
) -> None:
    done = publish(tmp_path / "repo", built, sign=owner)
    text = done.repo_file.read_text()
    assert "\ngpgcheck=1\n" in text and "\nrepo_gpgcheck=1\n" in text
    key_file = done.folder / f"RPM-GPG-KEY-{owner.short}"
    assert f"\ngpgkey={key_file.as_uri()}\n" in text and key_file.read_bytes() == owner.public
    root = tmp_path / "root"
    command = ["dnf", "-y", f"--installroot={root}", "--releasever=9", "--disableplugin=*", "install", "ant"]
    command += [f"--setopt=reposdir={done.folder}", f"--setopt=cachedir={tmp_path / 'cache'}"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert (root / "usr/share/ant").exists()
    other = SigningKey.find("other@example.invalid", home)
    key_file.write_bytes(other.public)
    command[-1] = f"--setopt=cachedir={tmp_path / 'fresh'}"
    ended = subprocess.run([*command, "bee"], capture_output=True, text=True)
    assert ended.returncode != 0 and "repomd.xml GPG signature verification error" in ended.stdout + ended.stderr


def test_what_is_signed_is_not_signed_again_and_stays_signed(
    built: list[Path], owner: SigningKey, home: Path, tmp_path: Path
) -> None:
    first = publish(tmp_path, built[:1], sign=owner)
    again = publish(tmp_path, built[:1], sign=owner)
    assert not again.is_changed and again.manifest == first.manifest
    with pytest.raises(ConfigError, match=f"is signed by the key {owner.short}"):
        publish(tmp_path, built[1:])
    assert read_manifest(tmp_path) == first.manifest
    both = publish(tmp_path, built[1:], sign=owner)
    assert both.added == ("bee-1.0-1.noarch",)
    other = SigningKey.find("other@example.invalid", home)
    assert len(publish(tmp_path, [], sign=other).added) == 2
    files = sorted((tmp_path / one.path) for one in (read_manifest(tmp_path) or first.manifest).packages)
    check_packages(files, other)
    with pytest.raises(BuildError, match="is not signed by the key"):
        check_packages(files, owner)


def test_a_repository_that_was_not_signed_becomes_so(built: list[Path], owner: SigningKey, tmp_path: Path) -> None:
    publish(tmp_path, built)
    done = publish(tmp_path, [], sign=owner)
    assert done.is_changed and len(done.added) == 2
    check_packages([tmp_path / one.path for one in done.manifest.packages], owner)
    assert read(tmp_path) == {file.name for file in built}


@pytest.mark.parametrize("name", ["it's", "back\\slash [a]", "a{b,c}", "%(touch made)"])
def test_packages_are_signed_wherever_they_lie(
    name: str, built: list[Path], owner: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / name
    place.mkdir()
    package = Path(shutil.copy(built[0], place / "one.rpm"))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.chdir(tmp_path)
    sign_packages([package], owner)
    assert package.read_bytes() != built[0].read_bytes()
    assert list(tmp_path.iterdir()) == [place]
    assert list(place.iterdir()) == [package]


def test_a_package_without_a_signature_is_reported(built: list[Path], owner: SigningKey) -> None:
    with pytest.raises(BuildError, match=r"ant-1\.0-1\.noarch\.rpm is not signed by the key"):
        check_packages(built, owner)


def test_a_key_that_is_not_there_and_one_that_wants_a_passphrase(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no secret key nobody"):
        SigningKey.find("nobody@example.invalid", home)
    with pytest.raises(ConfigError, match="3 secret keys"):
        SigningKey.find("example.invalid", home)
    with pytest.raises(ConfigError, match="needs a passphrase, and ppcdeps never asks") as caught:
        SigningKey.find("locked@example.invalid", home)
    assert "\n" not in str(caught.value)


def test_the_home_is_taken_from_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(home))
    assert SigningKey.find("owner@example.invalid").home is None


@pytest.mark.parametrize("macros", ["", "%_gpg_path /nowhere\n"])
def test_packages_are_signed_from_a_relative_home_by_a_gpg_of_a_relative_path(
    macros: str, built: list[Path], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gpg").symlink_to(str(shutil.which("gpg")))
    (tmp_path / ".rpmmacros").write_text(macros)
    packages = tmp_path / "packages"
    packages.mkdir()
    copy = Path(shutil.copy(built[0], packages))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GNUPGHOME", os.path.relpath(home))
    monkeypatch.setenv("PATH", "bin", prepend=":")
    monkeypatch.setenv("HOME", str(tmp_path))
    key = SigningKey.find("owner@example.invalid")
    sign_packages([copy], key)
    check_packages([copy], key)


def test_a_key_that_went_away_publishes_nothing(
    built: list[Path], owner: SigningKey, home: Path, tmp_path: Path
) -> None:
    publish(tmp_path / "repo", built[:1], sign=owner)
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    gone = SigningKey(owner.fingerprint, owner.public, empty)
    with pytest.raises(BuildError, match="packages are not signed"):
        publish(tmp_path / "repo", built, sign=gone)
    assert read(tmp_path / "repo") == {"ant-1.0-1.noarch.rpm"}
    assert not list((tmp_path / "repo").rglob(".new-*"))


def test_without_rpmsign_the_environment_lacks_it(
    built: list[Path], owner: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("gpg", "rpm", "rpmkeys"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    copy = Path(shutil.copy(built[0], tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacksError, match="rpmsign is not installed"):
        sign_packages([copy], owner)


def record_of(package: Path) -> BuildRecord:
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    nevra = package.name.removesuffix(".rpm")
    return BuildRecord(
        source=package.name.partition("-")[0],
        version="1.0",
        arch="ppc64le",
        mode="cross",
        buildroot="debian-12-cross",
        buildroot_key="d" * 64,
        command=("rpmbuild",),
        started=1,
        finished=2,
        ppcdeps_version="0.1.0",
        packages=(BuiltPackage(package.name, digest, nevra),),
    )


def test_provenance_is_signed_by_the_key_of_the_repository(
    built: list[Path], owner: SigningKey, tmp_path: Path
) -> None:
    dsse = pytest.importorskip("securesystemslib.dsse")
    folder = tmp_path / "repository"
    publish(folder, built, records=[*map(record_of, built)])
    found = check_provenance(folder)
    assert found is not None and found.outcome is CheckOutcome.OK
    assert found.detail == "2 files of 2 builds as stated, not signed"
    publish(folder, built, records=[*map(record_of, built)], sign=owner)
    found = check_provenance(folder)
    assert found is not None and found.outcome is CheckOutcome.OK
    assert found.detail == f"2 files of 2 builds as stated, signed by {owner.short}"
    # Another library reads the envelope, and says what is signed; gpgv alone says whether the signature is good.
    envelope = json.loads((folder / "provenance/ant.intoto.jsonl").read_text())
    assert base64.b64decode(envelope["payload"]) == (folder / "provenance/ant.intoto.json").read_bytes()
    other = dsse.Envelope.from_dict({**envelope, "signatures": []})
    assert other.payload_type == "application/vnd.in-toto+json"
    (tmp_path / "pae").write_bytes(other.pae())
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    (tmp_path / "key.asc").write_bytes((folder / owner.file_name).read_bytes())
    run(
        "gpg",
        "--homedir",
        str(tmp_path),
        "--dearmor",
        "--output",
        str(tmp_path / "key.gpg"),
        str(tmp_path / "key.asc"),
    )
    run("gpgv", "--keyring", str(tmp_path / "key.gpg"), str(tmp_path / "sig"), str(tmp_path / "pae"))
    assert not publish(folder, built, records=[*map(record_of, built)], sign=owner).is_changed


def changed(place: Path, change: Callable[[str], str]) -> None:
    place.write_text(change(place.read_text()))


def _other_key(place: Path, home: Path) -> None:
    """The same statement, signed by a key that is not the repository's."""
    from ppcdeps.building.publishing.envelope import envelope_of

    other = SigningKey.find("other@example.invalid", home)
    envelope = envelope_of((place / "ant.intoto.json").read_bytes(), other)
    (place / "ant.intoto.jsonl").write_text(json.dumps(envelope))


def _other_name(place: Path, home: Path) -> None:
    """The same, under the name of the repository's key."""
    _other_key(place, home)
    other, owner = (SigningKey.find(f"{one}@example.invalid", home).fingerprint for one in ("other", "owner"))
    changed(place / "ant.intoto.jsonl", lambda text: text.replace(other, owner))


def _signatures(place: Path, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> None:
    """Change the signatures of the envelope."""
    envelope = json.loads((place / "ant.intoto.jsonl").read_text())
    envelope["signatures"] = change(envelope["signatures"])
    (place / "ant.intoto.jsonl").write_text(json.dumps(envelope))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda place, _: (place / "ant.intoto.jsonl").unlink(), "ant.intoto.jsonl is missing: the statement is not"),
        (lambda place, _: changed(place / "ant.intoto.json", "{} ".format), "is signed for another statement"),
        (lambda place, _: changed(place / "ant.intoto.jsonl", lambda _: "{"), "is not a signed statement: is not"),
        (
            lambda place, _: changed(place / "ant.intoto.jsonl", lambda text: text.replace("ewog", "eyAg", 1)),
            "the signature by key",
        ),
        (_other_key, "has no signature of the key"),
        (lambda place, _: _signatures(place, lambda _: []), "has no signature of the key"),
        (_other_name, "signed by key"),
    ],
)  # fmt: skip
def test_provenance_that_is_not_as_it_was_signed_fails(
    damage: Callable[[Path, Path], None],
    said: str,
    built: list[Path],
    owner: SigningKey,
    home: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "repository"
    publish(folder, built, records=[*map(record_of, built)], sign=owner)
    damage((folder / "provenance").resolve(), home)
    found = check_provenance(folder)
    assert found is not None and found.outcome is CheckOutcome.FAILED
    assert said in found.detail and found.detail.startswith("ant: ")


def test_further_signatures_of_whomever_do_not_count(built: list[Path], owner: SigningKey, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    publish(folder, built, records=[*map(record_of, built)], sign=owner)
    junk = base64.b64encode(b"junk").decode()
    others = [{"sig": junk}, {"keyid": "0" * 40, "sig": junk}, {"keyid": owner.fingerprint, "sig": junk}]
    _signatures((folder / "provenance").resolve(), lambda own: [*others, *own])
    found = check_provenance(folder)
    assert found is not None and found.outcome is CheckOutcome.OK


@pytest.mark.parametrize("fate", ["expired", "revoked"])
def test_a_key_that_is_no_longer_good_signs_nothing(fate: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp(fate[0])
    home.chmod(0o700)
    past = ["--faked-system-time", "20200101T000000!"] if fate == "expired" else []
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", "", *past]
    (home / "data").write_bytes(b"data")
    try:
        run(*gpg, "--quick-generate-key", "was <was@example.invalid>", "rsa2048", "sign", "1d")
        run(*gpg, "--detach-sign", str(home / "data"))
        signature = (home / "data.sig").read_bytes()
        if fate == "revoked":
            public = subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout
            verify_signature(b"data", signature, [public], "it")
            (certificate,) = (home / "openpgp-revocs.d").glob("*.rev")
            # gpg puts a colon there, so that nobody imports it by mistake.
            certificate.write_text(certificate.read_text().replace(":-----BEGIN", "-----BEGIN"))
            run(*gpg, "--import", str(certificate))
        public = subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout
        with pytest.raises(RepositoryError, match=f"^it: signed by a key that (has|was) {fate} "):
            verify_signature(b"data", signature, [public], "it")
    finally:
        stop_agent(home)


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_package_that_no_statement_names_fails(
    is_signed: bool, built: list[Path], owner: SigningKey, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    publish(folder, built, records=[*map(record_of, built)], sign=owner if is_signed else None)
    for left in (folder / "records" / "bee.json", *(folder / "provenance").glob("bee.*")):
        left.unlink()
    found = check_provenance(folder)
    assert found is not None and found.outcome is CheckOutcome.FAILED
    assert found.detail.startswith(f"{built[1].name} is published, and no statement names it; ")


def test_a_package_that_is_not_the_stated_one_fails(built: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    publish(folder, built, records=[*map(record_of, built)])
    (package,) = [one for one in read_manifest(folder).packages if one.nevra.startswith("ant")]  # type: ignore[union-attr]
    place = (folder / "provenance").resolve() / "ant.intoto.json"
    changed(place, lambda text: text.replace(package.sha256, "0" * 64))
    found = check_provenance(folder)
    assert found is not None and found.outcome is CheckOutcome.FAILED
    assert "subject[0].digest is not that of ant-" in found.detail
