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

_OF_X86 = (
    (r"\(x86-64\)", "(ppc-64)"),
    (r"ld-linux-x86-64\.so\.2(?:\([^()]*\))?", "ld64.so.2()"),
    (r"GLIBC_2\.(?:\d|1[0-6])(?:\.\d+)*(?=\))", "GLIBC_2.17"),
    (r"\.cpython-(\d+[a-z]*)-x86[-_]64-linux-gnu", r".cpython-\1-powerpc64le-linux-gnu"),
    (r"CPYTHON_(\d+[A-Z]*)_X86_64_LINUX_GNU", r"CPYTHON_\1_POWERPC64LE_LINUX_GNU"),
    (r"\((openmpi|mpich|mvapich2)-x86_64\)", r"(\1-ppc64le)"),
)
_CHARACTER = rb"&#(x[0-9A-Fa-f]{1,6}|[0-9]{1,7});"


def translated(text: str) -> str:
    """A capability of an x86_64 package as its ppc64le build would have it."""
    for pattern, instead in _OF_X86:
        text = re.sub(pattern, instead, text)
    return text


def translated_document(document: bytes) -> bytes:
    """Packages of primary.xml with their capabilities as their ppc64le builds would have them.

    All at once, before libsolv reads them: a call for each capability takes as long as all the rest of a plan.
    """
    if b"&#" in document:
        document = re.sub(_CHARACTER, _plain_character, document)
    for pattern, instead in _OF_X86:
        document = re.sub(pattern.encode(), instead.encode(), document)
    return document


def _plain_character(found: re.Match[bytes]) -> bytes:
    """A character that XML writes as a number, where it needs not be written so."""
    number = int(found[1][1:], 16) if found[1].startswith(b"x") else int(found[1])
    return bytes([number]) if 0x20 <= number < 0x7F and bytes([number]) not in b"<>&\"'" else found[0]


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


def dependencies(solvable: Any, key: int) -> list[int]:
    """The ids of all dependencies of a kind, those included that must be met before the package's scripts run."""
    found: list[int] = solvable.lookup_idarray(key)
    if key == libsolv().SOLVABLE_REQUIRES:
        found += solvable.lookup_idarray(key, 1)
    return found
