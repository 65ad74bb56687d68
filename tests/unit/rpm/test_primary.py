"""primary.xml cut into packages."""

import io

import pytest

from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import RepositoryError
from ppcdeps.rpm.paths import answered_by_primary
from ppcdeps.rpm.primary import cut_primary, select

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common"'
    ' xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{count}">\n'
)


def _package(name: str, arch: str, *requires: str) -> str:
    entries = "".join(f'<rpm:entry name="{one}"/>' for one in requires)
    return (
        f'<package type="rpm"><name>{name}</name><arch>{arch}</arch><version epoch="0" ver="1" rel="1"/>'
        f"<format><rpm:sourcerpm>src-of-{name}-1-1.src.rpm</rpm:sourcerpm>"
        f"<rpm:requires>{entries}</rpm:requires></format></package>\n"
    )


def _document(*packages: str, count: int | None = None) -> io.BytesIO:
    return io.BytesIO(_content(*packages, count=count))


def _content(*packages: str, count: int | None = None) -> bytes:
    return (
        HEAD.format(count=len(packages) if count is None else count) + "".join(packages) + "</metadata>\n"
    ).encode()


def test_packages_come_in_one_order_whatever_the_documents_order() -> None:
    one, two = _package("a", "noarch"), _package("b", "noarch")
    assert cut_primary(_document(one, two), "x") == cut_primary(_document(two, one), "x")


def test_select_takes_the_architectures_asked_for_and_maps_sources() -> None:
    packages = cut_primary(
        _document(
            _package("a", "x86_64"), _package("b", "noarch"), _package("c", "i686"), _package("d", "x86_64_v2")
        ),
        "x",
    )
    cut = select(packages, ["x86_64"])
    assert cut.identities == ["a-1-1.x86_64", "d-1-1.x86_64_v2"]
    assert cut.sources == {"src-of-a": [0], "src-of-d": [1]}
    assert b'packages="2"' in cut.document


def test_paths_are_those_that_dependencies_name_in_boolean_ones_too() -> None:
    wanted = (
        "/usr/bin/x",
        "/etc/y",
        "/usr/lib/sendmail",
        "/usr/lib64/z.so",
        "(/usr/share/w if (a or /opt/v))",
        "plain",
    )
    cut = select(cut_primary(_document(_package("a", "noarch", *wanted)), "x"), ["noarch"])
    assert cut.paths == sorted(["/opt/v", "/usr/share/w", *wanted[:4]])


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        *((path, True) for path in ("/etc/x", "/usr/bin/x", "/opt/a/sbin/x", "/usr/lib/sendmail")),
        *((path, False) for path in ("/usr/lib/sendmail.d", "/usr/lib64/x.so", "/usr/etc/x")),
    ],
)
def test_what_primary_lists(path: str, listed: bool) -> None:
    assert answered_by_primary(path) is listed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html><body>404</body></html>", "is not package metadata"),
        (b"", "is not package metadata"),
        (_content(_package("a", "noarch"), count=2), "1 of 2 packages"),
        (_content(_package("a", "noarch"))[:-14], "cut short or damaged"),
    ],
)
def test_what_is_not_whole_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(RepositoryError, match=message):
        cut_primary(io.BytesIO(content), "x")


ENTRY = '<rpm:entry name="b" flags="GE" epoch="0" ver="1" rel="2"/>'


@pytest.mark.parametrize(
    "entry",
    [
        *(ENTRY, ENTRY.replace("/>", ' pre="1"/>'), ENTRY.replace("/>", "\n/>"), ENTRY.replace(' rel="2"', "")),
        *(
            '<rpm:entry pre="1" name="b"/>',
            '<rpm:entry ver="1" flags="EQ" name="b"/>',
            '<rpm:entry name="b"></rpm:entry>',
        ),
    ],
)
def test_an_entry_may_have_its_attributes_in_any_order(entry: str) -> None:
    assert cut_primary(_document(_package("a", "noarch").replace("<rpm:requires>", f"<rpm:requires>{entry}")), "x")


@pytest.mark.parametrize(
    "entry",
    [
        *('<rpm:entry name=""/>', "<rpm:entry name='b'/>", "<rpm:entry name=b/>", ENTRY.replace("GE", "NE")),
        *(ENTRY.replace('ver="1"', 'ver="1 2"'), ENTRY.replace('epoch="0"', 'epoch="x"'), ENTRY + ENTRY[:-1]),
    ],
)
def test_an_entry_that_rpm_would_not_write_is_refused(entry: str) -> None:
    wrong = _package("a", "noarch", "first").replace("</rpm:requires>", f"{entry}</rpm:requires>")
    with pytest.raises(RepositoryError, match="a dependency of a "):
        cut_primary(_document(wrong), "x")


@pytest.mark.parametrize("before", [0, 1, CEILINGS.metadata_name // 2])
def test_a_name_has_a_ceiling_wherever_it_lies_and_a_description_has_none(before: int) -> None:
    most = CEILINGS.metadata_name
    text = _package("a", "noarch", "n" * most).replace(
        "<format>", f"<description>{'d' * before}</description><format>"
    )
    assert cut_primary(_document(text), "x")
    assert cut_primary(_document(text.replace("</description>", f"{'d' * 2 * most}</description>")), "x")
    with pytest.raises(RepositoryError, match="has a name of more than"):
        cut_primary(_document(text.replace("nnn", "nnnn", 1)), "x")


def test_a_name_that_rpm_makes_and_that_is_not_taken_is_named_with_the_reason() -> None:
    with pytest.raises(RepositoryError, match=r'a name that is not taken, as it goes into specs.*: "a%b"; leave'):
        cut_primary(_document(_package("a%b", "noarch")), "x")
