"""Commands of ppcdeps as a person types them, and the request that a plan answers."""

import shlex
from collections.abc import Mapping, Sequence

from ppcdeps.model.values import dataclass

PROGRAM = "ppcdeps"
REMOVED = "***"
"""What stands for a password that was taken out of an option."""

RECORDED_OPTIONS = (
    "target",
    "release",
    "releasever",
    "snapshot",
    "repofrompath",
    "reference",
    "source",
    "repo-file",
    "repo",
    "enablerepo",
    "disablerepo",
    "setopt",
    "python-version",
    "module",
    "python",
    "srpms",
    "recipes",
    "constraints",
)
"""The options of `ppcdeps plan` that decide on the plan, by their long names, in the order in which they are shown.
"""


def command_line(*words: str) -> str:
    """A command of ppcdeps in one line of a POSIX shell: the program's name and these words, quoted where needed."""
    return shlex.join((PROGRAM, *words))


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """How a plan was requested: the words of `ppcdeps plan`, and the options that decide on the plan.

    ``words`` are workloads, roots and own packages, none of an audit, which takes such options alone; ``options``
    have the values of each option that was given, by its name in RECORDED_OPTIONS. All are as they were typed, but
    for passwords, in whose place REMOVED stands; relative paths count from the folder in which the plan was made.
    """

    words: tuple[str, ...]
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, words: Sequence[str], options: Mapping[str, Sequence[str]]) -> "RequestRecord":
        """The record of these words and options, of which those without a value count for nothing.

        Raises ValueError for an option that plans do not record.
        """
        unknown = sorted(options.keys() - set(RECORDED_OPTIONS))
        if unknown:
            raise ValueError(f"not an option of a plan: {unknown[0]}")
        given = ((name, tuple(options.get(name, ()))) for name in RECORDED_OPTIONS)
        return cls(tuple(words), tuple((name, values) for name, values in given if values))

    def values(self, option: str) -> tuple[str, ...]:
        """The values of an option, none where it was not given."""
        return dict(self.options).get(option, ())

    def value(self, option: str) -> str | None:
        """The value of an option that is given once, None where it was not given."""
        return next(iter(self.values(option)), None)

    def option_words(self) -> tuple[str, ...]:
        """The options as words of a command."""
        return tuple(word for name, values in self.options for value in values for word in (f"--{name}", value))

    def plan_words(self, *more: str) -> tuple[str, ...]:
        """The words of the command that makes the plan, with further options."""
        options = (*self.option_words(), *more)
        if any(word.startswith("-") for word in self.words):
            return ("plan", *options, "--", *self.words)
        return ("plan", *self.words, *options)

    def command(self, *more: str) -> str:
        """The command that makes the plan, with further options, in one line."""
        return command_line(*self.plan_words(*more))
