"""The nova-compute workload solved once on the embedded snapshot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import el9
import pytest
from universes import case_of, write_case

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.repository import RepoMetadata
from ppcdeps.metadata.sync import ensure, fetch_repositories
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Silence
from ppcdeps.model.target import Target
from ppcdeps.planning.evaluation import Evaluations
from ppcdeps.planning.plan import plan_of
from ppcdeps.planning.solution import Solution, solve_builds, solve_run
from ppcdeps.planning.workloads import load_workload, workload_of_roots
from ppcdeps.recipebook.book import RecipeBook

NO_RECIPES = RecipeBook(())


@dataclass(frozen=True)
class Planner:
    """Solves and plans on the embedded snapshot, with one cache for all tests."""

    target: Target
    cache: Cache

    def solve(self, *roots: str, book: RecipeBook | None = None, evaluations: Evaluations | None = None) -> Solution:
        """The solution for nova-compute, or for roots of one's own, with the shipped recipes or others."""
        workload = workload_of_roots(roots) if roots else load_workload("nova-compute", self.target.openstack)
        run = solve_run(workload, self.target, self.metadata(), self.cache, self._filelists, book, evaluations)
        return solve_builds(run)

    def plan(self, *roots: str) -> Plan:
        """The same as a plan."""
        return plan_of(self.solve(*roots), self.metadata())

    def metadata(self) -> tuple[RepoMetadata, ...]:
        """The metadata of all repositories."""
        return fetch_repositories(self.target.repositories, self.cache, Silence())

    def _filelists(self, wanted: Sequence[RepoMetadata]) -> Sequence[RepoMetadata]:
        return ensure(wanted, ("filelists",), self.cache, Silence())


@pytest.fixture(scope="session")
def planner(run_folder: Path) -> Planner:
    """A planner on the embedded snapshot. All workers of a run read the metadata once."""
    return Planner(el9.target(), Cache.open(run_folder / "planner-cache"))


@pytest.fixture(scope="session")
def nova(planner: Planner) -> Solution:
    """nova-compute, solved."""
    return planner.solve()


@pytest.fixture(scope="session")
def nova_plan(nova: Solution, planner: Planner) -> Plan:
    """nova-compute, planned."""
    return plan_of(nova, planner.metadata())


@pytest.fixture
def solution_of(tmp_path: Path) -> Callable[..., Solution]:
    """Solves roots over packages by NEVRA, on a target with the platform id of EL9 and an empty minimal buildroot."""

    def solution_of(
        *roots: str, book: RecipeBook = NO_RECIPES, **packages: Mapping[str, Mapping[str, Any]]
    ) -> Solution:
        cache = Cache.open(tmp_path / "cache")
        configs = write_case(case_of(roots, **packages), tmp_path / "repositories")
        target = replace(load_target("centos-stream-9"), repositories=tuple(configs), build_packages=())
        metadata = fetch_repositories(configs, cache, Silence())
        workload = replace(workload_of_roots(roots), name="work")
        run = solve_run(
            workload, target, metadata, cache, lambda m: ensure(m, ("filelists",), cache, Silence()), book
        )
        return solve_builds(run)

    return solution_of
