import textwrap
from pathlib import Path

import pytest

from ppcdeps.metadata.package_locks import read_package_lock
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.package_lock import LockFormat, PinnedPackage, PinnedRepository

DIGEST = "sha256:" + "5a" * 32
MANIFEST = f"""\
document: rpm-package-manifest
version: 0.2.2
data:
  repositories:
    - id: base
      metalink: https://mirrors.example/metalink?repo=base&arch=$arch
    - id: base-source
      baseurl: https://mirrors.example/source/
  packages:
    x86_64:
      - name: anvil
        repo_id: base
        checksum: {DIGEST}
        size: 4711
        evr: 2:1.10-3.el9
        srpm: anvil-2:1.10-3.el9.src
        module: smithy:rhel9
    i686:
      - {{name: anvil-libs, repo_id: base, checksum: '{DIGEST}', size: 9, evr: 2:1.10-3.el9, parent_archs: [x86_64]}}
    noarch:
      - {{name: anvil-data, repo_id: base, checksum: '{DIGEST}', size: 1, evr: 2024-1, parent_archs: [x86_64]}}
      - {{name: manual, repo_id: base, checksum: '{DIGEST}', size: 1, evr: 1-1}}
    ppc64le:
      - {{name: hammer, repo_id: base, checksum: '{DIGEST}', size: 1, evr: 1-1}}
    src:
      - {{name: anvil, repo_id: base-source, location: a/anvil.src.rpm, checksum: '{DIGEST}', size: 2, evr: 2:1.10-3.el9}}
"""  # noqa: E501
LOCKFILE = f"""\
---
lockfileVersion: 1
lockfileVendor: redhat
arches:
- arch: x86_64
  packages:
  - url: https://cdn.example/x86_64/a/anvil-1.10-3.el9.x86_64.rpm
    repoid: base-rpms
    size: 4711
    checksum: {DIGEST}
    name: anvil
    evr: 2:1.10-3.el9
    sourcerpm: anvil-1.10-3.el9.src.rpm
  - url: https://cdn.example/x86_64/a/anvil-libs-1.10-3.el9.i686.rpm?token=t
  source:
  - url: https://cdn.example/source/anvil-1.10-3.el9.src.rpm
    name: anvil
  module_metadata: []
- arch: ppc64le
"""


def read(text: str, folder: Path, name: str = "x.yaml") -> object:
    file = folder / name
    file.write_text(text)
    return read_package_lock(file)


