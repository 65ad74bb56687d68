"""From the words of the command line to a target and its repositories."""

from dataclasses import replace
from pathlib import Path

import pytest
from reporters import Recorder
from rpmmd import Package, write_repository

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.snapshot_writer import save
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import Side
from ppcdeps.workflows.basis import MetadataBasis, MetadataOrigin
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.remembered import remember_live, remember_snapshot, remembered, title_of
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.targets import target_and_basis

DAY = 86400


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.delenv("DNF_VAR_releasever", raising=False)
    return Cache.open(tmp_path / "cache")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write_repository(tmp_path / "repository", [Package(Nevra.parse("app-1-1.noarch"), "app-1-1.src.rpm")])


def choice(cache: Cache, **options: object) -> RepositoryChoice:
    return replace(RepositoryChoice(cache_directory=cache.directory), **options)  # type: ignore[arg-type]


def chosen(cache: Cache, **options: object) -> tuple[list[str], MetadataBasis]:
    target, basis = target_and_basis(choice(cache, **options), cache, Silence())
    return [config.id for config in target.repositories if config.enabled], basis


def test_the_embedded_snapshot_answers_for_the_default_target(cache: Cache) -> None:
    target, basis = target_and_basis(choice(cache), cache, Silence())
    assert (target.name, target.openstack) == ("centos-stream-9", "yoga")
    assert (basis.origin, basis.name, basis.shipped) == (MetadataOrigin.SNAPSHOT, "centos-stream-9-yoga", True)
    assert all(config.baseurl[0].startswith("file:") for config in target.repositories)


def test_the_default_needs_no_network(cache: Cache) -> None:
    found = resolve_target(choice(cache, offline=True), Silence())
    assert {one.config.id for one in found.metadata} >= {"baseos", "appstream", "reference-rdo", "source"}
    assert all("primary" in one.files for one in found.metadata)
    complete = found.fetch_filelists(found.metadata)
    assert all("filelists" in one.files for one in complete)
    assert found.basis.dates


@pytest.mark.parametrize("options", [{"release": "zed"}, {"target": "rocky-9"}, {"releasever": "9.4"}])
def test_another_target_release_or_version_means_live_repositories(options: dict[str, object], cache: Cache) -> None:
    _, basis = chosen(cache, **options)
    assert basis.origin is MetadataOrigin.LIVE


def test_a_sync_is_remembered_until_a_snapshot_is_chosen(cache: Cache) -> None:
    target = load_target("centos-stream-9")
    assert remembered(target, cache) is None
    remember_live(target, cache)
    assert chosen(cache)[1].origin is MetadataOrigin.LIVE
    remember_snapshot(target, "centos-stream-9-yoga", cache)
    assert chosen(cache)[1].origin is MetadataOrigin.SNAPSHOT
    assert chosen(cache, release="zed")[1].origin is MetadataOrigin.LIVE


def test_a_sync_of_one_release_leaves_the_others_alone(cache: Cache) -> None:
    remember_live(load_target("centos-stream-9", release="zed"), cache)
    assert chosen(cache)[1].origin is MetadataOrigin.SNAPSHOT


def test_two_files_of_one_target_name_are_two_targets(cache: Cache, tmp_path: Path) -> None:
    shipped = load_target("centos-stream-9")
    own = replace(shipped, origin=str(tmp_path / "own.toml"))
    (tmp_path / "own.toml").touch()
    remember_live(own, cache)
    assert remembered(own, cache) == ""
    assert remembered(shipped, cache) is None


def test_the_option_wins_over_what_is_remembered(cache: Cache) -> None:
    remember_live(load_target("centos-stream-9"), cache)
    target, basis = target_and_basis(choice(cache, snapshot="centos-stream-9-yoga"), cache, Silence())
    assert basis.origin is MetadataOrigin.SNAPSHOT
    assert (target.name, target.openstack) == ("centos-stream-9", "yoga")


def test_a_snapshot_of_another_release_is_refused(cache: Cache) -> None:
    with pytest.raises(UsageError, match="is of the OpenStack release yoga, not zed"):
        chosen(cache, snapshot="centos-stream-9-yoga", release="zed")


def test_a_snapshot_that_was_chosen_and_is_gone_is_told_with_the_way_out(cache: Cache, tmp_path: Path) -> None:
    remember_snapshot(load_target("centos-stream-9"), str(tmp_path / "gone"), cache)
    with pytest.raises(UsageError, match=r"chosen for centos-stream-9-yoga cannot be used.*ppcdeps sync"):
        chosen(cache)


def test_a_snapshot_of_another_target_needs_the_target(cache: Cache, tmp_path: Path, repository: Path) -> None:
    found = resolve_target(choice(cache, repofrompath=(f"own,{repository}",)), Silence())
    saved = save(found.metadata, "elsewhere-1", tmp_path / "snapshot", cache, Silence())
    with pytest.raises(UsageError, match="does not say which target"):
        chosen(cache, snapshot=str(saved.path))
    told = Recorder()
    target, basis = target_and_basis(choice(cache, snapshot=str(saved.path), target="rocky-9"), cache, told)
    assert (target.name, basis.name, basis.shipped) == ("rocky-9", "elsewhere-1", False)
    assert told.warnings == ["the snapshot elsewhere-1 was made of another target than rocky-9"]


