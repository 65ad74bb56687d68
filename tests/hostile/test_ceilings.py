"""Everything from outside is read under a ceiling, and the error names it and how it is raised."""

import json
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard
from door import unpack
from doortrial import Bring, Outcome, Scene
from plandoors import TARGET, cache_state, plan_json, run_state, snapshot_tar
from pythondoors import METADATA, PYPROJECT, SDIST, WHEEL, lock_on, offer, sdist_with
from repositorydoors import PLAIN, QUICK, plan_on, repomd_of, repository, repository_files, source_repository
from rpmmd import Package, _filelists, _primary
from systemdoors import root_tar

from ppcdeps.model.nevra import Nevra

DEPTH = 200_000
NAMED = re.compile(r"ceiling|limit|larger than|more than|deeper than|longer than|too (deep|large|long|many)")
RAISED = re.compile(r"PPCDEPS_\w+|--[a-z]+|\.toml|raise")
"""What the line says of how the ceiling is raised: a setting, not the code."""


def assert_ceiling(outcome: Outcome) -> None:
    line = next(line for line in outcome.err.splitlines() if line.startswith("ppcdeps: error: "))
    assert NAMED.search(outcome.err), line
    assert RAISED.search(outcome.err), line


def lowered(place: Scene, ceilings: Mapping[str, str]) -> dict[str, str]:
    """The environment with lower ceilings: what is endless meets the default ones only after gigabytes."""
    lines = []
    for name, value in ceilings.items():
        table, _, key = name.partition(".")
        lines.append(f'[{table}]\n{key} = "{value}"\n')
    return {"PPCDEPS_CEILINGS": str(place.file("ceilings.toml", "".join(lines).encode()))}


def pad(text: bytes, size: int) -> bytes:
    return text + bytes(size - len(text))


# Repositories -----------------------------------------------------------------------------------------------

BOMB = "\n".join(
    ["  a: &a [x,x,x,x,x,x,x,x,x]"]
    + [f"  {b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghijkl", "bcdefghijklm", strict=True)]
)
MODULES = f"""---
document: modulemd
version: 2
data:
  name: n
  stream: s
  version: 1
  context: c
  arch: noarch
{BOMB}
  artifacts:
    rpms: *m
"""


@pytest.mark.parametrize("where", ["artifacts", "merge", "key"])
def test_nested_aliases_in_modules(where: str, place: Scene, bring: Bring) -> None:
    text = MODULES
    if where == "merge":
        levels = "\n".join(
            f"  {b}: &{b} {{{', '.join(f'{x}{n}: *{a}' for n, x in enumerate('k' * 9))}}}"
            for a, b in zip("abcdefghijkl", "bcdefghijklm", strict=True)
        )
        text = MODULES.replace(BOMB, "  a: &a {x: y}\n" + levels)
    if where == "key":
        text = MODULES.replace("    rpms: *m", "    rpms: []\n  profiles: *m")
    outcome = bring(*plan_on(repository(place, {"repodata/modules.yaml": text.encode()})), code={0, 1, 2, 30})
    if where == "artifacts":
        assert outcome.code == 30
        assert_ceiling(outcome)


def test_deep_nesting_in_modules(place: Scene, bring: Bring) -> None:
    text = b"---\ndocument: modulemd\nversion: 2\ndata: " + b"[" * DEPTH + b"]" * DEPTH + b"\n"
    bring(*plan_on(repository(place, {"repodata/modules.yaml": text})), code=30)


@pytest.mark.parametrize("honest", [True, False])
def test_metadata_that_open_to_far_more_than_they_are(honest: bool, place: Scene, bring: Bring) -> None:
    import hashlib

    opened = 1_500_000_000
    head = repository_files()["repodata/primary.xml"][:-12]
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    chunk = b" " * (1 << 20)
    packed = packer.compress(head) + b"".join(packer.compress(chunk) for _ in range(opened >> 20)) + packer.flush()
    size = (opened >> 20 << 20) + len(head) if honest else 5000
    record = (
        f'<data type="primary"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>'
        f'<open-checksum type="sha256">{"0" * 64}</open-checksum><location href="repodata/primary.xml.zst"/>'
        f"<timestamp>1</timestamp><size>{len(packed)}</size><open-size>{size}</open-size></data>"
    )
    repomd = f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>{record}</repomd>'
    url = repository(place, {"repodata/primary.xml.zst": packed, "repodata/repomd.xml": repomd.encode()})
    outcome = bring(*plan_on(url, "app"), code=30)
    if honest:
        assert_ceiling(outcome)


@pytest.mark.parametrize("file", ["repomd.xml", "primary"])
def test_an_answer_that_never_ends(file: str, place: Scene, bring: Bring) -> None:
    if file == "repomd.xml":
        url = f"{place.url}endless/repo/"
    else:
        repomd = repository_files()["repodata/repomd.xml"]
        repomd = re.sub(rb"<(open-)?size>\d+</(open-)?size>", b"", repomd)
        place.serve("repo/repodata/repomd.xml", repomd.replace(b"repodata/primary.xml", b"endless/primary.xml"))
        url = f"{place.url}repo/"
    assert_ceiling(bring(*plan_on(url, "app"), code=30, **lowered(place, {"metadata.size": "16M"})))


