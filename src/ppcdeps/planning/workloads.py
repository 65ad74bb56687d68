"""Workloads: what a TOML file, a lock file of packages, or roots on the command line say is to run on the target."""

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ppcdeps.base.datafiles import find_file, is_shipped, origin_of, shipped_folder, shipped_names
from ppcdeps.base.named_files import expanded, followed
from ppcdeps.base.toml import Table, TomlFile, closest, raise_faults, read_toml
from ppcdeps.model import names
from ppcdeps.model.ceilings import CEILINGS, beyond
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.evr import evr_key
from ppcdeps.model.wording import first_of
from ppcdeps.model.workload import Workload

if TYPE_CHECKING:
    from ppcdeps.model.package_lock import PackageLock
    from ppcdeps.model.plan import Plan

FOLDER = "workloads"
PYTHON_PREFIX = names.PYTHON_PREFIX
"""What marks a root that is a Python distribution."""

_OPENSTACK_CONSTRAINTS = re.compile(r"upper-constraints-[a-z0-9.]+\.txt")
"""The names under which ppcdeps ships OpenStack's constraints, of some releases."""

FILE_ENDINGS = (".toml", *names.LOCK_ENDINGS)
"""How the names of workload files end, lock files among them."""
_X86 = "x86_64"
"""The architecture of a lock's side where no target says which its reference has."""

_DISTRIBUTION = re.compile(r"\.((?:el|fc)[0-9]+)")
"""What a release says of the distribution that it was built for."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._+]+")
_LONGEST_NAME = 60


def list_workloads() -> tuple[str, ...]:
    """The names of the workloads that ppcdeps ships."""
    return shipped_names(FOLDER)


def load_workload(name_or_path: str, release: str | None = None, arches: Sequence[str] = (_X86,)) -> Workload:
    """The workload of that name, or the one that a file of the user's describes: TOML, or a lock file of packages.

    ``release`` is the OpenStack release, the workload's default where it is None; a workload without releases
    leaves it aside. ``arches`` are the architectures whose side of a lock file counts: the first that it has.

    Raises UsageError for an unknown workload or release, ConfigError with all faults of the file.
    """
    if name_or_path.endswith(names.LOCK_ENDINGS):
        return _of_lock(expanded(name_or_path), arches)
    file = find_file(FOLDER, name_or_path, "workload")
    top = read_toml(file, "workload file")
    workload = _workload(top, file, release)
    top.finish()
    raise_faults(top, file, "workload file")
    return workload


def curated_constraints(workload: Workload) -> Path | None:
    """The constraints file of the workload's release: beside its file, installed with ppcdeps, or in the source tree.

    None where it names none, or `absent_constraints` says which did not come with ppcdeps. Raises ConfigError where
    another file that it names is not there.
    """
    if workload.constraints is None or absent_constraints(workload) is not None:
        return None
    found = shipped_folder("constraints") / workload.constraints
    if not found.is_file():
        raise ConfigError(
            f"there is no {workload.constraints}, which {workload.origin} names for the pins of {workload.name}",
            hint="put it beside that file, or name another with --constraints FILE",
        )
    return found


def absent_constraints(workload: Workload) -> str | None:
    """The name of OpenStack's constraints of the workload's release, where these did not come with ppcdeps."""
    name = workload.constraints or ""
    if not _OPENSTACK_CONSTRAINTS.fullmatch(name) or (shipped_folder("constraints") / name).is_file():
        return None
    return name


def workload_of_roots(roots: Iterable[str]) -> Workload:
    """A workload made of roots: package names, RPM capabilities, absolute paths, or `pypi:` and a name.

    Its name is made of theirs, and fit to be part of a file name. Raises UsageError where a root is none of
    these.
    """
    cleaned = tuple(root.strip() for root in roots)
    if not cleaned:
        raise UsageError("there is nothing to plan", hint="give a workload or a root")
    for root in cleaned:
        try:
            names.root(root)
        except ValueError as fault:
            raise UsageError(str(fault), hint=_hint_at_form(root)) from fault
    return Workload(name=_file_name(cleaned), title=", ".join(cleaned), roots=cleaned)


def _hint_at_form(root: str) -> str:
    """What to type for a root in a form that other programs take."""
    spaced = re.fullmatch(r"([^\s<>=]+)\s*(<=|>=|==|=|<|>)\s*([^\s<>=]+)", root)
    if root.startswith("@"):
        # Kickstart files write @^NAME for an environment.
        name = root.lstrip("@^") or "GROUP"
        if ":" in name:
            return (
                f"a module's stream is enabled with --module {shlex.quote(name.partition('/')[0])}: name its packages"
            )
        return f"groups are not read: name the packages that `dnf group info {shlex.quote(name)}` lists"
    if spaced and not root.startswith(PYTHON_PREFIX):
        return f"with blanks, in quotes: '{spaced[1]} {spaced[2].replace('==', '=')} {spaced[3]}'"
    if root.startswith(("http:", "https:", "ftp:", "file:")) or root.endswith(".rpm"):
        return "name the package, and its repository with --repofrompath ID,URL"
    if root.endswith(".src"):
        return "a source package is built from its file: give the .src.rpm"
    if root.startswith("/"):
        return f"a path is given in full: `dnf repoquery --file {shlex.quote(root)}` lists the packages that fit"
    return f"give a package, a capability, an absolute path, or {PYTHON_PREFIX}NAME"


def _of_lock(file: Path, arches: Sequence[str]) -> Workload:
    """The workload of the packages that a lock file has for the first of these architectures that it has.

    The roots are their names: the versions are for the target's repositories to say. Raises ConfigError.
    """
    from ppcdeps.metadata.package_locks import read_package_lock

    lock = read_package_lock(file)
    arch = next((one for one in (*arches, "noarch") if lock.sides.get(one)), None)
    if arch is None:
        there = ", ".join(sorted(side for side, packages in lock.sides.items() if packages)) or "nothing"
        raise ConfigError(
            f"the lock file {file} locks no packages for {' or '.join(dict.fromkeys(arches))}",
            hint=f"it locks packages for {there}",
        )
    usable = [each for each in lock.sides[arch] if each.arch in (arch, "noarch")]
    roots = tuple(sorted({each.name for each in usable}))
    if not roots or len(roots) > CEILINGS.document_roots:
        said = f"has only packages of other architectures for {arch}"
        raise ConfigError(f"the lock file {file} {beyond('document_roots', 'locks more than') if roots else said}")
    return Workload(
        name=_lock_name(file),
        title=f"{file.name} ({arch})",
        roots=roots,
        origin=str(file),
        locked={each.name: each.evr for each in usable if each.evr},
        notes=tuple(_notes_on(file, lock, arch, arches)),
    )


def other_versions(workload: Workload, plan: "Plan") -> str:
    """Which packages a plan has in another version than the workload's lock, in words; empty where none is."""
    moved = [
        f"{one.nevra.name} {one.nevra.evr} ({locked} is locked)"
        for one in plan.closure
        if (locked := workload.locked.get(one.nevra.name)) and evr_key(locked) != evr_key(one.nevra.evr)
    ]
    if not moved:
        return ""
    said = (
        f"{len(moved)} of {len(workload.locked)} locked packages are there in another version: {first_of(moved, 3)}"
    )
    locked = _distribution(workload.locked.values())
    there = _distribution(one.nevra.evr for one in plan.closure if one.nevra.name in workload.locked)
    if not locked or not there or locked == there:
        return said
    return (
        f"{said}; most of the lock is of {locked}, and {plan.target} is of {there}: name another --target to compare"
    )


