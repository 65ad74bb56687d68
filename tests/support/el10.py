"""CentOS Stream 10 with RDO Epoxy as its embedded snapshot has it, as el9 has CentOS Stream 9."""

from collections.abc import Iterable
from pathlib import Path

from ppcdeps.metadata.targets import load_target
from ppcdeps.model.target import Target

PROJECT = Path(__file__).parents[2]
SNAPSHOT = PROJECT / "src/ppcdeps/data/snapshots/centos-stream-10-epoxy"
TARGET_FILE = PROJECT / "tests/data/targets/el10.toml"
"""A target whose live repositories are the folders of the snapshot."""

CONSTRAINTS = PROJECT / "constraints/upper-constraints-2025.1.txt"
TARGET = ("baseos", "appstream", "crb", "devel")
REFERENCE = (
    "reference-baseos",
    "reference-appstream",
    "reference-crb",
    "reference-devel",
    "reference-rdo",
    "reference-ceph",
)


def target() -> Target:
    """What the target file says."""
    return load_target(str(TARGET_FILE))


def primary(repository: str) -> Path:
    """The primary.xml of a repository, compressed."""
    return SNAPSHOT / repository / "repodata/primary.xml.zst"


def urls(repositories: Iterable[str]) -> dict[str, str]:
    """The URL of each repository, by its id."""
    return {name: (SNAPSHOT / name).as_uri() for name in repositories}
