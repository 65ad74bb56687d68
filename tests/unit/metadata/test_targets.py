import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import el9
import el10
import pytest
from reporters import Recorder

from ppcdeps.metadata.targets import list_targets, load_target, text_for_elsewhere
from ppcdeps.metadata.variables import unset_variables
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import PythonEnvironment, Target

MINIMAL = """
name = "mine"
title = "Mine $releasever"
releasever = "9"
arch = "ppc64le"
reference_arch = "x86_64"
cpu_baseline = "POWER9"

[python]
version = "3.9.25"
glibc = "2.34"
"""
REPOSITORY = """
[[repositories]]
id = "base"
side = "target"
baseurl = "https://mirror.example/$releasever/$basearch/os/"
"""


def write(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text)
    return str(file)


def faults_of(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as told:
        load_target(write(folder, text))
    return told.value.faults


def repositories(target: Target) -> dict[str, RepoConfig]:
    return {repository.id: repository for repository in target.repositories}


@pytest.mark.parametrize("name", list_targets())
def test_every_shipped_target_is_whole(name: str) -> None:
    target = load_target(name)
    assert target.name == name
    assert target.origin == f"{name}.toml"
    assert (target.arch, target.reference_arch) == ("ppc64le", "x86_64")
    assert target.platform_id and target.build_packages and target.buildroot
    assert {repository.side for repository in target.repositories} == set(Side)
    for repository in target.repositories:
        assert repository.baseurl, repository.id
        for url in repository.baseurl:
            assert not unset_variables(url)
            assert urlsplit(url).scheme == "https" and url.endswith("/")
            arches = {"ppc64le", "x86_64"} & set(urlsplit(url).path.split("/"))
            expected = {Side.TARGET: {"ppc64le"}, Side.REFERENCE: {"x86_64"}, Side.SOURCE: set[str]()}
            assert arches == expected[repository.side], url


def test_the_shipped_targets_are_those_that_are_promised() -> None:
    assert set(list_targets()) == {
        "almalinux-8", "almalinux-9", "almalinux-10", "centos-7-altarch", "centos-stream-9", "centos-stream-10",
        "fedora", "rocky-9",
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in list_targets() if load_target(name).openstack_releases])
def test_every_openstack_release_of_a_shipped_target_can_be_chosen(name: str) -> None:
    for release in load_target(name).openstack_releases:
        rdo = repositories(load_target(name, release=release))
        assert rdo["rdo"].baseurl[0].endswith(f"/cloud/ppc64le/openstack-{release}/")
        assert rdo["rdo"].optional and rdo["rdo"].enabled
        assert rdo["reference-rdo"].baseurl[0].endswith(f"/cloud/x86_64/openstack-{release}/")
        assert not rdo["reference-rdo"].optional


def test_the_mirror_layouts_are_those_of_the_distributions() -> None:
    stream = repositories(load_target("centos-stream-9"))
    assert stream["crb"].baseurl == ("https://mirror.stream.centos.org/9-stream/CRB/ppc64le/os/",)
    assert stream["source-crb"].baseurl == ("https://mirror.stream.centos.org/9-stream/CRB/source/tree/",)
    fedora = repositories(load_target("fedora", variables={"releasever": "43"}))
    assert fedora["fedora"].baseurl == (
        "https://dl.fedoraproject.org/pub/fedora-secondary/releases/43/Everything/ppc64le/os/",
    )
    assert fedora["reference-fedora"].baseurl == (
        "https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Everything/x86_64/os/",
    )
    assert not repositories(load_target("centos-stream-10"))["kvm-power"].enabled


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("centos-stream-9", {"epel", "highavailability"}),
        ("centos-stream-10", {"epel", "highavailability", "kvm-power"}),
        ("almalinux-9", {"devel", "epel", "highavailability"}),
        ("almalinux-10", {"devel", "epel", "highavailability"}),
        ("rocky-9", {"devel", "epel", "highavailability"}),
        ("fedora", {"updates-testing"}),
    ],
)
def test_a_shipped_target_knows_what_its_distribution_has_and_does_not_enable(name: str, known: set[str]) -> None:
    target = load_target(name)
    disabled = [each for each in target.repositories if not each.enabled]
    assert {each.id for each in disabled} == known
    assert all(each.optional and each.side is Side.TARGET for each in disabled)


