"""The files that pip is to install of a plan's lock, fetched and verified, for a machine without network."""

from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.python_plan import PlannedDistribution, PlannedPython, Provision
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.model.values import dataclass
from ppcdeps.python.index import Index
from ppcdeps.python.lock import LockRequest, PythonRoot
from ppcdeps.python.resolution import resolve
from ppcdeps.python.sdist import build_system_requires, read_sdist

_DEFAULT_BACKEND = ("setuptools", "wheel")
"""What PEP 517 takes where a distribution names no build system."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """One distribution for pip: the best of its files that the index has, with its SHA-256."""

    name: str
    version: str
    file: str
    sha256: str
    path: Path

    @property
    def is_wheel(self) -> bool:
        """Whether nothing has to be built of it."""
        return self.file.endswith(".whl")

    @property
    def requirement(self) -> str:
        """Its line in a requirements file, for `pip install --require-hashes`."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """What pip installs, and ``backends``: what its source distributions need to become wheels."""

    pinned: tuple[Pinned, ...] = ()
    backends: tuple[Pinned, ...] = field(default=())

    @property
    def wheels(self) -> tuple[Pinned, ...]:
        """The pins that are wheels."""
        return tuple(each for each in self.pinned if each.is_wheel)

    @property
    def sdists(self) -> tuple[Pinned, ...]:
        """The pins that are pure source distributions."""
        return tuple(each for each in self.pinned if not each.is_wheel)


def fetch_wheelhouse(planned: PlannedPython, python: PythonEnvironment, machine: str, index: Index) -> Wheelhouse:
    """Fetch and verify the files that pip is to install of a plan, and the build systems of the sdists among them.

    Raises RepositoryError where the index has no such file any more, or sends another, and what
    ``ppcdeps.python.resolution.resolve`` raises for the build systems.
    """
    pinned = tuple(_fetched(each, index) for each in planned.by_pip)
    house = Wheelhouse(pinned)
    wanted = sorted({each for sdist in house.sdists for each in _build_requires(sdist)})
    if not wanted:
        return house
    roots = tuple(PythonRoot(each, "a build system") for each in wanted)
    lock = resolve(LockRequest(python, roots, machine), index)
    backends = (
        _pinned(each.name, each.version, [(file.filename, file.sha256) for file in each.files], index)
        for each in lock.having(Provision.WHEEL)
    )
    return Wheelhouse(pinned, tuple(backends))


def _fetched(each: PlannedDistribution, index: Index) -> Pinned:
    return _pinned(each.name, each.version, [(file.name, file.sha256) for file in each.files], index)


def _pinned(name: str, version: str, files: Iterable[tuple[str, str]], index: Index) -> Pinned:
    offered = index.project(name).by_filename()
    for filename, sha256 in files:
        found = offered.get(filename)
        if found is None or not sha256:
            continue
        if found.hashes.get("sha256", sha256).lower() != sha256.lower():
            raise RepositoryError(
                f"{filename} on the index is not the file that the plan pinned",
                hint="ask the index's owner why it was replaced; `ppcdeps plan WORKLOAD --refresh` pins the new one",
            )
        return Pinned(name, version, filename, sha256, index.local_file(found))
    raise RepositoryError(
        f"no index has a file of {name} {version} that the plan pinned",
        hint="plan again with `ppcdeps plan WORKLOAD --refresh`",
    )


def _build_requires(sdist: Pinned) -> tuple[str, ...]:
    """What pyproject.toml requires; setuptools where it says nothing."""
    contents = read_sdist(sdist.path, sdist.file)
    declared = build_system_requires(contents)
    if declared:
        # Older setuptools request wheel in a hook (get_requires_for_build_wheel), which is not run here.
        return (*declared, "wheel")
    # As setup_requires, which setuptools would fetch by itself, where there is a network.
    return (*_DEFAULT_BACKEND, "pbr") if "pbr" in contents.texts.get("setup.py", "") else _DEFAULT_BACKEND
