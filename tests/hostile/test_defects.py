"""Values of the wrong type or range from outside are the documented error, with file and place, and no defect."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from damage import write_zip
from door import unpack
from doortrial import Bring, Scene
from plandoors import TARGET, WORKLOAD, cache_state, plan_json, run_state, snapshot_tar
from pythondoors import METADATA, PYPROJECT, SDIST, WHEEL, lock_on, offer, sdist_with, wheel_of
from repositorydoors import PLAIN, REPO, on_server, plan_on, repository, repository_files

NUMBERS = (
    "99999999999999",
    "-1",
    "-99999999999999",
    "1e400",
    "NaN",
    "1.5",
    "x",
    "",
    "18446744073709551616",
    "9" * 5000,
    "0x10",
    "\u0663",
)


def answered(outcome_code: int) -> bool:
    return outcome_code in (0, 1, 30)


# Repositories -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("element", ["timestamp", "size", "open-size", "revision"])
def test_numbers_in_repomd(element: str, number: str, place: Scene, bring: Bring) -> None:
    text = repository_files()["repodata/repomd.xml"].decode()
    text = re.sub(rf"<{element}>[^<]*</{element}>", f"<{element}>{number}</{element}>", text)
    bring(*plan_on(repository(place, {"repodata/repomd.xml": text.encode()})), code={0, 1, 30})
    bring("snapshot", "save", "saved", "--repofrompath", f"base,{(place.inputs / 'repo').as_uri()}", code={0, 30})


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("attribute", ["epoch", "start", "package", "file"])
def test_numbers_in_primary(attribute: str, number: str, place: Scene, bring: Bring) -> None:
    text = repository_files()["repodata/primary.xml"].decode()
    text = re.sub(rf' {attribute}="[^"]*"', f' {attribute}="{number}"', text)
    bring(*plan_on(repository(place, {"repodata/primary.xml": text.encode()})), code={0, 1, 2, 30})


WITHOUT = {
    "entry without a name": (r'<rpm:entry name="[^"]*"', "<rpm:entry"),
    "entry with an empty name": (r'<rpm:entry name="[^"]*"', '<rpm:entry name=""'),
    "entry of odd flags": (r'flags="[A-Z]*"', 'flags="XX"'),
    "entry without a version": (r'flags="EQ" epoch="0" ver="[^"]*"', 'flags="EQ"'),
    "package without a name": (r"<name>[^<]*</name>", ""),
    "package with an empty name": (r"<name>[^<]*</name>", "<name/>"),
    "package without an architecture": (r"<arch>[^<]*</arch>", ""),
    "package with an empty architecture": (r"<arch>[^<]*</arch>", "<arch/>"),
    "package of another architecture": (r"<arch>[^<]*</arch>", "<arch>x y</arch>"),
    "package without a version": (r"<version [^>]*/>", ""),
    "package with an empty version": (r' ver="[^"]*" rel="[^"]*"/><checksum', ' ver="" rel=""/><checksum'),
    "package with a dash in its version": (r'<version epoch="0" ver="[^"]*"', '<version epoch="0" ver="1-2"'),
    "package with a space in its version": (r'<version epoch="0" ver="[^"]*"', '<version epoch="0" ver="1 2"'),
    "package without a checksum": (r"<checksum[^>]*>[^<]*</checksum>", ""),
    "package of an odd checksum": (r'<checksum type="sha256"', '<checksum type="zz"'),
    "package of a short checksum": (r'pkgid="YES">[^<]*<', 'pkgid="YES">zz<'),
    "package without a place": (r"<location [^>]*/>", ""),
    "package without a format": (r"<format>", "<other>"),
    "odd name of the source": (r"<rpm:sourcerpm>[^<]*<", "<rpm:sourcerpm>x<"),
    "source with a path": (r"<rpm:sourcerpm>[^<]*<", "<rpm:sourcerpm>../../x-1-1.src.rpm<"),
    "rich dependency that is none": (r'name="\(lib or other\)"', 'name="(lib or"'),
    "rich dependency of odd words": (r'name="\(lib or other\)"', 'name="(lib xor other)"'),
    "file without a path": (r"<file>[^<]*</file>", "<file/>"),
    "no packages attribute": (r' packages="\d+"', ""),
    "odd packages attribute": (r' packages="\d+"', ' packages="x"'),
    "far too many packages announced": (r' packages="\d+"', ' packages="99999999999999"'),
    "two names": (r"<name>", "<name>x</name><name>"),
    "encoding that nobody knows": (r'encoding="UTF-8"', 'encoding="x-none"'),
    "encoding of several bytes": (r'encoding="UTF-8"', 'encoding="shift_jis"'),
    "encoding of another system": (r'encoding="UTF-8"', 'encoding="utf-16"'),
    "bytes that are no UTF-8": (r"<summary/>", "<summary>\udca4</summary>"),
    "reference to no character": (r"<summary/>", "<summary>&#xd800;</summary>"),
    "name with bytes that are no UTF-8": (r"<name>app", "<name>\udca4app"),
}


@pytest.mark.parametrize("what", WITHOUT)
@pytest.mark.parametrize("file", ["primary", "filelists"])
def test_elements_that_lack_or_are_odd(what: str, file: str, place: Scene, bring: Bring) -> None:
    pattern, new = WITHOUT[what]
    text = repository_files()[f"repodata/{file}.xml"].decode()
    changed = re.sub(pattern, lambda _: new, text).encode("utf-8", "surrogateescape")
    url = repository(place, {f"repodata/{file}.xml": changed})
    bring(*plan_on(url), code={0, 1, 2, 30})
    source = repository(place, {f"repodata/{file}.xml": changed.replace(b"ppc64le", b"x86_64")}, "other")
    bring(*plan_on(repository(place)), "--reference", f"x,{source}", "--source", f"s,{source}", code={0, 1, 2, 30})
    bring("snapshot", "save", "saved", "--repofrompath", f"base,{url}", code={0, 30})


@pytest.mark.parametrize("key", ["priority", "cost", "timeout", "retries", "metadata_expire", "enabled", "gpgcheck"])
@pytest.mark.parametrize("number", [*NUMBERS, "inf", "-inf", "1d1d", "99999999999d", "yes no"])
def test_numbers_in_a_repo_file(key: str, number: str, place: Scene, bring: Bring) -> None:
    text = REPO.decode().replace("@URL@", repository(place))
    text = re.sub(rf"(?m)^{key}=.*$", "", text) + f"{key}={number}\n"
    bring("plan", "app", "--repo-file", place.file("a.repo", text.encode()), *PLAIN, code={0, 1, 3})
    bring(*plan_on(repository(place), "app"), "--setopt", f"base.{key}={number}", code={0, 1, 2, 3})


@pytest.mark.parametrize(
    "text",
    [
        "baseurl=x", "[a", "[]\nbaseurl=x", "[a]\nbaseurl=%(x)s", "[a]\nbaseurl=$x$$", "\0", "\ufeff[a]", "[a]\n[a]",
        "[a]\nbaseurl=http://[::1/", "[a]\nbaseurl=http://h:99999/", "[a]\nbaseurl=\n\n x", "[a]\nb", "=x",
        "[a]\nbaseurl=file:///nowhere\nproxy=x y", "[a]\nbaseurl=http://127.0.0.1:9/\nproxy=http://[",
        "[DEFAULT]\na=b",
        "[a]\nbaseurl=http://127.0.0.1:9/\nsslcacert=/dev/zero", "[a]\nbaseurl=http://u\u0661:p@127.0.0.1:9/",
        "[a]\nbaseurl=http://127.0.0.1:9/\nusername=a\x01b\npassword=c", "[a]\nbaseurl=http://" + "a" * 300 + "/",
    ],
)  # fmt: skip
def test_a_repo_file_that_is_none(text: str, place: Scene, bring: Bring) -> None:
    file = place.file("a.repo", f"{text}\ntimeout=2\nretries=0\n".encode("utf-8", "surrogatepass"))
    bring("plan", "app", "--repo-file", file, *PLAIN, code={2, 3, 30})


# Snapshots, plans, states -----------------------------------------------------------------------------------

ODD: tuple[object, ...] = (
    None, True, -1, 1.5, 99999999999999, 10**30, float("nan"), float("inf"), "x", "", "\ud800", "\0", [], [1], {},
    {"a": 1}, [None],
)  # fmt: skip


def members(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The way to each member of a document; of a list, the first only."""
    found: list[tuple[object, ...]] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += [(*path, key), *members(inner, (*path, key))]
    elif isinstance(value, list) and value:
        found += [(*path, 0), *members(value[0], (*path, 0))]
    return found