def test_refresh_of_a_snapshot_is_told_to_change_nothing(cache: Cache) -> None:
    told = Recorder()
    target_and_basis(choice(cache, refresh=True), cache, told)
    assert [line for line in told.warnings if "--refresh changes nothing" in line]


def test_ad_hoc_repositories_make_a_target_of_their_own(cache: Cache, repository: Path) -> None:
    named = f"{repository}"
    found = resolve_target(
        choice(cache, repofrompath=(f"a,{named}",), reference=(f"b,{named}",), source=(f"c,{named}",)), Silence()
    )
    sides = [(config.id, config.side) for config in found.target.repositories]
    assert sides == [("a", Side.TARGET), ("b", Side.REFERENCE), ("c", Side.SOURCE)]
    assert (found.target.arch, found.target.releasever) == ("ppc64le", "9")
    assert found.target.python == load_target("centos-stream-9").python
    assert found.basis.origin is MetadataOrigin.AD_HOC


@pytest.mark.parametrize(
    ("releasever", "model"), [("10", "centos-stream-10"), ("9.4", "centos-stream-9"), ("43", "fedora")]
)
def test_an_ad_hoc_target_has_the_python_of_its_release(
    releasever: str, model: str, cache: Cache, repository: Path
) -> None:
    target, _ = target_and_basis(
        choice(cache, repofrompath=(f"a,{repository}",), releasever=releasever), cache, Silence()
    )
    assert target.python == load_target(model, variables={"releasever": releasever}).python
    assert target.releasever == releasever


def test_a_target_takes_further_repositories(cache: Cache, repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.repo"
    file.write_text(f"[own]\nbaseurl=file://{repository}/$basearch/$releasever/\n")
    target, _ = target_and_basis(
        choice(cache, target="centos-stream-9", repofrompath=(f"more,{repository}",), repo_files=(file,)),
        cache,
        Silence(),
    )
    last = target.repositories[-2:]
    assert [config.id for config in last] == ["more", "own"]
    assert last[1].baseurl == (f"file://{repository}/ppc64le/9/",)


def test_reference_alone_gives_the_target_nothing(cache: Cache, repository: Path) -> None:
    with pytest.raises(UsageError, match=r"gives the target no repository.*--repofrompath"):
        chosen(cache, reference=(f"b,{repository}",))


def test_an_id_cannot_be_there_twice(cache: Cache, repository: Path) -> None:
    with pytest.raises(UsageError, match='"baseos" is there twice'):
        chosen(cache, target="centos-stream-9", repofrompath=(f"baseos,{repository}",))


def test_repositories_are_switched_and_changed_as_with_dnf(cache: Cache) -> None:
    options = {
        "target": "rocky-9",
        "disable": ("*",),
        "enable": ("baseos", "reference-*"),
        "setopt": ("baseos.cost=7",),
    }
    target, _ = target_and_basis(choice(cache, **options), cache, Silence())
    on = {config.id: config for config in target.repositories if config.enabled}
    assert "baseos" in on
    assert "appstream" not in on
    assert on["baseos"].cost == 7


def test_a_repository_that_the_snapshot_lacks_is_told_with_the_way_to_it(cache: Cache) -> None:
    with pytest.raises(UsageError, match=r'matches "nfv-openvswitch".*`ppcdeps sync` turns to the live ones'):
        chosen(cache, enable=("nfv-openvswitch",))


def test_a_target_without_an_enabled_repository_is_refused(cache: Cache) -> None:
    with pytest.raises(UsageError, match="no repository of the target centos-stream-9 is enabled"):
        chosen(cache, only=("source",))


def test_a_faulty_repo_file_is_told(cache: Cache, tmp_path: Path) -> None:
    file = tmp_path / "own.repo"
    file.write_text("[own]\nenabled=1\n")
    with pytest.raises(ConfigError, match=r"own\.repo \[own\]: has no baseurl"):
        chosen(cache, repo_files=(file,))


@pytest.mark.parametrize(
    ("basis", "line"),
    [
        (MetadataBasis(MetadataOrigin.LIVE, "t-yoga"), "the live repositories of t-yoga, of unknown age"),
        (
            MetadataBasis(MetadataOrigin.LIVE, "t", (0, 9 * DAY)),
            "the live repositories of t, written 1970-01-01 to 1970-01-10 (newest yesterday)",
        ),
        (
            MetadataBasis(MetadataOrigin.SNAPSHOT, "s", (10 * DAY,), shipped=True),
            "the embedded snapshot s, written 1970-01-11 (today)",
        ),
        (MetadataBasis(MetadataOrigin.SNAPSHOT, "s", (2 * DAY,)), "the snapshot s, written 1970-01-03 (8 days ago)"),
        (
            MetadataBasis(MetadataOrigin.AD_HOC, "x", (11 * DAY,)),
            "the repositories named on the command line, written 1970-01-12",
        ),
    ],
)  # fmt: skip
def test_the_basis_says_what_it_is_and_how_old(basis: MetadataBasis, line: str) -> None:
    assert basis.line(now=10 * DAY + 5) == line


def test_a_target_is_titled_after_what_decides_on_its_repositories() -> None:
    assert title_of(load_target("centos-stream-9", release="zed")) == "centos-stream-9-zed"
    assert title_of(load_target("fedora", variables={"releasever": "43"})) == "fedora-43"
