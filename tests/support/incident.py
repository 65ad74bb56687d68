"""The incident of the first POWER compute node, made anew from the real releases.

A node with the Python 2.7 and the packages of nova's 2015 releases: its RPMs brought oslo.concurrency 1.8.2 and, from
an update, oslo.utils 3.4.0. Then pip installed oslo.concurrency 3.20.0 into the other site folder, where it comes
first. It calls oslo_utils.encodeutils.to_utf8, which oslo.utils has since 3.5.0.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from pythonroots import el_root, own_rpm

PYTHON = "2.7"
CALLER, CALLED, HIDDEN = ("oslo.concurrency", "3.20.0"), ("oslo.utils", "3.4.0"), ("oslo.concurrency", "1.8.2")
FIXED = ("oslo.utils", "3.5.0")
"""The first release that has the function."""


def fetch_wheel(folder: Path, name: str, version: str) -> Path:
    """The wheel of a release, from the index that pip is set up to use."""
    pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{name}=={version}")
    module = name.replace("-", "_")
    return next(
        one
        for one in folder.glob("*.whl")
        if one.name.lower().startswith((f"{module}-{version}-", f"{name}-{version}-"))
    )


def install_wheel(wheel: Path, site: Path) -> None:
    """Install one wheel into a site folder by pip, without what it requires."""
    pip("install", "--no-deps", "--no-index", "--no-compile", "--upgrade", "--target", str(site), str(wheel))
    shutil.rmtree(site / "bin", ignore_errors=True)


def make_incident(root: Path, wheels: Path, *, with_rpms: bool = True) -> Path:
    """The node's root folder, made in the empty folder. ``wheels`` keeps what is fetched. Returns the root.

    The older copies belong to RPMs in the root's database, unless told otherwise.
    """
    plain, native = el_root(root, PYTHON)
    for name, version in (HIDDEN, CALLED):
        install_wheel(fetch_wheel(wheels, name, version), plain)
    if with_rpms:
        for name, version in (HIDDEN, CALLED):
            module = name.replace(".", "_")
            info = (
                next(plain.glob(f"{name}-*-info"))
                if list(plain.glob(f"{name}-*-info"))
                else next(plain.glob(f"{module}-*-info"))
            )
            own_rpm(root, f"python-{name.replace('.', '-')}", version, [plain / module, info])
    install_wheel(fetch_wheel(wheels, *CALLER), native)
    return root


def pip(*arguments: str) -> None:
    """Run pip. Its own configuration says which index it asks."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