def test_a_known_release_of_fedora_brings_its_own_python() -> None:
    heard = Recorder()
    target = load_target("fedora", variables={"releasever": "42"}, reporter=heard)
    assert target.python == PythonEnvironment("3.13.3", (2, 41))
    assert (target.title, target.platform_id) == ("Fedora 42", "platform:f42")
    assert heard.warnings == []


def test_an_unknown_release_is_warned_about() -> None:
    heard = Recorder()
    load_target("fedora", variables={"releasever": "51"}, reporter=heard)
    assert heard.warnings == [
        "target fedora: the Python and glibc versions are those of release 44; release 51 may have others"
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("centos-stream9", 'unknown target "centos-stream9"; did you mean "centos-stream-9"?'),
        ("what", 'unknown target "what"; known: almalinux-10, almalinux-8, '),
        ("no/such.toml", "no such target file: no/such.toml; give a path to one, or a name: almalinux-10"),
    ],
)
def test_an_unknown_target_offers_what_there_is(asked: str, message: str) -> None:
    with pytest.raises(UsageError) as told:
        load_target(asked)
    assert str(told.value).startswith(message)


def test_an_unknown_openstack_release_offers_the_closest() -> None:
    with pytest.raises(UsageError) as told:
        load_target("centos-stream-10", release="epoxi")
    assert str(told.value) == (
        'target centos-stream-10 has no repositories of the OpenStack release "epoxi"; did you mean "epoxy"?'
    )


@pytest.mark.parametrize("distribution", [el9, el10], ids=["el9", "el10"])
def test_a_target_file_may_have_the_folders_of_a_snapshot_as_its_repositories(distribution: ModuleType) -> None:
    target = distribution.target()
    index = json.loads((distribution.SNAPSHOT / "snapshot.json").read_text())
    on = {(entry["id"], entry["side"], entry["enabled"], entry["priority"]) for entry in index["repositories"]}
    assert {(each.id, each.side, each.enabled, each.priority) for each in target.repositories} == on
    for repository in target.repositories:
        (url,) = repository.baseurl
        assert (Path(unquote(urlsplit(url).path)) / "repodata" / "repomd.xml").is_file(), url


def test_a_path_is_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    files = 'sslcacert = "../ca.pem"\nsslclientcert = "/etc/own.pem"\nsslclientkey = "own.key"\n'
    path = write(tmp_path / "a b", MINIMAL + REPOSITORY.replace("https://mirror.example", "../el9") + files)
    (repository,) = load_target(path).repositories
    assert repository.baseurl == (f"{tmp_path.as_uri()}/el9/9/ppc64le/os/",)
    assert repository.sslcacert == f"{tmp_path}/a b/../ca.pem"
    assert repository.sslclientcert == "/etc/own.pem"
    assert repository.sslclientkey == f"{tmp_path}/a b/own.key"


def test_a_target_file_for_elsewhere_means_the_same_places(tmp_path: Path) -> None:
    (tmp_path / "a b" / "c").mkdir(parents=True)
    (tmp_path / "el9.repo").write_text("[more]\nbaseurl=https://mirror.example/more/\n")
    texts = [
        '"https://mirror.example/", "../el9/$basearch/"',
        '"/srv/\U0001f600/", "~/el9", "$site/os", "\\u007f\\\\"',
        '"$place/os/", "${place}"',
    ]
    many = "".join(
        f'[[repositories]]\nid = "r{number}"\nside = "reference"\nbaseurl = [{text}]\ngpgkey = "keys/x"\n'
        'sslcacert = "../ca.pem"\n'
        for number, text in enumerate(texts)
    )
    variables = '[variables]\nsite = "https://site.example"\nplace = "below"\n'
    text = f"repofiles = ['../$name.repo']\n{MINIMAL}{REPOSITORY}{many}{variables}"
    file = Path(write(tmp_path / "a b", text))
    given = {"name": "el9"}
    moved, paths = text_for_elsewhere(file, given)
    elsewhere = write(tmp_path / "a b" / "c", moved)

    def meant(path: str) -> list[RepoConfig]:
        return [replace(each, origin="") for each in load_target(path, variables=given).repositories]

    assert meant(elsewhere) == meant(str(file))
    assert f"{tmp_path}/a b/../el9/$basearch/" in paths
    assert len(paths) == 7
    assert text_for_elsewhere(Path(elsewhere), given) == (moved, ())


