"""The acceptance test of a compute node, against an OpenStack of Debian's packages with nova's fake driver.

The cloud is the laboratory's (tests/lab): a root of its own, namespaces of its own. Its hosts have no hypervisor:
their guests' consoles are written by the driver, and things go wrong on them as a test says. `PPCDEPS_LAB` names a
folder in which the laboratory is kept between runs.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cloudworld import (
    POWER,
    PROJECT,
    SECOND,
    X86,
    Answer,
    CloudWorld,
    beside_each_other,
    ended,
    wait_until,
    write_guest_root,
)
from ppclab import unpacked
from ppclab.laboratory import CLOUD, Laboratory

NO_KVM = "spawn internal error: qemu-kvm: could not find capabilities for domaintype=kvm"
# What goes wrong at once, the parts that are tested meanwhile, and how long is waited for what then never comes.
ON_FIRST = {
    "life": (("restless", "standstill", "refuse power_off"), ("life-cycle",), 180),
    "silent": (("silent",), ("life-cycle",), 45),
}
ON_SECOND = {
    "blind": (("blind",), ("volumes",), 60),
    "changed volumes": (("forgetful", "shrunken"), ("volumes",), 180),
    "no attachment": (("attach",), ("volumes",), 180),
    "no guest": ((NO_KVM,), ("life-cycle",), 180),
}


@pytest.fixture(scope="module")
def laboratory(run_folder: Path) -> Iterator[Laboratory]:
    """The laboratory with its control plane up. Skipped where this machine does not let one be made."""
    if reason := unpacked.lacks():
        pytest.skip(f"no laboratory: {reason}")
    kept = os.environ.get("PPCDEPS_LAB")
    made = Laboratory(Path(kept).resolve() if kept else run_folder / "laboratory", stays=bool(kept))
    # Before the root, which takes minutes: whether a container may have namespaces at all.
    if subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("no laboratory: this machine lets nobody make namespaces")
    try:
        for step in made.steps():
            step.do()
        yield made
    finally:
        if not kept:
            made.remove()


@pytest.fixture(scope="module")
def cloud(laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWorld]:
    """The cloud with two POWER hosts and an x86 one."""
    folder = tmp_path_factory.mktemp("node")
    write_guest_root(folder / "guest-root")
    laboratory.start_nodes({POWER: "labnode.PowerDriver", SECOND: "labnode.PowerDriver", X86: "fake.FakeDriver"})
    for host in (POWER, SECOND):
        laboratory.set_faults(host)
    made = CloudWorld(laboratory, folder)
    made("--cleanup", "--cloud", CLOUD)
    yield made
    made.close()


@pytest.fixture
def world(cloud: CloudWorld) -> Iterator[CloudWorld]:
    """The cloud, which the test leaves empty: no server, image, volume, snapshot, flavor or port is in it."""
    yield cloud
    left = cloud.things()
    if left:
        # What one test left is not to be in the way of the next.
        cloud("--cleanup", "--cloud", CLOUD)
    assert left == {}


@pytest.fixture(scope="module")
def answers(cloud: CloudWorld) -> Mapping[str, Answer]:
    """How runs end that mostly wait: each host has one at a time."""

    def faulty(
        host: str, runs: Mapping[str, tuple[Sequence[str], Sequence[str], int]]
    ) -> Callable[[], dict[str, Answer]]:
        def lane() -> dict[str, Answer]:
            found = {}
            for name, (faults, parts, patience) in runs.items():
                with cloud.faults(*faults, host=host):
                    chosen = [word for part in parts for word in ("--only", part)]
                    found[name] = cloud.test(*chosen, "--timeout", str(patience), host=host)
            return found

        return lane

    found = beside_each_other(
        faulty(POWER, ON_FIRST), faulty(SECOND, ON_SECOND), lambda: {"fake": novas_own_driver(cloud)}
    )
    # No guest of the others may be on its way to a service that is taken down.
    found |= beside_each_other(
        lambda: {"changed host": changed_host(cloud)},
        lambda: {"restarted": restarted(cloud), "down": service_down(cloud)},
    )
    assert cloud.things() == {}
    return found


def novas_own_driver(world: CloudWorld) -> Answer:
    """nova's fake driver, as it is: its guests' consoles say the same three lines for ever."""
    image = world.inside(
        "image = cloud.create_image("
        "'cirros', data=b'x' * 512, disk_format='raw', container_format='bare', wait=True)\n"
        "print(json.dumps(image.id))"
    )
    try:
        parts = ("--only", "statistics", "--only", "volumes")
        return world.test("--image", "cirros", "--boot-text", "LAST LINE", *parts, host=X86)
    finally:
        world.inside(f"cloud.image.delete_image('{image}')")


def changed_host(world: CloudWorld) -> Answer:
    """A host that runs guests of x86 too, and has no cirrus."""
    with world.faults("emulates", "no-cirrus"):
        wait_until(lambda: "x86_64" in (reported := world.reported(POWER)) and "CIRRUS" not in reported)
        return world.test("--only", "mixed-cloud", "--only", "probes", "--probes")


def restarted(world: CloudWorld) -> Answer:
    """A service that is stopped, started and restarted by commands."""
    stop = lab_command(world, "--exec", "python3", "/lab/cloud/node.py", "stop", SECOND)
    start = lab_command(world, "--exec", "python3", "/lab/cloud/node.py", "start", SECOND, "labnode.PowerDriver")
    commands = ("--stop-command", stop, "--restart-command", f"{stop}; {start}")
    return world.test("--only", "heartbeat", *commands, host=SECOND)


def service_down(world: CloudWorld) -> Answer:
    """A service that has been silent for too long."""
    world.laboratory.run("python3", "/lab/cloud/node.py", "stop", SECOND)
    try:
        wait_until(lambda: world.state_of(SECOND) == "down")
        return world.test(host=SECOND)
    finally:
        world.laboratory.start_node(SECOND)


def lab_command(world: CloudWorld, *words: str) -> str:
    return f"PPCDEPS_LAB={world.laboratory.folder} {PROJECT}/tests/lab/run {' '.join(words)}"


def rules_of(step: Mapping[str, object]) -> list[str]:
    """The rules that explain how a step failed."""
    explanations = step["explanations"]
    assert isinstance(explanations, list)
    return [one["rule"] for one in explanations]


def test_a_good_node_is_accepted(world: CloudWorld, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    answer = world.test("--probes", "--junit", report)
    assert answer.failed == [], answer.steps
    assert answer.code == 0
    # What this cloud does not have is skipped, and said; nothing else is.
    skipped = {one["name"]: one["note"] for one in answer.steps if one["outcome"] == "skipped"}
    assert set(skipped) == {"down and up", "restart", "port up", "metadata reached", "serial console", "VNC keyboard"}
    assert skipped["port up"] == f"neutron has no agent on {POWER}"
    notes = {one["name"]: one["note"] for one in answer.steps}
    assert notes["hypervisor"].startswith("ppc64le, POWER9, 10 processors, 8192 MB, 1028 GB")
    assert notes["pause"] == "it stands still"
    assert notes["stop"] == "the guest obeyed the power button"
    assert notes["resize"].startswith(f"to {SECOND}")
    assert notes["hw_disk_bus=ide"].startswith("it does not start, as check guest predicts guest-ide-bus")
    # The same, as a CI system reads it.
    cases = ET.parse(report).getroot().findall(".//testcase")
    assert len(cases) == len(answer.steps)
    assert len([one for one in cases if one.find("skipped") is not None]) == len(skipped)
    assert not [one for one in cases if one.find("failure") is not None]


def test_the_service_is_seen_to_go_down_and_to_come_back(answers: Mapping[str, Answer]) -> None:
    steps = ("service up", "reports come", "down and up", "restart", "nothing left behind")
    assert answers["restarted"].outcomes == dict.fromkeys(steps, "passed")


def test_a_service_that_is_down_fails_and_nothing_is_tried(answers: Mapping[str, Answer]) -> None:
    answer = answers["down"]
    assert answer.code == 1
    assert answer.failed == ["service up"]
    assert answer.step("create")["note"] == "the service is not up"
    assert rules_of(answer.step("service up")) == ["node-service-down"]


def test_of_an_x86_node_nova_26_does_not_say_what_it_emulates(answers: Mapping[str, Answer]) -> None:
    answer = answers["fake"]
    assert answer.failed == []
    assert answer.step("hypervisor")["note"].endswith("whether it emulates ppc64le this nova does not say")
    assert answer.step("boot")["note"] == "the console shows its text"
    assert answer.outcomes["detach"] == "passed"
    assert answer.step("seen in the guest")["note"].startswith("of this image it is not known")


@pytest.mark.parametrize(
    ("run", "failures"),
    [
        ("no guest", {"create": ("domaintype=kvm", ["host-kvm-module"])}),
        ("silent", {"boot": ("nothing on the console shows that the guest is up", [])}),
        (
            "life",
            {
                "pause": ("the guest goes on", []),
                "resume": ("the guest stands still", ["node-resume-emulated"]),
                "stop": ("RuntimeError at: raise RuntimeError", []),
                "rebuild": ("RuntimeError", []),
                "shelve": ("RuntimeError at: raise RuntimeError", []),
            },
        ),
    ],
)
def test_what_goes_wrong_in_a_guests_life_fails_where_it_does(
    answers: Mapping[str, Answer], run: str, failures: Mapping[str, tuple[str, list[str]]]
) -> None:
    answer = answers[run]
    assert answer.code == 1
    assert answer.failed == list(failures), answer.steps
    for name, (note, rules) in failures.items():
        step = answer.step(name)
        assert note in step["note"]
        assert rules_of(step) == rules
    assert answer.step("nothing left behind")["outcome"] == "passed"


def test_after_a_failure_the_other_steps_are_done_with_a_guest_that_is_up(answers: Mapping[str, Answer]) -> None:
    outcomes = answers["life"].outcomes
    assert {name for name, outcome in outcomes.items() if outcome == "skipped"} == {"unpause", "start", "unshelve"}
    passed = {name for name, outcome in outcomes.items() if outcome == "passed"}
    assert passed >= {"suspend", "soft reboot", "hard reboot", "resize", "revert resize", "delete"}


@pytest.mark.parametrize(
    ("run", "failures"),
    [
        ("no attachment", {"attach": ["node-dmidecode"]}),
        ("blind", {"seen in the guest": ["node-hot-plug"]}),
        ("changed volumes", {"data is there": [], "extended in the guest": []}),
    ],
)
def test_what_goes_wrong_with_volumes_fails_where_it_does(
    answers: Mapping[str, Answer], run: str, failures: Mapping[str, list[str]]
) -> None:
    answer = answers[run]
    assert answer.code == 1
    assert answer.failed == list(failures), answer.steps
    assert {name: rules_of(answer.step(name)) for name in failures} == failures


def test_a_cloud_that_mixes_architectures_up_is_told_what_to_set(answers: Mapping[str, Answer]) -> None:
    answer = answers["changed host"]
    assert answer.failed == ["x86 image stays off POWER"]
    (explained,) = answer.step("x86 image stays off POWER")["explanations"]
    assert explained["rule"] == "node-mixed-cloud"
    assert any("hw_architecture" in line for line in explained["fix"])


@pytest.mark.parametrize(
    ("probe", "rule"), [("hw_disk_bus=ide", "guest-ide-bus"), ("hw_video_model=cirrus", "guest-cirrus")]
)
def test_probes_show_what_check_guest_predicts(answers: Mapping[str, Answer], probe: str, rule: str) -> None:
    note = answers["changed host"].step(probe)["note"]
    assert note.startswith(f"it does not start, as check guest predicts {rule}")


def test_ctrl_c_cleans_up(world: CloudWorld) -> None:
    running = world.start(POWER, "--cloud", CLOUD, "--guest-root", world.guest_root)
    wait_until(lambda: "servers" in world.things())
    running.send_signal(signal.SIGINT)
    answer = ended(running)
    assert answer.code == 130
    assert answer.errors.splitlines()[-1] == "ppcdeps: interrupted"


def test_what_a_killed_run_left_is_found_and_removed(world: CloudWorld) -> None:
    running = world.start(POWER, "--cloud", CLOUD, "--guest-root", world.guest_root, "--only", "volumes")
    wait_until(lambda: {"servers", "volumes"} <= set(world.things()))
    running.kill()
    running.communicate()
    theirs = world.inside(
        "v = cloud.block_storage.create_volume(size=1, name='ppcdeps-check-0a0a0a0a-volume')\nprint(json.dumps(v.id))"
    )
    left = world.things()
    assert {"servers", "images", "volumes", "flavors"} <= set(left)
    answer = world("--cleanup", "--cloud", CLOUD)
    assert answer.code == 0
    # What only has such a name, and none of the metadata, is somebody's own.
    assert world.things() == {"volumes": ["ppcdeps-check-0a0a0a0a-volume"]}
    world.inside(f"cloud.block_storage.wait_for_delete(cloud.block_storage.delete_volume('{theirs}') or "
                 f"cloud.block_storage.get_volume('{theirs}'))")  # fmt: skip
    assert world("--cleanup", "--cloud", CLOUD).output == "there is nothing to remove\n"


def test_keep_leaves_the_guest_and_cleanup_removes_one_run(world: CloudWorld) -> None:
    answer = world.test("--only", "console", "--keep")
    assert answer.code == 0
    run = answer.output.split('"run": "')[1].split('"')[0]
    assert world.things()["servers"] == [f"ppcdeps-check-{run}-guest"]
    assert world("--cleanup", "--cloud", CLOUD, "--run", "00000000").output == "there is nothing to remove\n"
    assert world("--cleanup", "--cloud", CLOUD, "--run", run).code == 0


def test_what_the_cloud_does_not_have_is_one_line(world: CloudWorld) -> None:
    root = ("--guest-root", world.guest_root)
    for words, code, line in (
        (("power9", "--cloud", CLOUD, *root), 2, "has no compute host power9"),
        ((POWER, "--cloud", "laboratry", *root), 3, "clouds.yaml has no cloud laboratry; it has laboratory"),
        ((POWER, "--cloud", CLOUD, "--image", "cirros"), 2, "has no image cirros; it has none at all"),
        ((POWER, "--cloud", CLOUD, "--guest-root", world.folder / "guest-root" / "usr"), 3, "has no kernel"),
        ((POWER, "--cloud", CLOUD), 2, "there is no image to boot"),
        ((POWER, "--cloud", CLOUD, "--flavor", "m1.tiny", *root), 2, "has no flavor m1.tiny"),
        ((POWER, "--cloud", CLOUD, "--network", "public", *root), 2, "has no network public"),
    ):
        answer = world(*words)
        assert (answer.code, answer.output) == (code, ""), answer
        assert line in answer.error_line


def test_no_cloud_at_all_is_one_line(world: CloudWorld) -> None:
    answer = world(POWER, "--guest-root", world.guest_root, OS_CLIENT_CONFIG_FILE="/nowhere/clouds.yaml")
    assert answer.code == 3
    assert "no cloud is named" in answer.error_line


def test_wrong_credentials_are_one_line(world: CloudWorld) -> None:
    file = world.folder / "wrong.yaml"
    file.write_text(world.laboratory.clouds_yaml.read_text().replace("secret", "guessed"))
    answer = world.test(OS_CLIENT_CONFIG_FILE=str(file))
    assert answer.code == 3
    assert "refuses these credentials" in answer.error_line


def test_a_project_without_quota_is_one_line(world: CloudWorld) -> None:
    world.inside("cloud.set_compute_quotas(cloud.current_project_id, instances=0)")
    try:
        answer = world.test()
    finally:
        world.inside("cloud.set_compute_quotas(cloud.current_project_id, instances=10)")
    assert answer.code == 40
    assert "the project's quota has no room for a guest: 0 of 0 servers are used" in answer.error_line


def test_an_api_that_hangs_is_one_line(world: CloudWorld) -> None:
    with world.laboratory.frozen("nova-api"):
        answer = world.test("--api-timeout", "5")
    assert answer.code == 40
    assert "nova does not answer in time" in answer.error_line


def test_an_api_that_hangs_in_the_midst_fails_and_is_cleaned_up_later(world: CloudWorld) -> None:
    running = world.start(POWER, "--cloud", CLOUD, "--guest-root", world.guest_root, "--api-timeout", "5", "--json",
                          "--only", "life-cycle")  # fmt: skip
    wait_until(lambda: "servers" in world.things())
    with world.laboratory.frozen("nova-api"):
        answer = ended(running)
    assert answer.code == 1, answer
    assert "nova does not answer in time" in answer.output
    assert "--cleanup --run" in answer.output
    assert world("--cleanup", "--cloud", CLOUD).code == 0
