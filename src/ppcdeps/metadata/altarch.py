"""CentOS 7 for other architectures than x86_64: it lies under /altarch/, where no address of x86_64 leads.

The trees are those of mirror.centos.org, its mirrors and vault.centos.org: `centos/7/os/x86_64` for x86_64,
`altarch/7/os/ppc64le` for the others. The release ended in June 2024, and only the vault has it since.
"""

import re
from urllib.parse import parse_qs, urlsplit

from ppcdeps.model.repository import RepoConfig

_ARCHITECTURES = "ppc64le|ppc64|power9|aarch64|armhfp|i386"
_TREE = re.compile(
    rf"/(?P<release>7(?:\.[0-9]+){{0,2}})/(?P<repository>[a-z]+(?:/[A-Za-z0-9._-]+)?)/(?P<arch>{_ARCHITECTURES})(?P<rest>/.*)?"
)
_LISTED = re.compile(rf"(?:{_ARCHITECTURES})")
_VAULT = "https://vault.centos.org/altarch"


def altarch_hint(config: RepoConfig) -> str | None:
    """What to write instead of an address of CentOS 7 that has nothing for this architecture; None for any other."""
    addresses = (*config.baseurl, *(url for url in (config.mirrorlist, config.metalink) if url))
    found = next((place for url in addresses if (place := altarch_address(url))), None)
    if found is None:
        return None
    return f"CentOS 7 keeps this architecture in the vault, under /altarch/: baseurl={found}"


def of_other_architecture(config: RepoConfig, arch: str, other: str) -> str | None:
    """What to say of a repository without packages for ``arch`` whose address names another; None elsewhere."""
    addresses = (*config.baseurl, *(url for url in (config.mirrorlist, config.metalink) if url))
    named = next((url for url in addresses if other in url), None)
    if named is None:
        return None
    meant = altarch_address(named.replace(other, arch))
    where = f"CentOS 7 keeps it in the vault: baseurl={meant}" if meant else "write $basearch in its place"
    return f"repository {config.id} has no package for {arch}, as its address names {other}: {named}; {where}"


def altarch_address(url: str) -> str | None:
    """Where the vault keeps what an address in the tree of x86_64 was meant to be; None for any other address.

    What mirror.centos.org and mirrorlist.centos.org had is meant, too: these hosts were switched off.
    """
    try:
        parts = urlsplit(url)
        host, path = (parts.hostname or "").lower(), parts.path
    except ValueError:
        return None
    if host == "mirrorlist.centos.org":
        return _of_mirrorlist(parts.query)
    place = f"{host}{path.lower()}"
    if "centos" not in place or ("altarch" in place and host != "mirror.centos.org"):
        return None
    found = _TREE.search(path)
    if found is None:
        return None
    return f"{_VAULT}/{found['release']}/{found['repository']}/{found['arch']}{found['rest'] or '/'}"


def _of_mirrorlist(query: str) -> str | None:
    given = {name: values[0] for name, values in parse_qs(query).items()}
    release, arch, repository = (given.get(name, "") for name in ("release", "arch", "repo"))
    is_meant = release.partition(".")[0] == "7" and _LISTED.fullmatch(arch)
    if not is_meant or not re.fullmatch(r"[a-z0-9.-]+", repository):
        return None
    # cloud-openstack-queens is cloud/ARCH/openstack-queens.
    top, _, below = repository.partition("-")
    return f"{_VAULT}/7/{top}/{arch}/{below}{'/' if below else ''}"
