"""What rpm's dependency generators will provide for files that a spec lists, as far as their paths say it.

A spec does not say that its package will provide ``pkgconfig(foo)``: pkgconfigdeps.sh finds foo.pc in the build. The
same holds for sonames (elfdeps), CMake packages (cmake.prov), Python distributions (pythondistdeps.py), Perl modules
and gems. Where the path or the package's name says what will be found, the packages of one folder can satisfy each
other before any is built.
"""

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from ppcdeps.rpm.evaluated_spec import SpecPackage

_PKGCONFIG = re.compile(r".*/pkgconfig/(?P<name>[^/]+)\.pc")
_SONAME = re.compile(r"/usr/lib(?P<width>64)?/(?P<name>lib[^/]+\.so\.[0-9][^/]*)")
_CMAKE = re.compile(r".*/cmake/(?P<name>[^/]+)(?:/[^/]*)?/?")
_CAPABILITY = re.compile(r"(?:(?P<kind>pkgconfig|cmake)\((?P<name>[^()]+)\)|(?P<soname>lib[^()]+\.so[^()]*)\(\).*)")
_NAMED = re.compile(r"(?:python3-(?P<python>.+)|perl-(?P<perl>.+)|rubygem-(?P<gem>.+))")


def generated_provides(package: SpecPackage, needed: Collection[str], *, source: str, python: str) -> tuple[str, ...]:
    """The capabilities that generators will give a package, sorted.

    ``needed`` are names of capabilities that others ask for: a pattern such as ``libfoo.so.*`` provides those of them
    that it fits. ``source`` is the name of the source package, ``python`` the target's Python (``3.9``).
    """
    version = package.nevra.version
    found = {*_by_path(package, version), *_by_name(package, version, python), *_needed(package, needed, source)}
    return tuple(sorted(found))


def _by_path(package: SpecPackage, version: str) -> Iterator[str]:
    for path in package.files:
        if found := _PKGCONFIG.fullmatch(path):
            yield f"pkgconfig({found['name']}) = {version}"
        elif found := _CMAKE.fullmatch(path):
            yield f"cmake({found['name']}) = {version}"
        elif found := _SONAME.fullmatch(path):
            yield f"{found['name']}(){'(64bit)' if found['width'] else ''}"


def _by_name(package: SpecPackage, version: str, python: str) -> Iterator[str]:
    found = _NAMED.fullmatch(package.nevra.name)
    if found is None:
        return
    if name := found["python"]:
        for of in ("python3dist", f"python{python}dist"):
            yield f"{of}({name.lower().replace('_', '-').replace('.', '-')}) = {version}"
    elif name := found["perl"]:
        yield f"perl({name.replace('-', '::')}) = {version}"
    else:
        yield f"rubygem({found['gem']}) = {version}"


def _needed(package: SpecPackage, needed: Collection[str], source: str) -> Iterator[str]:
    for capability in needed:
        found = _CAPABILITY.fullmatch(capability)
        if found is None:
            continue
        name = found["name"] or found["soname"]
        tail = {"pkgconfig": f"pkgconfig/{name}.pc", "cmake": f"cmake/{name}"}.get(found["kind"] or "", name)
        for pattern in package.patterns:
            depth = tail.count("/") + 1
            last = "/".join(pattern.rstrip("/").split("/")[-depth:])
            if fnmatchcase(tail, last) and (_says_name(pattern) or _akin(name, source)):
                yield capability if found["soname"] else f"{capability} = {package.nevra.version}"


def _says_name(pattern: str) -> bool:
    """Whether the last part of a pattern begins with more than a wildcard."""
    return pattern.rstrip("/").rpartition("/")[2][:1] not in ("*", "?", "[")


def _akin(name: str, source: str) -> bool:
    one, other = (text.lower().removeprefix("lib").rstrip("0123456789.-+") for text in (name, source))
    return bool(one and other) and (one.startswith(other) or other.startswith(one))
