"""Bring generated damage to the doors of ppcdeps, and report what does not end as it is to end.

    python tests/hostile/run.py --door primary --count 2000 --seed 1 --keep /tmp/failures

    python tests/hostile/run.py --door primary --input /tmp/failures/primary-defect-1-7.xml

Without --door, all doors are tried. The exit code is 1 where an input was found that does not end as it is to end.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from damage import Words, damaged, smaller
from doors import DOORS, Door
from doortrial import SECONDS, Outcome, Scene, place_of_defect, run_door, scene


def say(text: str) -> None:
    """A line of the report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def signatures(outcome: Outcome) -> list[tuple[str, str]]:
    """The kinds of failure, without what differs from input to input."""
    return [(kind, "" if kind in ("hang", "memory", "left") else where) for kind, where in outcome.complaints]


def try_door(door: Door, place: Scene, count: int, seed: int, keep: Path | None, most: float) -> dict[str, object]:
    """Bring so many inputs to one door. Returns what is to be recorded."""
    words = Words(str(place.canary))
    codes: Counter[str] = Counter()
    found: dict[tuple[str, str], dict[str, object]] = {}
    slowest, largest, began, tried = 0.0, 0, time.monotonic(), 0
    for number in range(count):
        if time.monotonic() - began > most:
            break
        tried += 1
        document = damaged(door.document(), door.form, Random(f"{seed}/{door.name}/{number}"), words)
        outcome = run_door(door, document, place)
        if any(kind == "hang" for kind, _ in outcome.complaints):
            # A machine that others use, too, can be slow: only what hangs twice hangs.
            outcome = run_door(door, document, place, seconds=2 * SECONDS)
        codes[str(outcome.code)] += 1
        slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.memory)
        for signature in signatures(outcome):
            entry = found.setdefault(signature, {"count": 0})
            entry["count"] = int(str(entry["count"])) + 1
            if entry["count"] == 1:
                entry.update(_described(door, document, outcome, signature, place, keep, f"{seed}-{number}"))
    return {
        "door": door.name,
        "inputs": tried,
        "seed": seed,
        "codes": dict(sorted(codes.items())),
        "slowest": round(slowest, 2),
        "largest": largest >> 20,
        "seconds": round(time.monotonic() - began, 1),
        "failures": [{"kind": kind, "where": where, **entry} for (kind, where), entry in sorted(found.items())],
    }


def _described(
    door: Door,
    document: bytes,
    outcome: Outcome,
    signature: tuple[str, str],
    place: Scene,
    keep: Path | None,
    name: str,
) -> dict[str, object]:
    kind, _ = signature
    told: dict[str, object] = {
        "detail": next(where for one, where in outcome.complaints if one == kind),
        "code": outcome.code,
        "seconds": round(outcome.seconds, 2),
        "said": outcome.err.strip().rpartition("\n")[2][:300],
        "line": list(outcome.arguments),
    }
    if kind == "defect":
        told["place"] = place_of_defect(door, document, place)
    if keep is not None:
        if kind not in ("hang", "memory") and len(document) < 200_000 and not door.slow:
            document = smaller(document, lambda one: signature in signatures(run_door(door, one, place)))
        file = keep / f"{door.name}-{kind}-{name}{door.suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(document)
        told["file"] = file.name
    return told


def summary(record: dict[str, object]) -> str:
    """One line for a door, and one for each kind of failure."""
    lines = [
        f"{record['door']}: {record['inputs']} inputs in {record['seconds']} s, codes {record['codes']}, "
        f"slowest {record['slowest']} s, largest {record['largest']} MiB"
    ]
    failures = record["failures"]
    assert isinstance(failures, list)
    lines += [
        f"  {one['kind']} x{one['count']}: {one.get('place') or one['detail']} ({one.get('file', '')}) "
        f"{one['said'][:160]!r}"
        for one in failures
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--door", action="append", choices=sorted(DOORS), help="a door; repeatable (default: all)")
    parser.add_argument("--list", action="store_true", help="only list the doors that can be tried here")
    parser.add_argument("--count", type=int, default=2000, help="inputs a door (default: 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write inputs that fail to this folder")
    parser.add_argument("--record", type=Path, help="append a JSON line for each door to this file")
    parser.add_argument("--most", type=float, default=float("inf"), help="seconds a door gets at most")
    parser.add_argument("--input", type=Path, help="bring this document, as --keep wrote it, and show how it ends")
    parser.add_argument(
        "--slow-count", type=int, help="inputs for doors that start other programs (default: --count)"
    )
    options = parser.parse_args()
    if options.list:
        say("\n".join(name for name, door in DOORS.items() if not door.lacks()))
        return 0
    failed = False
    if options.input is not None:
        with scene() as place:
            outcome = run_door(DOORS[options.door[0]], options.input.read_bytes(), place)
            say(f"{outcome.out}{outcome.err}exit {outcome.code}, {outcome.seconds:.1f} s, {outcome.memory >> 20} MiB")
            say("\n".join(f"complaint: {kind}: {where}" for kind, where in outcome.complaints) or "no complaint")
        return 0 if outcome.is_good else 1
    with scene() as place:
        for name in options.door or DOORS:
            door = DOORS[name]
            if lacks := door.lacks():
                say(f"{name}: skipped, {lacks}")
                continue
            valid = run_door(door, door.document(), place)
            if not valid.is_good or valid.code not in (0, 1):
                say(f"{name}: the valid document ends with {valid.code}: {valid.complaints} {valid.err}")
                failed = True
            count = options.slow_count if door.slow and options.slow_count is not None else options.count
            record = try_door(door, place, count, options.seed, options.keep, options.most)
            failed = failed or bool(record["failures"])
            say(summary(record))
            if options.record:
                with options.record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
