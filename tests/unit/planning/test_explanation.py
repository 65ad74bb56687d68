"""`why`, on nova-compute as the embedded snapshot has it."""

from itertools import pairwise

import pytest

from ppcdeps.model.errors import UsageError
from ppcdeps.planning.explanation import explain
from ppcdeps.planning.solution import Solution

VGA = "/usr/lib64/qemu-kvm/hw-display-virtio-vga.so"


def test_the_true_culprit_of_a_rich_requirement_is_named(nova: Solution) -> None:
    explanation = explain(nova, VGA)
    assert explanation.gap is not None
    assert explanation.gap.name == "qemu-kvm"
    assert explanation.chain[-1].by.startswith("openstack-nova-compute-1:25.3.0")
    assert explanation.chain[-1].requirement.startswith(f"({VGA} if (")
    assert any(line.startswith(f"{VGA}: no package of appstream, baseos, crb") for line in explanation.tried)
    assert not any(line.startswith("without qemu-kvm: nothing provides filesystem") for line in explanation.tried)


def test_the_chain_starts_at_the_workload_and_ends_at_the_package(nova: Solution) -> None:
    chain = explain(nova, "supermin").chain
    assert chain[0].by == "nova-compute"
    assert chain[-1].brings.startswith("supermin-5")
    for before, after in pairwise(chain):
        assert before.brings == after.by


def test_a_build_requirement_is_reached_through_the_source_that_has_it(nova: Solution) -> None:
    chain = explain(nova, "libfdt-devel").chain
    assert [link.requirement for link in chain][-2:] == ["must be built", "libfdt-devel >= 1.6.0"]
    assert "qemu-kvm" in chain[-1].by


def test_without_the_source_the_solver_misses_it(nova: Solution) -> None:
    tried = explain(nova, "python3-yappi").tried
    assert any(line.startswith("without python-yappi: nothing provides python3-yappi needed by") for line in tried)


@pytest.mark.parametrize("name", ["curl", "libcurl.so.4()(64bit)", "/usr/bin/curl"])
def test_what_the_target_has_is_no_gap(nova: Solution, name: str) -> None:
    explanation = explain(nova, name)
    assert explanation.gap is None
    assert explanation.chain


def test_the_closest_names_are_offered(nova: Solution) -> None:
    with pytest.raises(UsageError, match="did you mean qemu-kvm-core"):
        explain(nova, "qemu-kvm-cor")


def test_a_package_that_is_not_needed_is_said_to_exist(nova: Solution) -> None:
    with pytest.raises(UsageError, match=r"zsh-.* exists, but nova-compute"):
        explain(nova, "zsh")


def test_what_only_the_x86_build_requires_is_said_to_be_dropped(nova: Solution) -> None:
    said = r"dmidecode-.* does not need it: only the x86 build of libvirt requires dmidecode \(libvirt reads SMBIOS"
    with pytest.raises(UsageError, match=said):
        explain(nova, "dmidecode")
