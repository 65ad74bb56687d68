"""`check node` on a real hypervisor: an emulated POWER9 machine with KVM, and a node of this machine that emulates.

The cloud, the machine and the node are the laboratory's (tests/lab). `PPCDEPS_LAB` names a folder in which it stays:
without it this takes an hour and more. Results are in docs/evidence/node.md.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cloudworld import Answer, CloudWorld
from ppclab import roots
from ppclab.laboratory import Laboratory
from ppclab.power import EMULATOR, POWER_HOST, PowerNode

pytestmark = pytest.mark.long

PATIENCE = ("--timeout", "900")
EMULATING = ("hw_emulation_architecture=ppc64le", "hw_architecture=x86_64", "hw_machine_type=pseries")
CIRRUS = "hw_video_model=cirrus"
OSLO_UTILS = "/opt/nova/lib/python3.11/site-packages/oslo_utils/encodeutils.py"
INPUT = "from oslo_concurrency import processutils; print(processutils.execute('cat', process_input='written')[0])"
PYTHON = ("/opt/nova", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/bin/python3", "/usr/bin/python3.11")
SYSTEM = ("/etc/os-release", "/usr/lib/os-release", "/var/lib/dpkg/status")


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
def world(laboratory: Laboratory, power: PowerNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWorld]:
    folder = tmp_path_factory.mktemp("node")
    (folder / "guest-root").symlink_to(power.root)
    with closing(CloudWorld(laboratory, folder)) as made:
        yield made


def accepted(world: CloudWorld, host: str, *words: str) -> Answer:
    answer = world.test(*words, *PATIENCE, host=host)
    # What docs/evidence/node.md has its tables of.
    with (world.laboratory.folder / "logs" / f"check-node-{host}.jsonl").open("a") as log:
        print(json.dumps({"words": words, **json.loads(answer.output)}), file=log)
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
    answer = accepted(world, POWER_HOST, "--probes", *heartbeat_commands(world, power))
    assert answer.failed == [], answer.steps
    assert answer.step("hypervisor")["note"].startswith("ppc64le, POWER9")
    passed = ("down and up", "restart", "seen in the guest", "extended in the guest", "VNC keyboard")
    assert [answer.step(name)["outcome"] for name in passed] == ["passed"] * len(passed), answer.steps


def heartbeat_commands(world: CloudWorld, power: PowerNode) -> tuple[str, ...]:
    """The options by which the service on the machine is taken down and restarted."""

    def systemctl(verb: str) -> str:
        return shlex.join(world.laboratory.namespaces.inside(power.command(("systemctl", verb, "nova-compute"))))

    return ("--stop-command", systemctl("stop"), "--restart-command", systemctl("restart"))


def test_cirrus_fails_without_libvirts_patch_and_starts_with_it(world: CloudWorld, power: PowerNode) -> None:
    with power.unpatched_libvirt():
        fails = accepted(world, POWER_HOST, "--only", "probes", "--probes")
    starts = accepted(world, POWER_HOST, "--only", "probes", "--probes")
    # Both are as predicted: the rule says what the patch is for.
    assert [one.step(CIRRUS)["outcome"] for one in (fails, starts)] == ["passed"] * 2, (fails.steps, starts.steps)
    assert fails.step(CIRRUS)["note"].startswith("it does not start, as check guest predicts guest-cirrus")
    assert "does not support video model 'cirrus'" in fails.step(CIRRUS)["note"]
    assert starts.step(CIRRUS)["note"].startswith("it starts, though check guest predicts guest-cirrus")


def check_env(power: PowerNode) -> str:
    """What `check env --api` says of the machine's Python, as JSON."""
    root = power.fetch(*PYTHON, *SYSTEM)
    options = ("--root", str(root), "--python", "/opt/nova/bin/python3", "--api", "--json", "--quiet")
    command = [sys.executable, "-m", "ppcdeps", "check", "env", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_a_module_of_an_older_oslo_utils_is_predicted_fails_on_the_node_and_is_mended(
    power: PowerNode,
) -> None:
    assert "to_utf8" not in check_env(power)
    power.run("cp", OSLO_UTILS, "/root/encodeutils.py")
    # to_utf8 came with oslo.utils 3.5.
    power.run("sed", "-i", "/^def to_utf8/,$d", OSLO_UTILS)
    try:
        assert "to_utf8" in check_env(power)
        with pytest.raises(subprocess.CalledProcessError) as failure:
            power.run("/opt/nova/bin/python", "-c", INPUT)
        assert "has no attribute 'to_utf8'" in failure.value.stdout
    finally:
        power.run("cp", "/root/encodeutils.py", OSLO_UTILS)
    assert "to_utf8" not in check_env(power)
    assert power.run("/opt/nova/bin/python", "-c", INPUT).endswith("written\n")


def test_an_x86_node_emulates_guests_of_power(world: CloudWorld, power: PowerNode) -> None:
    for step in power.emulator_steps():
        step.do()
    properties = [word for one in EMULATING for word in ("--property", one)]
    answer = accepted(world, EMULATOR, *properties, "--skip", "mixed-cloud")
    # QEMU 7.2 under TCG: a pseries guest stands still after suspend and resume.
    assert set(answer.failed) <= {"resume"}, answer.steps


def test_both_nodes_keep_the_images_of_the_other_off_once_the_cloud_is_as_told(
    world: CloudWorld, power: PowerNode
) -> None:
    for step in power.emulator_steps():
        step.do()
    assert accepted(world, POWER_HOST, "--only", "mixed-cloud").failed == ["ppc64le image stays off x86"]
    with world.laboratory.scheduling(image_metadata_prefilter="true"), world.trait("HW_ARCH_PPC64LE", POWER_HOST):
        answer = accepted(world, POWER_HOST, "--only", "mixed-cloud")
    assert answer.failed == [], answer.steps
    assert answer.step("ppc64le image finds POWER")["note"] == f"the scheduler sends it to {POWER_HOST}"
