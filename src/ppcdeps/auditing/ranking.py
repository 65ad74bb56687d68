"""Which builds open the most packages: each alone, all that wait for it, and in which order."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

from ppcdeps.auditing.audit import Step

_STEPS = 30
"""More than a person plans ahead."""
_MANY = 6
"""Sources of a set from which on it is quicker to look at all sets than at its subsets."""


def alone(needs: Iterable[Collection[str]]) -> Counter[str]:
    """How many things each source's build opens alone. ``needs`` has the sources that each thing waits for."""
    return Counter(next(iter(each)) for each in needs if len(each) == 1)


def together(needs: Iterable[Collection[str]]) -> Counter[str]:
    """How many things wait for each source, whether or not for others too."""
    return Counter(source for each in needs for source in each)


def steps_of(needs: Iterable[Collection[str]], at_most: int = _STEPS) -> tuple[Step, ...]:
    """The builds in an order in which each opens as much as any can after those before it.

    A step is the source, or the set of sources that open nothing without one another, that opens most for each
    build. Equals come by name, so that the same needs give the same order.
    """
    waiting = Counter(frozenset(each) for each in needs if each)
    steps: list[Step] = []
    so_far = 0
    while waiting and len(steps) < at_most:
        step = min(waiting, key=lambda each: (-_opened(waiting, each) / len(each), len(each), sorted(each)))
        opens = _opened(waiting, step)
        so_far += opens
        steps.append(Step(tuple(sorted(step)), opens, so_far))
        left: Counter[frozenset[str]] = Counter()
        for each, count in waiting.items():
            if rest := each - step:
                left[rest] += count
        waiting = left
    return tuple(steps)


def _opened(waiting: Mapping[frozenset[str], int], built: frozenset[str]) -> int:
    """How many things wait for nothing else than what is built."""
    if len(built) < _MANY:
        subsets = (frozenset(each) for size in range(1, len(built) + 1) for each in combinations(built, size))
        return sum(waiting.get(each, 0) for each in subsets)
    return sum(count for each, count in waiting.items() if each <= built)
