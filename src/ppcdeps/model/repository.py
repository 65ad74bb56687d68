"""Repositories as they are configured: the options of a `.repo` section that can change a plan."""

from enum import StrEnum

from ppcdeps.model.values import dataclass


class Side(StrEnum):
    """What a repository is for: what the target has, what the workload would need, how it is built."""

    TARGET = "target"
    REFERENCE = "reference"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class RepoConfig:
    """One repository. Names and defaults are those of dnf.conf(5); all text has its variables substituted."""

    id: str
    side: Side
    name: str = ""
    baseurl: tuple[str, ...] = ()
    mirrorlist: str | None = None
    metalink: str | None = None
    enabled: bool = True
    priority: int = 99
    """Lower wins, even against a newer version."""
    cost: int = 1000
    excludepkgs: tuple[str, ...] = ()
    includepkgs: tuple[str, ...] = ()
    module_hotfixes: bool = False
    gpgcheck: bool | None = None
    """Whether packages must be signed; None is what dnf.conf says."""
    repo_gpgcheck: bool = False
    gpgkey: tuple[str, ...] = ()
    skip_if_unavailable: bool = False
    metadata_expire: int | None = 172800
    """Seconds after which the metadata is fetched anew; None is "never"."""
    proxy: str | None = None
    username: str | None = None
    password: str | None = None
    sslverify: bool = True
    sslcacert: str | None = None
    sslclientcert: str | None = None
    sslclientkey: str | None = None
    timeout: float = 30.0
    retries: int = 10
    optional: bool = False
    """Its absence is a finding, not an error: not every release has a ppc64le tree."""
    origin: str = ""
    """Where it was configured, for messages: `file.repo [section]`, `--repofrompath`."""
