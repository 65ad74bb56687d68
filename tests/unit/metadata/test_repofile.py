"""`.repo` files and what the command line lays over them."""

from pathlib import Path

import pytest
from reporters import Recorder

from ppcdeps.metadata.repofile import (
    apply_overrides,
    parse_repo_text,
    read_repo_file,
    repo_from_path,
    select_repositories,
)
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side

VARIABLES = {"releasever": "9", "basearch": "ppc64le", "arch": "ppc64le"}


def parse(text: str, told: Recorder | None = None) -> tuple[RepoConfig, ...]:
    return parse_repo_text(text, "my.repo", VARIABLES, Side.TARGET, told or Recorder())


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return [line.strip() for line in str(caught.value).splitlines()]


def test_every_option_that_changes_an_answer() -> None:
    (config,) = parse(
        """
# a comment
[full]
name = Full $releasever
baseurl = http://one.example/$releasever/$basearch/, http://two.example/
    https://three.example/  file:///four
mirrorlist=http://list.example/?arch=$basearch
metalink=https://link.example/
enabled=No
priority=10
cost=500
excludepkgs=a*, b
  c
includepkgs=d
module_hotfixes=true
gpgcheck=1
repo_gpgcheck=on
gpgkey=file:///key /etc/pki/other, https://k.example/
skip_if_unavailable=True
metadata_expire=6h
proxy=http://proxy.example:3128
proxy_username=u@x
proxy_password=p/w
username=me
password=secret
sslverify=0
sslcacert=/ca
sslclientcert=/cert
sslclientkey=/key
timeout=1m
retries=3
"""
    )
    assert config == RepoConfig(
        id="full",
        side=Side.TARGET,
        name="Full 9",
        baseurl=(
            "http://one.example/9/ppc64le/",
            "http://two.example/",
            "https://three.example/",
            "file:///four",
        ),
        mirrorlist="http://list.example/?arch=ppc64le",
        metalink="https://link.example/",
        enabled=False,
        priority=10,
        cost=500,
        excludepkgs=("a*", "b", "c"),
        includepkgs=("d",),
        module_hotfixes=True,
        gpgcheck=True,
        repo_gpgcheck=True,
        gpgkey=("file:///key", "file:///etc/pki/other", "https://k.example/"),
        skip_if_unavailable=True,
        metadata_expire=21600,
        proxy="http://u%40x:p%2Fw@proxy.example:3128",
        username="me",
        password="secret",
        sslverify=False,
        sslcacert="/ca",
        sslclientcert="/cert",
        sslclientkey="/key",
        timeout=60.0,
        retries=3,
        origin="my.repo [full]",
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("never", None), ("-1", None), ("0", 0), ("90", 90), ("48h", 172800), ("2d", 172800)],
)
def test_metadata_expire(text: str, seconds: int | None) -> None:
    (config,) = parse(f"[a]\nbaseurl=/a\nmetadata_expire={text}")
    assert config.metadata_expire == seconds
    assert config.baseurl == ("file:///a",)


def test_main_gives_defaults_and_its_exclusions_count_too() -> None:
    text = "[main]\nbest=1\ntimeout=5\ngpgcheck=1\nexcludepkgs=x\npriority=3\n"
    one, two = parse(f"{text}[a]\nbaseurl=/a\nexclude=y\n[b]\nbaseurl=/b\ngpgcheck=0\n")
    assert (one.timeout, one.gpgcheck, one.excludepkgs, one.priority) == (5.0, True, ("x", "y"), 99)
    assert (two.timeout, two.gpgcheck, two.excludepkgs) == (5.0, False, ("x",))


def test_an_unknown_option_is_named_with_the_one_that_was_meant() -> None:
    told = Recorder()
    parse("[a]\nbaseurl=/a\nbasurl=/b\nfastestmirror=1\nquite_other=1\n", told)
    assert told.warnings == [
        'my.repo [a]: unknown option "basurl" is ignored; did you mean "baseurl"?',
        'my.repo [a]: unknown option "quite_other" is ignored',
    ]


def test_a_repository_without_url_is_an_error_that_names_file_and_section() -> None:
    assert faults_of("[a]\nname=x\n") == [
        "my.repo [a]: has no baseurl, mirrorlist or metalink: nothing says where the repository is"
    ]


def test_one_that_is_off_may_be_unfinished() -> None:
    (config,) = parse("[a]\nenabled=0\nbaseurl=http://$unset/\n")
    assert not config.enabled


def test_all_faults_of_a_file_are_told_at_once() -> None:
    assert faults_of(_FAULTY) == [
        "my.repo has 10 faults",
        "line 2: 'stray' comes before any section",
        "[a]: is there twice (line 7)",
        "line 9: '[b' is not a section heading",
        "line 11: 'no equals' is neither a section nor option=value",
        "[a]: baseurl has 'ftp://x/', which is not an http, https or file URL",
        "[a]: enabled is to be a boolean (1, yes, true, on or 0, no, false, off), not 'perhaps'",
        "[a]: retries is to be 0 or more, not '-1'",
        "[c]: has no baseurl, mirrorlist or metalink: nothing says where the repository is",
        "[d]: its address has $host, which is not set (set it with DNF_VAR_host=VALUE)",
        '[bad id]: is not a repository id (letters, digits, - _ . : +, a letter, digit or _ at first): "bad id"',
    ]


_FAULTY = """
stray=1
[a]
baseurl=ftp://x/
enabled=perhaps
retries=-1
[a]
name=again
[b
[c]
no equals
[d]
baseurl=http://$host/
[bad id]
baseurl=/x
"""


