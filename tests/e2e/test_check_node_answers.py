"""`ppcdeps check node` as a user runs it, before a cloud whose APIs answer something else."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from program import Program, Run
from smallcloud import HOST, PAGE, SmallCloud, small_cloud

pytest.importorskip("openstack", reason="openstacksdk is not installed")


@pytest.fixture
def small(ppcdeps: Program) -> Iterator[SmallCloud]:
    with small_cloud() as made:
        made.configure(ppcdeps.folder)
        yield made


def check(ppcdeps: Program, *words: str, code: int) -> Run:
    variables = {"OS_CLIENT_CONFIG_FILE": str(ppcdeps.folder / "clouds.yaml")}
    return ppcdeps("check", "node", *words, "--cloud", "small", code=code, **variables)


STATISTICS = (HOST, "--image", "an-image", "--only", "statistics")


def test_a_page_before_nova_is_one_line(ppcdeps: Program, small: SmallCloud) -> None:
    small.faults[".*/os-services"] = PAGE
    fault = check(ppcdeps, *STATISTICS, code=40).fault
    assert "nova did not answer GET /os-services with JSON" in fault
    assert small.url in fault


def test_what_a_page_hides_is_not_taken_for_gone(ppcdeps: Program, small: SmallCloud) -> None:
    assert check(ppcdeps, "--cleanup", code=0).out == "there is nothing to remove\n"
    small.faults[".*/servers/detail"] = PAGE
    assert check(ppcdeps, "--cleanup", code=1).out.startswith("cannot be seen: servers: nova did not answer ")


def test_what_was_found_before_a_wrong_answer_is_shown_and_written(ppcdeps: Program, small: SmallCloud) -> None:
    small.faults[".*/traits"] = {"traits": None}
    done = check(ppcdeps, *STATISTICS, "--junit", "node.xml", code=1)
    assert f"{HOST} is not accepted: 2 passed, 2 failed, 0 skipped." in done.out
    cases = ET.parse(ppcdeps.folder / "node.xml").iter("testcase")
    failed = [one.get("name") for one in cases if one.find("failure") is not None]
    assert failed == ["hypervisor", "traits"]


@pytest.mark.parametrize("address", ["nope", "http://[fd00::1:5000/v3"])
def test_a_cloud_without_an_address_is_a_fault_of_its_configuration(
    ppcdeps: Program, small: SmallCloud, address: str
) -> None:
    small.configure(ppcdeps.folder, auth_url=address)
    fault = check(ppcdeps, *STATISTICS, code=3).fault
    assert f"is not a URL of http or https: {address}; look at it in clouds.yaml" in fault
