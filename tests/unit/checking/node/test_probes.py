"""What traits of a node say of the guests that it can start."""

from ppcdeps.checking.node.explanations import explain
from ppcdeps.checking.node.probes import offer_of_traits


def test_a_trait_that_another_machine_type_has_is_no_offer_of_a_pseries_one() -> None:
    traits = frozenset({"COMPUTE_STORAGE_BUS_IDE", "COMPUTE_STORAGE_BUS_VIRTIO", "COMPUTE_GRAPHICS_MODEL_CIRRUS"})
    offers = offer_of_traits(traits).offers
    assert offers["disk.bus"] == {"virtio"}
    assert offers["video.modelType"] == {"cirrus"}


def test_a_guest_from_a_volume_that_lacks_an_unnamed_program_is_explained() -> None:
    lines = ["Build of instance 40b0 aborted: [Errno 2] No such file or directory", "more"]
    assert [one.rule for one in explain("boot from volume", lines)] == ["node-dmidecode"]
    assert explain("create", lines) == ()
