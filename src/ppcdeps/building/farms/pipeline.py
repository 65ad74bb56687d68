"""The builds of a plan as the steps of a pipeline: shell commands, and which comes after which."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ppcdeps.building.run.tasks import Task
from ppcdeps.model.commands import PROGRAM
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.visible import visible

_LONGEST = 50
"""Of a step's identifier, which is also the name of a Kubernetes object: 63 characters with what comes before it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command of ppcdeps in a pipeline.

    ``id`` is unique in it, of small letters, digits and hyphens. ``title`` is for people. ``words`` are those of the
    command after the program's name. ``after`` are the ids of the steps whose results it takes, ``wave`` counts from
    0: how many steps have to be done before, at least. ``work`` is the folder of its logs.
    """

    id: str
    title: str
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    wave: int = 0
    work: str = ""

    @property
    def command(self) -> str:
        """The command for a POSIX shell, in one line, of which no pipeline language takes a part for its own."""
        return shell_line((PROGRAM, *self.words))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline of a plan. ``folder`` is what travels with it, ``store`` in it where finished builds are put.

    ``publish`` comes after all ``builds``, and ``verify`` after that. Paths are relative to where the steps run.
    """

    workload: str
    folder: str
    store: str
    repository: str
    builds: tuple[Step, ...]
    publish: Step
    verify: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, each after those that it needs."""
        return (*self.builds, self.publish, self.verify)


def pipeline_of(
    workload: str,
    tasks: Sequence[Task],
    *,
    folder: str,
    repository: str,
    common: Sequence[str],
    build: Sequence[str],
    publish: Sequence[str],
    verify: Sequence[str],
) -> Pipeline:
    """The pipeline of these tasks, which come in the order of what needs what.

    ``common`` are the options of all commands, after the plan; ``build``, ``publish`` and ``verify`` those of some.
    Raises ConfigError for a name that cannot stand in one line.
    """
    plan, store = f"{folder}/plan.json", f"{folder}/store"
    start = ("build", plan, *common, "--rendered", f"{folder}/rendered", "--store", store, *build)
    ids = _ids([task.name for task in tasks])
    waves: dict[str, int] = {}
    builds = []
    for task in tasks:
        name = ids[task.name]
        waves[task.name] = max((waves[need] + 1 for need in task.needs), default=0)
        work = f"{folder}/work/{name}"
        words = (*start, "--only", task.name, "--no-publish", "--work", work)
        after = tuple(ids[need] for need in task.needs)
        builds.append(Step(name, task.name, words, after, waves[task.name], work))
    last = max(waves.values(), default=-1) + 1
    work = f"{folder}/work/publish"
    words = (*start, *publish, "--repository", repository, "--work", work)
    publishing = Step("publish", f"publish {workload}", words, tuple(ids[task.name] for task in tasks), last, work)
    words = ("verify", plan, *common, *verify, "--repository", repository)
    verifying = Step("verify", f"verify {workload}", words, ("publish",), last + 1)
    found = Pipeline(workload, folder, store, repository, tuple(builds), publishing, verifying)
    for step in found.steps:
        wrong = next((word for word in (step.title, *step.words) if not word.isprintable()), None)
        if wrong is not None:
            raise ConfigError(
                f"a pipeline cannot have {visible(repr(wrong))}: a name with a line break or a control character",
                hint="rename what has it",
            )
    return found


def shell_line(words: Sequence[str]) -> str:
    """Words as one line for a POSIX shell.

    After a dollar sign, one quotation ends and another begins: the shell sees the same word, and what reads the file
    before the shell does finds neither GitHub's ``${{``, nor Tekton's ``$(``, nor GitLab's ``$[[``.
    """
    return " ".join(shlex.quote(word).replace("$", "$''") for word in words)


def _ids(names: Sequence[str]) -> dict[str, str]:
    """An identifier for each name, which begins with ``build-`` and is told apart by a number where needed."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-")
        base = f"build-{stem}" if stem else "build"
        new, number = base, 2
        while new in taken:
            new, number = f"{base}-{number}", number + 1
        taken.add(new)
        found[name] = new
    return found
