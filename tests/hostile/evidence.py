"""The records of runs (`run.py --record FILE`) as a page for `docs/evidence/`.

python tests/hostile/run.py --list | xargs -P 2 -n 1 python tests/hostile/run.py --record FILE --count 2000 --door
python tests/hostile/evidence.py FILE >docs/evidence/hostile.md
"""

import json
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def table(records: Iterable[dict[str, Any]]) -> str:
    """A row for each door: inputs, exit codes, the slowest run, the largest one, and what failed."""
    rows = ["| door | inputs | exit codes | slowest | most memory | failures |", "|---|---|---|---|---|---|"]
    for one in sorted(records, key=lambda one: str(one["door"])):
        codes = ", ".join(f"{code}: {one['codes'][code]}" for code in sorted(one["codes"], key=int))
        failures = ", ".join(f"{each['kind']} {each['count']}" for each in one["failures"]) or "none"
        rows.append(
            f"| {one['door']} | {one['inputs']} | {codes} | {one['slowest']} s | {one['largest']} MiB | {failures} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Write the page to standard output."""
    records = [json.loads(line) for name in sys.argv[1:] for line in Path(name).read_text("utf-8").splitlines()]
    count, seconds = sum(one["inputs"] for one in records), sum(one["seconds"] for one in records)
    head = (
        "# Generated damage at every door\n\n"
        f"{count} documents at {len(records)} doors in {seconds / 3600:.1f} hours of runs, by\n"
        f"`tests/hostile/run.py` on Python {platform.python_version()}. A failure would be: exit 70, a traceback,\n"
        "a signal, more than 10 s or 1 GiB, a control character or a forged line in the output, a fault without an\n"
        "error line, a file outside of the run's folders read or written, or something left in the temporary\n"
        "folder.\n\n"
    )
    sys.stdout.write(head + table(records) + "\n")


if __name__ == "__main__":
    main()
