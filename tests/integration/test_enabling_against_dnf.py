"""What a plan says that enabling would close and replace, held against dnf over the same repositories."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from againstdnf import ORACLE, SYSTEM_PYTHON, dnf_lacks
from enabling import EnablingCase, read_enabling_cases, write_target

from ppcdeps.base.cache import Cache
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Silence
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import plan
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.request import plan_request

LACKS = dnf_lacks()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=LACKS or "dnf is there")
# The oracle knows no priorities.
CASES = [case for case in read_enabling_cases() if not case.priorities]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_dnf_installs_what_the_plan_says_with_the_repositories_enabled(case: EnablingCase, tmp_path: Path) -> None:
    target = write_target(case, tmp_path)
    found = planned(case, target, tmp_path)
    enabled = [name for name, side in case.sides.items() if side == "target"]
    run_time = {gap.name for gap in found.gaps if gap.phase == "run"}
    without = ask(tmp_path, enabled, case.roots)
    assert all(said["installable"] for said in without.values()) is (not run_time)
    for one in found.enablings:
        with_it = planned(case, target, tmp_path, enable=one.repositories)
        said = ask(tmp_path, [*enabled, *one.repositories], case.roots)
        is_whole = not any(gap.phase == "run" for gap in with_it.gaps)
        assert all(each["installable"] for each in said.values()) is is_whole, said
        if is_whole:
            assert {name for each in said.values() for name in each["packages"]} == {
                str(package.nevra) for package in with_it.closure
            }
            # What is needed and replaced is there in the new version, and in the old one nowhere.
            taken = {name for each in said.values() for name in each["packages"]}
            assert all(
                str(each.by) in taken and str(each.package) not in taken for each in one.replaces if each.needed
            )


def planned(case: EnablingCase, target: Path, folder: Path, enable: Sequence[str] = ()) -> Plan:
    cache = Cache.open(folder / "cache").directory
    choice = RepositoryChoice(target=str(target), cache_directory=cache, enable=tuple(enable))
    request = plan_request(case.roots, resolve_target(choice, Silence()), python="rpm")
    return plan(request, Silence())


def ask(folder: Path, repositories: Sequence[str], names: Sequence[str]) -> Mapping[str, Any]:
    """What dnf says of installing each name from these repositories."""
    urls = {name: (folder / name).as_uri() for name in repositories}
    asked = {
        "root": str(folder / f"dnf-{'-'.join(repositories)}"),
        "arch": "ppc64le",
        "repositories": urls,
        "names": list(names),
    }
    done = subprocess.run(
        [SYSTEM_PYTHON, ORACLE], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said: Mapping[str, Any] = json.loads(done.stdout)
    return said
