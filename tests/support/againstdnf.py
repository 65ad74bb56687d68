"""dnf over the same repositories as ppcdeps, name by name.

As a program, it compares all names of repositories and prints what differs:

    python tests/support/againstdnf.py --releasever 10 baseos=URL appstream=URL ...
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from universes import Case, open_universe, search_in

from ppcdeps.base.cache import Cache
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.rpm.closure import Closure, ClosureSearch
from ppcdeps.rpm.loading import Role
from ppcdeps.rpm.problems import Lacking, UninstallableProviders, statements_of
from ppcdeps.rpm.requests import Request, request_packages
from ppcdeps.rpm.requirers import Requirers
from ppcdeps.rpm.solving import solve_requests
from ppcdeps.rpm.universe import Universe

SYSTEM_PYTHON = Path("/usr/bin/python3")
ORACLE = Path(__file__).with_name("dnf_oracle.py")
NOTHING = "nothing provides "
NEEDED = " needed by "


class Ours:
    """Our answers over the repositories, each in a universe that no earlier answer has changed."""

    def __init__(self, configs: Sequence[RepoConfig], cache: Cache) -> None:
        self._configs = configs
        self._cache = cache
        self._case = Case("dnf", (), ())
        self._open()

    def request(self, name: str) -> tuple[Universe, Request, Closure, ClosureSearch]:
        if self.universe.placeholders or self._search.ignored:
            self._open()
        request = request_packages(self.universe, name, [name])
        return self.universe, request, self._search.closure([request]), self._search

    def _open(self) -> None:
        self.universe = open_universe(self._case, self._configs, self._cache)
        self._search = search_in(self.universe, self._case)


def dnf_lacks() -> str:
    """Why dnf cannot be asked, or nothing."""
    if shutil.which("dnf") is None or not SYSTEM_PYTHON.exists():
        return "needs dnf (packages dnf and python3-dnf)"
    found = subprocess.run([SYSTEM_PYTHON, "-c", "import dnf"], capture_output=True, check=False)
    return "" if found.returncode == 0 else "needs dnf's Python modules (package python3-dnf)"


def ask_dnf(
    folder: Path,
    repositories: Mapping[str, str],
    names: Sequence[str],
    releasever: str = "9",
    patience: float = 120,
    without: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """What dnf says about installing each of the names.

    With ``without``, about all of them together, by its labels: what it says without those repositories.
    """
    asked = {"root": str(folder), "arch": "ppc64le", "repositories": repositories, "names": names}
    asked |= {"releasever": releasever} | ({} if without is None else {"without": without})
    done = subprocess.run(
        [SYSTEM_PYTHON, ORACLE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def configs_of(urls: Mapping[str, str]) -> list[RepoConfig]:
    """Repositories of the target at these URLs."""
    return [RepoConfig(name, Side.TARGET, baseurl=(url,)) for name, url in urls.items()]


def names_of(universe: Universe) -> set[str]:
    """The names of all packages but sources."""
    return {
        str(s.name) for part in universe.parts if part.role is not Role.SOURCE for s in part.repo.solvables_iter()
    }


def compare(ours: Ours, name: str, said: Mapping[str, Any]) -> list[str]:
    """What differs for a name, in words."""
    universe, request, closure, _ = ours.request(name)
    installable = not closure.unknown and not closure.clashes
    if installable != said["installable"]:
        lacking = [universe.label(i) for i in closure.unknown]
        return [f"{name}: installable is {installable} here; lacking {lacking}; dnf: {said['problems']}"]
    if installable:
        chosen = sorted(universe.label(i) for i in closure.chosen)
        return [] if chosen == said["packages"] else [f"{name}: {set(chosen) ^ set(said['packages'])}"]
    here = told(universe, request, closure)
    return [
        f"{name}: not told: {NOTHING}{r}{NEEDED}{by}" for r, by in named_by(said["problems"]) if (r, by) not in here
    ]


def told(universe: Universe, request: Request, closure: Closure) -> set[tuple[str, str]]:
    """Each requirement that nobody satisfies, with its package.

    Those of the answer, and those of the other ways that were refused: dnf names what is missing on any of them.
    """
    requirers = Requirers(universe, closure.chosen, [request.id])
    found = {(edge.requirement, universe.label(edge.by)) for i in closure.unknown for edge in requirers.on.get(i, ())}
    refused = solve_requests(universe, [request], duplicates=True, placeholders=())
    for statement in statements_of(refused):
        # With its imagined provider forbidden, a requirement counts as one whose providers cannot be installed.
        if isinstance(statement, Lacking | UninstallableProviders) and not universe.providers_of(
            statement.requirement
        ):
            found.add((statement.requirement, universe.label(statement.package)))
    return found


def named_by(problems: Sequence[str]) -> list[tuple[str, str]]:
    """Requirement and package of each "nothing provides" of dnf's."""
    found = []
    for problem in problems:
        if problem.startswith(NOTHING):
            requirement, _, package = problem.removeprefix(NOTHING).partition(NEEDED)
            found.append((requirement, package.split()[0]))
    return found


def main() -> int:
    """Compare all names of the repositories named on the command line. Returns 1 where any differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releasever", default="9")
    parser.add_argument("repositories", nargs="+", metavar="ID=URL")
    given = parser.parse_args()
    urls = dict(one.split("=", 1) for one in given.repositories)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        ours = Ours(configs_of(urls), Cache.open(Path(scratch) / "cache"))
        names = sorted(names_of(ours.universe))
        said = ask_dnf(Path(scratch) / "dnf", urls, names, given.releasever, patience=3600)
        for name in names:
            different = compare(ours, name, said[name])
            counts["different" if different else "installable" if said[name]["installable"] else "refused"] += 1
            for line in different:
                sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(names)} names: {dict(sorted(counts.items()))}\n")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
