"""The Debian buildroots that tests share, made once: they take 45 seconds each.

They lie in a cache of their own, `$PPCDEPS_TEST_CACHE` where that is set (kept between runs, and shared by workers),
else in a folder of this session. End-to-end tests give that folder as `PPCDEPS_CACHE` or link its `buildroots`.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppcdeps.building.buildroots import Buildroots
from ppcdeps.building.rooms import Buildroot, Way
from ppcdeps.metadata.cache import Cache

BINFMT = Path("/proc/sys/fs/binfmt_misc")


def lacks() -> str:
    """Why no Debian root can be made on this machine; empty where one can."""
    missing = [name for name in ("mmdebstrap", "rpmbuild", "createrepo_c") if shutil.which(name) is None]
    return f"no {', '.join(missing)}" if missing else ""


def shared_cache(session: Path) -> Cache:
    """The cache that holds the roots; `session` is the folder of the test session."""
    named = os.environ.get("PPCDEPS_TEST_CACHE")
    return Cache.open(Path(named) if named else session)


def made(cache: Cache, name: str, way: Way | None = None, packages: Sequence[str] = ()) -> Buildroot:
    """A buildroot in that cache, made if needed. Raises PpcdepsError as `Buildroots.create` does."""
    return Buildroots(cache).create(name, way=way, packages=packages)


def emulates() -> bool:
    """Whether this machine runs ppc64le programs in a root, after having it registered where that is possible."""
    if os.uname().machine == "ppc64le":
        return True
    if not BINFMT.joinpath("register").exists() and os.geteuid() == 0:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], capture_output=True, check=False)
    entry = BINFMT / "qemu-ppc64le"
    declared = Path("/usr/lib/binfmt.d/qemu-ppc64le.conf")
    if not entry.exists() and declared.is_file() and os.geteuid() == 0:
        try:
            (BINFMT / "register").write_text(declared.read_text())
        except OSError:
            return False
    return entry.exists()


@dataclass(frozen=True)
class Done:
    """What a program in a room said, and its exit code."""

    code: int
    output: str


def run_in(
    buildroot: Buildroot, workspace: Path, *command: str, environment: Mapping[str, str] | None = None
) -> Done:
    """Run a program in a throw-away copy of a root, without network, by the kernel's own means (root only).

    `workspace` is /build inside. It is not what ppcdeps does: tests of roots need no engine.
    """
    script = """
    set -e
    room=$1 root=$2 work=$3; shift 3
    mount -t tmpfs none "$room"; mkdir "$room/upper" "$room/work" "$room/top"
    mount -t overlay -o "lowerdir=$root,upperdir=$room/upper,workdir=$room/work" none "$room/top"
    mount --bind "$work" "$room/top/build"
    while [ "$1" != -- ]; do mkdir -p "$room/top$1"; mount --bind "$2" "$room/top$1"; shift 2; done; shift
    mount -t proc proc "$room/top/proc"; mount --rbind /dev "$room/top/dev"
    exec chroot "$room/top" "$@"
    """
    shown = [word for place, folder in buildroot.tools.items() for word in (place, str(folder))]
    variables = [f"{name}={value}" for name, value in {**buildroot.environment, **(environment or {})}.items()]
    with tempfile.TemporaryDirectory(prefix="ppcdeps-room-") as room:
        isolated = ["unshare", "--mount", "--pid", "--fork", "--net", "bash", "-c", script, "room"]
        inside = ["env", "-i", *variables, *command]
        done = subprocess.run(
            [*isolated, room, str(buildroot.path), str(workspace), *shown, "--", *inside],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=600,
        )
    return Done(done.returncode, done.stdout)


def rpmbuild(buildroot: Buildroot, workspace: Path, spec: str) -> Done:
    """Build a spec of `workspace`/SPECS there, with build requirements checked."""
    command = ["rpmbuild", "-bb", "--target", buildroot.target, "--define", "_topdir /build", f"/build/SPECS/{spec}"]
    return run_in(buildroot, workspace, *command)
