"""What a newcomer does who follows docs/targets.md and docs/workloads.md, on repositories served over HTTP."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import indexes
import pytest
from documents import Reader, fits, steps_of
from indexes import wheel
from mirror import serving
from rpmmd import write_repository
from universes import case_of

from ppcdeps.metadata.targets import load_target

# What every build needs, by the target that ad hoc ones are modelled on, and what the two sources of the world need.
MACHINE = {
    **{f"{name}-1-1.el9": {} for name in load_target("centos-stream-9").build_packages if name != "bash"},
    "zlib-1.2.11-40.el9": {"provides": ["libz.so.1()(64bit)"]},
    "zlib-devel-1.2.11-40.el9": {"from": "zlib", "requires": ["zlib"]},
}
PORTAL = {"requires": ["libz.so.1()(64bit)", "libfeed.so.2()(64bit)", "portal-data", "python3-greet"]}
TARGET = {
    **{f"{name}.ppc64le": package for name, package in MACHINE.items()},
    "bash-5.1.8-9.el9.ppc64le": {},
    "python3-3.9.25-2.el9.ppc64le": {"provides": ["python(abi) = 3.9"]},
}
GREET = {"provides": ["python3dist(greet) = 1.4", "python3.9dist(greet) = 1.4"], "requires": ["python(abi) = 3.9"]}
REFERENCE = {
    **{f"{name}.x86_64": package for name, package in MACHINE.items()},
    "portal-2.0-1.el9.x86_64": PORTAL,
    "portal-data-2.0-1.el9.noarch": {"from": "portal"},
    "feed-libs-2.1-3.el9.x86_64": {"from": "feed", "provides": ["libfeed.so.2()(64bit)"]},
    "feed-devel-2.1-3.el9.x86_64": {"from": "feed", "requires": ["feed-libs"]},
    "python3-greet-1.4-1.el9.noarch": GREET,
}
SOURCE = {
    "portal-2.0-1.el9.src": {"requires": ["gcc", "zlib-devel", "feed-devel"]},
    "feed-2.1-3.el9.src": {"requires": ["gcc"]},
}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    case = case_of([], target=TARGET, reference=REFERENCE, source=SOURCE)
    for repository, place in zip(case.repositories, ("9/ppc64le", "9/x86_64", "9/source"), strict=True):
        write_repository(tmp_path / "www" / place, repository.packages)
    folder = tmp_path / "newcomer"
    folder.mkdir()
    with serving(tmp_path / "www") as mirror, indexes.serving() as shop:
        for version in ("1.4", "1.5", "2.0"):
            shop.add("greet", wheel("greet", version))
        index = {"PIP_INDEX_URL": shop.url, "PIP_CONFIG_FILE": os.devnull}
        yield Reader(folder, index, {"https://repo.example/": mirror.url})


@pytest.mark.parametrize("document", ["targets", "workloads"])
def test_a_newcomer_gets_what_the_document_shows(reader: Reader, project_root: Path, document: str) -> None:
    texts = {name: (project_root / "docs" / f"{name}.md").read_text() for name in ("targets", "workloads")}
    walks = {
        name: text.partition("## From nothing to a plan\n")[2].partition("\n## ")[0] for name, text in texts.items()
    }
    if document == "workloads":
        # It goes on with the target that the other one writes.
        for step in steps_of(walks["targets"]):
            if step.is_file:
                reader.follow(step)
    steps = steps_of(walks[document])
    assert len([step for step in steps if not step.is_file]) >= 4
    for step in steps:
        printed = reader.follow(step)
        assert fits(printed, step.text) or step.is_file, f"$ {step.name}\n{printed}"
    plan = json.loads((reader.folder / "plan-portal.json").read_text())
    # Both are of the reference alone, and one is linked to the other: there is no other order.
    assert plan["waves"] == [["feed"], ["portal"]]
    routes = {gap["name"]: gap["route"]["kind"] for gap in plan["gaps"]}
    assert routes == {"feed": "rebuild", "portal": "rebuild", "python3-greet": "pip-wheel"}
    target = {package["nevra"] for package in plan["closure"] if package["side"] == "target"}
    needed = {"zlib-1.2.11-40.el9.ppc64le", "python3-3.9.25-2.el9.ppc64le"}
    assert target == (needed if document == "targets" else {*needed, "bash-5.1.8-9.el9.ppc64le"})
    pins = {each["name"]: each["version"] for each in plan["python"]["distributions"]}
    assert pins == {"greet": "1.4" if document == "targets" else "1.5"}
