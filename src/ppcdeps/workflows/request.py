"""What a plan is requested of: a workload, and the resolved target that it is to run on."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import ppcdeps
from ppcdeps.base.digests import sha256_of
from ppcdeps.base.named_files import read_named_text
from ppcdeps.model.commands import RequestRecord
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.values import dataclass
from ppcdeps.model.wording import first_of
from ppcdeps.model.workload import Workload
from ppcdeps.planning.own_files import OwnFile, own_files
from ppcdeps.planning.workloads import (
    FILE_ENDINGS,
    PYTHON_PREFIX,
    absent_constraints,
    curated_constraints,
    load_workload,
    together,
    workload_of_own,
    workload_of_roots,
)
from ppcdeps.python.otherlocks import refuse_other_lock
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.requested import constraints_of, recipes_of, record_of, srpms_of
from ppcdeps.workflows.words import is_workload_file, sorted_words

Installer = Literal["pip", "rpm"]
"""Who installs Python packages that the target's repositories lack."""

_OPTION_LINE = re.compile(r"^[^\S\n]*-", re.MULTILINE)
GIVEN = " (--constraints)"
"""What a plan marks a constraints file with that was named in place of the workload's."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A workload and the target that it is planned for.

    ``typed`` are the roots that the user typed, rather than a workload's file.
    """

    workload: Workload
    typed: tuple[str, ...]
    resolved: ResolvedTarget
    python: Installer = "pip"
    srpms: Path | None = None
    """A folder of source RPMs to evaluate."""
    recipes: tuple[Path, ...] = ()
    """Folders of recipes that are laid over the shipped ones."""
    wheels: Path | None = None
    """A simple repository of wheels on this disk, which comes before every index."""
    own: tuple[OwnFile, ...] = ()
    """Specs and source RPMs of the user's own, whose packages are to run, too."""
    record: RequestRecord | None = None
    """How the user asked for it, which the plan keeps; None where no words of a command line were given."""
    constraints: Path | None = None
    """A constraints file in place of the workload's."""
    former_pins: tuple[tuple[str, str], ...] = ()
    """Names and versions of Python distributions that a former lock has: they stay where they still fit."""

    def pins(self) -> Path | None:
        """The constraints file that Python's versions follow, None where there is none.

        Raises ConfigError where the workload names one that is not there.
        """
        return self.constraints or curated_constraints(self.workload)

    def pinned_by(self) -> str:
        """What Python's versions follow, as a plan says it; empty where nothing pins them."""
        pins = self.pins()
        if pins is None:
            return self.unpinned() or ""
        return pins.name if self.constraints is None else f"{pins.name}{GIVEN}"

    def unpinned(self) -> str | None:
        """What Python's versions follow where there are no constraints of the workload's release; None elsewhere."""
        workload = self.workload
        if self.constraints is not None:
            return None
        if absent := absent_constraints(workload):
            return f"the reference's RPMs, as {absent} did not come with ppcdeps"
        if workload.release and not workload.constraints:
            return f"the reference's RPMs, as {workload.name} has no constraints of {workload.release}"
        return None

    def key(self) -> str:
        """Everything that decides on the plan, as text: the same key has the same plan.

        Raises ConfigError where a file that it is made of cannot be read.
        """
        metadata = self.resolved.metadata
        pins = self.pins()
        parts = [
            f"{ppcdeps.__version__} {program_state(Path(ppcdeps.__file__).parent)}",
            _states(self.srpms.glob("*.src.rpm")) if self.srpms is not None else "",
            # Without it, specs that ask a shell are not evaluated.
            f"{shutil.which('bwrap')}" if self.srpms is not None or self.own else "",
            *(f"{folder} {_states(folder.rglob('*'))}" for folder in self.recipes),
            f"{self.pinned_by()} {pins_content(pins)}" if pins is not None else "",
            f"{self.wheels} {_states(self.wheels.glob('*'))}" if self.wheels is not None else "",
            f"lock {locked.digest}" if (locked := self.resolved.choice.locked) is not None else "",
            *(f"{file.shown} {_digest_of(file.path)}" for file in self.own),
            repr(self.former_pins) if self.former_pins else "",
            repr(self.workload),
            repr(replace(self.resolved.target, repositories=())),
            *sorted(f"{each.digest} {each.problem} {each.config}" for each in metadata),
        ]
        return "plan " + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def plan_request(
    words: Sequence[str],
    resolved: ResolvedTarget,
    *,
    python: Installer = "pip",
    srpms: Path | None = None,
    recipes: Sequence[Path] = (),
    constraints: Path | None = None,
) -> PlanRequest:
    """The request for what the words name, all of it on one machine: workloads or their files, roots, and specs,
    source RPMs and folders of these. ``constraints`` is a file of pins in place of the workloads' own.

    Raises UsageError for a root that is not well-formed, or on the index where ``python`` is rpm, ConfigError for a
    workload file with faults, and for an own file that is not there.
    """
    sorted_ = sorted_words(words)
    target = resolved.target
    arches = (target.reference_arch, target.arch)
    workloads = [load_workload(name, target.openstack, arches) for name in sorted_.workloads]
    if sorted_.roots:
        workloads.append(workload_of_roots(sorted_.roots))
    own = {file.path: file for word in sorted_.own for file in own_files(word)}
    if own:
        workloads.append(workload_of_own(sorted_.own))
    workload = together(workloads, pinned=constraints is not None)
    of_the_index = [root for root in workload.roots if root.startswith(PYTHON_PREFIX)]
    if python == "rpm" and of_the_index:
        raise UsageError(
            f"with --python rpm nothing comes from the Python index, and {first_of(of_the_index, 3)} would have to",
            hint="leave out --python rpm, or name the RPM",
        )
    return PlanRequest(
        workload,
        sorted_.roots,
        resolved,
        python,
        srpms,
        tuple(recipes),
        own=tuple(own.values()),
        constraints=constraints,
        record=record_of(
            words,
            resolved.choice,
            python=None if python == "pip" else python,
            srpms=srpms,
            recipes=recipes,
            constraints=constraints,
        ),
    )


