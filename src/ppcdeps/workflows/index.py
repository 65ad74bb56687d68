"""The Python index that workflows read: that of pip's own configuration."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.base.cache import Cache
from ppcdeps.model.reporter import Reporter

if TYPE_CHECKING:
    from ppcdeps.python.index import Index


def open_index(
    cache: Cache,
    reporter: Reporter,
    *,
    offline: bool = False,
    refresh: bool = False,
    exclude_newer: datetime | None = None,
    wheels: Path | None = None,
    only: Path | None = None,
) -> "Index":
    """The index of pip's configuration, to be closed after use.

    ``exclude_newer`` leaves out what was uploaded later. ``wheels`` is a folder in the layout of a simple repository,
    which comes before every other index; ``only`` is one in
    place of every other. Raises ConfigError where pip's configuration cannot be read.
    """
    # Imported here: a remembered plan needs no index.
    from ppcdeps.python.index import Index
    from ppcdeps.python.pipconfig import PipConfig, read_pip_config

    config = read_pip_config() if only is None else PipConfig((only.absolute().as_uri(),))
    if wheels is not None:
        config = replace(config, indexes=(wheels.absolute().as_uri(), *config.indexes))
    return Index(config, cache, offline=offline, refresh=refresh, exclude_newer=exclude_newer, reporter=reporter)
