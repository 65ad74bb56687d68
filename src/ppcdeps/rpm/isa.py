"""Capabilities of an x86_64 build, said as a ppc64le build would say them.

The ISA marker changes from ``(x86-64)`` to ``(ppc-64)``, the dynamic loader from ``ld-linux-x86-64.so.2`` to
``ld64.so.2`` without its symbols (the two export different ones), and symbol versions of glibc older
than 2.17, the first release for ppc64le, become ``GLIBC_2.17`` (glibc's shlib-versions and abilists for
powerpc64le). Python's platform in names of libraries becomes ``powerpc64le-linux-gnu`` (PEP 3149), also as waf
spells it in sonames (``x86-64-linux-gnu``) and in symbol versions (``CPYTHON_39_X86_64_LINUX_GNU``); the
architecture behind an MPI library becomes ``ppc64le`` (rpm-mpi-hooks: ``(openmpi-x86_64)``).
"""

import re
from typing import Any

from ppcdeps.model.capability import DEEPEST, Capability, depth_of, requirement_of
from ppcdeps.rpm.binding import libsolv

_OF_X86 = re.compile(
    r"(?P<marker>\(x86-64\))|(?P<loader>ld-linux-x86-64\.so\.2(?:\([^()]*\))?)"
    r"|(?P<glibc>GLIBC_2\.(?:\d|1[0-6])(?:\.\d+)*(?=\)))"
    r"|(?<=\.cpython-)(?P<python>\d+[a-z]*)-x86[-_]64-linux-gnu|(?<=CPYTHON_)(?P<version>\d+[A-Z]*)_X86_64_LINUX_GNU"
    r"|(?<=\()(?P<mpi>openmpi|mpich|mvapich2)-x86_64(?=\))"
)


def translated(text: str) -> str:
    """A capability of an x86_64 package as its ppc64le build would have it."""
    return _OF_X86.sub(_for_ppc64le, text)


def _for_ppc64le(found: re.Match[str]) -> str:
    if found["marker"]:
        return "(ppc-64)"
    if found["loader"]:
        return "ld64.so.2()"
    if found["glibc"]:
        return "GLIBC_2.17"
    if found["python"]:
        return f"{found['python']}-powerpc64le-linux-gnu"
    return f"{found['version']}_POWERPC64LE_LINUX_GNU" if found["version"] else f"{found['mpi']}-ppc64le"


def dependency(pool: Any, text: str) -> Any:
    """A dependency of libsolv's from text: plain, versioned or boolean.

    Raises ValueError where the text is not a dependency.
    """
    if text.startswith("("):
        if depth_of(text) > DEEPEST:
            raise ValueError(f"a boolean dependency is nested deeper than {DEEPEST} levels: {text[:60]}...")
        rich = pool.parserpmrichdep(text)
        if rich is None:
            raise ValueError(f"not a boolean dependency: {text}")
        return rich
    capability = requirement_of(text)
    assert isinstance(capability, Capability)
    return plain_dependency(pool, capability)


def plain_dependency(pool: Any, capability: Capability) -> Any:
    """A dependency of libsolv's from a capability."""
    dep = pool.Dep(capability.name)
    if not capability.relation:
        return dep
    solv = libsolv()
    flags = {"<": solv.REL_LT, ">": solv.REL_GT, "=": solv.REL_EQ}
    return dep.Rel(sum(flags[sign] for sign in capability.relation), pool.str2id(capability.evr))


def dependencies(solvable: Any, key: int) -> list[Any]:
    """All dependencies of a kind, those that must be met before the package's scripts run included."""
    found: list[Any] = solvable.lookup_deparray(key)
    if key == libsolv().SOLVABLE_REQUIRES:
        found += solvable.lookup_deparray(key, 1)
    return found


def translate_repo(repo: Any, arch: str, reference_arch: str) -> None:
    """Make stand-ins of the native packages of a reference repository, in place."""
    solv = libsolv()
    pool = repo.pool
    keys = (
        solv.SOLVABLE_PROVIDES,
        solv.SOLVABLE_REQUIRES,
        solv.SOLVABLE_RECOMMENDS,
        solv.SOLVABLE_SUPPLEMENTS,
        solv.SOLVABLE_ENHANCES,
        solv.SOLVABLE_SUGGESTS,
        solv.SOLVABLE_CONFLICTS,
        solv.SOLVABLE_OBSOLETES,
    )
    memo: dict[int, Any] = {}
    for solvable in repo.solvables_iter():
        if not solvable.arch.startswith(reference_arch):
            continue
        solvable.arch = arch
        for key in keys:
            deps = dependencies(solvable, key)
            changed = False
            for position, dep in enumerate(deps):
                if dep.id not in memo:
                    before = str(dep)
                    after = translated(before)
                    memo[dep.id] = dependency(pool, after) if after != before else None
                if memo[dep.id] is not None:
                    deps[position] = memo[dep.id]
                    changed = True
            if changed:
                solvable.unset(key)
                for dep in deps:
                    solvable.add_deparray(key, dep)