def test_a_folder_that_reads_as_a_variable_is_refused_for_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "w$releasever"
    folder.mkdir()
    absolute = Path(write(folder, MINIMAL + REPOSITORY))
    assert text_for_elsewhere(absolute)[1] == ()
    relative = Path(write(folder, MINIMAL + REPOSITORY.replace("https://mirror.example/", "")))
    with pytest.raises(ConfigError, match=r"a \$ in its folder's name would be taken for a variable"):
        text_for_elsewhere(relative)


def test_a_loop_of_links_is_a_repository_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    text = MINIMAL + REPOSITORY.replace("https://mirror.example/$releasever/$basearch/os/", "loop/os")
    assert load_target(write(tmp_path, text)).repositories[0].baseurl == (f"{tmp_path.resolve().as_uri()}/loop/os",)


def test_what_the_caller_sets_wins_over_the_file(tmp_path: Path) -> None:
    text = MINIMAL + '[variables]\nsite = "a"\n' + REPOSITORY.replace("$basearch", "$site/$basearch")
    path = write(tmp_path, text)
    assert load_target(path).repositories[0].baseurl == ("https://mirror.example/9/a/ppc64le/os/",)
    target = load_target(path, variables={"site": "b", "releasever": "9.6"}, reporter=Recorder())
    assert target.repositories[0].baseurl == ("https://mirror.example/9.6/b/ppc64le/os/",)
    assert (target.releasever, target.title) == ("9.6", "Mine 9.6")


def test_every_option_of_a_repository_is_taken(tmp_path: Path) -> None:
    options = """
name = "Base of $arch"
mirrorlist = "https://mirror.example/list?arch=$basearch"
metalink = "https://mirror.example/metalink"
enabled = false
priority = 10
cost = 500
excludepkgs = ["kernel*", "dracut"]
includepkgs = "nova-*"
module_hotfixes = true
gpgcheck = true
repo_gpgcheck = true
gpgkey = ["https://mirror.example/KEY"]
skip_if_unavailable = true
metadata_expire = "48h"
proxy = "_none_"
username = "me"
password = "secret"
sslverify = false
sslcacert = "/ca.pem"
sslclientcert = "/cert.pem"
sslclientkey = "/key.pem"
timeout = 5
retries = 0
optional = true
"""
    path = write(tmp_path, MINIMAL + REPOSITORY + options)
    (config,) = load_target(path).repositories
    assert config == RepoConfig(
        id="base",
        side=Side.TARGET,
        name="Base of ppc64le",
        baseurl=("https://mirror.example/9/ppc64le/os/",),
        mirrorlist="https://mirror.example/list?arch=ppc64le",
        metalink="https://mirror.example/metalink",
        enabled=False,
        priority=10,
        cost=500,
        excludepkgs=("kernel*", "dracut"),
        includepkgs=("nova-*",),
        module_hotfixes=True,
        gpgcheck=True,
        repo_gpgcheck=True,
        gpgkey=("https://mirror.example/KEY",),
        skip_if_unavailable=True,
        metadata_expire=48 * 3600,
        proxy="",
        username="me",
        password="secret",
        sslverify=False,
        sslcacert="/ca.pem",
        sslclientcert="/cert.pem",
        sslclientkey="/key.pem",
        timeout=5.0,
        retries=0,
        optional=True,
        origin=f"{path} [[repositories]] base",
    )


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ('"90m"', 5400), ('"never"', None), ("-1", None)])
def test_a_repository_expires_as_dnf_counts(tmp_path: Path, text: str, seconds: int | None) -> None:
    path = write(tmp_path, MINIMAL + REPOSITORY + f"metadata_expire = {text}\n")
    assert load_target(path).repositories[0].metadata_expire == seconds


