"""The build order as `build-order.json`: waves, what each build needs, and the cycles, for other tools."""

from typing import Any

from ppcdeps.planning.order import BuildOrder, BuildStep, Cycle
from ppcdeps.report.text import as_json

SCHEMA = 2


def dump_build_order(order: BuildOrder) -> str:
    """The order as JSON text: the same bytes for the same order."""
    return as_json(build_order_document(order))


def build_order_document(order: BuildOrder) -> dict[str, Any]:
    """The order in JSON's own kinds.

    ``waves`` are arrays of ``{"source", "bootstrap"}``, ``needs`` maps each source to those that it needs to be
    built, ``cycles`` have their chain and what breaks them, ``undecided`` names what is in no wave.
    """
    return {
        "schema": SCHEMA,
        "waves": [[_step(step) for step in wave] for wave in order.waves],
        "needs": {source: list(wanted) for source, wanted in order.needs.items()},
        "cycles": [_cycle(cycle) for cycle in order.cycles],
        "undecided": list(order.undecided),
    }


def _step(step: BuildStep) -> dict[str, str | None]:
    return {"source": step.source, "bootstrap": step.bootstrap or None}


def _cycle(cycle: Cycle) -> dict[str, Any]:
    broken = cycle.broken_by
    return {
        "chain": list(cycle.chain),
        "members": list(cycle.members),
        "broken_by": broken
        and {"source": broken.source, "condition": broken.condition, "without": sorted(broken.without or ())},
        "text": str(cycle),
    }
