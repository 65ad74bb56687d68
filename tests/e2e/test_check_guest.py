"""`ppcdeps check guest` as a user runs it."""

import json
import os
from pathlib import Path

import pytest
from guests import DEBIAN_12, domain
from program import Program

BUILD = ("check", "guest", "--hypervisor", "almalinux-9")


def test_the_same_image_breaks_under_one_nova_and_not_under_the_next(ppcdeps: Program) -> None:
    old = ppcdeps(*BUILD, "--nova", "12.0.2", code=1)
    assert "fixed in: nova 12.0.3 and 13.0.0" in old.out
    assert "openstack image set --property hw_cdrom_bus=scsi IMAGE" in old.out
    assert "Nothing is broken" in ppcdeps(*BUILD, "--nova", "13.0.0").out


def test_json_holds_what_the_text_says(ppcdeps: Program) -> None:
    arguments = (*BUILD, "--nova", "yoga", "--property", "hw_video_model=qxl")
    text, document = ppcdeps(*arguments, code=1).out, json.loads(ppcdeps(*arguments, "--json", code=1).out)
    assert document["check"] == "guest"
    for finding in document["findings"]:
        assert f"[{finding['rule']}]" in text
        assert all(line in text for line in finding["fix"])
        assert finding["links"]


def test_an_image_a_flavor_and_what_they_would_have(ppcdeps: Program) -> None:
    (ppcdeps.folder / "image.json").write_text('{"name": "f", "properties": {"hw_disk_bus": "ide"}}')
    (ppcdeps.folder / "flavor.json").write_text('{"name": "m", "properties": {"hw:watchdog_action": "reset"}}')
    arguments = (*BUILD, "--image", "image.json", "--flavor", "flavor.json")
    assert "check guest: image f, flavor m against what is known of AlmaLinux" in ppcdeps(*arguments, code=1).out
    assert "Nothing is broken" in ppcdeps(*arguments, "--property", "hw_disk_bus=scsi").out


def test_a_domain_is_fixed_and_the_changes_are_told(ppcdeps: Program) -> None:
    disk = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>"
    (ppcdeps.folder / "guest.xml").write_text(domain(disk))
    check = ("check", "guest", "--capabilities", DEBIAN_12, "--domain")
    done = ppcdeps(*check, "guest.xml", "--write-domain", "fixed.xml", code=1)
    assert "fixed.xml: cdrom hdc (ide) becomes sda (scsi)" in done.err
    assert "Nothing found" in ppcdeps(*check, "fixed.xml").out


def test_what_is_on_the_images_disk_is_seen_where_its_root_is_named_and_else_said(ppcdeps: Program) -> None:
    (ppcdeps.folder / "root/usr/sbin").mkdir(parents=True)
    arguments = (*BUILD, "--nova", "yoga")
    blind = ppcdeps(*arguments).out
    assert "hot-plug of volumes and ports (rtas_errd and drmgr in the guest): the image was not looked into" in blind
    seen = ppcdeps(*arguments, "--root", "root", code=1).out
    assert "/usr/sbin  [guest-hotplug]" in seen
    assert "the image has no rtas_errd and no drmgr" in seen
    for name in ("rtas_errd", "drmgr"):
        (ppcdeps.folder / "root/usr/sbin" / name).write_text("")
    assert "guest-hotplug" not in ppcdeps(*arguments, "--root", "root").out


def test_without_libvirt_the_answer_rests_on_what_is_known(ppcdeps: Program) -> None:
    done = ppcdeps("check", "guest", "--nova", "yoga", PATH=str(ppcdeps.folder))
    assert "there is no virsh on this machine: the answer rests on what is known of centos-stream-9" in done.err
    assert "against what is known of CentOS Stream 9" in done.out


LAUGHS = "<!DOCTYPE d [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><domain>&b;</domain>"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "there is no guest to check; give --property"),
        (["--property", "x"], 2, '"x" sets no property'),
        (["--nova", "yogaa"], 2, 'did you mean "yoga"?'),
        (["--nova", "yoga", "--hypervisor", "debian"], 2, 'did you mean "debian-12"?'),
        (["--nova", "yoga", "--hypervisor", "el8", "--capabilities", "x"], 2, "exclude each other"),
        (["--nova", "yoga", "--write-domain", "x"], 2, "--write-domain fixes a domain"),
        (["--nova", "yoga", "--capabilities", "none.xml"], 3, "cannot read none.xml: No such file or directory"),
        (["--nova", "yoga", "--capabilities", "laughs.xml"], 3, "it has a DOCTYPE, which may define entities"),
        (["--nova", "yoga", "--capabilities", "empty.xml"], 3, "it is empty"),
        (["--nova", "yoga", "--capabilities", "guest.xml"], 3, "is not what domcapabilities prints"),
        (["--domain", str(DEBIAN_12)], 3, "is not a libvirt domain: it begins with <domainCapabilities>"),
        (["--domain", "laughs.xml"], 3, "it has a DOCTYPE"),
        (["--domain", "cut.xml"], 3, "unclosed token"),
        (["--domain", "."], 2, "is a directory"),
        (["--image", "empty.xml"], 3, "is not JSON"),
        (["--image", "list.json"], 3, "has no image, but an array"),
        (["--flavor", "list.json"], 3, "has no flavor, but an array"),
        (["--nova-conf", "guest.xml"], 3, "is not a configuration file"),
        (["--domain", "guest.xml", "--hypervisor", "el8", "--write-domain", "no/such/fixed.xml"], 3, "cannot write"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    arguments: list[str], code: int, told: str, ppcdeps: Program
) -> None:
    files = {
        "empty.xml": "",
        "laughs.xml": LAUGHS,
        "guest.xml": domain(),
        "cut.xml": domain()[:200],
        "list.json": "[1]",
    }
    for name, text in files.items():
        (ppcdeps.folder / name).write_text(text)
    assert told in ppcdeps("check", "guest", *arguments, code=code, PATH=os.defpath).fault


def test_the_commands_help_costs_nothing(ppcdeps: Program) -> None:
    assert "guest" in ppcdeps("check", "--help").out
    assert "--capabilities" in ppcdeps("check", "guest", "--help").out


def test_a_file_that_may_not_be_read_is_told(ppcdeps: Program) -> None:
    file = Path(ppcdeps.folder / "guest.xml")
    file.symlink_to(file)
    assert "guest.xml" in ppcdeps("check", "guest", "--domain", "guest.xml", code=3).fault