def test_repositories_come_from_repo_files_too(tmp_path: Path) -> None:
    for name in ("there", "wanted"):
        (tmp_path / f"{name}.repo").write_text(f"[{name}]\nbaseurl=https://mirror.example/$basearch/\n")
    path = write(tmp_path, 'repofiles = ["there.repo"]\nreference_repofiles = ["./wanted.repo"]\n' + MINIMAL)
    found = repositories(load_target(path))
    assert (found["there"].side, found["there"].baseurl) == (
        Side.TARGET, ("https://mirror.example/ppc64le/",),
    )  # fmt: skip
    assert (found["wanted"].side, found["wanted"].baseurl) == (
        Side.REFERENCE, ("https://mirror.example/x86_64/",),
    )  # fmt: skip


def test_faults_of_a_repo_file_are_told_with_those_of_the_target(tmp_path: Path) -> None:
    (tmp_path / "x.repo").write_text("[x]\nname=no address\n")
    told = faults_of(tmp_path, 'repofiles = ["x.repo", "none.repo"]\nsize = 1\n' + MINIMAL)
    assert any("x.repo" in fault and "baseurl" in fault for fault in told)
    assert any("none.repo cannot be read" in fault for fault in told)
    assert 'unknown key "size"' in told


def test_all_faults_of_a_target_are_told_at_once(tmp_path: Path) -> None:
    text = """
name = "mine"
titel = "Mine"
releasever = 9
arch = "x86_64"
reference_arch = "x86_64"
cpu_baseline = "POWER4"
module_streams = ["nodejs"]

[python]
version = "3.9"
glibc = "two"

[openstack]
default = "yoga"
releases = ["zed"]

[[repositories]]
id = "a"
side = "left"
baseurl = "ftp://mirror.example/"
priority = 0
enabled = "yes"
exclude = "kernel"

[[repositories]]
id = "a b"
side = "source"
metadata_expire = "soon"

[[repositories]]
id = "a"
side = "reference"
baseurl = ["https://mirror.example/$nothing/"]
"""
    assert set(faults_of(tmp_path, text)) == {
        '"title" is missing',
        '"releasever" is to be a text, not the number 9',
        '"arch" and "reference_arch" are both x86_64: the reference is another architecture',
        '"cpu_baseline" is to be POWER8, POWER9 or newer, not "POWER4"',
        '"module_streams" is to hold name:stream, not "nodejs"',
        '[python]: "version" is to be a full version such as 3.9.25, not "3.9"',
        '[python]: "glibc" is to be a version such as 2.34, not "two"',
        '[openstack]: "default" is "yoga", which "releases" does not name',
        '[[repositories]] a: "side" is to be target, reference, source, not "left"',
        '[[repositories]] a: "baseurl" is to be a http, https or file URL, or a path, not "ftp://mirror.example/"',
        '[[repositories]] a: "priority" is to be a whole number from 1 on, not the number 0',
        '[[repositories]] a: "enabled" is to be true or false, not the text "yes"',
        '[[repositories]] a: unknown key "exclude", did you mean "excludepkgs"?',
        '[[repositories]] a b: "id": not a repository id '
        '(letters, digits, - _ . : +, a letter, digit or _ at first): "a b"',
        '[[repositories]] a b: "metadata_expire" is to be seconds, a duration such as "48h", '
        "or \"never\", not 'soon'",
        '[[repositories]] a b: it has no URL: give "baseurl", "mirrorlist" or "metalink"',
        '[[repositories]] a: "baseurl" has $nothing, which is not set',
        'the repository id "a" is there twice',
        'unknown key "titel", did you mean "title"?',
    }


def test_a_target_without_target_repositories_is_refused(tmp_path: Path) -> None:
    told = faults_of(tmp_path, MINIMAL + REPOSITORY.replace('"target"', '"reference"'))
    assert told == ('there is no repository of the side "target"',)


def test_power8_has_targets_with_the_python_of_their_time() -> None:
    el8, el7 = load_target("almalinux-8"), load_target("centos-7-altarch")
    assert (el8.cpu_baseline, el7.cpu_baseline) == ("POWER8", "POWER8")
    assert (el8.python.version, el8.python.glibc, el8.python.program) == ("3.6.8", (2, 28), "python3")
    assert (el7.python.tag, el7.python.glibc, el7.python.program) == ("2.7", (2, 17), "python2")
    assert (el8.openstack, el7.openstack) == ("yoga", "train")
    assert all(
        "/altarch/" in each.baseurl[0] for each in el7.repositories if each.side is Side.TARGET and each.enabled
    )
    modules = {each.tag: (each.package, each.module) for each in el8.pythons}
    assert modules == {
        "3.6": ("python3", ""),
        "3.8": ("python38", "python38:3.8"),
        "3.9": ("python39", "python39:3.9"),
        "3.11": ("python3.11", ""),
        "3.12": ("python3.12", ""),
    }
    assert [each.is_platform for each in el8.pythons] == [True, False, False, False, False]


