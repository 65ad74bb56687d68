"""What an sdist's pyproject.toml requires to be built, beside what the buildroot has.

Builds are not isolated, and pip does not compare.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ppcdeps.building.run.resolver import RequiredPackage
from ppcdeps.model.errors import ConfigError, RepositoryError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.names import normalize, provided_distribution, python_version, wanted_by
from ppcdeps.python.requirements import RequirementError, usable_requirement
from ppcdeps.python.sdist import build_system_requires, read_sdist
from ppcdeps.rpm.header import read_header

_FIRST_MICRO = ".99"
"""Of a Python of which two numbers are known, the newest release is meant."""


def distributions_there(
    installed: Iterable[str], provided: Iterable[str], required: Collection[RequiredPackage], python: str
) -> Mapping[str, str]:
    """Name and version of the distributions for a Python (``3.9``) that the buildroot has: of what is ``installed``
    by the packages' names and by what they ``provided``, of what will be by what they provide.
    """
    found: dict[str, str] = {}
    for text in installed:
        nevra = Nevra.parse(text)
        named = wanted_by(nevra.name)
        if named is not None and named.python in (python, python.partition(".")[0]):
            found[named.name] = python_version(nevra.version)
    stating = (f"python{python}dist(", f"python{python.partition('.')[0]}dist(")
    for provide in (*provided, *(each for package in required for each in read_header(package.path).provides)):
        stated = provided_distribution(provide) if provide.startswith(stating) else None
        if stated is not None:
            found[stated[0]] = stated[1]
    return found


def unmet_build_requires(sdist: Path, there: Mapping[str, str], python: str) -> tuple[str, ...]:
    """The requirements of an sdist's build system that what is ``there`` does not satisfy, a phrase for each.

    Nothing where the sdist names none, or cannot be read: the build says so.
    """
    try:
        required = build_system_requires(read_sdist(sdist, sdist.name))
        environment = TargetEnvironment.of(PythonEnvironment(f"{python}{_FIRST_MICRO}", (2, 34)))
    except (RepositoryError, ConfigError, OSError):
        return ()
    found = []
    for text in required:
        try:
            requirement, holds = usable_requirement(text, environment)
        except RequirementError as fault:
            found.append(f"{text[:200]}, which is not a requirement ({fault}), and the buildroot has nothing of it")
            continue
        version = there.get(normalize(requirement.name))
        if not holds or requirement.url:
            continue
        if version is None:
            found.append(f"{requirement}, and the buildroot has none")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement}, and the buildroot has {version}")
    return tuple(found)