def variants(document: bytes) -> list[tuple[str, bytes]]:
    """The document with each member replaced by something odd in turn, and left out."""
    made = []
    for number, way in enumerate(members(json.loads(document))):
        for value in (ODD[number % len(ODD)], ODD[(number * 7 + 3) % len(ODD)], None, ...):
            value_of = json.loads(document)
            holder = value_of
            for step in way[:-1]:
                holder = holder[step]
            if value is ...:
                del holder[way[-1]]
            else:
                holder[way[-1]] = value
            made.append((f"{'/'.join(map(str, way))} = {value!r}", json.dumps(value_of).encode()))
    return made


def test_odd_members_of_a_snapshot(place: Scene, bring: Bring) -> None:
    unpack(snapshot_tar(), place.inputs / "saved")
    index = place.inputs / "saved/snapshot.json"
    for what, text in variants(index.read_bytes()):
        index.write_bytes(text)
        outcome = bring("snapshot", "info", place.inputs / "saved", code={0, 3})
        assert outcome.code in (0, 3), what


def test_odd_members_of_a_plan(place: Scene, bring: Bring) -> None:
    good = place.file("a.json", plan_json())
    for _, text in variants(plan_json()):
        bring("diff", good, place.file("b.json", text), code={0, 3})


@pytest.mark.parametrize("where", ["name", "detail", "requirement", "advice", "workload", "key"])
def test_a_lone_surrogate_in_a_plan(where: str, place: Scene, bring: Bring) -> None:
    document = json.loads(plan_json())
    match where:
        case "name" | "detail":
            document["gaps"][0][where] = "x\ud800"
        case "requirement":
            document["closure"][0]["required_by"][0]["requirement"] = "x\udcff"
        case "advice":
            document["advice"] = ["\ud800"]
        case "workload":
            document["workload"] = "w\ud800"
        case "key":
            document["needs"]["\ud800"] = []
    file, good = place.file("b.json", json.dumps(document).encode()), place.file("a.json", plan_json())
    for command in (
        ("diff", good, file),
        ("diff", good, file, "--json"),
        ("build", file),
        ("verify", file),
        ("check", "lock", file),
    ):
        bring(*command, code=3)