def test_credentials_in_a_bad_url_are_not_shown() -> None:
    (line,) = faults_of("[a]\nbaseurl=ftp://me:secret@x/\n")
    assert "secret" not in line
    (line,) = faults_of("[a]\nbaseurl=/a\nproxy=http://\n")
    assert "proxy is to be the URL" in line


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.repo"
    path.write_bytes(b"[a]\nname=\xff\n")
    with pytest.raises(ConfigError, match=r"x\.repo is not UTF-8 text"):
        read_repo_file(path, {}, Side.TARGET, Silence())
    with pytest.raises(ConfigError, match=r"none\.repo cannot be read: No such file"):
        read_repo_file(tmp_path / "none.repo", {}, Side.TARGET, Silence())


# The command line -------------------------------------------------------------------------------------------


def three() -> tuple[RepoConfig, ...]:
    return parse("[el-base]\nbaseurl=/b\n[el-app]\nbaseurl=/a\nenabled=0\n[epel]\nbaseurl=/e\n")


def test_setopt_takes_globs_and_later_ones_win() -> None:
    base, app, epel = apply_overrides(
        three(), ["el-*.priority=5", "el-app.priority=1", "timeout=3", "epel.baseurl=/$basearch"], VARIABLES
    )
    assert (base.priority, app.priority, epel.priority) == (5, 1, 99)
    assert {one.timeout for one in (base, app, epel)} == {3.0}
    assert epel.baseurl == ("file:///ppc64le",)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("epel.prioritty=1", 'unknown option "prioritty"; did you mean "priority"?'),
        ("epal.priority=1", 'no repository matches "epal"; did you mean "epel"?'),
        ("epel.priority=x", "priority is to be a whole number"),
        ("epel", "ID.option=value"),
    ],
)
def test_setopt_that_cannot_be(option: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        apply_overrides(three(), [option], {})
    assert message in str(caught.value)


def test_enable_wins_over_disable() -> None:
    configs = select_repositories(three(), disable=["*"], enable=["el-*,epel"])
    assert [one.enabled for one in configs] == [True, True, True]
    assert [one.enabled for one in select_repositories(three(), disable=["e*"])] == [False, False, False]


def test_only_what_is_named() -> None:
    assert [one.enabled for one in select_repositories(three(), only=["el-app"])] == [False, True, False]
    with pytest.raises(UsageError, match="--repo: no repository matches"):
        select_repositories(three(), only=["nothing"])


@pytest.mark.parametrize("option", ["enable", "disable", "only"])
@pytest.mark.parametrize("said", ["", " ,"])
def test_an_option_that_names_no_repository(option: str, said: str) -> None:
    with pytest.raises(UsageError, match="names no repository"):
        select_repositories(three(), **{option: [said]})


def test_repofrompath_takes_urls_and_paths(tmp_path: Path) -> None:
    config = repo_from_path("one,http://x.example/a,b/", Side.TARGET)
    assert config.baseurl == ("http://x.example/a,b/",)
    odd = tmp_path / "with space"
    odd.mkdir()
    local = repo_from_path(f"two,{odd}", Side.REFERENCE, option_name="--reference")
    assert local.baseurl == (f"file://{tmp_path}/with%20space/",)
    assert (local.side, local.origin) == (Side.REFERENCE, "--reference")


@pytest.mark.parametrize("option", ["nothing", ",http://x/", "id,", "a b,http://x/", "x,ftp://x/", "x,/no/such"])
def test_repofrompath_that_cannot_be(option: str) -> None:
    with pytest.raises(UsageError, match="--repofrompath"):
        repo_from_path(option, Side.TARGET)


SIDES = """
[base]
baseurl = http://a.example/$basearch/
[base-x86]
baseurl = http://a.example/$basearch/
side = reference
[base-sources]
baseurl = http://a.example/sources/
side = source
[base-source]
baseurl = http://a.example/srpms/
enabled = 0
[rhel-source-rpms]
baseurl = http://a.example/$basearch/source/
[odd-source]
baseurl = http://a.example/odd/
side = target
"""


def test_a_section_says_which_side_it_is_of_and_source_repositories_are_known_by_their_ids() -> None:
    by_side = {Side.REFERENCE: {**VARIABLES, "basearch": "x86_64"}}
    said = Recorder()
    found = {
        config.id: (config.side, config.baseurl[0].removeprefix("http://a.example/"))
        for config in parse_repo_text(SIDES, "my.repo", VARIABLES, Side.TARGET, said, by_side=by_side)
    }
    assert found == {
        "base": (Side.TARGET, "ppc64le/"),
        "base-x86": (Side.REFERENCE, "x86_64/"),
        "base-sources": (Side.SOURCE, "sources/"),
        "base-source": (Side.SOURCE, "srpms/"),
        "rhel-source-rpms": (Side.SOURCE, "ppc64le/source/"),
        "odd-source": (Side.TARGET, "odd/"),
    }
    assert not said.warnings


@pytest.mark.parametrize("side", ["Reference", "reference, source", "target\n  source", "$side", "x" * 4000])
def test_a_side_that_is_none_is_a_fault(side: str) -> None:
    (fault,) = faults_of(f"[a]\nbaseurl = http://a.example/\nside = {side}\n")
    assert fault.startswith("my.repo [a]: side is to be target, reference, source, not ")
    assert len(fault) < 200


def test_the_side_of_all_sections_cannot_be_changed_at_once() -> None:
    said = Recorder()
    (config,) = parse("[main]\nside = reference\n[a]\nbaseurl = http://a.example/\n", said)
    assert config.side is Side.TARGET
    assert any('unknown option "side" is ignored' in line for line in said.warnings)
