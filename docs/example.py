"""What ppcdeps does, from Python: plan, look at the gaps, write the files for pip, build, and verify.

    python docs/example.py nova-compute
    python docs/example.py mypackage --target target.toml --recipes recipes --sources sources --build

docs/api.md explains it.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from ppcdeps.building.run.options import BuildOptions
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan
from ppcdeps.model.reporter import Silence
from ppcdeps.workflows.build import BuildRequest, build
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.constraints import constraints
from ppcdeps.workflows.plans import plan
from ppcdeps.workflows.repositories import ResolvedTarget, resolve_target
from ppcdeps.workflows.request import plan_request
from ppcdeps.workflows.verify import verify

REPORTER = Silence()
"""What is reported on the way (downloads, warnings) is forgotten; see `ppcdeps.model.reporter.Reporter`."""


def plan_and_show(words: Sequence[str], resolved: ResolvedTarget, recipes: tuple[Path, ...]) -> Plan:
    """Plan these workloads and roots, show each gap and how it is closed, and write the files for pip."""
    request = plan_request(words, resolved, recipes=recipes)
    made = plan(request, REPORTER)
    print(f"{made.workload} on {made.target}: {len(made.closure)} packages, {len(made.gaps)} gaps")
    for gap in made.gaps:
        print(f"  {gap.name}: {gap.cause}, closed by {gap.route.kind}")
    for path in constraints(request, REPORTER).files.write(Path("pip")):
        print(f"  {path}")
    return made


def build_and_verify(
    made: Plan, resolved: ResolvedTarget, recipes: tuple[Path, ...], sources: Sequence[Path]
) -> bool:
    """Build what the plan takes, and plan again with the packages. Returns whether that closes the gaps."""
    file = Path("plan.json")
    file.write_text(dump_plan(made), "utf-8")
    options = BuildOptions(repository=Path("repository"), source_folders=tuple(sources))
    run = build(BuildRequest(made, file, resolved, options, recipes=recipes), REPORTER)
    for result in run.results:
        print(f"  {result.task.name}: {result.outcome}")
    if run.repository is None:
        return False
    return verify(made, run.repository, resolved, REPORTER, recipes=recipes, install=False).is_closed


def main(arguments: Sequence[str]) -> int:
    """Run the example. Returns an exit code: that of the error, 1 where gaps remain."""
    parser = ArgumentParser(description="Plan, and build with --build.")
    parser.add_argument("words", nargs="+", metavar="WORKLOAD|ROOT")
    parser.add_argument("--target")
    parser.add_argument("--recipes", type=Path, action="append", default=[])
    parser.add_argument("--sources", type=Path, action="append", default=[])
    parser.add_argument("--build", action="store_true")
    given = parser.parse_args(arguments)
    recipes = tuple(given.recipes)
    try:
        resolved = resolve_target(RepositoryChoice(target=given.target), REPORTER)
        made = plan_and_show(given.words, resolved, recipes)
        if not given.build:
            return 1 if made.gaps else 0
        return 0 if build_and_verify(made, resolved, recipes, given.sources) else 1
    except PpcdepsError as error:
        print(f"{error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