def test_odd_members_of_the_state_of_a_run(place: Scene, bring: Bring) -> None:
    for _, text in variants(run_state()):
        file = place.file("build-w/run.json", text)
        bring("build", "--resume", "--work", file.parent, code={2, 3})


def test_odd_members_of_the_state_in_a_cache(place: Scene, bring: Bring) -> None:
    url = on_server(place)
    bring("sync", "--repofrompath", f"base,{url}", code=0)
    (state,) = place.cache.glob("v*/repositories/*.json")
    assert cache_state()
    for what, text in variants(state.read_bytes()):
        state.write_bytes(text)
        outcome = bring(*plan_on(url, "app"), code={0, 30})
        assert outcome.code == 0, what


# TOML -------------------------------------------------------------------------------------------------------

ODD_TOML = (
    "1",
    "-1",
    "1.5",
    "nan",
    "inf",
    "true",
    '""',
    '"x"',
    "[]",
    "[1]",
    '[""]',
    "{}",
    "{a=1}",
    "[[]]",
    "9" * 5000,
    "1979-05-27",
    '"\\u0000"',
    '"\\u202e"',
    "99999999999999999999",
)


@pytest.mark.parametrize("kind", ["workload", "target"])
def test_odd_values_in_toml(kind: str, place: Scene, bring: Bring) -> None:
    text = (WORKLOAD if kind == "workload" else TARGET).decode().replace("@URL@", repository(place))
    lines = text.splitlines()
    for number, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        for at, value in enumerate(ODD_TOML if equals else ()):
            if (at + number) % 4 == 0:
                changed = "\n".join([*lines[:number], f"{key} = {value}", *lines[number + 1 :]])
                file = place.file(f"{kind}.toml", changed.encode())
                place.file("pins.txt", b"")
                if kind == "workload":
                    bring(
                        "plan",
                        file,
                        "--repofrompath",
                        f"base,{(place.inputs / 'repo').as_uri()}",
                        *PLAIN,
                        code={0, 1, 3},
                    )
                else:
                    bring("plan", "app", "--target", file, *PLAIN, code={0, 1, 2, 3, 30})


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"\0", b"\xef\xbb\xbf", b"a = 'b", b"\xed\xa0\x80", b"a" * (32 << 20), b'a = "\\ud800"', b"[a]\n[a]"],
)
def test_toml_that_is_none(content: bytes, place: Scene, bring: Bring) -> None:
    file = place.file("x.toml", content)
    bring("plan", file, *PLAIN, code=3)
    bring("plan", "app", "--target", file, *PLAIN, code=3)
    bring("check", "lock", file, code=3)
    place.file("recipes/x/recipe.toml", content)
    bring("recipes", "list", "--recipes", place.inputs / "recipes", code=3)
    place.file("roots/x/buildroot.toml", content)
    bring("buildroot", "list", "--buildroots", place.inputs / "roots", code=3)


