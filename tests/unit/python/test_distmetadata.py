"""Requirements of a release, from whatever says them without being run."""

import io
import json
import tarfile
import zipfile

import pytest
from indexes import EL9_PYTHON, OpenIndex, Shop, pkg_info, sdist, wheel

from ppcdeps.model.errors import RepositoryError
from ppcdeps.python.coremetadata import DistMetadata, MetadataSource
from ppcdeps.python.distmetadata import read_metadata, sdist_facts
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.index import Index

EL9 = TargetEnvironment.of(EL9_PYTHON)


def read(index: Index, version: str = "1.0") -> DistMetadata:
    return read_metadata(index, index.project("it").files[version], EL9)


def test_metadata_beside_the_wheel_is_taken_first(shop: Shop, open_index: OpenIndex) -> None:
    file = wheel("it", "1.0", ("six>=1",))
    shop.add("it", file, **{"core-metadata": True})
    shop.files[f"{file[0]}.metadata"] = b"Metadata-Version: 2.1\nName: it\nVersion: 1.0\nRequires-Dist: six>=1\n"
    found = read(open_index(shop))
    assert (found.requires, found.source) == (("six>=1",), MetadataSource.INDEX)
    assert shop.asked(".whl") == shop.asked(".whl.metadata") == 1


def test_served_metadata_with_another_hash_is_refused(shop: Shop, open_index: OpenIndex) -> None:
    file = wheel("it", "1.0")
    shop.add("it", file, **{"core-metadata": {"sha256": "0" * 64}})
    shop.files[f"{file[0]}.metadata"] = b"Metadata-Version: 2.1\nName: it\nVersion: 1.0\n"
    with pytest.raises(RepositoryError, match="not what its index says"):
        read(open_index(shop))


@pytest.mark.parametrize(
    ("announced", "source"),
    [
        (True, MetadataSource.INDEX),
        ({"shake_128": "00"}, MetadataSource.INDEX),
        ({"sha256": "0" * 64}, MetadataSource.WHEEL),
        (False, MetadataSource.WHEEL),
    ],
)
def test_a_wheel_at_hand_changes_nothing_of_where_its_metadata_is_said_to_be_from(
    announced: object, source: MetadataSource, shop: Shop, open_index: OpenIndex
) -> None:
    shop.add("it", wheel("it", "1.0"), **{"core-metadata": announced})
    index = open_index(shop)
    index.local_file(index.project("it").files["1.0"][0])
    assert read(index).source is source
    assert shop.asked(".whl.metadata") == 0


def test_served_metadata_with_a_hash_that_cannot_be_compared_is_taken(shop: Shop, open_index: OpenIndex) -> None:
    file = wheel("it", "1.0")
    shop.add("it", file, **{"core-metadata": {"shake_128": "00"}})
    shop.files[f"{file[0]}.metadata"] = b"Metadata-Version: 2.1\nName: it\nVersion: 1.0\n"
    assert read(open_index(shop)).source is MetadataSource.INDEX


