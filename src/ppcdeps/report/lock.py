"""A lock as text: how much of what it pins, and what comes next."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ppcdeps.locking.availability import Unavailable
from ppcdeps.locking.difference import Move
from ppcdeps.locking.fetching import FetchedLock
from ppcdeps.locking.folder import LOCK_FILE
from ppcdeps.model.lock import Lock
from ppcdeps.model.visible import visible
from ppcdeps.model.wording import counted

_MOST = 40
"""Lines of what is gone."""


def render_lock(lock: Lock, file: Path, command: Callable[..., str]) -> str:
    """What a lock has, in a few lines. ``command`` writes out a command to type next."""
    srpms = sum(1 for one in lock.packages if one.nevra.endswith((".src", ".nosrc")))
    archives = {one.path: one.size or 0 for one in lock.root_packages if one.sha256}
    sizes = [one.size or 0 for one in lock.metadata]
    sizes += [one.size or 0 for one in lock.packages]
    sizes += [one.size or 0 for one in lock.python]
    rows = (
        (
            "repositories",
            len([one for one in lock.repositories if one.digest]),
            f"{len(lock.metadata)} metadata files",
        ),
        ("packages", len(lock.packages) - srpms, _held(lock)),
        ("source packages", srpms, ""),
        ("Python files", len(lock.python), ""),
        ("recipes", len(lock.recipes), ""),
        ("source files", len(lock.sources), ""),
        ("buildroots", len(lock.buildroots), counted(len(lock.root_packages), "package")),
        ("built packages", len(lock.builds), ""),
    )
    lines = [f"{visible(lock.workload)} on {visible(lock.target)} ({lock.arch}), locked in {visible(str(file))}", ""]
    lines += [f"  {name:16} {count:6}  {more}".rstrip() for name, count, more in rows]
    whole = 0 if lock.basis else sum(sizes) + sum(archives.values())
    lines += ["", f"{whole / 1e6:.1f} MB to fetch, as far as sizes are known."] if whole else [""]
    if lock.basis:
        lines.append(f"Its metadata is that of the snapshot {lock.basis}, which has no files to fetch.")
    else:
        lines.append(f"Bring all of it into a folder: {command('fetch', str(file), '--to', 'DIR')}")
    return "\n".join(lines) + "\n"


def _held(lock: Lock) -> str:
    return f"{len(lock.held)} newer ones passed over" if lock.held else ""


def render_fetched(done: FetchedLock, command: Callable[..., str]) -> str:
    """What was brought, and what comes next. ``command`` writes out a command to type next."""
    new = f"{done.brought} of them now" if done.brought else "all of them were there"
    lock = str(done.folder / LOCK_FILE)
    return (
        f"{done.files} files in {visible(str(done.folder))}, {new}; each has the digest that the lock names\n"
        f"Build without network: {command('build', 'PLAN', '--locked', lock)}\n"
    )


def dump_fetched(done: FetchedLock) -> str:
    """The same as JSON."""
    document = {"folder": str(done.folder), "files": done.files, "brought": done.brought, "size": done.size}
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def render_unavailable(lock: Lock, gone: Sequence[Unavailable], file: Path, *, offline: bool) -> str:
    """Whether all of a lock is still to be had."""
    lines = [f"{visible(lock.workload)} on {visible(lock.target)} ({lock.arch}), as {visible(str(file))} has it", ""]
    lines += [
        f"  {'gone' if one.is_gone else 'not known'}  {visible(one.what)}: {visible(one.why)}"
        for one in sorted(gone, key=lambda one: not one.is_gone)[:_MOST]
    ]
    lines += [f"  and {len(gone) - _MOST} more"] if len(gone) > _MOST else []
    if any(one.is_gone for one in gone):
        lines.append("")
        if all(one.kind == "repositories" for one in gone):
            lines.append("All packages are there; what is gone is the metadata that the plan rests on.")
        lines.append("A folder that was filled from the lock before still has all of it.")
    else:
        lines += ["", "All that could be asked for is there."] if gone else ["All of it is there."]
    if any(root.image for root in lock.buildroots):
        lines.append("Registries were not asked for the images of buildroots.")
    if offline:
        lines.append("Mirrors were not asked for the files: no network was used.")
    return "\n".join(lines) + "\n"


def dump_unavailable(gone: Sequence[Unavailable]) -> str:
    """The same as JSON."""
    return json.dumps({"gone": [asdict(one) for one in gone]}, indent=1, sort_keys=True) + "\n"


def render_moves(moved: Sequence[Move], lock: Path, plan: Path) -> str:
    """What moved in a lock and its plan."""
    if not moved:
        return "Nothing moved: all is the newest that fits.\n"
    width = max(len(one.kind) for one in moved)
    lines = [
        f"  {one.kind:{width}}  {visible(one.name)}  {visible(one.before) or '-'} -> {visible(one.after) or '-'}"
        for one in moved
    ]
    return "\n".join([*lines, "", f"Written: {visible(str(plan))} and {visible(str(lock))}", ""])


def dump_moves(moved: Sequence[Move]) -> str:
    """The same as JSON."""
    return json.dumps({"moved": [asdict(one) for one in moved]}, indent=1, sort_keys=True) + "\n"
