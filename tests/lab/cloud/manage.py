"""Runs inside, as a service's user: commands of its manager, which is imported once. That takes longer than they do.

manage.py PROGRAM MODULE WORD... [+ WORD...]...
"""

import importlib
import os
import sys


def main() -> None:
    """Run each command in a process of its own. Ends with the code of the first that fails."""
    program, module, *rest = sys.argv[1:]
    manager = importlib.import_module(module)
    while rest:
        end = rest.index("+") if "+" in rest else len(rest)
        words, rest = rest[:end], rest[end + 1 :]
        child = os.fork()
        if child == 0:
            sys.argv = [program, *words]
            sys.exit(manager.main())
        _, status = os.waitpid(child, 0)
        if code := os.waitstatus_to_exitcode(status):
            sys.exit(f"{program} {' '.join(words)} ended with {code}")


if __name__ == "__main__":
    main()
