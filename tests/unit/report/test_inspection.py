"""Inspections as text and as JSON."""

import json

from ppcdeps.building.publishing.elf import ElfFacts, LongDouble
from ppcdeps.building.publishing.inspection import Finding, Inspection, SetInspection, Severity
from ppcdeps.model.nevra import Nevra
from ppcdeps.report.inspection import dump_inspection, render_inspection
from ppcdeps.rpm.elf import Elf

ELF = ElfFacts("/usr/lib64/liba.so.1", Elf("dyn", "EM_PPC64", 64, True, 2, "liba.so.1"), LongDouble.IBM)
LIBRARY = Inspection(
    "a-libs-1-2.ppc64le.rpm",
    Nevra("a-libs", 1, "1", "2", "ppc64le"),
    files=("/usr/lib64/liba.so.1", "/usr/share/doc/a"),
    elf=(ELF,),
    glibc="2.34",
    long_double=LongDouble.IBM,
    findings=(
        Finding(Severity.WARNING, "uses what it should not", "a-libs-1-2.ppc64le.rpm", "/usr/lib64/liba.so.1"),
    ),
)
BROKEN = Inspection("b.rpm", findings=(Finding(Severity.ERROR, "b.rpm is no RPM package", "b.rpm"),) * 2)
SEEN = SetInspection((LIBRARY, BROKEN), (Finding(Severity.ERROR, "the plan expects the package a-devel"),))


def test_the_table_has_a_row_a_package_and_findings_with_errors_first() -> None:
    assert render_inspection(SEEN).splitlines() == [
        "PACKAGE       ARCH     FILES  ELF  GLIBC  LONG DOUBLE  FINDINGS",
        "a-libs-1:1-2  ppc64le  2      1    2.34   ibm          1 warning",
        "b.rpm         -        -      -    -      -            2 errors",
        "error: the plan expects the package a-devel",
        "error: b.rpm: b.rpm is no RPM package",
        "error: b.rpm: b.rpm is no RPM package",
        "warning: a-libs-1-2.ppc64le.rpm: /usr/lib64/liba.so.1: uses what it should not",
    ]


def test_json_has_all_that_the_table_shows() -> None:
    document = json.loads(dump_inspection(SEEN))
    assert (document["sound"], document["glibc"]) == (False, "2.34")
    first, second = document["packages"]
    assert first["nevra"] == "a-libs-1:1-2.ppc64le"
    assert first["elf"][0]["soname"] == "liba.so.1"
    assert first["findings"][0]["severity"] == "warning"
    assert (second["file"], second["nevra"]) == ("b.rpm", None)