def test_a_source_package_that_never_ends(place: Scene, bring: Bring) -> None:
    url = source_repository(place, 'href="endless/evil.src.rpm"', remote=True)
    words = ("recipes", "fetch", "evil", "--repofrompath", f"base,{repository(place)}", "--source", f"src,{url}")
    bring(*words, code=30)
    # Where nothing says how large it is, the ceiling does.
    primary = place.served / "src/repodata/primary.xml"
    primary.write_bytes(re.sub(rb"<size [^>]*/>", b"", primary.read_bytes()))
    place.serve("src/repodata/repomd.xml", repomd_of({"repodata/primary.xml": primary.read_bytes()}))
    assert_ceiling(bring(*words, "--refresh", code=30, **lowered(place, {"package.size": "16M"})))


@pytest.mark.parametrize("kind", ["metadata", "package", "wheel", "sdist"])
def test_a_ceiling_that_is_none_is_an_error_of_its_file(kind: str, place: Scene, bring: Bring) -> None:
    for value in ("x", "", "-1", "nan", "99999999999999999999T"):
        bring(*plan_on(repository(place), "app"), code=3, **lowered(place, {f"{kind}.size": value}))


def test_thirty_thousand_dead_mirrors(place: Scene, bring: Bring) -> None:
    text = "".join(f"http://127.0.0.1:9/{number}/\n" for number in range(30_000))
    file = place.file("a.repo", f"[a]\nmirrorlist={place.serve('list', text.encode())}\n{QUICK}".encode())
    bring("plan", "app", "--repo-file", file, *PLAIN, code=30)


@pytest.mark.parametrize("count", [200_000])
def test_a_metalink_of_far_too_many_mirrors(count: int, place: Scene, bring: Bring) -> None:
    urls = "".join(f'<url protocol="http">http://127.0.0.1:9/{n}/repodata/repomd.xml</url>' for n in range(count))
    text = (
        '<metalink xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><resources>'
        f"{urls}</resources></file></files></metalink>"
    )
    file = place.file("a.repo", f"[a]\nmetalink={place.serve('list', text.encode())}\n{QUICK}".encode())
    bring("plan", "app", "--repo-file", file, *PLAIN, code=30)


NESTED = {
    "or": ("(a or ", "b", ")"),
    "and": ("(a and ", "b", ")"),
    "if": ("(a if ", "b", ")"),
    "left": ("(", "b", " or a)"),
    "with": ("(a with ", "b", ")"),
    "open": ("(", "b", ""),
}


@pytest.mark.parametrize("depth", [2_000, DEPTH])
@pytest.mark.parametrize("kind", NESTED)
def test_a_rich_dependency_nested_deep(kind: str, depth: int, place: Scene, bring: Bring) -> None:
    opening, middle, closing = NESTED[kind]
    package = Package(Nevra.parse("evil-1-1.noarch"), relations={"requires": ("PLACE",)})
    primary = _primary([package]).replace("PLACE", opening * depth + middle + closing * depth)
    url = repository(
        place, {"repodata/primary.xml": primary.encode(), "repodata/filelists.xml": _filelists([package]).encode()}
    )
    bring(*plan_on(url, "evil"), code=30 if depth == DEPTH else {0, 1, 30})


@pytest.mark.parametrize("kind", NESTED)
def test_a_rich_root_nested_deep(kind: str, place: Scene, bring: Bring) -> None:
    opening, middle, closing = NESTED[kind]
    root = opening * 20_000 + middle + closing * 20_000
    url = repository(place)
    bring("plan", root[: 1 << 16], "--repofrompath", f"base,{url}", *PLAIN, code=2)
    file = place.file("w.toml", f'name = "w"\ntitle = "t"\nroots = ["{root}"]\n'.encode())
    bring("plan", file, "--repofrompath", f"base,{url}", *PLAIN, code=3)


@pytest.mark.parametrize("file", ["repomd", "primary", "filelists"])
def test_elements_nested_deep(file: str, place: Scene, bring: Bring) -> None:
    content = repository_files()[f"repodata/{file}.xml"]
    deep = content.replace(b"<package ", b"<x>" * DEPTH + b"</x>" * DEPTH + b"<package ", 1)
    deep = deep.replace(b"<revision>", b"<x>" * DEPTH + b"</x>" * DEPTH + b"<revision>", 1)
    bring(*plan_on(repository(place, {f"repodata/{file}.xml": deep})), code={0, 1, 30})


@pytest.mark.parametrize("size", [1 << 20, 64 << 20])
def test_a_name_of_a_megabyte_and_more(size: int, place: Scene, bring: Bring) -> None:
    package = Package(Nevra.parse("evil-1-1.noarch"), relations={"requires": ("PLACE",)})
    primary = _primary([package]).replace("PLACE", "n" * size)
    url = repository(
        place, {"repodata/primary.xml": primary.encode(), "repodata/filelists.xml": _filelists([package]).encode()}
    )
    outcome = bring(*plan_on(url, "evil"), code={1, 30})
    assert len(outcome.out) < 100_000


