"""Addresses of CentOS 7 that have nothing for an architecture that is not x86_64, and where it is."""

from pathlib import Path

import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.altarch import altarch_address, altarch_hint, of_other_architecture
from ppcdeps.metadata.repofile import parse_repo_text
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side

VAULT = "https://vault.centos.org/altarch"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://mirror.centos.org/centos/7/os/ppc64le/", "7/os/ppc64le/"),
        ("http://mirror.centos.org/centos/7/os/ppc64le", "7/os/ppc64le/"),
        ("http://mirror.centos.org/altarch/7/updates/ppc64le/", "7/updates/ppc64le/"),
        ("https://vault.centos.org/centos/7/updates/ppc64le/", "7/updates/ppc64le/"),
        ("https://vault.centos.org/7.9.2009/os/ppc64le/", "7.9.2009/os/ppc64le/"),
        ("http://mirrors.example.org/CentOS/7.6.1810/extras/ppc64/", "7.6.1810/extras/ppc64/"),
        ("http://mirrors.example.org/centos-vault/7.9.2009/os/aarch64/", "7.9.2009/os/aarch64/"),
        ("http://x.example/centos/7/cloud/ppc64le/openstack-rocky/", "7/cloud/ppc64le/openstack-rocky/"),
        ("http://centos.example.org/7/virt/power9/kvm-common/", "7/virt/power9/kvm-common/"),
        ("http://mirrorlist.centos.org/?release=7&arch=ppc64le&repo=os&infra=stock", "7/os/ppc64le/"),
        ("http://mirrorlist.centos.org/?release=7&arch=ppc64le&repo=virt-kvm-common", "7/virt/ppc64le/kvm-common/"),
    ],
)
def test_what_was_written_for_x86_64_is_kept_elsewhere_for_others(url: str, kept: str) -> None:
    assert altarch_address(url) == f"{VAULT}/{kept}"


@pytest.mark.parametrize(
    "url",
    [
        "https://vault.centos.org/centos/7/os/x86_64/",
        "https://vault.centos.org/altarch/7/os/ppc64le/",
        "https://centos-altarch.example.org/7/cloud/ppc64le/openstack-rocky/",
        "https://vault.centos.org/8-stream/cloud/ppc64le/openstack-yoga/",
        "https://mirror.stream.centos.org/SIGs/9-stream/cloud/ppc64le/openstack-yoga/",
        "https://mirror.example.org/almalinux/7/os/ppc64le/",
        "http://mirrorlist.centos.org/?release=7&arch=x86_64&repo=os",
        "http://mirrorlist.centos.org/?release=7&arch=ppc64le&repo=../../x",
        "http://mirrorlist.centos.org/",
        "http://[centos/7/os/ppc64le/",
    ],
)
def test_other_addresses_are_left_alone(url: str) -> None:
    assert altarch_address(url) is None


def test_no_repository_of_a_shipped_target_gets_the_hint() -> None:
    for name in ("centos-7-altarch", "almalinux-8", "centos-stream-9"):
        assert [each.id for each in load_target(name).repositories if altarch_hint(each)] == []


REPO_FILE = """\
[rdo]
name=OpenStack
baseurl={place}/centos/7/cloud/$basearch/openstack-rocky/
"""


def test_a_repo_file_that_points_to_the_tree_of_x86_64_is_told_where_ppc64le_is(tmp_path: Path) -> None:
    text = REPO_FILE.format(place=tmp_path.as_uri())
    (config,) = parse_repo_text(text, "rdo.repo", {"basearch": "ppc64le"}, Side.TARGET, Silence())
    with pytest.raises(RepositoryError) as fault:
        fetch_repositories([config], Cache.open(tmp_path / "cache"), Silence())
    assert f"baseurl={VAULT}/7/cloud/ppc64le/openstack-rocky/" in str(fault.value)
    assert "\n" not in str(fault.value)


def test_offline_the_hint_is_the_same() -> None:
    config = RepoConfig("os", Side.TARGET, baseurl=("http://mirror.centos.org/centos/7/os/ppc64le/",))
    hint = altarch_hint(config)
    assert hint is not None and f"baseurl={VAULT}/7/os/ppc64le/" in hint


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://a.example/centos/7/os/x86_64/", f"CentOS 7 keeps it in the vault: baseurl={VAULT}/7/os/ppc64le/"),
        ("http://a.example/9/BaseOS/x86_64/os/", "write $basearch in its place"),
        ("http://a.example/9/BaseOS/ppc64le/os/", None),
    ],
)
def test_an_address_that_names_another_architecture(url: str, said: str | None) -> None:
    found = of_other_architecture(RepoConfig("base", Side.TARGET, baseurl=(url,)), "ppc64le", "x86_64")
    expected = f"repository base has no package for ppc64le, as its address names x86_64: {url}; {said}"
    assert found == (expected if said else None)