def recorded_request(
    record: RequestRecord,
    resolved: ResolvedTarget,
    *,
    python: Installer | None = None,
    srpms: Path | None = None,
    recipes: Sequence[Path] = (),
) -> PlanRequest:
    """The request of a record, made again, but for what is given here.

    Raises ConfigError where a workload file is not there any more, and what `plan_request` raises.
    """
    lost = [word for word in record.words if word.endswith(FILE_ENDINGS) and not is_workload_file(word)]
    if lost:
        raise ConfigError(
            f"the workload file {lost[0]}, which the plan was made of, is not there",
            hint="run this where it is, or plan again with `ppcdeps plan WORKLOAD`",
        )
    installer: Installer = python or ("rpm" if record.value("python") == "rpm" else "pip")
    again = plan_request(
        record.words,
        resolved,
        python=installer,
        srpms=srpms or srpms_of(record),
        recipes=recipes_of(record, recipes),
        constraints=constraints_of(record),
    )
    return replace(again, record=record)


def _digest_of(path: Path) -> str:
    """The SHA-256 of an own file. Raises ConfigError where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def program_state(package: Path) -> str:
    """The state of the program's files, and of the recipes beside it where it is worked on: another text once one of
    them is written to.

    ``package`` is the folder of the Python package.
    """
    # Of recipes every file: a plan has their digests, with patches and templates.
    wanted = ((package, (".py", ".toml", ".macros")), (package.parents[1] / "recipes", ("",)))
    return repr([sorted(_states_below(folder, suffixes)) for folder, suffixes in wanted if folder.is_dir()])


def _states_below(folder: Path | str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """Names, sizes and times of the files below a folder whose names end so; pathlib takes five times as long."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _states_below(entry.path, suffixes)
            elif entry.name.endswith(suffixes):
                state = entry.stat(follow_symlinks=False)
                yield entry.name, state.st_size, state.st_mtime_ns


def pins_content(pins: Path) -> str:
    """The SHA-256 of what a constraints file and those that it includes say.

    Raises ConfigError where one of them cannot be read, or is not a file, and where one that includes others has
    lines that pip refuses.
    """
    what = "the constraints file"
    if pins.exists() and not pins.is_file():
        # A pipe is empty when the plan reads it again.
        raise ConfigError(f"the constraints {pins} are not a file", hint="save them to one, and name that")
    text = read_named_text(pins, "pip_size", what=what)
    refuse_other_lock(what, str(pins), text)
    if _OPTION_LINE.search(text) is None:
        return hashlib.sha256(text.encode()).hexdigest()
    # It takes a tenth of the time of a remembered plan, which most files need not: they include none.
    from ppcdeps.python.requirementfiles import read_requirement_file

    texts = read_requirement_file(pins, what=what, constraint=True).texts
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _states(files: Iterable[Path]) -> str:
    """Names, sizes and times of files: another text as soon as one of them is written to."""
    # A link to nothing is one of an editor's, or will be missed by what reads it.
    states = ((path.name, path.stat() if path.exists() else path.lstat()) for path in sorted(files))
    return repr([(name, state.st_size, state.st_mtime_ns) for name, state in states])
