"""CentOS Stream 9 with RDO Yoga as the embedded snapshot has it: rpm-md on this disk, which libsolv and dnf read."""

from collections.abc import Iterable
from pathlib import Path

from ppcdeps.metadata.targets import load_target
from ppcdeps.model.target import Target

PROJECT = Path(__file__).parents[2]
SNAPSHOT = PROJECT / "src/ppcdeps/data/snapshots/centos-stream-9-yoga"
TARGET_FILE = PROJECT / "tests/data/targets/el9.toml"
"""A target whose live repositories are the folders of the snapshot."""

CONSTRAINTS = PROJECT / "constraints/upper-constraints-yoga.txt"
TARGET = ("baseos", "appstream", "crb")
REFERENCE = ("reference-baseos", "reference-appstream", "reference-crb", "reference-rdo", "reference-ceph")


def target() -> Target:
    """What the target file says."""
    return load_target(str(TARGET_FILE))


def primary(repository: str) -> Path:
    """The primary.xml of a repository, compressed."""
    return SNAPSHOT / repository / "repodata/primary.xml.zst"


def urls(repositories: Iterable[str]) -> dict[str, str]:
    """The URL of each repository, by its id."""
    return {name: (SNAPSHOT / name).as_uri() for name in repositories}
