"""What a plan is requested of: what Python's versions follow."""

from typing import cast

import pytest

from ppcdeps.planning.workloads import load_workload
from ppcdeps.workflows.repositories import ResolvedTarget
from ppcdeps.workflows.request import PlanRequest


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("yoga", None),
        ("bobcat", "the reference's RPMs, as upper-constraints-2023.2.txt did not come with ppcdeps"),
        ("wallaby", "the reference's RPMs, as nova-compute has no constraints of wallaby"),
    ],
)
def test_without_constraints_of_the_release_the_plan_says_what_counts(release: str, said: str | None) -> None:
    request = PlanRequest(load_workload("nova-compute", release), (), cast(ResolvedTarget, None))
    assert request.unpinned() == said


def test_a_workload_without_releases_has_no_constraints_to_miss() -> None:
    assert PlanRequest(load_workload("libvirt-kvm"), (), cast(ResolvedTarget, None)).unpinned() is None
