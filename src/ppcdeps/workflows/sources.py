"""Getting sources for the commands: from the target's source repositories, recipes' URLs and pip's index."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ppcdeps.base.cache import Cache
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import Target
from ppcdeps.recipebook.fetching import Fetcher
from ppcdeps.workflows.choice import RepositoryChoice

if TYPE_CHECKING:
    from ppcdeps.metadata.repository import RepoMetadata
    from ppcdeps.metadata.sources import FetchedSource
    from ppcdeps.recipebook.book import RecipeBook


def fetcher_for(
    target: Target,
    book: "RecipeBook",
    repositories: "Callable[[], Sequence[RepoMetadata]]",
    cache: Cache,
    choice: RepositoryChoice,
    reporter: Reporter,
) -> Fetcher:
    """What fetches the sources of a target; ``repositories`` gives its metadata when it is needed.

    The index of Python distributions is that of pip's configuration, and is opened when it is needed.
    """

    def sdist(name: str, pinned: str) -> "FetchedSource":
        from ppcdeps.python.index import Index
        from ppcdeps.python.pipconfig import read_pip_config
        from ppcdeps.python.sdistfetch import fetch_sdist

        settings = read_pip_config()
        with Index(settings, cache, offline=choice.offline, refresh=choice.refresh, reporter=reporter) as index:
            return fetch_sdist(index, name, pinned)

    return Fetcher(target, book, repositories, sdist, cache, reporter, choice.offline)
