"""The target's interpreter as markers and wheel tags see it. Nothing of the running interpreter enters."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.model.values import dataclass

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.version import Version

_HIGHEST = 999
"""Of each number of a version of Python and glibc."""
_OLDEST_GLIBC = {"ppc64le": (2, 17), "x86_64": (2, 5), "aarch64": (2, 17), "s390x": (2, 17)}
"""The first manylinux profile of each machine. On ppc64le it is the first glibc that the port has."""
_LEGACY_PROFILES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_LEGACY_MACHINES = {"manylinux2010": frozenset({"x86_64"}), "manylinux1": frozenset({"x86_64"})}


def _abi_flags(release: tuple[int, ...]) -> str:
    """What the ABI tags of an interpreter end with, as distributions build it: pymalloc (m) up to 3.7 (PEP 3149), and
    wide Unicode (u) in Python 2 (PEP 513).
    """
    if release < (3,):
        return "mu"
    return "m" if release < (3, 8) else ""


class MarkerError(ValueError):
    """A marker such as ``os_name ~= 'posix'``, which has no value."""


@dataclass(frozen=True)
class TargetEnvironment:
    """What a marker evaluates to and which wheels are installable, on the target.

    ``python`` is the full version; ``machine`` is what ``platform.machine()`` says there.
    """

    python: str
    glibc: tuple[int, int]
    machine: str = "ppc64le"
    implementation: str = "cpython"
    _verdicts: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, python: PythonEnvironment, machine: str = "ppc64le") -> "TargetEnvironment":
        """The environment of a target. Raises ConfigError where its Python is not one that can be
        described.
        """
        from packaging.version import Version

        try:
            version = Version(python.version)
        except ValueError:
            raise ConfigError(
                f"the target's Python version {python.version!r} is not a version",
                hint="write it like 3.9.25",
            ) from None
        if len(version.release) < 3:
            # To pip, and to `Requires-Python: >=3.9.2`, 3.9 is 3.9.0.
            raise ConfigError(
                f"the target's Python version {python.version} lacks its last number",
                hint="write it in full, like 3.9.25: a bare 3.9 means 3.9.0",
            )
        if max((*version.release, *python.glibc)) > _HIGHEST:
            # All lower ones are counted.
            raise ConfigError(f"there is no Python {python.version} with glibc {'.'.join(map(str, python.glibc))}")
        if python.implementation != "cpython":
            raise ConfigError(f"Python implementation {python.implementation!r} is not supported", hint="use cpython")
        return cls(python.version, python.glibc, machine)

    @property
    def python_tag(self) -> str:
        """Major and minor number: ``3.9``."""
        return ".".join(self.python.split(".")[:2])

    @cached_property
    def version(self) -> "Version":
        """The full Python version, comparable."""
        from packaging.version import Version

        return Version(self.python)

    @cached_property
    def markers(self) -> Mapping[str, str]:
        """The environment of PEP 508. What the release of a kernel would say is empty: no plan may rest on
        it.
        """
        # Python 2 has no sys.implementation, for which PEP 508 names these values, and another name for Linux.
        is_old = self.version.major == 2
        return {
            "implementation_name": "" if is_old else self.implementation,
            "implementation_version": "0" if is_old else self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": self.python_tag,
            "sys_platform": "linux2" if is_old else "linux",
        }

    def holds(self, marker: object, extras: tuple[str, ...] = ()) -> bool:
        """Whether a ``packaging`` marker (or None) holds on the target, for one of ``extras`` or
        without any. Raises MarkerError where it can be parsed and not evaluated.
        """
        if marker is None:
            return True
        text = str(marker)
        # The extras do not matter then, and one entry serves them all.
        if "extra" not in text:
            extras = ()
        key = f"{text}\0{','.join(extras)}"
        known = self._verdicts.get(key)
        if known is None:
            known = any(self._evaluate(marker, extra) for extra in extras or ("",))
            self._verdicts[key] = known
        return known

    def holds_in_lock(self, marker: object, extras: AbstractSet[str], groups: AbstractSet[str]) -> bool:
        """Whether a marker of a lock file holds on the target, with the extras and dependency groups that are
        installed (PEP 751: `'dev' in dependency_groups`). Raises MarkerError where it has no value.
        """
        from packaging.markers import Marker

        if marker is None:
            return True
        assert isinstance(marker, Marker)
        values: dict[str, str | AbstractSet[str]] = {**self.markers, "extras": extras, "dependency_groups": groups}
        try:
            return marker.evaluate(values, context="lock_file")
        except (ValueError, TypeError, LookupError, RecursionError) as fault:
            raise MarkerError(str(fault).partition("\n")[0]) from fault

    def _evaluate(self, marker: object, extra: str) -> bool:
        from packaging.markers import Marker

        assert isinstance(marker, Marker)
        # All variables are given: packaging takes the rest from the running interpreter.
        try:
            return marker.evaluate({**self.markers, "extra": extra})
        except (ValueError, TypeError, LookupError, RecursionError) as fault:
            # What packaging raises for comparisons without a meaning depends on its version.
            raise MarkerError(str(fault).partition("\n")[0]) from fault

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags from the best on: the target's glibc down to the oldest profile, then plain linux."""
        major, minor = self.glibc
        oldest = _OLDEST_GLIBC.get(self.machine, (2, 17))
        names = []
        for each in range(minor, oldest[1] - 1, -1):
            names.append(f"manylinux_{major}_{each}_{self.machine}")
            legacy = _LEGACY_PROFILES.get((major, each))
            if legacy and self.machine in _LEGACY_MACHINES.get(legacy, {self.machine}):
                names.append(f"{legacy}_{self.machine}")
        # Not allowed on public indexes; what people build for themselves carries it.
        names.append(f"linux_{self.machine}")
        return tuple(names)

    @cached_property
    def tags(self) -> tuple["Tag", ...]:
        """Every wheel tag that installs on the target, the best first."""
        from packaging.tags import compatible_tags, cpython_tags

        release = tuple(int(part) for part in self.python.split(".")[:2])
        interpreter = f"cp{release[0]}{release[1]}"
        # Without abis, packaging would take those of the running interpreter.
        own = cpython_tags(release, abis=[f"{interpreter}{_abi_flags(release)}"], platforms=self.platforms)
        shared = compatible_tags(release, interpreter, platforms=self.platforms)
        return tuple(dict.fromkeys((*own, *shared)))

    @cached_property
    def _ranks(self) -> Mapping[str, int]:
        return {str(tag): rank for rank, tag in enumerate(self.tags)}

    def rank(self, tags: str) -> int | None:
        """How good a wheel is for the target, lower is better; None where it does not install.

        ``tags`` is the end of a wheel's file name, compressed sets included:
        ``cp36.cp37-abi3-linux_ppc64le``.
        """
        parts = tags.split("-")
        if len(parts) != 3:
            return None
        interpreters, abis, platforms = (part.split(".") for part in parts)
        found = [
            rank
            for interpreter in interpreters
            for abi in abis
            for platform in platforms
            if (rank := self._ranks.get(f"{interpreter}-{abi}-{platform}".lower())) is not None
        ]
        return min(found, default=None)