# Addresses --------------------------------------------------------------------------------------------------

NO_ADDRESSES = ("http://[x/", "http://[::1", "http://[x]y/", "//[x/y", "http://\u2100/", "http:///x", "http://a:b/")


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_that_is_none(url: str, place: Scene, bring: Bring) -> None:
    text = repository_files()["repodata/repomd.xml"].decode()
    text = text.replace('href="repodata/', f'href="{url}repodata/')
    bring(*plan_on(repository(place, {"repodata/repomd.xml": text.encode()})), code=30)
    bring("plan", "a", "--repofrompath", f"base,{url}", "--no-output", code={2, 30})
    bring("plan", "a", "--repofrompath", f"base,{place.url}redirect/{quote(url, safe='')}", "--no-output", code=30)
    for at, code in (("href", {0, 3, 30}), ("base", {0, 3, 30})):
        offer(place, {WHEEL: wheel_of(METADATA)})
        (place.served / "simple/evil/index.json").unlink()
        base, href = (url, f"/files/{WHEEL}") if at == "base" else ("", f"{url}{WHEEL}")
        page = f'<base href="{base}"><a href="{href}">{WHEEL}</a>' if base else f'<a href="{href}">{WHEEL}</a>'
        place.serve("simple/evil/index.html", page.encode())
        bring(*lock_on(place), code=code)
        bring(*lock_on(place), code=code, PIP_FIND_LINKS=f"{place.url}simple/evil/", PIP_NO_INDEX="1")
    bring(*lock_on(place), code={2, 3, 20, 30}, PIP_INDEX_URL=url)
    bring(*lock_on(place), code={2, 3, 20, 30}, PIP_FIND_LINKS=url, PIP_NO_INDEX="1")
    bring(*lock_on(place), code={2, 3, 20, 30}, PIP_PROXY=url)
    place.file("recipes/x/recipe.toml", RECIPE_AT.replace("@URL@", url).encode())
    bring("recipes", "list", "--recipes", place.inputs / "recipes", code=3)


RECIPE_AT = """\
name = "x"
kind = "spec"
[[sources]]
version = "1"
url = "@URL@x.tar.gz"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
"""


# Python -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest", ["sha256=zz", "sha256=", "md5=x", "sha256=" + "A" * 64, "sha512=x", "x", "=", "sha256=\u0661"]
)
def test_an_odd_digest_in_a_page(digest: str, place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: wheel_of(METADATA)})
    (place.served / "simple/evil/index.json").unlink()
    place.serve("simple/evil/index.html", f'<a href="/files/{WHEEL}#{digest}">{WHEEL}</a>'.encode())
    bring(*lock_on(place), code={0, 3, 30})


@pytest.mark.parametrize(
    "key",
    [
        "filename",
        "url",
        "hashes",
        "size",
        "requires-python",
        "upload-time",
        "yanked",
        "core-metadata",
        "meta",
        "name",
        "files",
    ],
)
@pytest.mark.parametrize("value", ODD, ids=repr)
def test_odd_members_of_a_page(key: str, value: object, place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: wheel_of(METADATA)}, METADATA)
    page = json.loads((place.served / "simple/evil/index.json").read_text())
    (page if key in page else page["files"][0])[key] = value
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    bring(*lock_on(place), code={0, 3, 30})