def _distribution(versions: Iterable[str]) -> str:
    """The distribution that most of these versions' releases name (as "el9"); empty where none does."""
    tags = Counter(found[1] for version in versions if (found := _DISTRIBUTION.search(version)))
    return max(tags, key=lambda tag: (tags[tag], tag), default="")


def _notes_on(file: Path, lock: "PackageLock", arch: str, arches: Sequence[str]) -> Iterator[str]:
    """What of a lock is not among the roots, of which modules it is, and how its side for the target differs."""
    sides = lock.sides
    other = sorted({f"{each.name}.{each.arch}" for each in sides[arch] if each.arch not in (arch, "noarch")})
    if other:
        yield f"left out of {file.name}, as they are of other architectures: {first_of(other, 5)}"
    streams = sorted({each.module for each in sides[arch] if each.module})
    if streams:
        options = first_of([f"--module {stream}" for stream in streams], 5)
        yield f"{file.name} has packages of modules, whose streams are not enabled by that: {options}"
    elif arch in lock.modular:
        yield f"{file.name} has packages of modules; it does not say which streams: enable them with --module"
    for target in arches[1:]:
        own, here = ({each.name for each in sides.get(one, ())} for one in (target, arch))
        if own and target != arch:
            differing = [
                f"{side} alone has {first_of(sorted(names), 5)}"
                for side, names in ((arch, here - own), (target, own - here))
                if names
            ]
            yield f"{file.name} has a side for {target}, too: {'; '.join(differing) or 'the same names'}"


def _lock_name(file: Path) -> str:
    """The name of a lock's workload: its file's without `.lock`, `.manifest` and ending."""
    stem = re.sub(r"\.(?:lock|manifest)$", "", file.name.rpartition(".")[0])
    return _UNSAFE.sub("-", stem).strip("-._+")[:_LONGEST_NAME] or "lock"


def workload_of_own(words: Sequence[str]) -> Workload:
    """The workload of packages of the user's own: named after their files or folders, with no other roots.

    What the packages are called is known when their specs are evaluated.
    """
    named = tuple(_own_name(word) for word in words)
    return Workload(name=_file_name(named), title=", ".join(words), roots=())