def test_a_promise_that_is_not_kept_leads_to_the_wheel(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("it", wheel("it", "1.0", ("six",)), **{"core-metadata": True})
    assert read(open_index(shop)).source is MetadataSource.WHEEL


def test_of_a_large_wheel_only_the_end_is_fetched(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("it", wheel("it", "1.0", ("six>=1",), padding=2_000_000))
    assert read(open_index(shop)).requires == ("six>=1",)
    assert [span for path, span in shop.log if "/files/" in path] == ["bytes=-49152"]


def test_metadata_that_lies_far_from_the_end_is_found_by_ranges(shop: Shop, open_index: OpenIndex) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(
            "it-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: it\nVersion: 1.0\nRequires-Dist: six\n"
        )
        archive.writestr("it.py", "#" * 500_000)
    shop.add("it", ("it-1.0-py3-none-any.whl", stream.getvalue()))
    assert read(open_index(shop)).requires == ("six",)
    asked = [span for path, span in shop.log if "/files/" in path]
    assert len(asked) == 2
    assert asked[1].startswith("bytes=0-")


def test_a_server_without_ranges_sends_the_whole_wheel(shop: Shop, open_index: OpenIndex) -> None:
    shop.ranges = False
    shop.add("it", wheel("it", "1.0", ("six>=1",), padding=200_000))
    assert read(open_index(shop)).requires == ("six>=1",)


def test_what_was_read_once_is_not_fetched_again(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("it", wheel("it", "1.0", ("six",)))
    read(open_index(shop))
    assert read(open_index(shop, offline=True)).requires == ("six",)
    assert shop.asked("/files/") == 1


@pytest.mark.parametrize(
    "file",
    [
        wheel("it", "1.0", ("six",)),
        sdist("it", "1.0", {"PKG-INFO": pkg_info("it", "1.0", "Requires-Dist: six", metadata="2.2")}),
    ],
    ids=["wheel", "sdist"],
)
def test_a_record_in_the_cache_that_has_another_shape_is_made_anew(
    file: tuple[str, bytes], shop: Shop, open_index: OpenIndex
) -> None:
    shop.add("it", file)
    index = open_index(shop)
    good = read(index)
    (path,) = (one for one in (index.cache.root / "derived").rglob("*.json") if "requires_python" in one.read_text())
    record = json.loads(path.read_text())
    spoilt = [None, [], 1, "x", {}, record | {"purity": "odd", "source": "odd"}]
    spoilt += [record | {key: None} for key in record]
    for value in spoilt:
        path.write_text(json.dumps(value))
        assert read(open_index(shop)) == good


def test_a_file_that_is_not_what_its_hash_says(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("it", sdist("it", "1.0", {"PKG-INFO": pkg_info("it", "1.0")}), hashes={"sha256": "0" * 64})
    with pytest.raises(RepositoryError, match=r"it-1\.0\.tar\.gz is not what its index says") as caught:
        read(open_index(shop))
    assert caught.value.exit_code == 30


@pytest.mark.parametrize(
    ("name", "version", "metadata_name"), [("it", "1.0", "evil"), ("it", "1.0", "")], ids=["name", "nameless"]
)
def test_a_wheel_whose_metadata_contradicts_its_name(
    shop: Shop, open_index: OpenIndex, name: str, version: str, metadata_name: str
) -> None:
    _, content = wheel("evil" if metadata_name else "x", version)
    shop.add("it", (f"it-{version}-py3-none-any.whl", content))
    with pytest.raises(RepositoryError, match="contradicts its name"):
        read(open_index(shop))


def test_a_wheel_of_another_version_than_its_name_says(shop: Shop, open_index: OpenIndex) -> None:
    _, content = wheel("it", "2.0")
    shop.add("it", ("it-1.0-py3-none-any.whl", content))
    with pytest.raises(RepositoryError, match=r"it is it 2\.0"):
        read(open_index(shop))


STATIC = pkg_info("it", "1.0", "Requires-Dist: six>=1", metadata="2.2")
DYNAMIC = pkg_info("it", "1.0", "Dynamic: Requires-Dist", metadata="2.2")
OLD = pkg_info("it", "1.0", metadata="1.2")


@pytest.mark.parametrize(
    ("files", "requires", "source"),
    [
        ({"PKG-INFO": STATIC}, ("six>=1",), MetadataSource.SDIST),
        (
            {"PKG-INFO": DYNAMIC, "it.egg-info/requires.txt": "six\n\n[x:python_version<'4']\nyaml\n"},
            ("six", "yaml ; (python_version<'4') and extra == \"x\""),
            MetadataSource.EGG_INFO,
        ),
        ({"PKG-INFO": OLD, "it.egg-info/PKG-INFO": OLD}, (), MetadataSource.EGG_INFO),
        (
            {
                "PKG-INFO": OLD,
                "pyproject.toml": '[project]\nname = "it"\ndependencies = ["six"]\ndynamic = ["version"]\n',
            },
            ("six",),
            MetadataSource.SDIST,
        ),
        ({"PKG-INFO": pkg_info("it", "1.0", "Requires-Dist: six")}, ("six",), MetadataSource.DECLARED),
        (
            {"PKG-INFO": OLD, "setup.py": "from setuptools import setup\nsetup(name='it')\n"},
            (),
            MetadataSource.DECLARED,
        ),
        (
            {"PKG-INFO": OLD, "setup.py": "from setuptools import setup\nsetup(install_requires=['six'])\n"},
            ("six",),
            MetadataSource.DECLARED,
        ),
        (
            {"PKG-INFO": OLD, "setup.py": "from setuptools import setup\nsetup(install_requires=read())\n"},
            (),
            MetadataSource.NEEDS_BUILD,
        ),
        ({"PKG-INFO": OLD, "setup.py": "setup(**arguments)\n"}, (), MetadataSource.NEEDS_BUILD),
    ],
)
def test_an_sdist_is_believed_as_far_as_it_goes(
    shop: Shop,
    open_index: OpenIndex,
    files: dict[str, str],
    requires: tuple[str, ...],
    source: MetadataSource,
) -> None:
    shop.add("it", sdist("it", "1.0", files))
    found = read(open_index(shop))
    assert (found.requires, found.source) == (requires, source)


def test_a_wheel_for_another_machine_says_more_than_a_dynamic_sdist(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("it", wheel("it", "1.0", ("six",), tags="cp39-cp39-manylinux_2_17_x86_64"))
    shop.add("it", sdist("it", "1.0", {"PKG-INFO": OLD, "setup.py": "setup(**a)"}))
    assert read(open_index(shop)).source is MetadataSource.OTHER_WHEEL


def test_an_sdist_without_metadata(shop: Shop, open_index: OpenIndex) -> None:
    shop.add("it", sdist("it", "1.0", {"setup.py": ""}))
    with pytest.raises(RepositoryError, match="no PKG-INFO"):
        read(open_index(shop))


@pytest.mark.parametrize("top", ["/etc", "../../etc", "it-1.0/../../x"])
def test_paths_that_lead_out_of_the_archive(shop: Shop, open_index: OpenIndex, top: str) -> None:
    file = sdist("it", "1.0", {"PKG-INFO": OLD}, top=top)
    shop.add("it", file)
    with pytest.raises(RepositoryError, match="leads out of its folder"):
        read(open_index(shop))


def test_a_zip_bomb_is_not_opened(shop: Shop, open_index: OpenIndex) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=9) as archive:
        member = tarfile.TarInfo("it-1.0/zeros")
        member.size = 300 * 1024**2
        archive.addfile(member, _Zeros(member.size))
    assert len(stream.getvalue()) < 1024**2
    shop.add("it", ("it-1.0.tar.gz", stream.getvalue()))
    with pytest.raises(RepositoryError, match="decompression bomb"):
        read(open_index(shop))


def test_a_zip_that_declares_too_much(shop: Shop, open_index: OpenIndex) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(3):
            archive.writestr(f"it-1.0/{number}", b"\0" * 50 * 1024**2)
    shop.add("it", ("it-1.0.zip", stream.getvalue()))
    with pytest.raises(RepositoryError, match="decompression bomb"):
        read(open_index(shop))


def test_a_damaged_archive(shop: Shop, open_index: OpenIndex) -> None:
    name, content = sdist("it", "1.0", {"PKG-INFO": OLD, "x": "y" * 10000})
    shop.add("it", (name, content[: len(content) // 2]))
    with pytest.raises(RepositoryError, match="damaged archive"):
        read(open_index(shop))


def test_the_verdict_is_kept_with_the_metadata(shop: Shop, open_index: OpenIndex) -> None:
    files = {"PKG-INFO": STATIC, "setup.py": "setup(ext_modules=[Extension('a', ['a.c'])])", "a.c": ""}
    shop.add("it", sdist("it", "1.0", files))
    first, second = open_index(shop), open_index(shop, offline=True)
    facts = [sdist_facts(each, each.project("it").files["1.0"][0]) for each in (first, second)]
    assert facts[0] == facts[1]
    assert facts[0].verdict.builds_from == ("C",)


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, size: int = -1) -> bytes:
        count = self.left if size < 0 else min(size, self.left)
        self.left -= count
        return bytes(count)
