"""Snapshots of real metadata: small, deterministic, free of prose, and the same to libsolv and dnf."""

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import el9
import pytest
import solv
from published import publish

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import open_stream
from ppcdeps.metadata import snapshot
from ppcdeps.metadata.modules import read_modules
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.snapshot import Snapshot
from ppcdeps.metadata.snapshot_writer import save
from ppcdeps.metadata.stripping import strip_modules
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side

EMBEDDED = "centos-stream-9-yoga"
SMALL = ("crb", "source")
PUBLISHED = ("baseos", "crb")
"""Enough to solve with; the larger repositories take long to compress."""

FACTS = {
    *(
        "repomd",
        "revision",
        "data",
        "checksum",
        "open-checksum",
        "location",
        "timestamp",
        "size",
        "open-size",
    ),
    *("metadata", "filelists", "package", "name", "arch", "version", "format", "file"),
    *("rpm:sourcerpm", "rpm:entry", "rpm:provides", "rpm:requires", "rpm:conflicts", "rpm:obsoletes"),
    *("rpm:recommends", "rpm:suggests", "rpm:supplements", "rpm:enhances"),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def published(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RepoMetadata]:
    """Repositories of the embedded snapshot, with all that a distribution publishes beside the facts."""
    place = tmp_path_factory.mktemp("published")
    configs = [
        RepoConfig(
            name,
            Side.SOURCE if name == "source" else Side.TARGET,
            baseurl=(publish(el9.SNAPSHOT / name, place / name).as_uri(),),
        )
        for name in (*PUBLISHED, "source")
    ]
    found = fetch_repositories(configs, cache, Silence(), kinds=("primary", "filelists"))
    return {one.config.id: one for one in found}


@pytest.fixture(scope="module")
def small(published: dict[str, RepoMetadata]) -> tuple[RepoMetadata, ...]:
    return tuple(published[name] for name in SMALL)


@pytest.fixture(scope="module")
def reduced(published: dict[str, RepoMetadata], cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A snapshot of the published repositories."""
    place = tmp_path_factory.mktemp("reduced") / "snapshot"
    return save([published[name] for name in PUBLISHED], "reduced", place, cache, Silence())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def opened(folder: Path) -> str:
    """All that the snapshot says, decompressed."""
    parts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with open_stream(path) as stream:
                parts.append(stream.read().decode())
    return "".join(parts)


def load(pool: solv.Pool, metadata: RepoMetadata) -> solv.Repo:
    repo = pool.add_repo(metadata.config.id)
    for kind, language, flags in (("primary", None, 0), ("filelists", "FL", solv.Repo.REPO_EXTEND_SOLVABLES)):
        if kind not in metadata.files:
            continue
        with open_stream(metadata.files[kind].path) as stream, tempfile.TemporaryFile() as plain:
            shutil.copyfileobj(stream, plain)
            plain.seek(0)
            handle = solv.xfopen_fd(f"{kind}.xml", plain.fileno())
            assert repo.add_rpmmd(handle, language, flags)
            handle.close()
    return repo


def solved(metadata: Sequence[RepoMetadata], names: Sequence[str]) -> dict[str, list[str]]:
    """What libsolv installs for each name, or the problems that it tells."""
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_RPM)
    pool.setarch("ppc64le")
    for one in metadata:
        load(pool, one)
    pool.addfileprovides()
    pool.createwhatprovides()
    answers = {}
    for name in names:
        solver = pool.Solver()
        selection = pool.select(name, solv.Selection.SELECTION_NAME | solv.Selection.SELECTION_PROVIDES)
        problems = solver.solve(selection.jobs(solv.Job.SOLVER_INSTALL))
        answers[name] = (
            sorted(str(problem) for problem in problems)
            if problems
            else sorted(str(one) for one in solver.transaction().newsolvables())
        )
    return answers


@pytest.mark.parametrize("name", snapshot.shipped_snapshots())
def test_a_shipped_snapshot_is_small_complete_and_says_what_it_is(name: str, cache: Cache) -> None:
    shipped = snapshot.use(name, cache)
    assert {one.side for one in shipped.configs} == {"target", "reference", "source"}
    assert shipped.size < 3_000_000
    assert shipped.date is not None
    metadata = fetch_repositories(shipped.configs, cache, Silence(), kinds=("primary", "filelists"))
    for one, stated in zip(metadata, shipped.repositories, strict=True):
        assert sorted(one.files) == ["filelists", "primary"]
        with open_stream(one.files["primary"].path) as stream:
            assert stream.read().count(b"</package>") == stated.packages > 0


@pytest.mark.parametrize("name", snapshot.shipped_snapshots())
def test_a_shipped_snapshot_holds_facts_only(name: str, cache: Cache) -> None:
    text = opened(snapshot.use(name, cache).path)
    assert set(re.findall(r"<([a-z:-]+)", text)) <= FACTS
    hosts = set(re.findall(r"https?://([^/\"]+)", text))
    assert hosts == {"linux.duke.edu"}, "the name of the XML format, and no server"


def test_the_default_target_has_a_shipped_snapshot(cache: Cache) -> None:
    assert EMBEDDED in snapshot.shipped_snapshots()
    shipped = {one.id: one.packages for one in snapshot.use(EMBEDDED, cache).repositories}
    assert set(shipped) == {*el9.TARGET, *el9.REFERENCE, "epel", "source"}
    assert shipped["appstream"] > 4000


def test_what_a_distribution_publishes_is_reduced_to_the_facts_of_the_shipped_snapshot(reduced: Snapshot) -> None:
    for name in PUBLISHED:
        primary = f"{name}/repodata/primary.xml.zst"
        assert (reduced.path / primary).read_bytes() == (el9.SNAPSHOT / primary).read_bytes()
    facts = opened(reduced.path)
    assert set(re.findall(r"<([a-z:-]+)", facts)) <= FACTS
    assert "host.example" not in facts
    assert "/usr/share/doc/" not in facts, "a path that no package requires"
    assert "<file>/usr/share/dict/words</file>" in facts, "one that a package requires, of filelists.xml"


def test_the_same_metadata_gives_the_same_bytes(
    small: tuple[RepoMetadata, ...], cache: Cache, tmp_path: Path
) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    save(small, "test", first, cache, Silence())
    save(small, "test", second, cache, Silence())
    assert contents(first) == contents(second)
    for place in ("one.tar", "two.tar"):
        save(small, "test", tmp_path / place, cache, Silence())
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    used = snapshot.use(tmp_path / "one.tar", cache)
    assert contents(used.path) == contents(first)
    assert str(tmp_path) not in opened(first)


def test_prose_people_and_hosts_are_gone(small: tuple[RepoMetadata, ...], cache: Cache, tmp_path: Path) -> None:
    with open_stream(small[0].files["primary"].path) as stream:
        original = stream.read().decode()
    assert re.search(r"<(summary|description)>\s*\S", original)
    place = tmp_path / "s"
    save(small, "test", place, cache, Silence())
    text = opened(place)
    for word in ("summary", "description", "packager", "url", "vendor", "license", "buildhost", "time"):
        assert not re.search(rf"<(rpm:)?{word}[ >]", text)


def test_libsolv_solves_the_same(published: dict[str, RepoMetadata], reduced: Snapshot, cache: Cache) -> None:
    originals = [published[name] for name in PUBLISHED]
    facts = fetch_repositories(reduced.configs, cache, Silence(), kinds=("primary", "filelists"))
    names = [
        "NetworkManager",
        "bash",
        "cracklib",
        "dnf",
        "gcc",
        "openssh-server",
        "python3",
        "sssd",
        "systemd",
    ]
    original = solved(originals, names)
    assert solved(facts, names) == original
    assert sum(len(answer) > 20 for answer in original.values()) > 5


@pytest.mark.skipif(shutil.which("dnf") is None, reason="needs dnf (package dnf)")
def test_dnf_solves_the_same(published: dict[str, RepoMetadata], reduced: Snapshot, tmp_path: Path) -> None:
    originals = [(name, published[name].config.baseurl[0]) for name in PUBLISHED]
    facts = [(config.id, config.baseurl[0]) for config in reduced.configs]
    plans = [transaction(tmp_path / str(n), repositories) for n, repositories in enumerate((originals, facts))]
    assert plans[0] == plans[1]
    assert len(plans[0]) > 40


def transaction(place: Path, repositories: Sequence[tuple[str, str]]) -> list[str]:
    """Name, architecture, version and repository of each package that dnf would install."""
    done = subprocess.run(
        [
            "dnf",
            "--forcearch=ppc64le",
            "--releasever=9",
            "--setopt=reposdir=/dev/null",
            f"--setopt=cachedir={place / 'cache'}",
            "--setopt=module_platform_id=platform:el9",
            "--disableplugin=local",
            "--nogpgcheck",
            *(f"--repofrompath={name},{url}" for name, url in repositories),
            f"--installroot={place / 'root'}",
            "--assumeno",
            "install",
            "openssh-server",
            "sssd",
        ],
        capture_output=True,
        text=True,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS": "200"},
    )
    rows = re.findall(r"^ (\S+)\s+(ppc64le|noarch)\s+(\S+)\s+(\S+)", done.stdout, re.MULTILINE)
    assert rows, done.stderr
    return sorted(" ".join(row) for row in rows)


def test_options_of_repositories_come_back(small: tuple[RepoMetadata, ...], cache: Cache, tmp_path: Path) -> None:
    config = RepoConfig(
        "extra",
        Side.REFERENCE,
        baseurl=small[0].config.baseurl,
        priority=7,
        cost=3,
        excludepkgs=("a*",),
        module_hotfixes=True,
        optional=True,
        password="secret",
    )
    gone = RepoConfig("gone", Side.TARGET, baseurl=((tmp_path / "none").as_uri(),), optional=True)
    metadata = fetch_repositories([config, gone], cache, Silence())
    made = save(metadata, "x", tmp_path / "s", cache, Silence())
    assert made.absent == ("gone",)
    (found,) = made.configs
    assert (found.id, found.side, found.priority, found.cost) == ("extra", Side.REFERENCE, 7, 3)
    assert (found.excludepkgs, found.module_hotfixes) == (("a*",), True)
    assert "secret" not in opened(tmp_path / "s")
    assert made.repositories[0].digest == metadata[0].digest


def test_modules_survive_as_facts(tmp_path: Path) -> None:
    path = tmp_path / "modules.yaml"
    path.write_text(
        "---\ndocument: modulemd\nversion: 2\ndata:\n  name: tool\n  stream: 1.10\n  version: 3\n"
        "  context: abc\n  arch: ppc64le\n  summary: Secret prose\n  description: More of it\n"
        "  license: {module: [MIT]}\n  dependencies:\n  - requires: {platform: [el9]}\n"
        "  references: {community: 'https://host.example/'}\n  artifacts: {rpms: [tool-0:1-1.noarch]}\n...\n"
        "---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: tool, stream: 1.10}\n...\n"
    )
    slim = tmp_path / "slim.yaml"
    slim.write_bytes(strip_modules(path))
    assert read_modules(slim) == read_modules(path)
    assert "prose" not in slim.read_text()
    assert "host.example" not in slim.read_text()


# What is not a snapshot ----------------------------------------------------------------------------------------


def test_an_unknown_name_lists_what_there_is(cache: Cache) -> None:
    with pytest.raises(UsageError, match=r"shipped: .*centos-stream-9-yoga"):
        snapshot.use("nothing", cache)


def test_a_folder_or_index_that_is_none(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(ConfigError, match="is not a snapshot"):
        snapshot.use(tmp_path, cache)
    index = tmp_path / "snapshot.json"
    for text, reason in (("{", "damaged"), ('{"format": 99}', "format 99"), ('{"format": 1}', "damaged")):
        index.write_text(text)
        with pytest.raises(ConfigError, match=reason):
            snapshot.use(tmp_path, cache)
    index.write_text('{"format": 1, "name": "x", "repositories": [{"id": "../up"}]}')
    with pytest.raises(ConfigError, match="damaged"):
        snapshot.use(tmp_path, cache)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../b", "a/repodata/evil.sh", "snapshot.json/x"])
def test_a_tar_file_with_strange_members_is_refused(name: str, tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(ConfigError, match="is not a snapshot: it has the member"):
        snapshot.use(path, cache)


def test_a_tar_file_with_a_link_is_refused(tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / "s.tar"
    link = tarfile.TarInfo("snapshot.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(path, "w") as tar:
        tar.addfile(link)
    with pytest.raises(ConfigError, match="is not a snapshot"):
        snapshot.use(path, cache)


def test_a_file_that_is_no_tar(tmp_path: Path, cache: Cache) -> None:
    path = tmp_path / "s.tar"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(ConfigError, match="not a tar file"):
        snapshot.use(path, cache)


def test_saving_spares_what_is_no_snapshot(small: tuple[RepoMetadata, ...], tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(UsageError, match="is there and is not a snapshot"):
        save(small, "x", tmp_path, cache, Silence())
    assert (tmp_path / "precious").read_text() == "mine"
    place = tmp_path / "s"
    save(small[:1], "x", place, cache, Silence())
    assert len(save(small, "x", place, cache, Silence()).repositories) == 2, "an older one is replaced"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
