"""Fetching sources: from the target's source repositories, the URLs of recipes and the Python index."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sources import FetchedSource, write_sources
from ppcdeps.model.repository import Side
from ppcdeps.python.sdistfetch import fetch_sdist
from ppcdeps.recipebook.book import RecipeBook
from ppcdeps.recipebook.fetching import Fetcher
from ppcdeps.workflows.index import open_index
from ppcdeps.workflows.repositories import ChosenTarget


def fetch_sources(
    names: Sequence[str], to: Path, chosen: ChosenTarget, book: RecipeBook, *, version: str | None = None
) -> tuple[tuple[FetchedSource, ...], Path]:
    """Put what the names are built from into the folder ``to``, verified.

    A name is a recipe's, a source package's or ``pypi:NAME==VERSION``; ``version`` is the upstream version, None the
    newest that fits. Returns the sources, and the file in the folder that records them. Raises UsageError where
    nothing of that name and version is known, RepositoryError where it cannot be had.
    """

    @cache
    def source_repositories() -> tuple[RepoMetadata, ...]:
        configs = [each for each in chosen.target.repositories if each.side is Side.SOURCE and each.enabled]
        return chosen.fetch(configs, ("primary",))

    fetcher = fetcher_for(chosen, book, source_repositories)
    sources = tuple(source for name in dict.fromkeys(names) for source in fetcher.fetch(name, version))
    return sources, write_sources(to, sources)


def fetcher_for(
    chosen: ChosenTarget, book: RecipeBook, repositories: Callable[[], Sequence[RepoMetadata]]
) -> Fetcher:
    """What fetches the sources of a target. ``repositories`` gives the metadata of its repositories when needed, and
    the Python index is opened when needed.
    """

    def sdist(name: str, pinned: str) -> FetchedSource:
        with open_index(
            chosen.cache,
            chosen.reporter,
            offline=chosen.offline,
            refresh=chosen.refresh,
            only=chosen.index_folder,
        ) as index:
            return fetch_sdist(index, name, pinned)

    return Fetcher(chosen.target, book, repositories, sdist, chosen.cache, chosen.reporter, chosen.offline)