def test_an_older_openstack_lies_under_the_point_release_of_its_time() -> None:
    target = load_target("centos-7-altarch", release="kilo", variables={"tree": "7.3.1611"})
    (reference,) = (each for each in target.repositories if each.id == "reference-rdo")
    assert reference.baseurl == ("https://vault.centos.org/centos/7.3.1611/cloud/x86_64/openstack-kilo/",)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('version = "3.11"\npackage = "python3.11"', '"version" is to be a full version such as 3.11.13, not "3.11"'),
        ('version = "3.11.1"\npackage = "a b"', '"package": not the name of a package'),
        ('version = "3.11.1"\npackage = "python3.11"\nmodule = "x"', '"module" is to be name:stream, not "x"'),
        ('version = "3.9.1"\npackage = "python39"', "Python 3.9 is there twice"),
        ('version = "3.11.1"\npackage = "python3.11"\nother = 1', "other"),
    ],
)
def test_what_is_wrong_with_an_interpreter_is_said(table: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as found:
        load_target(write(tmp_path, f"{MINIMAL}{REPOSITORY}\n[[pythons]]\n{table}\n"))
    assert fault in str(found.value)


@pytest.mark.parametrize(
    ("chroot", "fault"),
    [
        ("epel-9", '"chroot": not a chroot of COPR (NAME-RELEASE-ARCH), such as epel-9-ppc64le: "epel-9"'),
        ("epel 9-ppc64le", '"chroot": not a chroot of COPR (NAME-RELEASE-ARCH), such as epel-9-ppc64le: '),
        ("epel-9-x86_64", '"chroot" is to be one for ppc64le, not "epel-9-x86_64"'),
    ],
)
def test_a_chroot_of_copr_has_a_name_a_release_and_the_architecture_of_the_target(
    chroot: str, fault: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as found:
        load_target(write(tmp_path, f'{MINIMAL}{REPOSITORY}[copr]\nchroot = "{chroot}"\n'))
    assert fault in str(found.value)
    known = f'{MINIMAL}{REPOSITORY}[copr]\nchroot = "centos-stream+epel-next-$releasever-$basearch"\n'
    copr = load_target(write(tmp_path, known)).copr
    assert copr is not None
    assert copr.chroot == "centos-stream+epel-next-9-ppc64le"


def test_a_repo_file_may_have_sections_of_every_side(tmp_path: Path) -> None:
    (tmp_path / "all.repo").write_text(
        "[base]\nbaseurl=http://a.example/$basearch/\n"
        "[x86]\nside=reference\nbaseurl=http://a.example/$basearch/\n"
        "[base-source]\nbaseurl=http://a.example/source/\n"
    )
    target = load_target(write(tmp_path, MINIMAL.replace("[python]", 'repofiles = ["all.repo"]\n[python]', 1)))
    found = {id_: (one.side, one.baseurl) for id_, one in repositories(target).items()}
    assert found == {
        "base": (Side.TARGET, ("http://a.example/ppc64le/",)),
        "x86": (Side.REFERENCE, ("http://a.example/x86_64/",)),
        "base-source": (Side.SOURCE, ("http://a.example/source/",)),
    }


def test_what_a_release_that_is_not_chosen_says_is_read_too(tmp_path: Path) -> None:
    text = MINIMAL + '[releases.8.python]\nversion = "3.6"\nglibc = "2.28"\n[releases.7]\npyhton = 1\n' + REPOSITORY
    assert faults_of(tmp_path, text) == (
        '[releases] [8] [python]: "version" is to be a full version such as 3.9.25, not "3.6"',
        '[releases] [7] [python]: "version" is missing',
        '[releases] [7] [python]: "glibc" is missing',
        '[releases] [7]: unknown key "pyhton", did you mean "python"?',
    )
