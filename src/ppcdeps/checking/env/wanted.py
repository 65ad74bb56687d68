"""What an environment is to have: requirements and constraints for pip, read for its Python."""

from pathlib import Path

from ppcdeps.checking.env.repair import WantedEnvironment
from ppcdeps.model.errors import ConfigError
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.lockfiles import built_first, rpm_provided, stated_target
from ppcdeps.python.names import normalize
from ppcdeps.python.requirementfiles import RequirementFile, parse_requirement_text, read_requirement_file
from ppcdeps.python.requirementset import requirement_set

_WHAT = "the requirements"


def read_wanted(path: Path, environment: TargetEnvironment, constraints: Path | None = None) -> WantedEnvironment:
    """The requirements of a file and those that it includes, held to the constraints.

    Raises ConfigError where a file cannot be read, has lines that pip refuses, requires nothing, or says that it was
    written for another Python.
    """
    files = [read_requirement_file(path, what=_WHAT)]
    if constraints is not None:
        files.append(read_requirement_file(constraints, what="the constraints file", constraint=True))
    return _wanted(files, environment, str(path))


def parse_wanted(
    requirements: str, constraints: str, environment: TargetEnvironment, *, origin: str
) -> WantedEnvironment:
    """Like ``read_wanted``, from texts, which can include no files."""
    files = [
        parse_requirement_text(requirements, what=_WHAT, origin=f"requirements of {origin}"),
        parse_requirement_text(constraints, what=_WHAT, origin=f"constraints of {origin}", constraint=True),
    ]
    return _wanted(files, environment, origin)


def _wanted(files: list[RequirementFile], environment: TargetEnvironment, origin: str) -> WantedEnvironment:
    texts = [text for file in files for text in file.texts]
    machine = ""
    for text in texts:
        stated = stated_target(text[:1000])
        machine = stated[0] if stated else machine
        tag = ".".join(stated[1].split(".")[:2]) if stated else environment.python_tag
        if tag != environment.python_tag:
            raise ConfigError(
                f"{origin} is for Python {tag}, and not for the {environment.python_tag} of this environment",
                hint="name the interpreter with --python, or make them for this one: `ppcdeps constraints WORKLOAD`",
            )
    together = RequirementFile(
        tuple(line for file in files for line in file.lines),
        tuple(texts),
        tuple(each for file in files for each in file.unfollowed),
    )
    found = requirement_set(together, environment, what=_WHAT, origin=origin)
    built = {normalize(name): version for text in texts for name, version in built_first(text).items()}
    packages = {normalize(name): rpm for text in texts for name, rpm in rpm_provided(text).items()}
    if not (found.distributions or found.projects or built or packages):
        raise ConfigError(
            f"{origin} requires nothing on Python {environment.python_tag} for {environment.machine}: "
            "an empty environment is not what it can mean",
            hint="name a file with requirements",
        )
    return WantedEnvironment(origin, found, built, packages, together.unfollowed, machine)