def test_a_manifest_has_a_side_for_each_base_architecture(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(MANIFEST)
    lock = read_package_lock(tmp_path / "x.yaml")
    assert lock.format is LockFormat.MANIFEST
    # noarch packages count for the architectures that they name, or for all.
    sides = {arch: [(each.name, each.arch) for each in side] for arch, side in lock.sides.items()}
    assert sides == {
        "x86_64": [("anvil", "x86_64"), ("anvil-libs", "i686"), ("anvil-data", "noarch"), ("manual", "noarch")],
        "ppc64le": [("hammer", "ppc64le"), ("manual", "noarch")],
    }
    # Versions and dates are texts: 1.10 is not 1.1, and 2024-1 is not a date.
    assert lock.sides["x86_64"][0] == PinnedPackage(
        "anvil",
        "x86_64",
        "2:1.10-3.el9",
        "base",
        DIGEST,
        4711,
        source="anvil-2:1.10-3.el9.src",
        module="smithy:rhel9",
    )
    assert lock.sides["x86_64"][2].evr == "2024-1"
    assert [each.location for each in lock.sources["x86_64"]] == ["a/anvil.src.rpm"]
    assert lock.repositories[1] == PinnedRepository("base-source", "https://mirrors.example/source/")


def test_a_lock_of_rpm_lockfile_prototype_may_say_no_more_than_addresses(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(LOCKFILE)
    lock = read_package_lock(tmp_path / "x.yaml")
    assert lock.format is LockFormat.RPM_LOCKFILE
    anvil, libs = lock.sides["x86_64"]
    assert (anvil.name, anvil.evr, anvil.arch, anvil.size) == ("anvil", "2:1.10-3.el9", "x86_64", 4711)
    assert (libs.name, libs.evr, libs.arch, libs.checksum) == ("anvil-libs", "1.10-3.el9", "i686", "")
    assert [each.evr for each in lock.sources["x86_64"]] == ["1.10-3.el9"]
    assert lock.sides["ppc64le"] == () and not lock.modular
    (tmp_path / "x.yaml").write_text(LOCKFILE.replace("module_metadata: []", "module_metadata: [{url: x}]"))
    assert read_package_lock(tmp_path / "x.yaml").modular == {"x86_64"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2", "is not well-formed YAML (line"),
        ("", "has 0 YAML documents, not one"),
        ("a: 1\n---\nb: 2\n", "has 2 YAML documents, not one"),
        ("- a\n", "the document is not an object"),
        ("a: &a [*a]\n", "has an alias within what it names"),
        ("a: [{b: 1, c: 2, b: 3}]\n", "has the key b twice in one mapping (line 1)"),
        (MANIFEST.replace("    ppc64le:", "    x86_64:"), "has the key x86_64 twice in one mapping (line "),
        ("packages: [bash]\n", "is not a workload: it is YAML"),
        ("document: rpm-package-input\n", "is what a lock is made from, not the lock: dnf's manifest plugin"),
        ("contentOrigin: {}\npackages: []\n", "is what a lock is made from, not the lock: rpm-lockfile-prototype"),
        (MANIFEST.replace("0.2.2", "2.0"), "version is '2.0', and 0 and 1 are known"),
        (MANIFEST.replace("smithy:rhel9", "smithy"), "packages.x86_64[0].module is not a module stream"),
        (MANIFEST.replace("repo_id: base\n", "repo_id: other\n"), "packages.x86_64[0].repo_id is 'other', and data."),
        (MANIFEST.replace("size: 4711", "size: many"), "packages.x86_64[0].size is not a number of bytes: 'many'"),
        (MANIFEST.replace("name: anvil\n", "name: --root=/\n"), "data.packages.x86_64[0].name is not the name of a"),
        (MANIFEST.replace("evr: 2:1.10-3.el9\n", "evr: '1.0;x'\n"), "data.packages.x86_64[0].evr is not a version"),
        (MANIFEST.replace(f"checksum: {DIGEST}\n", "checksum: none\n"), "checksum is not algorithm:digest: 'none'"),
        (MANIFEST.replace("    ppc64le:", "    null:"), "data.packages.None is not of an architecture"),
        (MANIFEST.replace("      metalink: ", "      name: "), "(base) says neither baseurl nor metalink nor mirror"),
        (LOCKFILE.replace("lockfileVersion: 1", "lockfileVersion: 7"), "lockfileVersion is '7', and 1 is known"),
        (LOCKFILE.replace("redhat", "suse"), "lockfileVendor is 'suse', and redhat is known"),
        (LOCKFILE.replace("arch: ppc64le", "arch: x86_64"), "arches[1].arch is x86_64, which another entry is for"),
        (LOCKFILE.replace("-libs-1.10-3.el9.i686.rpm", ""), "arches[0].packages[1].url does not end in the name of"),
        (LOCKFILE.replace("anvil\n", "\"a\\e[31mb\"\n", 1), "arches[0].packages[0].name is not the name of a"),
    ],
)  # fmt: skip
def test_what_is_not_a_lock_is_one_clear_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read(textwrap.dedent(text), tmp_path)
    line = str(raised.value)
    assert said in line and str(tmp_path / "x.yaml") in line
    assert line.isprintable()


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the lock file .*: No such file"):
        read_package_lock(tmp_path / "none.yaml")
