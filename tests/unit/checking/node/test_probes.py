"""What traits of a node say of the guests that it can start."""

import pytest

from ppcdeps.checking.node.explanations import explain
from ppcdeps.checking.node.probes import is_another_fault, offer_of_traits
from ppcdeps.checking.node.recorder import StepFailed


def test_a_trait_that_another_machine_type_has_is_no_offer_of_a_pseries_one() -> None:
    traits = frozenset({"COMPUTE_STORAGE_BUS_IDE", "COMPUTE_STORAGE_BUS_VIRTIO", "COMPUTE_GRAPHICS_MODEL_CIRRUS"})
    offers = offer_of_traits(traits).offers
    assert offers["disk.bus"] == {"virtio"}
    assert offers["video.modelType"] == {"cirrus"}


def test_a_guest_from_a_volume_that_lacks_an_unnamed_program_is_explained() -> None:
    lines = ["Build of instance 40b0 aborted: [Errno 2] No such file or directory", "more"]
    assert [one.rule for one in explain("boot from volume", lines)] == ["node-dmidecode"]
    assert explain("create", lines) == ()


@pytest.mark.parametrize(
    ("step", "text", "rules"),
    [
        ("create", "[Errno 2] No such file or directory: 'genisoimage'", ["node-config-drive-program"]),
        ("create", "[Errno 2] No such file or directory: '/usr/bin/mkisofs'", ["node-config-drive-program"]),
        ("create", "[Errno 2] No such file or directory: '/etc/genisoimage.conf'", []),
        ("create", "qemu-kvm: failed to initialize KVM: No such file or directory", ["host-kvm-module"]),
        ("create", "Could not access KVM kernel module: No such file or directory", ["host-kvm-module"]),
        ("create", "Emulator '/usr/bin/qemu-system-ppc64' does not support virt type 'kvm'", ["host-kvm-module"]),
        ("create", "Emulator '/usr/bin/qemu-system-ppc64' does not support virt type 'xen'", []),
        (
            "create",
            "No valid host was found. No such host - host: power1 node: None ",
            ["node-no-valid-host", "node-not-mapped"],
        ),
        ("create", "No valid host was found. There are not enough hosts available.", ["node-no-valid-host"]),
        ("create", "Host 'power1' is not mapped to any cell", ["node-not-mapped"]),
        ("stop", "INFO nova.virt.libvirt.driver Instance failed to shutdown in 60 seconds.", ["node-power-button"]),
        ("stop", "INFO nova.virt.libvirt.driver Instance shutdown successfully after 27 seconds.", []),
        ("attach", "TypeError: catching classes that do not inherit from BaseException is not allowed",
         ["node-nfs-mount-masked"]),
        ("create", "UEFI is not supported", ["guest-firmware"]),
    ],
)  # fmt: skip
def test_texts_of_nova_libvirt_and_qemu_are_known(step: str, text: str, rules: list[str]) -> None:
    assert sorted(one.rule for one in explain(step, [text])) == rules


@pytest.mark.parametrize(
    ("reason", "is_another"),
    [
        ("unsupported configuration: IDE controllers are unsupported for this QEMU binary or machine type", False),
        ("could not find capabilities for domaintype=kvm", True),
        ("domain configuration does not support video model 'cirrus'", True),
        ("No valid host was found. ", False),
        ("a text that no rule knows", False),
    ],
)
def test_a_probe_that_fails_for_another_fault_is_not_as_predicted(reason: str, is_another: bool) -> None:
    assert is_another_fault(StepFailed(reason), ["guest-ide-bus"]) is is_another
