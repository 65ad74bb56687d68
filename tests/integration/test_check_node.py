"""The acceptance test of a compute node, against an OpenStack of Debian's packages with nova's fake driver.

The cloud is the laboratory's (tests/lab): a root of its own, namespaces of its own. Its hosts have no hypervisor:
their guests' consoles are written by the driver, and things go wrong on them as a test says. `PPCDEPS_LAB` names a
folder in which the laboratory is kept between runs.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
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
    "clinging": (("read-only", "clinging"), ("volumes",), 60),
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
        answer = world.test("--only", "mixed-cloud", "--only", "probes", "--probes")
    # What is tested next is not to find what it reported then.
    wait_until(lambda: "x86_64" not in (reported := world.reported(POWER)) and "CIRRUS" in reported)
    return answer


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


@pytest.fixture(scope="module")
def mixed(cloud: CloudWorld) -> Mapping[str, Answer]:
    """How the part mixed-cloud ends, with what keeps architectures apart, and without."""

    def run(*words: str) -> Answer:
        return cloud.test("--only", "mixed-cloud", *words)

    found = {}
    with cloud.faults("x86", "emulates", host=SECOND):
        wait_until(lambda: "x86_64" in cloud.reported(SECOND) and cloud.arch_of(SECOND) == "x86_64")
        found["emulating"] = run()
        with cloud.disabled(SECOND), cloud.laboratory.scheduling(image_metadata_prefilter="true"):
            found["prefilter"] = run()
    wait_until(lambda: "x86_64" not in cloud.reported(SECOND) and cloud.arch_of(SECOND) == "ppc64le")
    with (
        cloud.laboratory.scheduling(image_metadata_prefilter="true"),
        cloud.trait("HW_ARCH_PPC64LE", POWER),
    ):
        found["prefilter and trait"] = run()
    with (
        cloud.laboratory.scheduling(enable_isolated_aggregate_filtering="true"),
        cloud.trait("CUSTOM_POWER", POWER),
        cloud.isolated_by("CUSTOM_POWER", POWER),
    ):
        found["isolated"] = run()
        with cloud.flavor_of("CUSTOM_POWER") as flavor:
            found["isolated, with a flavor"] = run("--flavor", flavor)
    assert cloud.things() == {}
    return found


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
    assert answer.step("create")["note"] == "the service is not up and enabled"
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
        ("clinging", {"written": [], "detach again": []}),
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


def test_what_was_never_written_is_not_said_to_be_there(answers: Mapping[str, Answer]) -> None:
    answer = answers["clinging"]
    assert answer.step("data is there")["note"] == "nothing was written to it"
    assert answer.step("detach again")["note"].startswith("detached says nova, and the guest still has the disk")
    assert answer.step("snapshot")["note"] == "the volume is still attached"


def test_a_command_that_fails_or_hangs_is_said_with_what_is_new_in_the_log(world: CloudWorld, tmp_path: Path) -> None:
    log = tmp_path / "nova-compute.log"
    log.write_text("ERROR oslo.privsep FileNotFoundError: [Errno 2] No such file or directory: 'dmidecode'\n")
    line = "ERROR nova.compute.manager OSError: [Errno 2] No such file or directory: '/usr/bin/mkisofs'"
    failing = f'echo "{line}" >> {log}; echo no route >&2; exit 3'
    words = ("--only", "heartbeat", "--log-command", f"cat {log}", "--restart-command")
    failed, hung = beside_each_other(
        lambda: {"failed": world.test(*words, failing)},
        lambda: {"hung": world.test(*words[:2], *words[-1:], "sleep 600", "--timeout", "5", host=SECOND)},
    ).values()
    assert (failed.code, failed.failed) == (1, ["restart"])
    step = failed.step("restart")
    assert step["note"].endswith("ended with 3")
    assert step["evidence"][0].endswith(": no route")
    # What was in the log before explains nothing.
    assert step["evidence"][1:] == [f"log: {line}"]
    assert rules_of(step) == ["node-config-drive-program"]
    assert (hung.code, hung.failed) == (1, ["restart"])
    assert "does not end" in hung.step("restart")["note"]


def test_a_log_that_cannot_be_read_is_known_before_anything_is_made(world: CloudWorld) -> None:
    answer = world.test("--log-command", "cat /nowhere/nova-compute.log")
    assert (answer.code, answer.output) == (3, "")
    assert "the log cannot be read by `cat /nowhere/nova-compute.log`: it ended with 1: " in answer.error_line


def test_an_error_between_two_steps_ends_the_test_and_not_the_report(world: CloudWorld, tmp_path: Path) -> None:
    # The restart lasts until placement is frozen: what follows it asks placement.
    frozen = tmp_path / "frozen"
    held = ("--restart-command", f"while [ ! -e {frozen} ]; do sleep 0.1; done")
    words = ("--only", "heartbeat", "--only", "console", "--api-timeout", "10", "--json", *held)
    running = world.start(POWER, "--cloud", CLOUD, "--guest-root", world.guest_root, *words)
    assert running.stderr is not None
    for line in running.stderr:
        if "heartbeat: service up" in line:
            break
    with world.laboratory.frozen("placement"):
        frozen.touch()
        answer = ended(running)
    assert answer.code == 1, answer
    assert "placement does not answer in time" in answer.step("what follows")["note"]
    assert answer.step("nothing left behind")["outcome"] == "passed"


def test_a_host_that_no_cell_has_is_told_to_be_discovered(world: CloudWorld) -> None:
    with world.laboratory.scheduling(discover_hosts_in_cells_interval="-1"), world.unmapped(SECOND):
        seen, tried = world.test("--only", "statistics", host=SECOND), world.test("--only", "console", host=SECOND)
    assert (seen.code, seen.failed) == (1, ["hypervisor"])
    assert rules_of(seen.step("hypervisor")) == ["node-not-mapped"]
    assert (tried.code, tried.failed) == (1, [])


def test_a_cloud_that_mixes_architectures_up_is_told_what_to_set(answers: Mapping[str, Answer]) -> None:
    answer = answers["changed host"]
    assert answer.failed == ["x86 image stays off POWER"]
    (explained,) = answer.step("x86 image stays off POWER")["explanations"]
    assert explained["rule"] == "node-mixed-cloud"
    assert any("hw_architecture" in line for line in explained["fix"])


@pytest.mark.parametrize(
    ("run", "failed", "x86_off_power", "ppc64le_off_x86", "finds_power", "without"),
    [
        (
            "emulating",
            ["ppc64le image stays off x86"],
            f"a filter keeps an image of x86_64 off {POWER}, by hw_architecture",
            f"an image of ppc64le runs on {SECOND}",
            f"the scheduler sends it to {POWER}",
            f"nothing keeps it off {POWER}: set hw_architecture on every image, or isolate the host",
        ),
        (
            "prefilter",
            ["create", "ppc64le image finds POWER"],
            f"the prefilter keeps an image of x86_64 off {POWER}, which lacks the trait HW_ARCH_X86_64",
            f"the prefilter keeps an image of ppc64le off {X86}, which lacks the trait HW_ARCH_PPC64LE; "
            f"not looked at: {SECOND}",
            f"the prefilter keeps an image of ppc64le off {POWER}, which lacks the trait HW_ARCH_PPC64LE",
            f"nothing keeps it off {POWER}: set hw_architecture on every image, or isolate the host",
        ),
        (
            "prefilter and trait",
            [],
            f"the prefilter keeps an image of x86_64 off {POWER}, which lacks the trait HW_ARCH_X86_64",
            f"the prefilter keeps an image of ppc64le off {X86}, which lacks the trait HW_ARCH_PPC64LE",
            f"the scheduler sends it to {POWER}",
            f"nothing keeps it off {POWER}: set hw_architecture on every image, or isolate the host",
        ),
        (
            "isolated",
            ["create"],
            f"the aggregate isolated isolates {POWER} by the trait CUSTOM_POWER",
            f"a filter keeps an image of ppc64le off {X86}, by hw_architecture",
            f"the aggregate isolated isolates {POWER} by the trait CUSTOM_POWER: name a flavor that has it with "
            "--flavor",
            f"the aggregate isolated isolates {POWER} by the trait CUSTOM_POWER",
        ),
        (
            "isolated, with a flavor",
            [],
            f"a filter keeps an image of x86_64 off {POWER}, by hw_architecture",
            f"the flavor asks for the trait CUSTOM_POWER, which {X86} lacks",
            f"the scheduler sends it to {POWER}",
            f"nothing keeps it off {POWER}: set hw_architecture on every image, or isolate the host",
        ),
    ],
)
def test_a_mixed_cloud_is_told_what_keeps_architectures_apart(
    mixed: Mapping[str, Answer],
    run: str,
    failed: list[str],
    x86_off_power: str,
    ppc64le_off_x86: str,
    finds_power: str,
    without: str,
) -> None:
    answer = mixed[run]
    assert answer.failed == failed, answer.steps
    for name, note in (
        ("x86 image stays off POWER", x86_off_power),
        ("ppc64le image stays off x86", ppc64le_off_x86),
        ("ppc64le image finds POWER", finds_power),
        ("image without architecture", without),
    ):
        assert answer.step(name)["note"] == note


def test_what_keeps_a_guest_from_its_own_host_is_explained(mixed: Mapping[str, Answer]) -> None:
    answer = mixed["prefilter"]
    assert rules_of(answer.step("create")) == ["node-no-valid-host"]
    (explained,) = answer.step("ppc64le image finds POWER")["explanations"]
    assert explained["rule"] == "node-architecture-trait"
    assert any("HW_ARCH_PPC64LE" in line for line in explained["fix"])
    assert rules_of(mixed["emulating"].step("ppc64le image stays off x86")) == ["node-mixed-cloud"]


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


def test_keep_leaves_a_guest_that_does_not_boot(world: CloudWorld) -> None:
    with world.faults("silent"):
        answer = world.test("--only", "console", "--keep", "--timeout", "30")
    assert (answer.code, answer.failed) == (1, ["boot"])
    run = answer.output.split('"run": "')[1].split('"')[0]
    assert world.things()["servers"] == [f"ppcdeps-check-{run}-guest"]
    # The cloud is named as it was.
    assert answer.step("nothing left behind")["note"].endswith(f" --cleanup --cloud {CLOUD} --run {run}")
    assert world("--cleanup", "--cloud", CLOUD, "--run", run).code == 0


def test_what_the_cloud_does_not_have_is_one_line(world: CloudWorld) -> None:
    root = ("--guest-root", world.guest_root)
    for words, code, line in (
        (("power9", "--cloud", CLOUD, *root), 2, "has no compute host power9"),
        (("POWER1", "--cloud", CLOUD, *root), 2, f'did you mean "{POWER}"?'),
        ((f"{POWER}.example.com", "--cloud", CLOUD, *root), 2, f'did you mean "{POWER}"?'),
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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("clouds: [", "while parsing a flow node"),
        ("clouds: 3", "a file of clouds cannot be understood"),
        ("clouds: {laboratory: 3}", "a file of clouds cannot be understood"),
        ("clouds: {laboratory: {auth_type: magic, auth: {auth_url: 'http://10.0.2.2:5000/v3'}}}", "plugin magic"),
    ],
)
def test_a_file_of_clouds_that_is_none_is_one_line(world: CloudWorld, tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(text)
    answer = world.test(OS_CLIENT_CONFIG_FILE=str(file))
    assert (answer.code, answer.output) == (3, "")
    assert line in answer.error_line


def clouds_file(world: CloudWorld, folder: Path, **settings: object) -> str:
    """A clouds.yaml with other settings of the same cloud."""
    cloud = yaml.safe_load(world.laboratory.clouds_yaml.read_text())["clouds"][CLOUD]
    file = folder / "clouds.yaml"
    file.write_text(json.dumps({"clouds": {CLOUD: {**cloud, **settings}}}))
    return str(file)


def test_a_region_or_interface_that_the_catalog_lacks_is_one_line(world: CloudWorld, tmp_path: Path) -> None:
    for setting, line in (
        (
            {"region_name": "Nowhere"},
            "has no compute service of region Nowhere with interface public; look",
        ),
        ({"image_interface": "admin"}, "has no image service of region RegionOne with interface admin"),
    ):
        answer = world.test(OS_CLIENT_CONFIG_FILE=clouds_file(world, tmp_path, **setting))
        assert (answer.code, answer.output) == (40, "")
        assert line in answer.error_line


def test_what_the_catalog_does_not_have_is_skipped(world: CloudWorld, tmp_path: Path) -> None:
    file = clouds_file(world, tmp_path, block_storage_interface="admin", network_interface="admin")
    answer = world.test("--only", "volumes", "--only", "network", OS_CLIENT_CONFIG_FILE=file)
    assert (answer.code, answer.failed) == (0, []), answer
    assert "no volume service (cinder)" in answer.step("boot from volume")["note"]
    assert "no network service (neutron)" in answer.step("port up")["note"]


def test_an_application_credential_will_do(world: CloudWorld, tmp_path: Path) -> None:
    url = "http://10.0.2.2:5000/v3"
    made = world.inside(
        f"path = '{url}/users/' + cloud.current_user_id + '/application_credentials'\n"
        "name = {'name': cloud.auth_token[-40:]}\n"
        "made = cloud.session.post(path, json={'application_credential': name})\n"
        "print(json.dumps({'path': path, **made.json()['application_credential']}))"
    )
    auth = {"auth_url": url, **{f"application_credential_{key}": made[key] for key in ("id", "secret")}}
    file = clouds_file(world, tmp_path, auth_type="v3applicationcredential", auth=auth)
    try:
        answer = world.test("--only", "statistics", "--only", "console", OS_CLIENT_CONFIG_FILE=file)
    finally:
        world.inside(f"cloud.session.delete('{made['path']}/{made['id']}')")
    assert (answer.code, answer.failed) == (0, []), answer
    # The credential is gone: what it was is no longer taken.
    assert world.test(OS_CLIENT_CONFIG_FILE=file).code == 3


def test_a_user_who_is_no_administrator_is_told_so(world: CloudWorld, tmp_path: Path) -> None:
    user = world.inside(
        "user = cloud.identity.create_user(name='somebody', password='guest', domain_id='default')\n"
        "cloud.identity.assign_project_role_to_user("
        "cloud.current_project_id, user, cloud.identity.find_role('member'))\nprint(json.dumps(user.id))"
    )
    auth = yaml.safe_load(world.laboratory.clouds_yaml.read_text())["clouds"][CLOUD]["auth"]
    file = clouds_file(world, tmp_path, auth={**auth, "username": "somebody", "password": "guest"})
    try:
        answer = world.test(OS_CLIENT_CONFIG_FILE=file)
    finally:
        world.inside(f"cloud.identity.delete_user('{user}')")
    assert (answer.code, answer.output) == (40, "")
    assert answer.error_line.endswith("the user must be an administrator of the cloud")


def test_a_token_that_has_expired_is_one_line(world: CloudWorld) -> None:
    file = world.folder / "token.yaml"
    url = "http://10.0.2.2:5000/v3"
    revoked = world.inside(
        "token = cloud.auth_token\ncloud.session.delete("
        f"'{url}/auth/tokens', headers={{'X-Subject-Token': token}})\n"
        "cloud.session.invalidate()\nprint(json.dumps(token))"
    )
    for kind, where, token, message in (
        (
            "token",
            {"auth_url": url, "project_name": "admin", "project_domain_name": "Default"},
            revoked,
            "refuses these",
        ),
        # What nova has seen itself it takes for a while longer.
        ("admin_token", {"endpoint": "http://10.0.2.2:8774/v2.1"}, "expired", "takes these"),
    ):
        cloud = {"auth_type": kind, "auth": {**where, "token": token}}
        file.write_text(json.dumps({"clouds": {CLOUD: cloud}}))
        answer = world.test(OS_CLIENT_CONFIG_FILE=str(file))
        assert (answer.code, answer.output) == (3, ""), answer
        assert f"{message} credentials" in answer.error_line
        assert "a token expires" in answer.error_line


def test_an_image_of_another_architecture_is_one_line(world: CloudWorld) -> None:
    image = world.inside(
        "image = cloud.create_image('x86', data=b'x' * 512, disk_format='raw', container_format='bare', wait=True,"
        " meta={'hw_architecture': 'x86_64'})\nprint(json.dumps(image.id))"
    )
    try:
        answer = world.test("--image", "x86")
    finally:
        world.inside(f"cloud.image.delete_image('{image}')")
    assert (answer.code, answer.output) == (2, "")
    assert f"the image x86 is of x86_64, and {POWER} is ppc64le" in answer.error_line


def test_of_a_service_that_is_disabled_nothing_is_tried_and_the_node_is_not_accepted(world: CloudWorld) -> None:
    service = (
        "service = [one for one in cloud.compute.services()"
        f" if (one.binary, one.host) == ('nova-compute', '{POWER}')][0]\n"
    )
    world.inside(f"{service}cloud.compute.disable_service(service, disabled_reason='a broken fan')")
    try:
        whole, part = world.test(), world.test("--only", "console")
    finally:
        world.inside(f"{service}cloud.compute.enable_service(service)")
    assert (whole.code, whole.failed) == (1, ["service up"])
    assert "is disabled (a broken fan); enable it with" in whole.step("service up")["note"]
    assert rules_of(whole.step("service up")) == ["node-disabled"]
    # Nothing failed where nothing was tried: that is no acceptance.
    assert (part.code, part.failed) == (1, [])
    assert part.step("serial console")["note"] == "the service is not up and enabled"


def test_where_standard_output_takes_nothing_the_junit_file_still_has_the_outcome(
    world: CloudWorld, tmp_path: Path
) -> None:
    words = (POWER, "--cloud", CLOUD, "--guest-root", world.guest_root, "--only", "statistics", "--json")
    report = tmp_path / "report.xml"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            world.command(*words, "--junit", report),
            cwd=world.folder,
            env=world.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 20
    assert done.stderr.splitlines()[-1].startswith("ppcdeps: error: no space left while writing to standard output")
    assert ET.parse(report).getroot().findall(".//testcase")


def test_a_junit_file_that_cannot_be_written_is_known_before_anything_is_made(world: CloudWorld) -> None:
    answer = world.test("--junit", "/nowhere/report.xml")
    assert (answer.code, answer.output) == (3, "")
    assert "cannot write /nowhere/report.xml: No such file or directory" in answer.error_line
    assert "image and flavor" not in answer.errors


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
    running = world.start(POWER, "--cloud", CLOUD, "--guest-root", world.guest_root, "--api-timeout", "10", "--json",
                          "--only", "life-cycle")  # fmt: skip
    wait_until(lambda: "servers" in world.things())
    with world.laboratory.frozen("nova-api"):
        answer = ended(running)
    assert answer.code == 1, answer
    assert "nova does not answer in time" in answer.output
    assert f"--cleanup --cloud {CLOUD} --run" in answer.output
    assert world("--cleanup", "--cloud", CLOUD).code == 0


@pytest.mark.long
def test_where_neutron_has_agents_a_card_comes_up_and_the_metadata_are_reached(world: CloudWorld) -> None:
    world.laboratory.start_network_node(POWER)
    words = ("--only", "network", "--network", "lab")
    with world.network("lab", dhcp=True):
        good, unnamed = world.test(*words), world.test("--only", "network")
    with world.network("lab", dhcp=False):
        bad = world.test(*words)
    assert (good.code, good.failed) == (0, []), good.steps
    assert good.step("port up")["note"] == "bound by bridge"
    assert good.step("metadata reached")["note"] == "the guest has read it"
    assert unnamed.step("port up")["note"] == "no --network is named"
    # Without DHCP the card has no address.
    assert (bad.code, bad.failed) == (1, ["metadata reached"]), bad.steps
    assert bad.step("port up")["outcome"] == "passed"
    assert bad.step("nothing left behind")["outcome"] == "passed"
