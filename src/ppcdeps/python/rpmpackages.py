"""RPM packages as far as Python is concerned, and the distributions that they state to have."""

import re

from ppcdeps.model.nevra import Nevra
from ppcdeps.model.values import dataclass
from ppcdeps.python.names import provided_distribution, python_version, wanted_by

_VERSIONED = re.compile(r"python\d+\.\d+dist\(")


@dataclass(frozen=True, slots=True)
class PythonPackage:
    """A package of the closure, as far as Python is concerned.

    ``on_target``: the target's own repositories have it. Provides and requires are capability texts,
    ``paths`` the files it is known to own.
    """

    nevra: str
    name: str
    on_target: bool
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def distributions_of(package: PythonPackage, python: str, beside: str = "") -> list[tuple[str, str]]:
    """Names and versions of the distributions that a package states to have, for one interpreter (``3.9``).

    ``beside`` is the interpreter's package where it is not the platform's.
    """
    found: dict[str, str] = {}
    stating = _stating(package, python, beside)
    for provide in package.provides:
        if python and not provide.startswith(stating):
            continue
        stated = provided_distribution(provide)
        if stated is not None:
            # Where the package's own name says something else for certain, a provide that only repeats that
            # name was concluded from it: python3-cinderclient is python-cinderclient, not what it states.
            own = wanted_by(package.name)
            repeats = own is not None and own.certain and package.name.endswith(f"-{stated[0]}")
            name = own.name if own is not None and repeats else stated[0]
            found.setdefault(name, _spelled_out(stated[1], package.nevra))
    return sorted(found.items())


def name_prefixes(python: str, beside: str = "") -> tuple[str, ...]:
    """What the names of an interpreter's packages begin with. EL7 names those of its Python 2 in two ways."""
    if beside:
        return (f"{beside}-",)
    return ("python-", "python2-") if python.startswith("2.") else ("python3-",)


def is_meant(named: str, python: str, beside: str = "") -> bool:
    """Whether a requirement that names an interpreter as ``named`` (3, 3.9, 39, or not at all) means this one."""
    if beside:
        return named in (python, beside.removeprefix("python"))
    return named in ("", (python or "3").partition(".")[0], python or "3")


def _stating(package: PythonPackage, python: str, beside: str) -> tuple[str, ...]:
    """What those provides begin with by which a package states distributions of an interpreter.

    `python3dist` means the platform's Python, unless the package names another: rpm's generator of EL8 writes it for
    packages of every interpreter, beside `python3.9dist`; that of EL9 for those of the platform's alone.
    """
    own = f"python{python}dist("
    others = any(_VERSIONED.match(provide) and not provide.startswith(own) for provide in package.provides)
    return (own,) if beside or others else (own, f"python{python.partition('.')[0]}dist(")


def _spelled_out(version: str, nevra: str) -> str:
    """The version as the RPM itself has it, where it is the same: rpm's generator drops zeros at the end."""
    from packaging.version import Version

    try:
        own = python_version(Nevra.parse(nevra).version)
        return own if Version(own) == Version(version) else version
    except ValueError:
        return version
