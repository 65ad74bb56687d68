"""`check node` on a real hypervisor: an emulated POWER9 machine with KVM, and a node of this machine that emulates.

The cloud, the machine and the node are the laboratory's (tests/lab). `PPCDEPS_LAB` names a folder in which it stays:
without it this takes an hour and more. Results are in docs/evidence/node.md.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloudworld import Answer, CloudWorld
from ppclab import roots
from ppclab.laboratory import Laboratory
from ppclab.power import EMULATOR, POWER_HOST, PowerNode

pytestmark = pytest.mark.long

PATIENCE = ("--timeout", "900")
EMULATING = ("hw_emulation_architecture=ppc64le", "hw_architecture=x86_64", "hw_machine_type=pseries")


@pytest.fixture(scope="module")
def laboratory(run_folder: Path) -> Iterator[Laboratory]:
    if reason := roots.lacks():
        pytest.skip(f"no laboratory: {reason}")
    kept = os.environ.get("PPCDEPS_LAB")
    made = Laboratory(Path(kept).resolve() if kept else run_folder / "laboratory", stays=bool(kept))
    try:
        yield made
    finally:
        if not kept:
            made.remove()


@pytest.fixture(scope="module")
def power(laboratory: Laboratory) -> PowerNode:
    node = PowerNode(laboratory)
    for step in node.steps():
        step.do()
    return node


@pytest.fixture(scope="module")
def world(laboratory: Laboratory, power: PowerNode, tmp_path_factory: pytest.TempPathFactory) -> CloudWorld:
    folder = tmp_path_factory.mktemp("node")
    (folder / "guest-root").symlink_to(power.root)
    return CloudWorld(laboratory, folder)


def accepted(world: CloudWorld, host: str, *words: str) -> Answer:
    answer = world.test(*words, *PATIENCE, host=host)
    assert world.things() == {}
    return answer


def test_without_dmidecode_no_volume_can_be_attached_and_with_it_the_node_is_accepted(
    world: CloudWorld, power: PowerNode
) -> None:
    power.run("rm", "-f", "/usr/sbin/dmidecode")
    answer = accepted(world, POWER_HOST, "--only", "volumes")
    assert "attach" in answer.failed
    assert "FileNotFoundError" in str(answer.step("attach"))
    power.install_dmidecode()
    answer = accepted(world, POWER_HOST, "--probes")
    assert answer.failed == [], answer.steps
    assert answer.step("hypervisor")["note"].startswith("ppc64le, POWER9")
    assert answer.step("seen in the guest")["outcome"] == "passed"
    assert answer.step("VNC keyboard")["outcome"] == "passed"


def test_an_x86_node_emulates_guests_of_power(world: CloudWorld, power: PowerNode) -> None:
    for step in power.emulator_steps():
        step.do()
    properties = [word for one in EMULATING for word in ("--property", one)]
    answer = accepted(world, EMULATOR, *properties, "--skip", "mixed-cloud")
    # QEMU 7.2 under TCG: a pseries guest stands still after suspend and resume.
    assert set(answer.failed) <= {"resume"}, answer.steps
