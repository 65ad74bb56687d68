"""What a definition puts into a root of its own."""

from pathlib import Path

from ppcdeps.building.buildroots.debian import copy_files


def test_a_file_of_a_definition_takes_the_place_of_a_link_and_not_of_what_it_leads_to(tmp_path: Path) -> None:
    own, root = tmp_path / "files", tmp_path / "root"
    for place in (own / "usr/bin", root / "usr/bin"):
        place.mkdir(parents=True)
    (own / "usr/bin/target-pkg-config").write_text("#!/bin/sh\nexec pkgconf\n")
    (root / "usr/bin/pkgconf").write_text("the real one")
    (root / "usr/bin/target-pkg-config").symlink_to("pkgconf")
    copy_files(own, root, {})
    assert (root / "usr/bin/pkgconf").read_text() == "the real one"
    assert (root / "usr/bin/target-pkg-config").read_text().startswith("#!/bin/sh")
    assert (root / "usr/bin/target-pkg-config").stat().st_mode & 0o111
