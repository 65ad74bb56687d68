"""A program that imports modules one after the other and reports which fail; the Python of a root runs it.

It is given a JSON file, {"modules": {NAME: IS_COMPILED, ...}, "distributions": [NAME, ...]}, and writes another: a
list of {"module": NAME, "native": IS_COMPILED, "fault": TEXT, "left_out": BOOL}, the fault empty where the import
went well. Of a distribution, it imports the top-level modules and all compiled ones. Any Python 3 runs it, and it
needs nothing else.
"""

import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path

if False:  # the Python of an old root must not need it
    from collections.abc import Iterable

_PLACE = re.compile(r"(?:^|/)(?:site|dist)-packages/(.+)$")
_COMPILED = re.compile(r"^(?P<stem>.+?)\.(?:cpython-[^/]+\.|abi3\.)?so$")
_NO_PART = re.compile(r"(?:^|[._/])(?:tests?|testing|_vendor|conftest)(?:[._/]|$)")


def modules_of(paths: "Iterable[str]") -> "dict[str, bool]":
    """The modules that files make up, and whether each is compiled. Tests and vendored code are left out.

    ``paths`` are absolute, or relative to the folder of packages.
    """
    found = {}  # type: dict[str, bool]
    for path in paths:
        place = _PLACE.search(path)
        if place is None and path.startswith(("/", "..")):
            continue
        inner = place.group(1) if place else path
        compiled = _COMPILED.match(inner)
        if compiled:
            name = compiled.group("stem").replace("/", ".")
        elif inner.endswith("/__init__.py") and inner.count("/") == 1:
            name = inner.split("/")[0]
        elif inner.endswith(".py") and "/" not in inner:
            name = inner[:-3]
        else:
            continue
        parts = name.split(".")
        if all(part.isidentifier() for part in parts) and not _NO_PART.search(name):
            found[name] = found.get(name, False) or bool(compiled)
    return found


def files_of(distribution: str) -> "list[str]":
    """The files that the RECORD of an installed distribution lists, or nothing where it has none."""
    wanted = _normalized(distribution)
    for folder in sys.path:
        for entry in sorted(Path(folder or ".").glob("*.dist-info")):
            if _normalized(entry.stem.rsplit("-", 1)[0]) == wanted and (entry / "RECORD").is_file():
                lines = (entry / "RECORD").read_text(encoding="utf-8").splitlines()
                return [line.rsplit(",", 2)[0].strip('"') for line in lines if line.strip()]
    return []


def fault_of(module: str) -> str:
    """Import the module. Returns why that failed, in one line, or nothing."""
    try:
        importlib.import_module(module)
    except BaseException as fault:  # a module may end the process, too
        if isinstance(fault, KeyboardInterrupt):
            raise
        return "{}: {}".format(type(fault).__name__, " ".join(str(fault).split())[:300])
    return ""


def is_left_out(module: str, fault: str) -> bool:
    """Whether a module that is installed says of itself that there is none of its name.

    A distribution that was built without an optional part does so: `_yaml` of PyYAML, where libyaml was not there.
    """
    if fault != "ModuleNotFoundError: No module named " + repr(module):
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _said_of(module: str, native: bool) -> "dict[str, object]":
    fault = fault_of(module)
    return {"module": module, "native": native, "fault": fault, "left_out": is_left_out(module, fault)}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Import what the first file names, and write to the second."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    wanted = dict(request["modules"])
    for distribution in request["distributions"]:
        wanted.update(modules_of(files_of(distribution)))
    said = [_said_of(name, wanted[name]) for name in sorted(wanted)]
    Path(sys.argv[2]).write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main()