# Snapshots --------------------------------------------------------------------------------------------------


def octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def tar_header(name: bytes, size: int, kind: bytes = b"0", sparse: tuple[int, int] | None = None) -> bytes:
    """A header of GNU tar; ``sparse`` is where its one piece lies, and the size that it opens to."""
    head = bytearray(pad(name, 100) + octal(0o644, 8) + octal(0, 8) * 2 + octal(size, 12) + octal(1, 12))
    head += b" " * 8 + kind + bytes(100) + b"ustar  \0" + bytes(512 - 265)
    if sparse is not None:
        head[386:410] = octal(sparse[0], 12) + octal(size, 12)
        head[483:495] = octal(sparse[1], 12)
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


@pytest.mark.parametrize("name", [b"snapshot.json", b"base/repodata/primary.xml.zst"])
def test_a_sparse_member_of_a_snapshot(name: bytes, place: Scene, bring: Bring) -> None:
    piece = pad(b"{", 512)
    sparse = tar_header(name, 512, b"S", ((1 << 30) - 512, 1 << 30)) + piece
    file = place.file("s.tar", sparse + snapshot_tar())
    bring("snapshot", "info", file, code=3)
    written = sum(path.stat().st_blocks for path in place.cache.rglob("*") if path.is_file()) * 512
    assert written < 32 << 20


def test_a_member_of_a_snapshot_that_announces_a_terabyte(place: Scene, bring: Bring) -> None:
    head = tar_header(b"base/repodata/primary.xml.zst", 0o77777777777)
    bring("snapshot", "info", place.file("s.tar", head + bytes(4096)), code=3)


def test_a_snapshot_of_very_many_members(place: Scene, bring: Bring) -> None:
    text = b"".join(tar_header(b"r%d/repodata/primary.xml" % number, 0) for number in range(100_000))
    bring("snapshot", "info", place.file("s.tar", text + bytes(1024)), code=3)


@pytest.mark.parametrize("kind", ["fifo", "zero", "link", "folder"])
def test_a_snapshot_folder_with_what_is_no_file(kind: str, place: Scene, bring: Bring) -> None:
    import os

    unpack(snapshot_tar(), place.inputs / "saved")
    for victim in [place.inputs / "saved/snapshot.json", *(place.inputs / "saved").rglob("primary.xml*")]:
        kept = victim.read_bytes()
        victim.unlink()
        match kind:
            case "fifo":
                os.mkfifo(victim)
            case "zero":
                victim.symlink_to("/dev/zero")
            case "link":
                victim.symlink_to(place.canary / "secret.txt")
            case "folder":
                victim.mkdir()
        bring(
            "plan", "app", "--snapshot", place.inputs / "saved", "--target", "centos-stream-9", *PLAIN, code={3, 30}
        )
        victim.rmdir() if kind == "folder" else victim.unlink()
        victim.write_bytes(kept)


# Documents nested deep --------------------------------------------------------------------------------------

DEEP_JSON = ("[" * DEPTH + "]" * DEPTH, "[" * DEPTH, '{"a":' * DEPTH + "1" + "}" * DEPTH)
DEEP_TOML = ("[" * DEPTH + "]" * DEPTH, "{a=" * DEPTH + "1" + "}" * DEPTH, "[" * DEPTH)


@pytest.mark.parametrize("deep", range(3))
@pytest.mark.parametrize("door", ["plan", "plan-member", "lock", "snapshot", "image", "facts", "run", "index"])
def test_json_nested_deep(door: str, deep: int, place: Scene, bring: Bring) -> None:
    text = DEEP_JSON[deep]
    whole = place.file("x.json", text.encode())
    match door:
        case "plan":
            bring("diff", whole, whole, code=3)
        case "plan-member":
            document = plan_json().replace(b'"a word"', text.encode())
            file = place.file("p.json", document)
            bring("diff", file, file, code=3)
        case "lock":
            bring("check", "lock", whole, "--offline", code=3)
        case "snapshot":
            unpack(snapshot_tar(), place.inputs / "saved")
            (place.inputs / "saved/snapshot.json").write_text(text)
            bring("snapshot", "info", place.inputs / "saved", code=3)
        case "image":
            bring("check", "guest", "--image", whole, code=3)
        case "facts":
            bring("check", "host", "--from", whole, code=3)
        case "run":
            file = place.file("build-w/run.json", run_state().replace(b'"failed"', text.encode()))
            bring("build", "--resume", "--work", file.parent, code=3)
        case "index":
            place.serve("simple/evil/index.json", text.encode())
            bring(*lock_on(place), code={3, 30})


