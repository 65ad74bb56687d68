"""Sources that requests cannot do without, as far as it shows without a run of the solver."""

from collections import deque
from collections.abc import Collection, Iterable

from ppcdeps.rpm.requests import Request
from ppcdeps.rpm.universe import Universe


def indispensable_sources(
    universe: Universe,
    requests: Iterable[Request],
    doubtful: Collection[str],
    free: Collection[str],
    placeholders: Collection[int],
) -> set[str]:
    """Those of the ``doubtful`` sources without whose stand-ins nothing satisfies the requests.

    Stand-ins of the doubtful and the ``free`` sources may be used, and these ``placeholders``. What is required and
    only one usable package satisfies must be installed, and what that requires, too (unit propagation). A source that
    this does not reach may be indispensable all the same: that takes the solver.
    """
    usable = {package for source in {*doubtful, *free} for package in universe.standins_of(source)}
    hidden = universe.standins.union(universe.placeholders).difference(usable, placeholders)
    found: set[str] = set()
    must = {request.id for request in requests}
    waiting = deque(sorted(must))
    while waiting and len(found) < len(doubtful):
        package = waiting.popleft()
        for dep in universe.requirements_of(package):
            if universe.text_of(dep).startswith("("):
                continue
            ways = [each for each in universe.satisfying(dep) if each not in hidden]
            if len(ways) != 1 or ways[0] in must:
                continue
            must.add(ways[0])
            waiting.append(ways[0])
            if ways[0] in usable and universe.source_of(ways[0]) in doubtful:
                found.add(universe.source_of(ways[0]))
    return found
