from pathlib import Path

import pytest

from ppcdeps.base.datafiles import shipped_names
from ppcdeps.building.buildroots.definitions import (
    DebianMaking,
    ImageMaking,
    for_target,
    load_definitions,
    packages_for,
    shipped_definitions,
)
from ppcdeps.engines.job import BuildMode
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import ConfigError, UsageError

DEFINITIONS = load_definitions()

GOOD = """
title = "Mine"
kind = "debian"
arch = "ppc64le"
modes = ["emulated"]
[debian]
suite = "bookworm"
suites = ["bookworm"]
components = ["main"]
keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
packages = ["rpm"]
"""


def written(folder: Path, text: str, name: str = "mine") -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "buildroot.toml").write_text(text)
    return folder


@pytest.mark.parametrize("name", DEFINITIONS.names)
def test_every_shipped_definition_is_sound(name: str) -> None:
    definition = DEFINITIONS.named(name)
    assert definition.title
    assert definition.target == "ppc64le"
    if isinstance(definition.making, ImageMaking):
        assert (definition.folder / "Containerfile.j2").is_file()


def test_every_shipped_target_names_a_buildroot_that_is_there() -> None:
    named = {load_target(name).buildroot for name in shipped_names("targets")}
    assert named - {None} <= set(DEFINITIONS.names)


def test_the_cross_root_has_the_tables_of_the_other_one() -> None:
    native, cross = DEFINITIONS.named("debian-12"), DEFINITIONS.named("debian-12-cross")
    assert isinstance(native.making, DebianMaking)
    assert isinstance(cross.making, DebianMaking)
    assert cross.making.tools == native.making.tools
    assert cross.making.libraries == native.making.libraries
    assert cross.modes == (BuildMode.CROSS,)
    assert cross.digest != native.digest


def test_build_requirements_become_packages_of_the_right_architecture() -> None:
    wanted = ["pkgconfig(glib-2.0) >= 2.56", "yajl-devel", "yajl-devel(ppc-64)", "gcc", "git"]
    wanted.append("python3.11dist(pytest)")
    native, cross = DEFINITIONS.named("debian-12"), DEFINITIONS.named("debian-12-cross")
    assert packages_for(native, wanted) == (("git", "libglib2.0-dev", "libyajl-dev", "python3-pytest"), ())
    expected = ("git", "libglib2.0-dev:ppc64el", "libyajl-dev:ppc64el", "python3-pytest")
    assert packages_for(cross, wanted) == (expected, ())
    assert for_target(cross, "python3-dev") == "libpython3-dev:ppc64el"


def test_what_the_tables_do_not_know_is_reported() -> None:
    definition = DEFINITIONS.named("debian-12")
    wanted = ["(libxml2-devel or nothing-devel)", "no-such-devel >= 2", "(broken", "libxml2-devel"]
    found, unmapped = packages_for(definition, wanted)
    assert found == ("libxml2-dev",)
    assert unmapped == ("(libxml2-devel or nothing-devel)", "no-such-devel >= 2", "(broken")


def test_an_image_takes_requirements_as_they_are() -> None:
    assert packages_for(DEFINITIONS.named("fedora"), ["b >= 2", "a"]) == (("a", "b >= 2"), ())


def test_a_folder_of_ones_own_is_laid_over_the_shipped_one(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, GOOD.replace("Mine", "Fedora of mine"), "fedora")
    definitions = load_definitions([tmp_path])
    assert definitions.named("mine").title == "Mine"
    assert definitions.named("fedora").title == "Fedora of mine"
    assert definitions.named("debian-12").folder.parent == shipped_definitions()


def test_every_file_of_a_definition_counts_in_its_digest(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    before = load_definitions([tmp_path]).named("mine").digest
    (tmp_path / "mine/files/etc").mkdir(parents=True)
    (tmp_path / "mine/files/etc/motd").write_text("hello")
    assert load_definitions([tmp_path]).named("mine").digest != before


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r'no buildroot "debian12"; did you mean "debian-12"\?'):
        DEFINITIONS.named("debian12")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder of buildroots"):
        load_definitions([tmp_path / "none"])


def test_all_faults_of_a_definition_are_reported_at_once(tmp_path: Path) -> None:
    text = """
kind = "debain"
arch = "power"
modes = ["emulated", "quick"]
likes = "debian-12"
[debian]
suite = "bookworm"
suites = ["bookworm"]
packages = ["rpm", "--evil"]
[links]
"../up" = "x"
[tools]
gcc = "g cc"
"""
    with pytest.raises(ConfigError) as caught:
        load_definitions([written(tmp_path, text)]).named("mine")
    faults = "\n".join(caught.value.faults)
    for part in (
        '"title" is missing',
        '"kind" is "debain"; known: debian, image',
        '"arch" is "power"',
        '"modes" names "quick"',
        'unknown key "likes"',
        '"keyring" is missing',
        '"packages" has "--evil"',
        '"components" names nothing',
        '"../up" is to be an absolute path inside the root',
        '"gcc" is "g cc", which is no name of a Debian package',
    ):
        assert part in faults


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ("debian-21", 'there is no such definition; did you mean "debian-12"'),
        ("mine", "takes tables from another itself"),
        ("debian-12-cross", "takes tables from another itself"),
    ],
)
def test_tables_come_from_a_definition_that_has_its_own(like: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_definitions([written(tmp_path, f'like = "{like}"\n{GOOD}')]).named("mine")
    assert message in caught.value.faults[0]


def test_a_digest_is_whole_or_empty(tmp_path: Path) -> None:
    text = """
title = "Mine"
kind = "image"
arch = "ppc64le"
modes = ["native"]
[image]
name = "example.org/mine:1"
[digests]
ppc64le = "sha256:123"
mips = ""
"""
    with pytest.raises(ConfigError) as caught:
        load_definitions([written(tmp_path, text)]).named("mine")
    assert len(caught.value.faults) == 2
    assert "64 hexadecimal digits" in "".join(caught.value.faults)