@pytest.mark.parametrize("at", range(8))
def test_a_damaged_deflate_stream_in_a_wheel(at: int, place: Scene, bring: Bring) -> None:
    wheel = bytearray(wheel_of(METADATA))
    start = wheel.index(b"METADATA") + 8
    wheel[start + at] ^= 0xFF
    offer(place, {WHEEL: bytes(wheel)})
    bring(*lock_on(place), code={0, 3, 30})
    import hashlib

    digest = hashlib.sha256(bytes(wheel)).hexdigest()
    bring("check", "lock", place.file("r.txt", f"evil==1.0 --hash=sha256:{digest}\n".encode()), code={0, 1, 3, 30})


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 99])
@pytest.mark.parametrize("flags", [0, 1, 1 << 11, 1 << 13])
def test_a_wheel_of_another_method_or_encrypted(method: int, flags: int, place: Scene, bring: Bring) -> None:
    wheel = bytearray(wheel_of(METADATA))
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = wheel.find(magic)
        while at >= 0:
            wheel[at + offset : at + offset + 4] = flags.to_bytes(2, "little") + method.to_bytes(2, "little")
            at = wheel.find(magic, at + 4)
    offer(place, {WHEEL: bytes(wheel)})
    bring(*lock_on(place), code={0, 3, 30})


@pytest.mark.parametrize(
    "name",
    [
        "evil-1.0.dist-info",
        "other-1.0.dist-info/METADATA",
        "x/evil-1.0.dist-info/METADATA",
        "evil-1.0.dist-info/METADATA/x",
    ],
)
def test_a_wheel_without_metadata_where_they_are_to_be(name: str, place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: write_zip([(name, METADATA)])})
    bring(*lock_on(place), code={0, 3, 30})


ODD_METADATA = {
    "name": "Name: \x00",
    "name of another": "Name: other",
    "two names": "Name: evil\nName: other",
    "version": "Version: not a version",
    "long version": f"Version: {'9' * 6000}",
    "requires": "Requires-Dist: \ud800",
    "requires nothing": "Requires-Dist:",
    "requires a URL": "Requires-Dist: six @ file:///etc/passwd",
    "marker": "Requires-Dist: six ; python_version ~= 'x'",
    "marker of a version that is none": "Requires-Dist: six ; python_version < 'x.y'",
    "marker of an extra": "Requires-Dist: six ; extra == 1",
    "python": "Requires-Python: \u0661",
    "extras": "Provides-Extra: \x1b[31m",
    "no colon": "x",
    "encoding": "Summary: =?x-none?q?x?=",
    "fold": " folded",
    "long specifier": f"Requires-Dist: six >={'1.' * 20_000}1",
    "epoch": "Requires-Dist: six >=99999999999999999999!1",
}


@pytest.mark.parametrize("what", ODD_METADATA)
@pytest.mark.parametrize("where", ["beside", "wheel", "sdist"])
def test_odd_metadata(what: str, where: str, place: Scene, bring: Bring) -> None:
    line = ODD_METADATA[what]
    key = line.partition(":")[0]
    text = METADATA.decode()
    if key in ("Name", "Version", "Requires-Python"):
        text = re.sub(rf"(?m)^{key}: .*$", lambda _: line, text, count=1)
    else:
        text = text.replace("Classifier", f"{line}\nClassifier", 1)
    content = text.encode("utf-8", "surrogatepass")
    match where:
        case "beside":
            offer(place, {WHEEL: wheel_of(METADATA)}, content)
        case "wheel":
            offer(place, {WHEEL: wheel_of(content)})
        case "sdist":
            from damage import tar_of

            offer(place, {SDIST: tar_of({"evil-1.0/PKG-INFO": content.replace(b"2.1", b"2.2")}, "gz")})
    bring(*lock_on(place), code={0, 3, 30})


def test_odd_values_in_pyproject(place: Scene, bring: Bring) -> None:
    lines = PYPROJECT.decode().splitlines()
    for number, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        for at, value in enumerate(ODD_TOML if equals else ("x = 1",)):
            if (at + number) % 3 == 0:
                changed = [
                    *lines[:number],
                    f"{key} = {value}" if equals else f"{value}\n{line}",
                    *lines[number + 1 :],
                ]
                text = "\n".join(changed).encode()
                offer(place, {SDIST: sdist_with(pyproject_toml=text)})
                bring(*lock_on(place), code={0, 3, 30})


