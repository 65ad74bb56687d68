"""A buildroot as an image, for what runs no folder of this machine: docker, and podman on another machine."""

import json
import platform
import subprocess
from pathlib import Path

from ppcdeps.engines.containers import Cli
from ppcdeps.engines.engine import EngineFailedError, one_line
from ppcdeps.engines.job import Buildroot

_REPOSITORY = "localhost/ppcdeps-buildroot"
_LABEL = "ppcdeps.root"
_OCI = {"ppc64le": "ppc64le", "x86_64": "amd64", "aarch64": "arm64"}


def image_for(root: Buildroot, cli: Cli) -> str:
    """The name of the image of a buildroot, which is imported now where it is not there yet.

    Images of buildroots that are no longer on this machine are removed then.
    """
    name = f"{_REPOSITORY}:{_tag(root.key)}"
    if cli.succeeds("image", "inspect", name):
        return name
    forget_removed(cli)
    label = f'LABEL {_LABEL}="{_owner()}{root.path.resolve()}"'
    arch = _OCI.get(root.arch, root.arch)
    where = ["--os", "linux", "--arch", arch] if cli.name == "podman" else ["--platform", f"linux/{arch}"]
    with subprocess.Popen(
        ["tar", "-C", str(root.path), "--numeric-owner", "--one-file-system", "-c", "."],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as packing:
        assert packing.stdout is not None
        assert packing.stderr is not None
        cli.run("import", *where, "--change", label, "-", name, stdin=packing.stdout.fileno(), seconds=3600)
        packing.stdout.close()
        fault = packing.stderr.read()
    if packing.returncode != 0:
        cli.run("rmi", "-f", name, check=False)
        raise EngineFailedError(f"could not pack {root.path}: {one_line(fault)}")
    return name


def forget_removed(cli: Cli) -> None:
    """Remove the images of this machine's buildroots that are removed. Those of other machines are not touched."""
    listed = cli.run("image", "ls", "--quiet", "--filter", f"label={_LABEL}", check=False).split()
    for image in dict.fromkeys(listed):
        try:
            document = json.loads(cli.run("image", "inspect", image, check=False))[0]
            label = (document.get("Labels") or document["Config"]["Labels"])[_LABEL]
        except (ValueError, KeyError, IndexError, TypeError):
            continue
        owner, path = label[: len(_owner())], label[len(_owner()) :]
        if owner == _owner() and not Path(path).exists():
            cli.run("rmi", "-f", image, check=False)


def _owner() -> str:
    return f"{platform.node()}:"


def _tag(key: str) -> str:
    """The key as a tag: letters, digits and _.- only."""
    return "".join(sign if sign.isalnum() or sign in "_.-" else "-" for sign in key)[:120].lstrip(".-") or "none"
