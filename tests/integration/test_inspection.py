"""Real packages examined: sound ones compared with rpm and readelf, and one for each thing that may be wrong."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rpms import CROSS, Rpm, compiled, lacks
from srpms import run

from ppcdeps.building.publishing.defects import DefectSeverity, PackageDefect
from ppcdeps.building.publishing.elf import LongDouble
from ppcdeps.building.publishing.expectations import Expected, expected_of, satisfies
from ppcdeps.building.publishing.inspection import (
    Inspection,
    inspect_rpm,
    inspect_set,
)
from ppcdeps.model.capability import parse_requirement
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Requirer, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.rpm.header import check_digests, read_header

pytestmark = pytest.mark.skipif(bool(lacks()), reason=lacks())

LIBRARY = """#include <stdio.h>
void sample(long double x) { printf("%Lf", x); }
"""
SONAME = ("-shared", "-fPIC", "-Wl,-soname,libsample.so.3")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compiled(tmp_path_factory.mktemp("library"), LIBRARY, *SONAME)


@pytest.fixture(scope="module")
def sample(library: bytes) -> Rpm:
    return Rpm(files={"/usr/lib64/libsample.so.3": library, "/usr/share/doc/sample": b"read me\n"})


@pytest.fixture(scope="module")
def sound(sample: Rpm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("sound"))


Examine = Callable[..., Inspection]


@pytest.fixture
def examine(sample: Rpm, tmp_path: Path) -> Examine:
    """Builds the sample with changes and examines it."""

    def examined(*private: str, **changes: object) -> Inspection:
        made = replace(sample, **changes).build(tmp_path)  # type: ignore[arg-type]
        return inspect_rpm(made, "ppc64le", private)

    return examined


def texts(inspection: Inspection, severity: DefectSeverity = DefectSeverity.ERROR) -> list[str]:
    return [str(one) for one in inspection.defects if one.severity is severity]


def test_what_is_seen_of_a_sound_package_is_what_rpm_says(sound: Path) -> None:
    seen = inspect_rpm(sound, "ppc64le")
    assert seen.defects == () and seen.is_sound
    assert str(seen.nevra) == run("rpm", "-qp", "--qf", "%{NEVRA}", str(sound))
    header = read_header(sound)
    assert list(header.requires) == run("rpm", "-qp", "--requires", str(sound)).splitlines()
    assert list(seen.provides) == run("rpm", "-qp", "--provides", str(sound)).splitlines()
    assert list(seen.files) == run("rpm", "-qpl", str(sound)).splitlines()
    assert header.size == int(run("rpm", "-qp", "--qf", "%{SIZE}", str(sound)))
    assert (header.license, header.source) == ("MIT", "sample-1.0-1.src.rpm")
    (elf,) = seen.elf
    assert elf.path == "/usr/lib64/libsample.so.3"
    assert (elf.elf.soname, elf.elf.needed) == ("libsample.so.3", ("libc.so.6",))
    assert seen.glibc == "2.17"
    assert seen.long_double is LongDouble.IBM


@pytest.mark.parametrize("payload", ["w9.gzdio", "w2.xzdio", "w9.bzdio", "w3.zstdio"])
def test_every_compression_of_payloads_is_read(payload: str, sample: Rpm, tmp_path: Path) -> None:
    seen = inspect_rpm(replace(sample, payload=payload).build(tmp_path), "ppc64le")
    assert seen.is_sound and len(seen.elf) == 1


@pytest.mark.parametrize(
    "name", ["it's", 'a"b', "back\\slash", "a[b]", "a*b", "a{b,c}", "100%{nil}", "%(touch made)"]
)
def test_a_package_lies_where_it_lies(
    name: str, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / name
    place.mkdir()
    package = Path(shutil.copy(sound, place / f"{name}.rpm"))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.chdir(tmp_path)
    assert inspect_rpm(package, "ppc64le").nevra == read_header(sound).nevra
    check_digests(package)
    assert list(tmp_path.iterdir()) == [place]
    assert list(place.iterdir()) == [package]


def test_a_package_for_another_architecture(sound: Path) -> None:
    seen = inspect_rpm(sound, "aarch64")
    assert any("it is for ppc64le, not for aarch64" in text for text in texts(seen))
    assert any("is not for aarch64: machine PPC64, not AARCH64" in text for text in texts(seen))


def test_a_program_of_x86_in_a_package_for_power(examine: Examine, tmp_path: Path) -> None:
    program = Path(shutil.which("rpm") or "").read_bytes()
    if program[18] != 62:
        pytest.skip("needs an x86_64 machine")
    found = texts(examine(files={"/usr/bin/sample": program}))
    assert any("/usr/bin/sample: is not for ppc64le: machine X86_64, not PPC64" in text for text in found)
    assert any("(GLIBC_2.2.5)(64bit): glibc for ppc64le begins with 2.17" in text for text in found)


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("ld-linux-x86-64.so.2()(64bit)", "that is the loader of x86_64"),
        ("libc.so.6(GLIBC_2.2.5)(64bit)", "glibc for ppc64le begins with 2.17"),
        ("python3(x86-64)", "(x86-64) is the marker of x86_64"),
    ],
)
def test_requirements_that_prove_another_architecture(requirement: str, reason: str, examine: Examine) -> None:
    (found,) = texts(examine(tags=[f"Requires: {requirement}"]))
    assert f"requires {requirement}: {reason}" in found


def test_big_endian_and_the_old_abi(examine: Examine, library: bytes) -> None:
    old = bytearray(library)
    old[48] = 1
    (found,) = texts(examine(files={"/usr/lib64/libsample.so.3": bytes(old)}))
    assert "is not for ppc64le: ABI version 1, not 2" in found


def test_programs_in_noarch_packages_and_firmware_that_is_only_handed_on(examine: Examine, library: bytes) -> None:
    files = {"/usr/lib64/libsample.so.3": library, "/usr/share/qemu/openbios-ppc": library}
    seen = examine(arch="noarch", files=files, tags=["AutoReqProv: no"])
    (error,) = texts(seen)
    (warning,) = texts(seen, DefectSeverity.WARNING)
    assert "/usr/lib64/libsample.so.3: is an ELF file (PPC64) in a noarch package" in error
    assert "/usr/share/qemu/openbios-ppc: is an ELF file" in warning


def test_static_libraries_are_looked_into(examine: Examine, tmp_path: Path) -> None:
    if shutil.which("gcc") is None or run("gcc", "-dumpmachine").startswith("powerpc"):
        pytest.skip("needs a compiler for another machine than POWER")
    compiled(tmp_path / "c", LIBRARY, "-c", compiler="gcc")
    run("ar", "rc", str(tmp_path / "libsample.a"), str(tmp_path / "c/made"))
    (found,) = texts(examine(files={"/usr/lib64/libsample.a": (tmp_path / "libsample.a").read_bytes()}))
    assert "/usr/lib64/libsample.a(made): is not for ppc64le" in found
    compiled(tmp_path / "p", LIBRARY, "-c")
    run(f"{CROSS}ar", "rc", str(tmp_path / "good.a"), str(tmp_path / "p/made"))
    shutil.rmtree(tmp_path / "files")
    shutil.rmtree(tmp_path / "top")
    assert texts(examine(files={"/usr/lib64/libsample.a": (tmp_path / "good.a").read_bytes()})) == []


def test_nothing_of_the_building_machine_is_inside(examine: Examine) -> None:
    seen = examine(
        "/home/maple/work",
        "maple.example",
        "somewhere.else",
        host="maple.example",
        files={
            "/usr/bin/a": b"#!/bin/sh\ncd /home/maple/work/x\n",
            "/usr/bin/b": b"/build/BUILDROOT/sample-1.0/usr",
            "/usr/bin/c": b"/build/BUILD/sample-1.0/a.c",
        },
        tags=["AutoReqProv: no"],
    )
    assert [text.partition(": ")[2] for text in texts(seen)] == [
        "the package's header: names maple.example, which is of the machine that built it",
        "/usr/bin/a: names /home/maple/work, which is of the machine that built it",
        "/usr/bin/b: names /build/BUILDROOT, where the build staged its files",
    ]
    (warning,) = texts(seen, DefectSeverity.WARNING)
    assert warning.endswith("the folder /build/BUILD of the build is named in /usr/bin/c")


def test_a_machine_with_a_common_name_is_reported_only_where_it_built(examine: Examine) -> None:
    seen = examine("sample", "power", host="power", files={"/usr/share/a": b"sample of power"}, arch="noarch")
    (found,) = texts(seen)
    assert "the package's header: names power, which is of the machine that built it" in found


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("/usr/lib64/sample", None),
        ("$ORIGIN", None),
        ("$ORIGIN/../lib64/sample", None),
        ("$ORIGIN/../../tmp", DefectSeverity.ERROR),
        ("/opt/sample/lib", DefectSeverity.WARNING),
        ("/build/BUILD/sample/.libs", DefectSeverity.ERROR),
        ("lib", DefectSeverity.ERROR),
        ("/srv/private/lib", DefectSeverity.ERROR),
    ],
)
def test_where_programs_look_for_libraries(
    path: str, severity: DefectSeverity | None, examine: Examine, tmp_path: Path
) -> None:
    content = compiled(tmp_path / "c", LIBRARY, *SONAME, f"-Wl,-rpath,{path}")
    seen = examine(files={"/usr/lib64/libsample.so.3": content})
    found = [one.severity for one in seen.defects if "RPATH" in one.text]
    if path.startswith("/srv"):
        made = next((tmp_path / "top/RPMS").rglob("*.rpm"))
        found = [
            one.severity
            for one in inspect_rpm(made, "ppc64le", private=("/srv/private",)).defects
            if "RPATH" in one.text
        ]
    assert found == ([severity] if severity else [])


def test_what_the_plan_expects(sound: Path) -> None:
    expected = Expected(
        packages=("sample", "sample-devel"),
        provides=(
            "libsample.so.3()(64bit)",
            "libsample.so.4()(64bit)",
            "sample >= 1.0",
            "sample >= 2",
            "/usr/share/doc/sample",
            "(sample and libsample.so.3()(64bit))",
        ),
    )
    seen = inspect_set([sound], "ppc64le", expected)
    assert [str(one) for one in seen.all_defects] == [
        "the plan expects the package sample-devel, and the build made none",
        "the plan expects libsample.so.4()(64bit), and none of the packages provides it",
        "the plan expects sample >= 2, and none of the packages provides it; they provide sample = 1.0-1",
    ]
    assert not seen.is_sound and seen.glibc == "2.17"
    assert inspect_set([sound], "ppc64le", Expected(("sample",))).is_sound
    assert not inspect_set([sound], "ppc64le", Expected(("other",))).is_sound


def test_what_a_plan_asks_of_a_source() -> None:
    def gap(
        name: str, source: str | None, wanted: str, *requirers: tuple[str, str], kind: GapKind = GapKind.RPM
    ) -> Gap:
        asked = tuple(Requirer(*one) for one in requirers)
        package = Nevra.parse(wanted) if kind is GapKind.RPM else wanted
        return Gap(name, kind, Cause.ABSENT, Phase.RUN, (package,), asked, Route(RouteKind.REBUILD), source)

    gaps = [
        gap(
            "sample",
            "sample",
            "sample-2:1-1.el9.ppc64le",
            ("libsample.so.3()(64bit)", "user-1-1.ppc64le"),
            ("sample >= 1", "workload"),
            ("sample = 2:1-1.el9", "sample-devel-1-1.el9.ppc64le"),
        ),
        gap("sample", "sample", "sample-devel-2:1-1.el9.ppc64le", ("/usr/bin/sample", "user-1-1.ppc64le")),
        gap("other", "other", "other-1-1.ppc64le", ("other", "user-1-1.ppc64le")),
        gap("sample", None, "sample==1", ("sample", "pip"), kind=GapKind.PYTHON),
    ]
    assert expected_of(gaps, "sample") == Expected(
        ("sample", "sample-devel"), ("libsample.so.3()(64bit)", "sample >= 1", "/usr/bin/sample")
    )
    assert expected_of(gaps, "nothing") == Expected()


@pytest.mark.parametrize(
    ("provide", "wanted", "is_met"),
    [
        ("a", "a >= 7", True),
        ("a = 1.0-3", "a = 1.0", True),
        ("a = 1.0-3", "a = 1.0-2", False),
        ("a = 1:1.0-3", "a > 7", True),
        ("a = 1.0~rc1", "a >= 1.0", False),
        ("a = 2.34", "a < 2.4", False),
        ("a = 1", "(b or a > 0)", True),
        ("a = 1", "(a with b)", False),
        ("a = 1", "(b if c)", True),
    ],
)
def test_provides_answer_requirements_as_rpm_judges(provide: str, wanted: str, is_met: bool) -> None:
    assert satisfies(provide, parse_requirement(wanted)) is is_met


def test_two_formats_of_long_double_in_one_set(sample: Rpm, sound: Path, tmp_path: Path) -> None:
    other = compiled(tmp_path, LIBRARY, "-shared", "-fPIC", "-mabi=ieeelongdouble", "-Wno-psabi")
    made = replace(sample, name="other", files={"/usr/lib64/libother.so": other}).build(tmp_path / "other")
    seen = inspect_set([sound, made], "ppc64le")
    assert [one.long_double for one in seen.packages] == [LongDouble.IEEE, LongDouble.IBM]
    assert seen.is_sound and "IBM and some IEEE 128" in str(seen.defects[0])
    assert seen.glibc == "2.32"


def test_damaged_packages_are_findings(sound: Path, tmp_path: Path) -> None:
    whole = sound.read_bytes()
    for name, content in {
        "empty.rpm": b"",
        "text.rpm": b"not a package\n",
        "short.rpm": whole[: len(whole) // 2],
        "lead.rpm": whole[:100],
        "flipped.rpm": whole[:-40] + bytes(255 - byte for byte in whole[-40:-30]) + whole[-30:],
    }.items():
        (tmp_path / name).write_bytes(content)
        seen = inspect_rpm(tmp_path / name, "ppc64le")
        assert not seen.is_sound, name
        assert all(one.package == name and "\n" not in one.text for one in seen.defects)
    assert not inspect_rpm(tmp_path / "absent.rpm", "ppc64le").is_sound


def test_a_source_package_is_none_to_install(sample: Rpm, tmp_path: Path) -> None:
    sample.build(tmp_path)
    run("rpmbuild", "-bs", "--define", f"_topdir {tmp_path / 'top'}", str(tmp_path / "sample.spec"))
    (source,) = (tmp_path / "top/SRPMS").glob("*.rpm")
    assert "it is a source package" in str(inspect_rpm(source, "ppc64le").defects[0])


def test_an_unknown_architecture_and_a_machine_without_rpm(
    sound: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="its ABI is not known"):
        inspect_rpm(sound, "m68k")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacksError, match="rpm is not installed"):
        inspect_rpm(sound, "ppc64le")


def test_findings_say_where() -> None:
    assert str(PackageDefect(DefectSeverity.ERROR, "is bad", "a.rpm", "/usr/bin/a")) == "a.rpm: /usr/bin/a: is bad"
    assert str(PackageDefect(DefectSeverity.ERROR, "is bad")) == "is bad"
