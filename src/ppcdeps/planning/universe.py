"""The universe that plans are solved in: a target's repositories, without what pip or no rebuild gives."""

from collections.abc import Iterable, Sequence

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.model.target import Target
from ppcdeps.planning.curated import ArchPackage, load_arch_packages
from ppcdeps.python.names import BRIDGE_PREFIX
from ppcdeps.rpm.opening import open_universe
from ppcdeps.rpm.own import OwnSource
from ppcdeps.rpm.paths import FetchFilelists
from ppcdeps.rpm.products import OneArchPackage
from ppcdeps.rpm.universe import Universe


def universe_of(
    target: Target,
    repositories: Sequence[RepoMetadata],
    cache: Cache,
    fetch_filelists: FetchFilelists,
    *,
    arch_packages: Iterable[ArchPackage] | None = None,
    products: Iterable[OneArchPackage] = (),
    own: Sequence[OwnSource] = (),
) -> Universe:
    """The universe of a target.

    ``arch_packages`` are the packages that only x86 builds give (default: those known), ``products`` what source RPMs
    at hand say of theirs, ``own`` the user's own packages. Raises what `open_universe` raises.
    """
    facts = load_arch_packages() if arch_packages is None else arch_packages
    return open_universe(
        repositories,
        target.arch,
        target.reference_arch,
        cache,
        fetch_filelists,
        module_streams=target.module_streams,
        platform_id=target.platform_id,
        # It satisfies in name only what pip is to install, and each plan decides anew what that is.
        without=BRIDGE_PREFIX,
        one_arch=(*(OneArchPackage(fact.source, fact.package, fact.reason) for fact in facts), *products),
        own=own,
    )
