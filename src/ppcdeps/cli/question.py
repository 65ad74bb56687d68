"""From the words of the command line to a solved workload, the way all commands that plan go."""

from dataclasses import dataclass
from pathlib import Path

from ppcdeps.cli.options import RepositoryChoice
from ppcdeps.cli.repositories import Repositories, resolve_target
from ppcdeps.metadata.tables import closest
from ppcdeps.model.errors import UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.workload import Workload
from ppcdeps.planning.solution import Solution, solve, strangers
from ppcdeps.planning.workloads import list_workloads, load_workload, workload_of_roots


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, what it was asked of, and the answer."""

    repositories: Repositories
    solution: Solution


def ask(words: tuple[str, ...], choice: RepositoryChoice, reporter: Reporter) -> Question:
    """Solve the workload, or the roots, that the words name.

    Raises UsageError for a word that is no workload and that no repository knows, and what reading the
    repositories raises.
    """
    named = len(words) == 1 and (words[0] in list_workloads() or _is_file(words[0]))
    if not named:
        workload_of_roots(words)  # its faults come before any download
    repositories = resolve_target(choice, reporter)
    workload = _workload(words, named, repositories)
    solution = solve(
        workload, repositories.target, repositories.metadata, repositories.cache, repositories.fetch_filelists
    )
    unknown = strangers(solution)
    if unknown and not named:
        raise UsageError(_nobody_knows(unknown, solution))
    return Question(repositories, solution)


def _is_file(word: str) -> bool:
    return word.endswith(".toml") and not word.startswith("pypi:") and ("/" in word or Path(word).is_file())


def _workload(words: tuple[str, ...], named: bool, repositories: Repositories) -> Workload:
    if named:
        return load_workload(words[0], repositories.target.openstack)
    return workload_of_roots(words)


def _nobody_knows(unknown: tuple[str, ...], solution: Solution) -> str:
    first = unknown[0]
    hint = closest(first, list_workloads()) or closest(first, solution.universe.package_names())
    return (
        f"no repository of {solution.target.name} knows {', '.join(unknown)}: not a workload, and no package's name, "
        f"capability or path{f' ({hint.strip()})' if hint else ''}"
    )
