"""Damage done to valid documents, from a seed: to their bytes, lines, values, elements and members.

A form knows how a kind of document is put together. ``damaged`` takes a valid document of a form and returns one
with one to four faults; the same seed gives the same faults.
"""

import bz2
import gzip
import io
import json
import lzma
import math
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from xml.etree import ElementTree

import yaml

FORGED = "ppcdeps: error: forged"
"""What a line of output begins with where a name with a newline in it reached the terminal as it is."""
DEEP = 60_000
"""Levels of nesting that no parser's recursion survives."""

for _prefix, _uri in (
    ("", "http://linux.duke.edu/metadata/common"),
    ("rpm", "http://linux.duke.edu/metadata/rpm"),
):
    ElementTree.register_namespace(_prefix, _uri)


@dataclass(frozen=True, slots=True)
class Words:
    """Texts that a program must not stumble over. ``canary`` is a folder that it has no business in."""

    canary: str

    def any(self, random: Random) -> str:
        """One of the texts; seldom a very long one."""
        if random.random() < 0.04:
            return random.choice(("a" * 70_000, "9" * 5_000, "(" * 20_000, "a/" * 3_000, "\u202e" * 500))
        return random.choice(self.all())

    def all(self) -> tuple[str, ...]:
        """All texts of ordinary length."""
        canary = self.canary
        return (
            *("", " ", "\0", "-", "--", ".", "..", "/", "//", "~root", "\\", "#", "*", "%", "$", "'", '"'),
            *(
                "../../../../../../etc/passwd",
                f"{canary}/secret.txt",
                f"file://{canary}/secret.txt",
                "x/../../canary",
            ),
            *("%2e%2e/%2e%2e/canary/secret.txt", "../canary/secret.txt", "file:secret.txt", "..\\..\\x"),
            *("--installroot=/", f"--setopt=pluginpath={canary}", f"-c{canary}/x", "http://127.0.0.1:9/x.rpm"),
            *("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "\u202eevil\u2066", f"a\n{FORGED}\nb", "a\rb"),
            *("\u2028x", "\ufeff", "\ud800", "\udcff", "\x7f", "\U000e0001", "é", "\u0661", "²"),
            *("0", "1", "-1", "-0", "99999999999999", "1e400", "NaN", "Infinity", "-Infinity", "0x10", "1_000"),
            *("18446744073709551616", "340282366920938463463374607431768211456", "4294967296", "1.5", "true", "null"),
            *("http://[::1", "http://127.0.0.1:99999/", "http://\0/", "ftp://127.0.0.1/", "data:,x", "http://"),
            *("http://user:word@127.0.0.1:9/", "//127.0.0.1:9/x", "http://127.0.0.1:9/", "https://127.0.0.1:9/\n"),
            *(f"$(touch {canary}/ran)", f"`touch {canary}/ran`", f"; touch {canary}/ran", f"%(touch {canary}/ran)"),
            *(
                f"%{{lua:os.execute('touch {canary}/ran')}}",
                f"%{{load:{canary}/secret.txt}}",
                "%{expand:%{expand:x}}",
            ),
            *("{{ 7*7 }}", "{% include 'x' %}", "{{ range(10**9)|list }}", "%s%n", "{0}", "{}", "%(name)s", "${x}"),
            *("((a or b) and", "a >= ", ">= 1", "a b c", "=1", "a = 1:2-3-4", "a(", "(a if b", "(a or a)", "a = 1:"),
            *("sha256:zz", "sha256=zz", "#sha256=zz", "md5:" + "0" * 32, "sha256:" + "0" * 64, "a:b", ":", "a@b"),
            *("9999-99-99T99:99:99Z", "2026-02-30", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
            *("1!2.3.post4.dev5+local", "1.0.*", "==", "===x", "~=1", "!=", "<", ">=3.9,<", "99999999999999999999!1"),
            *(
                "[",
                "]",
                "{",
                "}",
                "&a;",
                "<a>",
                "]]>",
                "<!--",
                "'''",
                '"""',
                "|",
                "&a",
                "*a",
                "!!python/name:os",
                "@",
            ),
            *("x; python_version ~= 'a'", "x @ file:///etc/passwd", "-r /etc/passwd", "-e .", "x[y", "x; extra == "),
            *("con", "a" * 256, "a" * 5_000, "../" * 40, "pypi:", "pypi:a b", "()", "(())", "a:b:c:d", "1,2,3"),
        )


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**30, -(2**63) - 1, 1.5, -0.0, 1e308),
    *(math.nan, math.inf, -math.inf, [], {}, [[]], [None], [1], ["a"], {"": ""}, {"a": 1}, [{}], [[["a"]]]),
)
_DEEP_MARK = "@nested deep@"


