"""Indexes on this machine, and a cache of the test's own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from indexes import OpenIndex, Shop, serving

from ppcdeps.base.cache import Cache
from ppcdeps.python.index import Index
from ppcdeps.python.pipconfig import PipConfig


@pytest.fixture
def shop() -> Iterator[Shop]:
    """An empty index."""
    with serving() as opened:
        yield opened


@pytest.fixture
def second_shop() -> Iterator[Shop]:
    """Another one."""
    with serving() as opened:
        yield opened


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """A cache of the test's own."""
    return Cache.open(tmp_path / "cache")


@pytest.fixture
def open_index(cache: Cache) -> Iterator[OpenIndex]:
    """Opens an index over shops or URLs; closed after the test."""
    with contextlib.ExitStack() as stack:

        def opened(
            *shops: Shop | str, find_links: tuple[str, ...] = (), timeout: float = 5.0, **options: Any
        ) -> Index:
            urls = tuple(each if isinstance(each, str) else each.url for each in shops)
            config = PipConfig(urls, find_links, timeout=timeout, retries=0)
            return stack.enter_context(Index(config, cache, **options))

        yield opened
