"""From the words of the command line to a solved workload, the way all commands that plan go."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ppcdeps
from ppcdeps.base.toml import closest
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.workload import Workload
from ppcdeps.planning.workloads import curated_constraints, list_workloads, load_workload, together, workload_of_roots
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.repositories import Repositories, resolve_target

if TYPE_CHECKING:
    from ppcdeps.planning.solution import Solution


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A workload and the repositories that it is asked of.

    ``typed`` are the roots that the user typed, rather than a workload's file.
    """

    workload: Workload
    typed: tuple[str, ...]
    repositories: Repositories
    again: bool = False
    """Whether what is remembered of it must not be used."""
    srpms: Path | None = None
    """A folder of source RPMs to evaluate."""
    recipes: tuple[Path, ...] = ()
    """Folders of recipes that are laid over the shipped ones."""
    wheels: Path | None = None
    """A simple repository of wheels on this disk, which knows its distributions before every index does."""

    def key(self) -> str:
        """Everything that decides on the answer, as text: the same key has the same plan."""
        metadata = self.repositories.metadata
        pins = curated_constraints(self.workload)
        parts = [
            _fingerprint(),
            _states(self.srpms.glob("*.src.rpm")) if self.srpms is not None else "",
            *(f"{folder} {_states(folder.rglob('*.*'))}" for folder in self.recipes),
            _states([pins]) if pins is not None else "",
            f"{self.wheels} {_states(self.wheels.glob('*'))}" if self.wheels is not None else "",
            repr(sorted(asdict(self.workload).items())),
            repr(
                [(name, value) for name, value in asdict(self.repositories.target).items() if name != "repositories"]
            ),
            *sorted(f"{each.digest} {each.problem} {asdict(each.config)}" for each in metadata),
        ]
        return "plan " + hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def solve_run(self, reporter: Reporter) -> "Solution":
        """Solve what it needs at run time.

        Raises UsageError for a root that no repository knows, and what reading the metadata raises.
        """
        from ppcdeps.planning.evaluation import Evaluations
        from ppcdeps.planning.solution import solve_run, unknown_roots
        from ppcdeps.recipebook.book import load_book

        requested = self.repositories
        evaluations = (
            Evaluations.in_folder(self.srpms, requested.target, reporter) if self.srpms is not None else None
        )
        solution = solve_run(
            self.workload,
            requested.target,
            requested.metadata,
            requested.cache,
            requested.fetch_filelists,
            load_book(self.recipes),
            evaluations,
        )
        for problem in solution.universe.module_problems:
            reporter.warn(problem)
        unknown = tuple(root for root in unknown_roots(solution) if root in self.typed)
        if unknown:
            raise UsageError(_nobody_knows(unknown, solution))
        return solution


def plan_request(
    words: tuple[str, ...],
    choice: RepositoryChoice,
    reporter: Reporter,
    srpms: Path | None = None,
    recipes: tuple[Path, ...] = (),
) -> PlanRequest:
    """The question that the words mean: names or files of workloads, and roots, all of them together.

    Raises UsageError for a root that is not well-formed, and what fetching the repositories raises.
    """
    names = [word for word in words if word in list_workloads() or _is_file(word)]
    roots = [word for word in words if word not in names]
    if roots:
        workload_of_roots(roots)  # its faults come before any download
    repositories = resolve_target(choice, reporter)
    workloads = [load_workload(name, repositories.target.openstack) for name in names]
    if roots:
        workloads.append(workload_of_roots(roots))
    return PlanRequest(together(workloads), tuple(roots), repositories, choice.refresh, srpms, recipes)


def _is_file(word: str) -> bool:
    return word.endswith(".toml") and ("/" in word or Path(word).is_file())


def _nobody_knows(unknown: tuple[str, ...], solution: "Solution") -> str:
    first = unknown[0]
    hint = closest(first, list_workloads()) or closest(first, solution.universe.package_names())
    return (
        f"no repository of {solution.target.name} knows {', '.join(unknown)}: not a workload, and no package's name, "
        f"capability or path{f'; {hint}' if hint else ''}"
    )


def _fingerprint() -> str:
    """The version of ppcdeps, and the state of its files where these are worked on."""
    package = Path(ppcdeps.__file__).parent
    files = [*package.rglob("*.[pt][yo]*"), *package.parents[1].glob("recipes/*/*.toml")]
    return f"{ppcdeps.__version__} {_states(files)}"


def _states(files: Iterable[Path]) -> str:
    """Names, sizes and times of files: another text as soon as one of them is written to."""
    states = ((path.name, path.stat()) for path in sorted(files))
    return repr([(name, state.st_size, state.st_mtime_ns) for name, state in states])