@pytest.mark.parametrize("deep", range(3))
@pytest.mark.parametrize("door", ["workload", "target", "recipe", "buildroot", "pylock"])
def test_toml_nested_deep(door: str, deep: int, place: Scene, bring: Bring) -> None:
    text = f"x = {DEEP_TOML[deep]}\n".encode()
    match door:
        case "workload":
            bring("plan", place.file("w.toml", text), *PLAIN, code=3)
        case "target":
            file = place.file("t.toml", text + TARGET.replace(b"@URL@", repository(place).encode()))
            bring("plan", "app", "--target", file, *PLAIN, code=3)
        case "recipe":
            place.file("recipes/x/recipe.toml", text)
            bring("recipes", "list", "--recipes", place.inputs / "recipes", code=3)
        case "buildroot":
            place.file("roots/x/buildroot.toml", text)
            bring("buildroot", "list", "--buildroots", place.inputs / "roots", code=3)
        case "pylock":
            bring("check", "lock", place.file("pylock.toml", text), code=3)


def test_toml_keys_of_very_many_dots(place: Scene, bring: Bring) -> None:
    text = ".".join(["a"] * DEPTH) + " = 1\n[" + ".".join(["b"] * DEPTH) + "]\n"
    bring("plan", place.file("w.toml", text.encode()), *PLAIN, code=3)


# Python -----------------------------------------------------------------------------------------------------


def zip_entry(name: bytes, data: bytes, opened: int, method: int = 8) -> tuple[bytes, bytes]:
    """A member of a zip archive as it lies there, and its entry in the directory; its CRC is not right."""
    fields = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 0x21, 0, len(data), opened, len(name), 0)
    local = b"PK\3\4" + fields + name + data
    central = b"PK\1\2" + struct.pack("<H", 20) + fields[:-2] + struct.pack("<HHHHII", 0, 0, 0, 0, 0, 0) + name
    return local, central


