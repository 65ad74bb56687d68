"""The smoke test of what was built: its recipe's, and an import of every Python extension module in it."""

import re
from collections.abc import Sequence
from pathlib import Path

from ppcdeps.rpm.header import read_header

_EXTENSION = re.compile(r"/python3(?:\.\d+)?/(?:site|dist)-packages/(?P<module>[^.]+)\.(?:cpython-[^/]*\.|abi3\.)?so")


_IMPORTS = """\
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        print("imported", name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == name.partition(".")[0]:
            raise
        # All that the RPMs require is installed, as RPM or in the bridge's name only: pip will bring this one.
        print("not imported, for want of", error.name + ":", name)
"""


def smoke_script(own: str, packages: Sequence[Path]) -> str:
    """The shell script that tests packages where they are installed; empty where there is nothing to test.

    ``own`` is the script of the recipe, ``packages`` are the RPMs.
    """
    parts = []
    modules = sorted({module for path in packages for module in extension_modules(path)})
    if modules:
        parts.append(f"set -eu\npython3 - {' '.join(modules)} <<'PYTHON'\n{_IMPORTS}PYTHON\n")
    parts.append(own)
    return "".join(parts)


def extension_modules(package: Path) -> tuple[str, ...]:
    """The dotted names of the compiled Python modules in an RPM."""
    found = (_EXTENSION.search(path) for path in read_header(package).files)
    return tuple(sorted({match["module"].replace("/", ".") for match in found if match}))