def _own_name(word: str) -> str:
    """Foo for foo.spec and foo-1.0-1.src.rpm; a folder's own name."""
    name = followed(word).name if not names.is_own_file(word) else Path(word).name
    if name.endswith(".src.rpm"):
        return name.removesuffix(".src.rpm").rsplit("-", 2)[0] or "own"
    return name.removesuffix(".spec") or "own"


def together(workloads: Sequence[Workload], *, pinned: bool = False) -> Workload:
    """Several workloads as one: what all of them need on the same machine.

    ``pinned`` says that a constraints file is given for all of them. Raises UsageError where they are of different
    releases, which no machine can run at once, or have different constraints files, and none is given.
    """
    if len(workloads) == 1:
        return workloads[0]
    releases = {workload.release for workload in workloads if workload.release}
    if len(releases) > 1:
        raise UsageError(f"the workloads are of different releases: {', '.join(sorted(releases))}")
    files = {workload.constraints: workload.name for workload in workloads if workload.constraints}
    if len(files) > 1 and not pinned:
        raise UsageError(
            f"the workloads {' and '.join(files.values())} have different constraints files: {', '.join(files)}",
            hint="name one for all of them with --constraints FILE, which may include others with -c",
        )
    return Workload(
        name=_file_name(tuple(workload.name for workload in workloads)),
        title=", ".join(workload.title for workload in workloads),
        roots=tuple(dict.fromkeys(root for workload in workloads for root in workload.roots)),
        release=next(iter(releases), None),
        constraints=next((workload.constraints for workload in workloads if workload.constraints), None),
        advice=tuple(dict.fromkeys(rule for workload in workloads for rule in workload.advice)),
        origin=", ".join(workload.origin for workload in workloads if workload.origin),
        locked={name: evr for workload in workloads for name, evr in workload.locked.items()},
        notes=tuple(note for workload in workloads for note in workload.notes),
    )


def _workload(top: Table, file: TomlFile, requested: str | None) -> Workload:
    name, title = top.named("name", names.workload_name), top.text("title")
    roots = top.all_named("roots", names.root)
    if not roots:
        top.fault('"roots" names none')
    if len(roots) > CEILINGS.document_roots:
        top.fault(f'"roots" has {beyond("document_roots", "more than")}')
    openstack = top.table("openstack")
    releases, default = openstack.texts("releases"), openstack.optional_text("default")
    if default and default not in releases:
        openstack.fault(f'"default" is "{default}", which "releases" does not name')
    openstack.finish()
    every, constraints = _constraints(top, releases)
    chosen = (requested or default) if releases else None
    if chosen and chosen not in releases and not top.faults:
        raise UsageError(
            f'workload {name} has no OpenStack release "{chosen}"',
            hint=closest(chosen, releases) or f"known: {', '.join(releases)}",
        )
    return Workload(
        name=name,
        title=title,
        roots=roots,
        release=chosen,
        releases=releases,
        constraints=_beside(file, pins) if (pins := constraints.get(chosen or "") or every) else None,
        advice=_advice(top, file),
        origin=origin_of(file),
    )


def _advice(top: Table, file: TomlFile) -> tuple[str, ...]:
    """The rules of advice that a workload names."""
    named = top.texts("advice")
    if not named or is_shipped(file):
        # Reading the rules takes a twentieth of the time of a remembered plan.
        return named
    from ppcdeps.planning.advice import load_advice

    known = [rule.id for rule in load_advice()]
    for id_ in named:
        if id_ not in known:
            top.fault(f'"advice" has no rule "{id_}"; {closest(id_, known) or "known: " + ", ".join(known)}')
    return named


def _constraints(top: Table, releases: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """The constraints file of a workload, which is one for all releases, or one for each."""
    if isinstance(top.raw("constraints"), str):
        return top.optional_text("constraints"), {}
    by_release = top.table("constraints").entries()
    for release in by_release:
        if release not in releases:
            top.fault(f'[constraints] has a file for "{release}", which is not among the releases')
    return None, by_release


def _beside(file: TomlFile, name: str) -> str:
    """A constraints file that lies beside the workload's file, as a path; else the name of one of ppcdeps's own."""
    place = file.parent / name if isinstance(file, Path) else None
    try:
        return str(place.absolute()) if place is not None and place.is_file() else name
    except OSError as error:
        raise ConfigError(f"{file}: the constraints {name[:100]!r} cannot be read: {error.strerror}") from error


def _file_name(roots: tuple[str, ...]) -> str:
    """The roots as one word of letters, digits and `._+-`, at most 60 long, another for other roots."""
    word = "+".join(_UNSAFE.sub("-", root).strip("-._+") for root in roots)
    if word and len(word) <= _LONGEST_NAME and _readable(roots):
        return word
    digest = hashlib.sha256("\0".join(roots).encode()).hexdigest()[:8]
    return f"{word[: _LONGEST_NAME - 9].strip('-._+')}-{digest}".lstrip("-")


def _readable(roots: tuple[str, ...]) -> bool:
    """Whether the word for the roots spells them all: nothing but plain names went in."""
    return all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", root) for root in roots)
