"""The complete locks of two nova releases: what is found is true, all of it, and it is found in time.

Run by hand, with `pytest -m long -s` and this file; results in docs/evidence/check-api.md.
"""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apiproof import interpreter, proofs
from indexes import index_of_pip

from ppcdeps.base.cache import Cache
from ppcdeps.checking.api.check import check_api
from ppcdeps.checking.api.conditions import PythonPlatform
from ppcdeps.checking.api.lockcheck import fetch
from ppcdeps.checking.api.locks import LockedRelease, LockInput
from ppcdeps.model.reporter import Silence
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.constraintsfile import read_constraints
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.index import Index
from ppcdeps.python.lock import LockRequest, PythonRoot
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.resolution import resolve

pytestmark = pytest.mark.long

CONSTRAINTS = Path(__file__).parents[2] / "constraints"
EL9 = (FixedDistribution("setuptools", "53.0.0", "python3-setuptools-53.0.0-13.el9.noarch"),)
"""EL9's own setuptools. Nothing in the constraints holds it, and pip takes the newest."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    cache = Cache.open(tmp_path_factory.mktemp("nova-cache"))
    with index_of_pip(cache) as opened:
        yield opened


@pytest.mark.parametrize(
    ("root", "python", "glibc", "constraints", "fixed"),
    [
        pytest.param("nova==25.3.0", "3.9.25", (2, 34), "yoga", EL9, id="yoga beside EL9's setuptools"),
        pytest.param("nova==25.3.0", "3.9.25", (2, 34), "yoga", (), id="yoga by pip alone"),
        pytest.param("nova==29.0.1", "3.12.9", (2, 39), "2024.1", (), id="2024.1 by pip alone"),
    ],
)
def test_every_finding_on_a_complete_lock_is_true_by_execution(
    index: Index,
    tmp_path: Path,
    root: str,
    python: str,
    glibc: tuple[int, int],
    constraints: str,
    fixed: tuple[FixedDistribution, ...],
) -> None:
    target = PythonEnvironment(python, glibc)
    environment = TargetEnvironment.of(target)
    held = read_constraints(CONSTRAINTS / f"upper-constraints-{constraints}.txt", environment)
    lock = resolve(LockRequest(target, (PythonRoot(root, "the test"),), constraints=held, fixed=fixed), index)
    releases = tuple(LockedRelease(each.name, each.version) for each in lock.distributions)
    began = time.monotonic()
    trees, skipped = fetch(LockInput(root, environment, releases), index, Silence())
    fetched = time.monotonic() - began
    assert len(trees) > 125
    assert [one.what for one in skipped if "netifaces" not in one.what] == []

    platform = PythonPlatform.of(python, "ppc64le")
    began, busy = time.monotonic(), _processor_time()
    result = check_api(trees, platform, workers=2)
    taken, busy = time.monotonic() - began, _processor_time() - busy
    check_api(trees, platform, index.cache, workers=2)
    assert check_api(trees, platform, index.cache, workers=2) == result

    runs = interpreter(environment.python_tag)
    if runs is None:
        pytest.skip(f"no Python {environment.python_tag} on this machine to try the findings out")
    tried = proofs(result.faults, trees, runs, tmp_path / "site")
    lines = [
        f"{root}: {len(trees)} distributions, {result.files} files, {result.uses} uses",
        f"fetched and unpacked in {fetched:.1f} s, checked in {taken:.1f} s ({busy:.1f} s of processors)",
    ]
    for proof in tried:
        fault = proof.fault
        whose = f"{fault.provider} {fault.provider_version}".strip()
        where = f"{fault.user} {fault.path}:{fault.lines[0]}"
        lines.append(f"| {where} | {fault.missing.dotted} | {whose} | {proof.said} |")
    sys.stdout.write("\n".join(["", *lines, ""]))
    assert [proof for proof in tried if not proof.is_missing] == []
    # Of two processors that nobody else uses.
    assert busy < 2 * 60


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