def zip_of(*entries: tuple[bytes, bytes]) -> bytes:
    body, directory = b"", b""
    for local, central in entries:
        at = central.index(b"PK\1\2") + 42
        directory += central[:at] + struct.pack("<I", len(body)) + central[at + 4 :]
        body += local
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def zeros_deflated(size: int) -> bytes:
    """So many bytes of one kind, deflated: one block again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b"\n" * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size >> 20) + b"\3\0"


def test_metadata_of_a_gigabyte_in_a_small_wheel(place: Scene, bring: Bring) -> None:
    head = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = head.compress(METADATA[:-1]) + head.flush(zlib.Z_FULL_FLUSH) + zeros_deflated(1 << 30)
    offer(place, {WHEEL: zip_of(zip_entry(b"evil-1.0.dist-info/METADATA", data, (1 << 30) + len(METADATA) - 1))})
    assert_ceiling(bring(*lock_on(place), code={3, 30}))


def test_metadata_that_are_larger_than_the_wheel_says(place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: zip_of(zip_entry(b"evil-1.0.dist-info/METADATA", zeros_deflated(1 << 30), 500))})
    bring(*lock_on(place), code={3, 30})


@pytest.mark.parametrize("size", [0xFFFFFFF0, 0x7FFFFFFF])
def test_a_directory_of_gigabytes_announced(size: int, place: Scene, bring: Bring) -> None:
    wheel = zip_of(zip_entry(b"evil-1.0.dist-info/METADATA", zlib.compress(METADATA, wbits=-15), len(METADATA)))
    at = wheel.rindex(b"PK\5\6")
    offer(place, {WHEEL: wheel[: at + 12] + struct.pack("<II", size, 0) + wheel[at + 20 :]})
    bring(*lock_on(place), code={3, 30})


def test_a_directory_of_gigabytes_announced_in_zip64(place: Scene, bring: Bring) -> None:
    body, directory = zip_entry(b"evil-1.0.dist-info/METADATA", zlib.compress(METADATA, wbits=-15), len(METADATA))
    start = len(body) + len(directory)
    end64 = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 1 << 32, len(body))
    locator = b"PK\6\7" + struct.pack("<IQI", 0, start, 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    offer(place, {WHEEL: body + directory + end64 + locator + end})
    bring(*lock_on(place), code={3, 30})


@pytest.mark.parametrize("size", [None, 100])
def test_a_wheel_that_never_ends(size: int | None, place: Scene, bring: Bring) -> None:
    entry = {"filename": WHEEL, "url": f"/endless/{WHEEL}", "hashes": {"sha256": "0" * 64}}
    page = {"meta": {"api-version": "1.1"}, "name": "evil", "files": [entry | ({"size": size} if size else {})]}
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    outcome = bring(*lock_on(place), code={3, 30}, **lowered(place, {"wheel.size": "16M"}))
    if size is None:
        assert_ceiling(outcome)


@pytest.mark.parametrize("what", ["page", "metadata", "sdist"])
def test_what_else_of_an_index_never_ends(what: str, place: Scene, bring: Bring) -> None:
    entry: dict[str, object] = {"filename": WHEEL, "url": f"/endless/{WHEEL}", "hashes": {"sha256": "0" * 64}}
    if what == "metadata":
        entry["core-metadata"] = True
    if what == "sdist":
        entry |= {"filename": SDIST, "url": f"/endless/{SDIST}"}
    page = {"meta": {"api-version": "1.1"}, "name": "evil", "files": [entry]}
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    more = {"PIP_INDEX_URL": f"{place.url}endless/"} if what == "page" else {}
    bring(*lock_on(place), code={3, 30}, **more, **lowered(place, {"sdist.size": "16M"}))


def test_an_index_page_of_a_million_files(place: Scene, bring: Bring) -> None:
    links = "".join(f'<a href="evil-{n}-py3-none-any.whl">evil-{n}-py3-none-any.whl</a>\n' for n in range(1_400_000))
    place.serve("simple/evil/index.html", links.encode())
    assert_ceiling(bring(*lock_on(place), code={3, 30}))


@pytest.mark.parametrize("deep", range(3))
def test_pyproject_nested_deep(deep: int, place: Scene, bring: Bring) -> None:
    text = PYPROJECT + f"[tool.x]\ny = {DEEP_TOML[deep]}\n".encode()
    offer(place, {SDIST: sdist_with(pyproject_toml=text, setup_py=b"")})
    bring(*lock_on(place), code={0, 3, 30})


@pytest.mark.parametrize(
    "text",
    [
        "setup(install_requires=" + "[" * DEPTH + "]" * DEPTH + ")",
        "x = " + "(" * DEPTH + "1" + ")" * DEPTH,
        "x = " + "-" * DEPTH + "1",
        "x = " + "1+" * DEPTH + "1",
        "x = a" + ".b" * DEPTH,
        "".join(f"{' ' * n}if x:\n" for n in range(99)) + " " * 99 + "pass",
        "x = " + "f(" * 50_000,
        "x = '" + "a" * (32 << 20) + "'",
        "x = 1" + "0" * 10_000,
        "x = 9 ** 9 ** 9",
        "setup(install_requires=['x'] * 10**9)",
        "x = '\0'",
    ],
    ids=[
        "list",
        "brackets",
        "signs",
        "sums",
        "attributes",
        "blocks",
        "calls",
        "long",
        "digits",
        "power",
        "many",
        "NUL",
    ],
)
def test_setup_py_nested_deep(text: str, place: Scene, bring: Bring) -> None:
    source = f"from setuptools import setup\n{text}\nsetup(name='evil', version='1.0')\n".encode()
    offer(place, {SDIST: sdist_with(setup_py=source)})
    bring(*lock_on(place), code={0, 3, 30})


def test_an_sdist_that_opens_to_gigabytes(place: Scene, bring: Bring) -> None:
    head = tar_header(b"evil-1.0/big", 4 << 30)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    first = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = first.compress(head) + first.flush(zlib.Z_FULL_FLUSH) + block * 4096 + b"\3\0"
    offer(place, {SDIST: b"\x1f\x8b\x08\0\0\0\0\0\0\3" + body + bytes(8)})
    bring(*lock_on(place), code={3, 30})


@pytest.mark.parametrize("kind", ["requires", "extras", "marker", "long"])
def test_metadata_of_far_too_much(kind: str, place: Scene, bring: Bring) -> None:
    more = {
        "requires": "".join(f"Requires-Dist: x{n}\n" for n in range(300_000)),
        "extras": "".join(f"Provides-Extra: x{n}\n" for n in range(300_000)),
        "marker": f"Requires-Dist: six ; {'(' * 50_000}os_name == 'x'{')' * 50_000}\n",
        "long": f"Requires-Dist: six {','.join(['>=1'] * 300_000)}\n",
    }[kind]
    text = METADATA.replace(b"Classifier", more.encode() + b"Classifier")
    offer(place, {WHEEL: b"x"}, text)
    bring(*lock_on(place), code={3, 30})


# Systems ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines", ["include /etc/ld.so.conf\n" * 50, "include *.conf\n" * 50, "include /etc/ld.*\n" * 200]
)
def test_a_loader_configuration_that_includes_itself(lines: str, place: Scene, bring: Bring) -> None:
    unpack(root_tar(), place.inputs / "root")
    for number in range(3):
        place.file(f"root/etc/ld.so.conf.d/{number}.conf", b"include /etc/ld.so.conf\n" * 20)
    place.file("root/etc/ld.so.conf", lines.encode())
    bring("check", "env", "--root", place.inputs / "root", code={0, 1, 3})


@pytest.mark.parametrize("place_of", ["etc/ld.so.conf", "etc/os-release", "usr/lib/python3.9/site-packages/own.pth"])
@pytest.mark.parametrize("kind", ["zero", "fifo", "large"])
def test_a_root_with_what_does_not_end(place_of: str, kind: str, place: Scene, bring: Bring) -> None:
    import os

    unpack(root_tar(), place.inputs / "root")
    victim = place.inputs / "root" / place_of
    victim.unlink(missing_ok=True)
    match kind:
        case "zero":
            victim.symlink_to("/dev/zero")
        case "fifo":
            os.mkfifo(victim)
        case "large":
            with victim.open("wb") as file:
                file.truncate(8 << 30)
    bring("check", "env", "--root", place.inputs / "root", code={0, 1, 3})


@pytest.mark.parametrize("option", ["--domain", "--capabilities", "--nova-conf", "--image"])
@pytest.mark.parametrize("kind", ["zero", "large"])
def test_a_file_of_a_guest_that_does_not_end(option: str, kind: str, place: Scene, bring: Bring) -> None:
    victim = Path("/dev/zero")
    if kind == "large":
        victim = place.inputs / "large"
        with victim.open("wb") as file:
            file.truncate(8 << 30)
    more = ("--nova", "yoga") if option == "--capabilities" else ()
    bring("check", "guest", option, victim, *more, code=3)


@pytest.mark.parametrize(
    "line",
    [
        ("plan", "@", *PLAIN),
        ("plan", "x", "--target", "@", *PLAIN),
        ("plan", "x", "--repo-file", "@", *PLAIN),
        ("plan", "x", "--snapshot", "@", *PLAIN),
        ("diff", "@", "@"),
        ("build", "@"),
        ("verify", "@"),
        ("check", "lock", "@"),
        ("check", "host", "--from", "@"),
        ("constraints", "app", "--constraints", "@"),
        ("snapshot", "info", "@"),
    ],
    ids=lambda line: " ".join(line[:3]),
)
@pytest.mark.parametrize("kind", ["zero", "large"])
def test_a_file_named_on_the_command_line_that_does_not_end(
    line: tuple[str, ...], kind: str, place: Scene, bring: Bring
) -> None:
    suffix = {"plan": ".toml"}.get(line[0], ".json") if "--snapshot" not in line and "info" not in line else ".tar"
    victim = place.inputs / f"large{suffix}"
    if kind == "zero":
        victim.symlink_to("/dev/zero")
    else:
        with victim.open("wb") as file:
            file.truncate(8 << 30)
    bring(*[str(victim) if word == "@" else word for word in line], code={2, 3, 20, 30})


LONG = 3_000_000
SLOW_TEXTS = {
    "spaces": "a" + " " * LONG + "b",
    "words": "a " * LONG,
    "short blanks": ("a" + "    b" * 500_000),
    "one word": "a" * LONG,
    "digits": "1" * LONG,
    "continued": "a\\\n" * LONG,
    "quotes": "a='\\" * 500_000,
    "requirements": "".join(f"a>{n}\n" for n in range(9_000)),
    "versions": "a" + ">=1," * LONG + ">=1",
    "brackets": f"a ; {'(' * 7_000}os_name=='x'{')' * 7_000}",
}
"""Texts that take quadratic time where a pattern goes back over what it has read."""


@pytest.mark.parametrize(
    "door", ["image", "nova.conf", "cpuinfo", "versions", "requirements", "constraints", "pip.conf"]
)
@pytest.mark.parametrize("name", SLOW_TEXTS)
def test_texts_that_are_slow_to_search(name: str, door: str, place: Scene, bring: Bring) -> None:
    text = SLOW_TEXTS[name]
    image = place.file("i.json", b'{"properties": {"hw_disk_bus": "scsi"}}')
    more = ("--nova", "yoga", "--hypervisor", "el8")
    facts: dict[str, object] = {"schema": 1, "machine": "ppc64le", "kernel": "x", "exists": {}, "auxv": {}}
    match door:
        case "image":
            file = place.file("j.json", json.dumps({"properties": text}).encode())
            bring("check", "guest", "--image", file, *more, code={0, 1, 3})
        case "nova.conf":
            file = place.file("nova.conf", f"[libvirt]\n{text}\n".encode())
            bring("check", "guest", "--image", image, "--nova-conf", file, *more, code={0, 1, 3})
        case "cpuinfo":
            facts |= {"files": {"/proc/cpuinfo": text, "/etc/os-release": text}, "programs": {}}
            bring("check", "host", "--from", place.file("f.json", json.dumps(facts).encode()), code={0, 1, 3})
        case "versions":
            facts |= {"files": {}, "programs": {"qemu version": text, "qemu": "q", "qemu devices": text}}
            file = place.file("f.json", json.dumps(facts).encode())
            bring("check", "host", "--nova", "yoga", "--from", file, code={0, 1, 3})
        case "requirements":
            bring("check", "lock", place.file("r.txt", text.encode()), "--offline", code={3, 30})
        case "constraints":
            offer(place, {WHEEL: b"x"}, METADATA)
            file = place.file("c.txt", text.encode())
            bring(*lock_on(place), "--constraints", file, code={0, 3, 20, 30})
        case "pip.conf":
            file = place.file("pip.conf", f"[global]\n{text}\n".encode())
            bring(*lock_on(place), code={0, 3, 20, 30}, PIP_CONFIG_FILE=str(file))


@pytest.mark.parametrize("kind", ["elements", "disks", "attribute", "attributes", "blank", "inputs"])
def test_a_domain_of_far_too_much(kind: str, place: Scene, bring: Bring) -> None:
    devices = {
        "elements": "<a/>" * 1_500_000,
        "disks": "<disk type='file'><target dev='hda' bus='ide'/></disk>" * 40_000,
        "attribute": f"<disk x='{'a' * 7_000_000}'><target dev='hda' bus='ide'/></disk>",
        "attributes": f"<disk {' '.join(f'a{n}=' + chr(39) * 2 for n in range(300_000))}><target bus='ide'/></disk>",
        "blank": f"<controller type='ide'{' ' * 7_000_000}/>",
        "inputs": "<input type='mouse' bus='ps2'/><graphics type='spice'/>" * 30_000,
    }[kind]
    text = (
        "<domain type='kvm'><name>x</name><os><type arch='x86_64' machine='pc'>hvm</type></os>"
        f"<devices>{devices}</devices></domain>"
    )
    file = place.file("d.xml", text.encode())
    written = ("--write-domain", place.inputs / "out.xml")
    outcome = bring("check", "guest", "--domain", file, "--hypervisor", "el8", *written, code={0, 1, 3})
    if kind == "elements":
        assert_ceiling(outcome)


@pytest.mark.parametrize("what", ["properties", "models", "roots", "requirements", "keys"])
def test_far_too_many_of_something(what: str, place: Scene, bring: Bring) -> None:
    more = ("--nova", "yoga", "--hypervisor", "el8")
    match what:
        case "properties":
            text = json.dumps({"properties": {f"hw_disk_bu{n}": "x" for n in range(90_000)}})
            assert_ceiling(bring("check", "guest", "--image", place.file("i.json", text.encode()), *more, code=3))
        case "models":
            image = place.file("i.json", b'{"properties": {"hw_disk_bus": "scsi"}}')
            text = f"[libvirt]\ncpu_models={','.join(f'm{n}' for n in range(500_000))}\n"
            conf = place.file("nova.conf", text.encode())
            assert_ceiling(bring("check", "guest", "--image", image, "--nova-conf", conf, *more, code=3))
        case "roots":
            text = f"name = 'w'\ntitle = 't'\nroots = {[f'r{n}' for n in range(100_000)]}\n"
            bring("plan", place.file("w.toml", text.encode()), *PLAIN, code=3)
        case "requirements":
            text = "".join(f"a{n}==1\n" for n in range(100_000))
            assert_ceiling(bring("check", "lock", place.file("r.txt", text.encode()), "--offline", code=3))
        case "keys":
            text = "name = 'w'\ntitle = 't'\nroots = ['app']\n" + "".join(f"k{n} = 1\n" for n in range(100_000))
            bring("plan", place.file("w.toml", text.encode()), *PLAIN, code=3)


@pytest.mark.parametrize(
    "line", ["# x on ppc64le, Python 3.999999999.1, glibc 2.34", "# x on ppc64le, Python 3.9.25, glibc 2.999999999"]
)
def test_a_lock_for_a_python_that_there_cannot_be(line: str, place: Scene, bring: Bring) -> None:
    bring("check", "lock", place.file("r.txt", f"{line}\nsix==1.0\n".encode()), "--offline", code=3)


@pytest.mark.parametrize("marker", ["os_name ~= 'x'", "'x' in extras", "python_version ~= '3'"])
def test_a_marker_that_has_no_value(marker: str, place: Scene, bring: Bring) -> None:
    file = place.file("r.txt", f"six==1.0 ; {marker}\n".encode())
    bring("check", "lock", file, "--offline", code=3)
    offer(place, {WHEEL: b"x"}, METADATA)
    bring(*lock_on(place), "--constraints", file, code=3)


def test_an_option_of_nova_conf_without_a_value_that_goes_on(place: Scene, bring: Bring) -> None:
    image = place.file("i.json", b'{"properties": {"hw_disk_bus": "scsi"}}')
    conf = place.file("nova.conf", b"[libvirt]\ncpu_mode\n  more\n")
    bring("check", "guest", "--image", image, "--nova-conf", conf, "--hypervisor", "el8", code=3)


NAMED_FILES = [
    ("plan", "@.toml", *PLAIN),
    ("plan", "x", "--target", "@.toml", *PLAIN),
    ("plan", "x", "--repo-file", "@", *PLAIN),
    ("plan", "x", "--snapshot", "@", *PLAIN),
    ("diff", "@.json", "@.json"),
    ("build", "@.json"),
    ("verify", "@.json"),
    ("check", "lock", "@"),
    ("check", "lock", "@.toml"),
    ("check", "lock", "@.json"),
    ("check", "host", "--from", "@"),
    ("check", "guest", "--domain", "@"),
    ("check", "guest", "--domain", "@", "--capabilities", "@"),
    ("check", "guest", "--image", "@"),
    ("check", "guest", "--flavor", "@"),
    ("check", "guest", "--image", "@", "--nova-conf", "@"),
    ("constraints", "app", "--constraints", "@"),
    ("snapshot", "info", "@"),
]


@pytest.mark.parametrize("line", NAMED_FILES, ids=" ".join)
@pytest.mark.parametrize("kind", ["fifo", "held", "terminal", "folder"])
def test_a_named_file_that_is_none(line: tuple[str, ...], kind: str, place: Scene, bring: Bring) -> None:
    import os

    suffix = next((word[1:] for word in line if word.startswith("@.")), "")
    victim = place.inputs / f"named{suffix}"
    held: list[int] = []
    match kind:
        case "fifo":
            os.mkfifo(victim)
        case "held":  # something has it open to write, and never writes
            os.mkfifo(victim)
            held.append(os.open(victim, os.O_RDWR))
        case "terminal":
            held += os.openpty()
            victim.symlink_to(os.ttyname(held[1]))
        case "folder":
            victim.mkdir()
    try:
        bring(*[str(victim) if word.startswith("@") else word for word in line], code={2, 3, 20, 30})
    finally:
        for handle in held:
            os.close(handle)


def test_a_pipe_that_something_writes_to_is_read(place: Scene) -> None:
    """As the shell makes of ``<(virsh dumpxml NAME)``."""
    import os
    import threading

    from doortrial import run_line

    fifo = place.inputs / "pipe"
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDWR)

    def write() -> None:
        with fifo.open("wb") as sink:
            sink.write(b'{"properties": {"hw_disk_bus": "scsi"}, "name": "' + b"n" * 200_000 + b'"}')
        os.close(holder)

    writer = threading.Thread(target=write)
    writer.start()
    outcome = run_line(["check", "guest", "--image", str(fifo), "--nova", "yoga", "--hypervisor", "el8"], place)
    writer.join(10)
    assert outcome.code in (0, 1), outcome.err


@pytest.mark.parametrize("chain", ["itself", "folders", "long", "patterns"])
def test_a_loader_configuration_without_an_end(chain: str, place: Scene, bring: Bring) -> None:
    unpack(root_tar(), place.inputs / "root")
    match chain:
        case "itself":
            place.file("root/etc/ld.so.conf", b"include ld.so.conf\n" * 5_000 + b"/usr/local/lib\n")
        case "folders":
            for number in range(60):
                place.file(f"root/etc/ld.so.conf.d/{number}.conf", b"include ld.so.conf.d/*.conf *.conf\n" * 60)
            place.file("root/etc/ld.so.conf", b"include ld.so.conf.d/*.conf\n")
        case "long":
            for number in range(3_000):
                place.file(f"root/etc/{number}.conf", f"include {number + 1}.conf\n".encode())
            place.file("root/etc/ld.so.conf", b"include 0.conf\n")
        case "patterns":
            text = "".join(f"include /usr/lib/{'*a' * 30}{n}*\n" for n in range(10_000))
            place.file("root/etc/ld.so.conf", text.encode())
    outcome = bring("check", "env", "--root", place.inputs / "root", code={0, 1})
    if chain in ("long", "patterns"):
        assert "loader.files" in outcome.out


# What must pass ---------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_distribution_of_real_size_passes(place: Scene, bring: Bring) -> None:
    """62,000 packages and 300 MB of file lists, as Fedora has them."""
    one = Package(Nevra.parse("p-1-1.noarch"), relations={"requires": ("q",)})
    head, _, rest = _primary([one]).partition("<package ")
    body, _, tail = rest.rpartition("</metadata>")
    count = 62_000
    many = "".join(f"<package {body.replace('>p<', f'>p{n}<').replace(one.pkgid, f'{n:064x}')}" for n in range(count))
    primary = f"{head}{many}</metadata>{tail}".replace('packages="1"', f'packages="{count}"', 1).encode()
    names = "".join(f"<file>/usr/share/doc/a/rather/long/path/file{n:05}.txt</file>\n" for n in range(80))
    lists = "".join(
        f'<package pkgid="{n:064x}" name="p{n}" arch="noarch"><version epoch="0" ver="1" rel="1"/>\n'
        f"{names}</package>\n"
        for n in range(count)
    )
    filelists = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<filelists xmlns="http://linux.duke.edu/metadata/filelists"'
        f' packages="{count}">\n{lists}</filelists>\n'
    ).encode()
    assert len(filelists) > 300_000_000
    url = repository(place, {"repodata/primary.xml": primary, "repodata/filelists.xml": filelists})
    from doortrial import run_line

    outcome = run_line([*plan_on(url, "p1", "p61999")], place, seconds=300)
    assert outcome.code in (0, 1), outcome.err


def test_the_state_in_a_cache_may_be_anything(place: Scene, bring: Bring) -> None:
    from repositorydoors import on_server

    url = on_server(place)
    bring(*plan_on(url, "app"), code=0)
    for text in (DEEP_JSON[0].encode(), b"[]", b"null", b"\xff", b"", cache_state()[:50], b'{"state": 1e999}'):
        for state in place.cache.glob("v*/repositories/*.json"):
            state.write_bytes(text)
        bring(*plan_on(url, "app"), code=0)
