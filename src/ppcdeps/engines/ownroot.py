"""A root that belongs to the user who runs it: what somebody else owns cannot be changed in a user's namespace.

Only this user's own number means something in it: an overlay cannot copy up what has another owner, not even /tmp.
"""

import hashlib
import os
import subprocess
from pathlib import Path

from ppcdeps.engines.cleanup import Leftovers, remove_tree
from ppcdeps.engines.engine import EngineFailedError, one_line
from ppcdeps.engines.job import Buildroot

_HARMLESS = ("cannot open", "Permission denied", "cannot create special file", "Operation not permitted")
"""What cp may say of files that only root reads and of device nodes: a build needs none of these."""


def own_root(root: Buildroot, home: Path) -> Path:
    """The folder of a root as this user runs it: itself, or a copy that is made once and kept in the engines' home.

    Copies of roots that are gone are removed then.
    """
    path = root.path.resolve()
    user = os.geteuid()
    if user == 0 or path.stat().st_uid == user:
        return path
    copies = home / "copies"
    name = hashlib.sha256(f"{path}\n{root.key}".encode()).hexdigest()[:16]
    copy = copies / name
    if copy.is_dir():
        return copy / "root"
    copies.mkdir(parents=True, exist_ok=True)
    for old in copies.iterdir():
        of = old / "of"
        if of.is_file() and not Path(of.read_text()).exists():
            remove_tree(old)
    claim = Leftovers(home).claim(f"copy-{name}-{os.getpid()}")
    begun = home / "scratch" / f"copy-{name}-{os.getpid()}"
    claim.add("folder", begun)
    try:
        begun.mkdir(parents=True)
        copy_tree(path, begun / "root")
        (begun / "of").write_text(str(path))
        try:
            begun.rename(copy)
        except OSError:
            if not copy.is_dir():
                raise
            # Another run made it meanwhile.
            remove_tree(begun)
    except BaseException:
        remove_tree(begun)
        raise
    finally:
        claim.release()
    return copy / "root"


def copy_tree(source: Path, place: Path) -> None:
    """Copy a file, or a folder and all below, to a place that is not there yet. Owners are not kept.

    Files that this user may not read and device nodes are left out. Raises EngineFailedError for any other fault.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["cp", "-a", "--no-preserve=ownership", "--reflink=auto", "-T", str(source), str(place)],
        capture_output=True,
        text=True,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
    )
    faults = [line for line in done.stderr.splitlines() if not any(word in line for word in _HARMLESS)]
    if done.returncode != 0 and (faults or not place.exists()):
        raise EngineFailedError(f"could not copy {source}: {one_line(faults[-1] if faults else done.stderr)}")
