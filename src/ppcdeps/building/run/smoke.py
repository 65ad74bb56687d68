"""The smoke test of what was built: its recipe's, and an import of every Python extension module in it."""

import re
from collections.abc import Sequence
from pathlib import Path

from ppcdeps.rpm.header import read_header

_EXTENSION = re.compile(
    r"/(?P<python>python\d(?:\.\d+)?)/(?:site|dist)-packages/(?P<module>[^.]+)\.(?:cpython-[^/]*\.|abi3\.)?so"
)


_IMPORTS = """\
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        print("imported " + name)
    except ImportError as error:
        missing, words = getattr(error, "name", None), str(error).split()
        if sys.version_info < (3,) and words[:3] == ["No", "module", "named"]:
            missing = words[3]
        is_missing = sys.version_info < (3,) or isinstance(error, ModuleNotFoundError)
        if not is_missing or missing is None or missing.partition(".")[0] == name.partition(".")[0]:
            raise
        # All that the RPMs require is installed, as RPM or in the bridge's name only: pip will bring this one.
        print("not imported, for want of " + missing + ": " + name)
"""


def smoke_script(own: str, packages: Sequence[Path]) -> str:
    """The shell script that tests packages where they are installed; empty where there is nothing to test.

    ``own`` is the script of the recipe, ``packages`` are the RPMs.
    """
    parts = []
    found: dict[str, set[str]] = {}
    for path in packages:
        for python, module in extension_modules(path):
            found.setdefault(python, set()).add(module)
    for python, modules in sorted(found.items()):
        # The platform's interpreter need not have its version in its name (EL8: python3).
        lines = [f"python=$(command -v {python} || command -v {_unversioned(python)})"]
        lines.append(f"\"$python\" - {' '.join(sorted(modules))} <<'PYTHON'\n{_IMPORTS}PYTHON\n")
        parts.append("set -eu\n" + "\n".join(lines))
    parts.append(own)
    return "".join(parts)


def extension_modules(package: Path) -> tuple[tuple[str, str], ...]:
    """The compiled Python modules in an RPM: each with the interpreter of its folder (python3.9), and its dotted
    name.
    """
    found = (_EXTENSION.search(path) for path in read_header(package).files)
    return tuple(sorted({(match["python"], match["module"].replace("/", ".")) for match in found if match}))


def _unversioned(python: str) -> str:
    return python.partition(".")[0]
