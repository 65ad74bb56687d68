"""Small distributions given as data, audited as the command does."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from universes import case_of, write_case

from ppcdeps.auditing.assembly import audit_of
from ppcdeps.auditing.audit import Audit
from ppcdeps.base.cache import Cache
from ppcdeps.metadata.sync import ensure, fetch_repositories
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.workload import Workload
from ppcdeps.planning.solution import open_search
from ppcdeps.recipebook.book import RecipeBook

Audited = Callable[..., Audit]


def audited_world(
    folder: Path,
    *,
    only: tuple[str, ...] = (),
    workloads: tuple[Workload, ...] = (),
    reporter: Reporter | None = None,
    **packages: Any,
) -> Audit:
    """The audit of repositories that are written below the folder."""
    configs = write_case(case_of([], **packages), Path(tempfile.mkdtemp(dir=folder)))
    cache = Cache.open(folder / "cache")
    target = replace(load_target("centos-stream-9"), build_packages=(), repositories=tuple(configs))
    search, adaptation = open_search(
        target,
        fetch_repositories(configs, cache, Silence()),
        cache,
        lambda metadata: ensure(metadata, ("filelists",), cache, Silence()),
        RecipeBook(()),
    )
    return audit_of(search, adaptation, target, reporter or Silence(), only=only, workloads=workloads)
