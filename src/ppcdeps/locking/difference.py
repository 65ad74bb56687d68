"""What moved between two locks of one workload."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ppcdeps.model.lock import Lock
from ppcdeps.model.nevra import Nevra


@dataclass(frozen=True, slots=True)
class Move:
    """A thing that is another one in the second lock. ``before`` or ``after`` is empty where it came or went."""

    kind: str
    name: str
    before: str
    after: str


def moves(before: Lock, after: Lock) -> tuple[Move, ...]:
    """What moved from one lock to the next, by kind and name."""
    old, new = dict(_things(before)), dict(_things(after))
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return tuple(Move(*key, _shown(old.get(key, ())), _shown(new.get(key, ()))) for key in keys)


def _things(lock: Lock) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """What each thing of a lock is, by kind and name: versions, or digests where these alone can change."""
    found: dict[tuple[str, str], set[str]] = {}

    def take(kind: str, pairs: Iterable[tuple[str, str]]) -> None:
        for name, value in pairs:
            found.setdefault((kind, name), set()).add(value)

    take("repository", ((one.id, one.revision or one.digest[:12]) for one in lock.repositories))
    for package in lock.packages:
        nevra = Nevra.parse(package.nevra)
        kind = "source package" if nevra.arch in ("src", "nosrc") else "package"
        take(kind, [(nevra.name, nevra.evr)])
    take("Python distribution", ((one.name, one.version) for one in lock.python))
    take("recipe", ((one.recipe, one.sha256[:12]) for one in lock.recipes))
    take("source", ((f"{one.source}: {one.file}", one.sha256[:12]) for one in lock.sources))
    take("buildroot package", ((one.package, one.version) for one in lock.root_packages))
    return {key: tuple(sorted(values)) for key, values in found.items()}


def _shown(values: Iterable[str]) -> str:
    return ", ".join(values)
