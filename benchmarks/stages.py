"""How long the stages of one `ppcdeps plan` take, in one process. Run by hand, or by `benchmarks.plan`.

    python -m benchmarks.stages plan nova-compute --python rpm --target FILE

Prints the seconds of wall time of each stage, without what other stages took inside of it, and the whole. From warm
metadata a thread loads beside the main one: what it does is a stage like all others, and the rest is less by that.
"""

import importlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

STAGES = (
    ("fetch metadata", "ppcdeps.workflows.repositories", "fetch_repositories"),
    ("fetch file lists", "ppcdeps.workflows.repositories", "ensure"),
    ("wait for conversions to .solv", "os", "waitpid"),
    ("load .solv", "ppcdeps.rpm.fileprovides", "load_parts"),
    ("solve what runs", "ppcdeps.planning.solution", "solve_run"),
    ("solve the builds", "ppcdeps.planning.solution", "solve_builds"),
    ("look at repositories not enabled", "ppcdeps.workflows.enabling", "with_known"),
    ("make the plan", "ppcdeps.planning.plan", "plan_of"),
)
"""A title, and the function whose calls are the stage, in the module where it is called or taken from."""


def timed(title: str, function: Callable[..., Any], spent: dict[str, float], under_way: threading.local) -> Any:
    """The function, noting how long it takes, what it calls of the other stages left out."""

    def run(*arguments: Any, **options: Any) -> Any:
        begun = time.perf_counter()
        outer = getattr(under_way, "title", None)
        under_way.title = title
        try:
            return function(*arguments, **options)
        finally:
            took = time.perf_counter() - begun
            under_way.title = outer
            spent[title] += took
            if outer is not None:
                spent[outer] -= took

    return run


def main() -> None:
    """Run the command line given, and print the stages on standard error."""
    begun = time.perf_counter()
    spent = {title: 0.0 for title, _, _ in STAGES}
    under_way = threading.local()
    for title, place, name in STAGES:
        module = importlib.import_module(place)
        setattr(module, name, timed(title, getattr(module, name), spent, under_way))
    from ppcdeps.cli.main import main as command_line

    code = command_line(sys.argv[1:])
    whole = time.perf_counter() - begun
    spent["start, print and the rest"] = whole - sum(spent.values())
    for title, seconds in spent.items():
        print(f"    {title:<34} {seconds:7.3f} s", file=sys.stderr)
    print(f"    {'in all':<34} {whole:7.3f} s", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