@pytest.mark.parametrize("name", ["pins.txt", "more.txt"])
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"\0",
        b"-c pins.txt\n-c c.txt\n",
        b"six==\\\n" * 1000,
        b"six @ file:///etc/passwd\n",
        b"a" * 10_000_000,
    ],
)
def test_odd_constraints(name: str, content: bytes, place: Scene, bring: Bring) -> None:
    offer(place, {WHEEL: wheel_of(METADATA)}, METADATA)
    place.file(name, content)
    file = place.file("c.txt", b"-c more.txt\n" if name == "more.txt" else content)
    bring(*lock_on(place), "--constraints", file, code={0, 3, 30})


# The command line itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "\udcff"), ("plan", "\udcff.toml"), ("plan", ""), ("plan", "a" * 100_000), ("diff", "\udcff", "x"),
        ("plan", "app", "--target", "\udcff"), ("plan", "app", "--target", ""), ("plan", "app", "--target", "/"),
        ("plan", "app", "--repofrompath", "x,\udcff"), ("plan", "app", "--repofrompath", "x,http://\udcff/"),
        ("plan", "app", "--repofrompath", "x,http://[::1"), ("plan", "app", "--repofrompath", "x,http://h:99999/"),
        ("plan", "app", "--repofrompath", "\udcff,/x"), ("plan", "app", "--releasever", "../x"),
        ("plan", "app", "--releasever", "\n"), ("plan", "app", "--setopt", "\udcff.x=1"),
        ("plan", "app", "--repo", "["), ("plan", "app", "--python-version", "\udcff"),
        ("plan", "app", "--python-version", "9" * 6000), ("plan", "app", "--module", "\udcff:1"),
        ("plan", "app", "--module", "a" * 6000 + ":1"), ("plan", "app", "--module", "--x:1"),
        ("plan", "app", "--snapshot", "\udcff"), ("plan", "app", "--snapshot", "/dev/null"), ("why", "\udcff"),
        ("plan", "app", "--recipes", "/dev/null"), ("plan", "app", "--recipes", "\udcff"),
        ("plan", "app", "--srpms", "/dev"),
        ("constraints", "pypi:\udcff"), ("constraints", "app", "--exclude-newer", "9999-99-99"),
        ("constraints", "app", "--exclude-newer", "0001-01-01T00:00:00+23:59"),
        ("check", "guest", "--property", "\udcff=x"),
        ("check", "guest", "--nova", "\udcff"), ("check", "host", "--nova", "9" * 6000),
        ("check", "env", "--root", "\udcff"),
        ("check", "env", "--root", "/proc/self/root/proc/1/nothing"), ("buildroot", "create", "../x"),
        ("buildroot", "create", "\udcff"), ("buildroot", "remove", "../../x"), ("recipes", "show", "../x"),
        ("recipes", "render", "../x", "--to", "out"), ("snapshot", "save", "\udcff/x"), ("\udcff",), ("--\udcff",),
        ("build", "\udcff"), ("build", "--memory", "9" * 400 + "g", "x"), ("build", "--timeout", "nan", "x"),
        ("build", "--timeout", "inf", "x"), ("build", "--cpus", "1e400", "x"), ("plan", "app", "-o", "\udcff/x"),
        ("plan", "app", "-o", "/proc/x"), ("sync", "--repofrompath", "x,file:///dev"), ("plan", "(" * 20_000),
    ],
    ids=lambda words: ascii(" ".join(words))[:60],
)  # fmt: skip
def test_odd_words_on_the_command_line(words: tuple[str, ...], place: Scene, bring: Bring) -> None:
    if words[0] in ("plan", "constraints", "why") and not {"--repofrompath", "--snapshot", "--target"} & {*words}:
        words = (*words, "--repofrompath", f"base,{repository(place)}")
    bring(*words, code={0, 1, 2, 3, 20, 30})


def test_the_rule_files_are_read_by_no_option(project_root: Path) -> None:
    """Rules are data of the package: no command reads one of a user, so that they are no door."""
    commands = "".join(path.read_text() for path in (project_root / "src/ppcdeps/cli").glob("*.py"))
    assert "--rules" not in commands