# Bytes ------------------------------------------------------------------------------------------------------


def damage_bytes(content: bytes, random: Random, words: Words) -> bytes:
    """A fault that knows nothing of the content."""
    at = random.randrange(len(content) + 1)
    length = min(len(content) - at, random.choice((1, 2, 4, 8, 16, 64, 1024)))
    match random.randrange(9):
        case 0:
            return content[:at]
        case 1 | 2:
            flipped = bytes(byte ^ (1 << random.randrange(8)) for byte in content[at : at + 1])
            return content[:at] + flipped + content[at + 1 :]
        case 3:
            return content[:at] + content[at + length :]
        case 4:
            return content[:at] + content[at : at + length] * random.choice((2, 3, 50)) + content[at + length :]
        case 5:
            word = words.any(random).encode("utf-8", "surrogatepass")
            return content[:at] + word + content[at:]
        case 6:
            number = random.choice(
                (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
            )
            raw = number.to_bytes(8, random.choice(("big", "little")))
            width = random.choice((2, 4, 8))
            piece = raw[-width:] if raw[0] == 0 or random.random() < 0.5 else raw[:width]
            return content[:at] + piece + content[at + width :]
        case 7:
            return content[:at] + random.randbytes(length or 4) + content[at + length :]
        case _:
            other = random.randrange(len(content) + 1)
            return content[:at] + content[other : other + length * 4] + content[at:]


# Lines ------------------------------------------------------------------------------------------------------


def damage_lines(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in a text of lines: `key = value`, `Key: value`, or words."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    at = random.randrange(len(lines))
    word = words.any(random)
    match random.randrange(9):
        case 0:
            del lines[at]
        case 1:
            lines[at:at] = [lines[at]] * random.choice((1, 2, 1000))
        case 2:
            lines[at], other = lines[random.randrange(len(lines))], lines[at]
            lines.append(other)
        case 3:
            lines.insert(at, word)
        case 4 | 5:
            lines[at] = re.sub(r"([=:>]\s*).*", lambda found: found[1] + word, lines[at], count=1, flags=re.DOTALL)
        case 6:
            place = random.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place] + word + lines[at][place:]
        case 7:
            found = list(re.finditer(r"[\w.+-]+", lines[at]))
            if found:
                one = random.choice(found)
                lines[at] = lines[at][: one.start()] + word + lines[at][one.end() :]
        case _:
            lines[at] = random.choice((" ", "\t", "[", "#")) + lines[at]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


# Values: JSON, TOML, YAML -----------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _places(inner, (*path, at))


def _another(random: Random, words: Words, old: Any) -> Any:
    """Something else in the place of a value."""
    choice = random.random()
    if choice < 0.4:
        return random.choice(VALUES)
    if choice < 0.8:
        return words.any(random)
    if choice < 0.84:
        return _DEEP_MARK
    if choice < 0.9:
        return [old]
    if choice < 0.95:
        return {"x": old}
    return [old] * random.choice((2, 500))


def damage_value(value: Any, random: Random, words: Words) -> Any:
    """The value with one fault in it. It is changed in place where that is possible."""
    places = list(_places(value))
    if not places or random.random() < 0.02:
        return _another(random, words, value)
    *way, key = random.choice(places)
    holder = value
    for step in way:
        holder = holder[step]
    old = holder[key]
    match random.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[words.any(random)] = holder.pop(key)
        case 1:
            holder.insert(key, old)
        case 2 if isinstance(old, str):
            place = random.randrange(len(old) + 1)
            holder[key] = old[:place] + words.any(random) + old[place:]
        case 3 if isinstance(holder, dict):
            holder[words.any(random)] = _another(random, words, old)
        case _:
            holder[key] = _another(random, words, old)
    return value


def damage_json(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in a JSON document."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return damage_bytes(content, random, words)
    text = json.dumps(damage_value(value, random, words), ensure_ascii=random.random() < 0.8)
    text = text.replace(f'"{_DEEP_MARK}"', "[" * DEEP + "]" * DEEP if random.random() < 0.7 else "[" * DEEP)
    return text.encode("utf-8", "surrogatepass")


def _toml_text(text: str) -> str:
    escaped = "".join(
        one if " " <= one != "\x7f" and one not in '"\\' else f"\\u{ord(one):04x}" if ord(one) < 0x10000 else one
        for one in text
    )
    return f'"{escaped}"'


def _toml_value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return '"null"'
        case float():
            return (
                "nan" if math.isnan(value) else f"{'-' if value < 0 else ''}inf" if math.isinf(value) else repr(value)
            )
        case int():
            return str(value)
        case str():
            return _toml_text(value)
        case list():
            return f"[{', '.join(map(_toml_value, value))}]"
        case dict():
            return f"{{ {', '.join(f'{_toml_text(str(key))} = {_toml_value(one)}' for key, one in value.items())} }}"
    return f'"{value}"'


def dump_toml(table: dict[str, Any]) -> str:
    """The table as TOML, all below the first level written inline."""
    return "".join(f"{_toml_text(str(key))} = {_toml_value(value)}\n" for key, value in table.items())


def damage_toml(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in a TOML document."""
    import tomllib

    try:
        value = tomllib.loads(content.decode())
    except (ValueError, RecursionError):
        return damage_lines(content, random, words)
    damaged = damage_value(value, random, words)
    if not isinstance(damaged, dict):
        damaged = {"x": damaged}
    text = dump_toml(damaged)
    opened, closed = random.choice((("[", "]"), ("{a=", "}")))
    text = text.replace(f'"{_DEEP_MARK}"', opened * DEEP + ("1" if opened != "[" else "") + closed * DEEP)
    return text.encode("utf-8", "surrogatepass")


def damage_yaml(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in a YAML stream."""
    if b"&b1" in content:
        # It was made to be endless for whoever follows its aliases: this must not.
        return damage_bytes(content, random, words)
    try:
        documents = list(yaml.safe_load_all(content))
    except (yaml.YAMLError, ValueError, RecursionError):
        return damage_lines(content, random, words)
    at = random.randrange(len(documents))
    if random.random() < 0.1:
        nine = ", ".join(["*b"] * 9)
        levels = "".join(
            f"b{n}: &b{n} [{nine.replace('b', f'b{n - 1}')}]\n" for n in range(1, random.choice((3, 12)))
        )
        return b"---\nb0: &b0 [x]\n" + levels.encode() + content
    documents[at] = damage_value(documents[at], random, words)
    try:
        text = yaml.safe_dump_all(documents, allow_unicode=random.random() < 0.5)
    except (yaml.YAMLError, UnicodeError, RecursionError):
        return damage_lines(content, random, words)
    return text.replace(_DEEP_MARK, "[" * 3_000 + "]" * 3_000).encode("utf-8", "surrogatepass")


# Elements ---------------------------------------------------------------------------------------------------

_NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_DOCTYPES = (
    '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>',
    '<!DOCTYPE r SYSTEM "file:///etc/passwd">',
    '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
)


def damage_xml(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in an XML document."""
    try:
        top = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
        return damage_bytes(content, random, words)
    if random.random() < 0.06:
        return _damage_xml_text(content, random, words)

    def word() -> str:
        text = words.any(random)
        return text if random.random() < 0.03 else _NOT_XML.sub("", text)

    parents = [element for element in top.iter() if len(element)]
    parent = random.choice(parents) if parents else top
    at = random.randrange(len(parent) or 1)
    child = parent[at] if len(parent) else parent
    match random.randrange(12):
        case 0 if child is not parent:
            parent.remove(child)
        case 1 if child is not parent:
            parent[at:at] = [child] * random.choice((1, 2, 300))
        case 2 if child is not parent:
            wrapper = ElementTree.Element(child.tag, child.attrib)
            wrapper.append(child)
            parent[at] = wrapper
        case 3:
            child.tag = random.choice(("x", "name", "package", "{urn:x}y", child.tag.rpartition("}")[2] or "x"))
        case 4 | 5 | 6 | 7 if child.attrib or random.random() < 0.5:
            names = list(child.attrib)
            name = random.choice(names) if names else random.choice(("name", "ver", "type", "href"))
            if random.random() < 0.2:
                child.attrib.pop(name, None)
            else:
                child.set(name, word())
        case 8:
            child.text = (child.text or "") + word()
        case 9:
            child.set("{http://www.w3.org/XML/1998/namespace}base", word())
        case 10:
            for inner in list(child):
                child.remove(inner)
        case _:
            child.text = word()
    text = ElementTree.tostring(top, encoding="unicode")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode("utf-8", "surrogatepass")


def _damage_xml_text(content: bytes, random: Random, words: Words) -> bytes:
    body = re.sub(rb"<\?xml[^>]*\?>\s*", b"", content)
    match random.randrange(5):
        case 0:
            return random.choice(_DOCTYPES).encode() + re.sub(rb">([^<]+)<", b">&a;<", body, count=1)
        case 1:
            name = random.choice(("utf-16", "latin-1", "x-none", "utf-7", "ascii", "cp037")).encode()
            return b'<?xml version="1.0" encoding="' + name + b'"?>' + body
        case 2:
            return body.replace(b"</", b"<a>" * DEEP + b"</a>" * DEEP + b"</", 1)
        case 3:
            number = random.choice((b"&#0;", b"&#x9b;", b"&#x202e;", b"&#10;", b"&#xd800;", b"&#x110000;", b"&x;"))
            return re.sub(rb">([^<]*)</", b">\\1" + number + b"</", body, count=random.randint(1, 5))
        case _:
            return content.decode("utf-8", "replace").encode(random.choice(("utf-16", "utf-32", "utf-8-sig")))


def damage_html(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in an HTML page of links."""
    text = content.decode("utf-8", "surrogateescape")
    found = list(re.finditer(r'"[^"]*"|<[^>]*>|[^<>"]+', text))
    if not found or random.random() < 0.1:
        return damage_bytes(content, random, words)
    one = random.choice(found)
    word = words.any(random)
    quoted = one[0].startswith('"')
    new = random.choice(
        (
            f'"{word}"' if quoted else word,
            one[0] * random.choice((2, 2000)),
            "",
            f'<base href="{word}">' + one[0] if not quoted else f'"{one[0][1:-1]}#{word}"',
            f'<a href="{word}">{word}</a>' + one[0] if not quoted else f'"{word}{one[0][1:]}',
        )
    )
    return (text[: one.start()] + new + text[one.end() :]).encode("utf-8", "surrogatepass")


# Archives ---------------------------------------------------------------------------------------------------

Form = Callable[[bytes, Random, Words], bytes]
_BY_SUFFIX: dict[str, Form] = {
    "json": damage_json,
    "toml": damage_toml,
    "xml": damage_xml,
    "yaml": damage_yaml,
    "sqlite": damage_bytes,
    "so": damage_bytes,
    "gz": damage_bytes,
    "zst": damage_bytes,
    "pyc": damage_bytes,
}


def form_of(name: str) -> Form:
    """The form of a file by its name: lines where nothing better is known."""
    return _BY_SUFFIX.get(name.rpartition(".")[2], damage_lines)


@dataclass(slots=True)
class Member:
    """A member of a tar archive, or a file of a folder: one that can be anything."""

    info: tarfile.TarInfo
    content: bytes


def read_tar(content: bytes) -> list[Member]:
    """The members of a tar archive, whatever compresses it."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [
            Member(info, (archive.extractfile(info) or io.BytesIO()).read() if info.isreg() else b"")
            for info in archive
        ]


def write_tar(members: Sequence[Member], compression: str = "") -> bytes:
    """A tar archive of the members; sizes in their headers that lie are kept."""
    stream = io.BytesIO()
    for member in members:
        info = member.info
        stream.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        stream.write(member.content + bytes(-len(member.content) % 512))
    stream.write(bytes(1024))
    raw = stream.getvalue()
    compress: dict[str, Callable[[bytes], bytes]] = {
        "gz": lambda data: gzip.compress(data, 1, mtime=0),
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "": bytes,
    }
    return compress[compression](raw)


def tar_of(files: dict[str, bytes], compression: str = "") -> bytes:
    """A tar archive of these files."""
    members = []
    for name, content in files.items():
        info = tarfile.TarInfo(name)
        info.size, info.mtime = len(content), 1_700_000_000
        members.append(Member(info, content))
    return write_tar(members, compression)


def _compression(content: bytes) -> str:
    for name, magic in (("gz", b"\x1f\x8b"), ("bz2", b"BZh"), ("xz", b"\xfd7zXZ")):
        if content.startswith(magic):
            return name
    return ""


def damage_tar(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in a tar archive: in a member, in its header, or in what is around it."""
    try:
        members = read_tar(content)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError, zlib.error, MemoryError, ValueError):
        # A size in a header that a damage before this one made can be any.
        return damage_bytes(content, random, words)
    if not members or random.random() < 0.1:
        return damage_bytes(content, random, words)
    member = random.choice(members)
    info = member.info
    match random.randrange(10):
        case 0:
            members.remove(member)
        case 1:
            members.insert(random.randrange(len(members)), Member(_copy(info), member.content))
        case 2:
            info.name = _file_name(random, words, info.name)
        case 3:
            info.type = random.choice(
                (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE)
            )
            info.linkname = random.choice(
                (f"{words.canary}/secret.txt", "/dev/zero", "/etc/passwd", "../" * 9 + "etc/passwd", info.name, "x")
            )
            info.devmajor, info.devminor = 1, 5
            info.size, member.content = 0, b""
        case 4:
            info.size = random.choice((0, 1, info.size + 1, info.size + 10_000, 2**33, 2**40))
        case 5:
            info.mode = random.choice((0, 0o4777, 0o777, 0o7777))
            info.mtime = random.choice((-1, 0, 2**40, 1.5))
        case _ if info.isreg():
            member.content = form_of(info.name)(member.content, random, words)
            info.size = len(member.content)
    try:
        return write_tar(members, _compression(content))
    except (ValueError, OverflowError, UnicodeError):
        return damage_bytes(content, random, words)


def _copy(info: tarfile.TarInfo) -> tarfile.TarInfo:
    return tarfile.TarInfo.frombuf(info.tobuf(tarfile.GNU_FORMAT), "utf-8", "surrogateescape")


def _file_name(random: Random, words: Words, old: str) -> str:
    word = words.any(random).replace("\0", "")[:300] or "x"
    folder = old.rpartition("/")[0]
    return random.choice((word, f"{folder}/{word}", f"/{old}", f"../{old}", f"{old}/{word}", old.upper()))


def damage_zip(content: bytes, random: Random, words: Words) -> bytes:
    """A fault in a zip archive: in a member, its name, or the bytes around it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError):
        return damage_bytes(content, random, words)
    except Exception:  # what a damaged stream raises is zlib's, lzma's or bz2's own
        return damage_bytes(content, random, words)
    if not members or random.random() < 0.3:
        return damage_bytes(content, random, words)
    at = random.randrange(len(members))
    name, inner = members[at]
    match random.randrange(6):
        case 0:
            del members[at]
        case 1:
            members.insert(at, (name, inner))
        case 2:
            members[at] = (_file_name(random, words, name), inner)
        case 3:
            members.extend((f"x{n}", b"") for n in range(random.choice((10, 2000))))
        case _:
            members[at] = (name, form_of(name)(inner, random, words))
    return write_zip(members)


def write_zip(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A zip archive of the members, two of one name included."""
    stream = io.BytesIO()
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, inner in members:
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode()[:60_000] or "x", (2023, 11, 14, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, inner)
    return stream.getvalue()


# All forms --------------------------------------------------------------------------------------------------


def damaged(document: bytes, form: Form, random: Random, words: Words) -> bytes:
    """The document with one to four faults."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        step = damage_bytes if random.random() < 0.12 else form
        try:
            document = step(document, random, words)
        except (RecursionError, ValueError, OverflowError):
            # What an earlier fault made of the document, its own form can no longer be written in.
            document = damage_bytes(document, random, words)
    return document


def smaller(document: bytes, fails: Callable[[bytes], bool], attempts: int = 14) -> bytes:
    """A shorter document that still fails, found by leaving out lines, then bytes; at most so many attempts."""
    for unit in (b"\n", b""):
        pieces = document.split(unit) if unit else [document[at : at + 1] for at in range(len(document))]
        if not unit and len(document) > 2_000:
            break
        size = max(1, len(pieces) // 2)
        while size >= 1 and attempts > 0:
            at = 0
            while at < len(pieces) and attempts > 0:
                attempts -= 1
                fewer = pieces[:at] + pieces[at + size :]
                if fewer and fails(unit.join(fewer)):
                    pieces = fewer
                else:
                    at += size
            size //= 2
        document = unit.join(pieces)
    return document
