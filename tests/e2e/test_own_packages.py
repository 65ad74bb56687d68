"""Packages of one's own, as specs and source RPMs: what building and running them on ppc64le lacks."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from otherprograms import all_but
from program import Program
from rpmmd import Package, write_repository
from srpms import make_srpm

from ppcdeps.metadata.targets import load_target
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan_file import load_plan

lacking = [one for one in ("rpmspec", "rpmbuild", "bwrap") if shutil.which(one) is None]
pytestmark = pytest.mark.skipif(bool(lacking), reason=f"needs {', '.join(lacking)}")

HEAD = """\
Name: {name}
Version: {version}
Release: 1%{{?dist}}
Summary: A test
License: MIT
{preamble}
%description
A test.
{rest}
"""
LIBRARY = HEAD.format(
    name="hello",
    version="1.0",
    preamble="Source0: https://example.org/hello-%{version}.tar.gz\nPatch0: fix.patch\nBuildRequires: gcc",
    rest="""\
%package devel
Summary: Headers
Requires: %{name}%{?_isa} = %{version}-%{release}
%description devel
Headers.
%files
%{_libdir}/libhello.so.1*
%files devel
%{_libdir}/pkgconfig/*.pc
""",
)
PROGRAM = HEAD.format(
    name="greet",
    version="2:2.0",
    preamble="BuildRequires: gcc, pkgconfig(hello) >= 1.0\nRequires: bash\n%ifarch x86_64\nRequires: dmi\n%endif",
    rest="%files\n/usr/bin/greet\n",
).replace("Version: 2:2.0", "Epoch: 2\nVersion: 2.0")


@pytest.fixture
def base(ppcdeps: Program) -> tuple[str, ...]:
    """A target that has what every build needs, and bash."""
    names = {*load_target("centos-stream-9").build_packages, "bash"}
    packages = [Package(Nevra(name, 0, "1", "1", "ppc64le")) for name in sorted(names)]
    write_repository(ppcdeps.folder / "base", packages)
    return ("--repofrompath", "base,base")


def spec(ppcdeps: Program, name: str, text: str) -> str:
    path = ppcdeps.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return f"./{name}"


def plan(ppcdeps: Program, *words: str, code: int = 1) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ppcdeps("plan", *words, "--json", "-o", "p.json", code=code).out)
    return document


def gaps(document: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {gap["name"]: (gap["cause"], gap["phase"], gap["route"]["kind"]) for gap in document["gaps"]}


def test_what_a_spec_needs_and_nothing_has_is_a_gap(ppcdeps: Program, base: tuple[str, ...]) -> None:
    text = HEAD.format(
        name="app",
        version="1",
        preamble="BuildRequires: gcc, rare-devel\nRequires: rare-tool\n%ifarch x86_64\nBuildRequires: nasm\n%endif",
        rest="%files\n",
    )
    document = plan(ppcdeps, spec(ppcdeps, "app.spec", text), *base)
    assert gaps(document) == {
        "app": ("absent", "run", "rebuild"),
        "rare-tool": ("unknown", "run", "blocked"),
        "rare-devel": ("unknown", "build", "blocked"),
    }
    assert document["roots"] == ["app = 1"]
    (own,) = document["own"]
    assert (own["source"], own["file"], own["packages"]) == ("app", "./app.spec", ["app-1-1.el9.ppc64le"])
    assert any("nasm" in note for note in own["notes"])
    assert document["blocked_by"] == {"app": ["rare-devel"]}
    helps = {gap["name"]: gap["route"]["help"] for gap in document["gaps"]}
    assert "./app.spec" in helps["rare-devel"]


def test_packages_of_one_folder_satisfy_each_other_and_are_built_in_order(
    ppcdeps: Program, base: tuple[str, ...]
) -> None:
    """hello-devel will provide pkgconfig(hello): the name of its file follows from the pattern and the source."""
    spec(ppcdeps, "mine/hello.spec", LIBRARY)
    spec(ppcdeps, "mine/greet/greet.spec", PROGRAM)
    document = plan(ppcdeps, "./mine", *base)
    assert set(gaps(document)) == {"hello", "greet"}
    assert document["waves"] == [["hello"], ["greet"]]
    assert document["needs"] == {"greet": ["hello"]}
    assert document["workload"] == "mine"
    assert "greet = 2:2.0" in document["roots"]
    text = ppcdeps("plan", "mine/", *base, "--no-output", code=1).out
    assert "Nothing else is missing to build them" in text
    assert "not required on ppc64le, and required on x86_64: dmi" in text
    assert load_plan(ppcdeps.folder / "p.json").own[0].file == "mine/greet/greet.spec"


def test_an_own_package_that_the_target_has_too_is_built_all_the_same(
    ppcdeps: Program, base: tuple[str, ...]
) -> None:
    """bash is built with the target's bash, not with itself."""
    text = HEAD.format(name="bash", version="1", preamble="BuildRequires: bash", rest="%files\n")
    document = plan(ppcdeps, spec(ppcdeps, "bash.spec", text), *base)
    assert gaps(document) == {"bash": ("absent", "run", "rebuild")}
    assert document["waves"] == [["bash"]]
    assert document["cycles"] == []


def test_own_packages_that_need_each_other_begin_with_what_the_target_has(
    ppcdeps: Program, base: tuple[str, ...]
) -> None:
    for name, other in (("tar", "xz"), ("xz", "tar")):
        preamble = f"BuildRequires: {other}"
        spec(ppcdeps, f"both/{name}.spec", HEAD.format(name=name, version="9", preamble=preamble, rest="%files\n"))
    document = plan(ppcdeps, "./both", *base)
    assert document["cycles"] == []
    assert [sorted(wave) for wave in document["waves"]] == [["tar", "xz"]]


def test_an_excluded_architecture_blocks_and_the_help_names_the_spec(ppcdeps: Program, base: tuple[str, ...]) -> None:
    text = LIBRARY.replace("License: MIT", "License: MIT\nExclusiveArch: x86_64 aarch64")
    document = plan(ppcdeps, spec(ppcdeps, "hello.spec", text), *base)
    (gap,) = document["gaps"]
    assert (gap["cause"], gap["route"]["kind"]) == ("excluded", "blocked")
    assert "./hello.spec says ExclusiveArch: x86_64 aarch64" in gap["detail"]
    assert "add it to ExclusiveArch in ./hello.spec" in gap["route"]["help"]
    assert document["waves"] == []


def test_a_source_rpm_says_the_same_as_its_spec(ppcdeps: Program, base: tuple[str, ...]) -> None:
    file = ppcdeps.folder / "greet.spec"
    file.write_text(PROGRAM)
    srpm = make_srpm(file, ppcdeps.folder / "top")
    by_spec = plan(ppcdeps, "./greet.spec", *base)
    by_srpm = plan(ppcdeps, str(srpm), *base)
    assert gaps(by_spec) == gaps(by_srpm)
    assert by_spec["own"][0]["packages"] == by_srpm["own"][0]["packages"]
    assert by_srpm["workload"] == "greet"


def test_a_source_rpm_whose_spec_cannot_be_read_here_is_taken_by_its_header(
    ppcdeps: Program, base: tuple[str, ...], tmp_path: Path
) -> None:
    programs = str(all_but("bwrap", tmp_path))
    lua = "%{lua: if os.getenv('HOME') == '/nowhere' then print('x') end}"
    text = HEAD.format(name="odd", version="1", preamble="BuildRequires: rare-devel", rest=f"{lua}\n%files\n")
    file = ppcdeps.folder / "odd.spec"
    file.write_text(text)
    srpm = make_srpm(file, ppcdeps.folder / "top")
    run = ppcdeps("plan", str(srpm), *base, "--json", "--no-output", code=1, PATH=programs)
    assert set(gaps(json.loads(run.out))) == {"odd", "rare-devel"}
    assert "its header has to do" in run.err
    refused = ppcdeps("plan", "./odd.spec", *base, code=3, PATH=programs).fault
    assert "would run code" in refused
    assert "install bubblewrap" in refused
    assert "rpmbuild -bs odd.spec" in refused


def test_a_shell_in_a_spec_is_unknown_and_not_run(ppcdeps: Program, base: tuple[str, ...]) -> None:
    shell = "%global short %(touch ran; echo 0123456)"
    text = HEAD.format(name="app", version="1", preamble="BuildRequires: gcc", rest=f"{shell}\n%files\n")
    document = plan(ppcdeps, spec(ppcdeps, "app.spec", text), *base)
    assert set(gaps(document)) == {"app"}
    assert any('is taken to be "unknown"' in note for note in document["own"][0]["notes"])
    assert not (ppcdeps.folder / "ran").exists()


def test_why_and_diff_know_own_packages(ppcdeps: Program, base: tuple[str, ...]) -> None:
    words = (spec(ppcdeps, "greet.spec", PROGRAM), spec(ppcdeps, "hello.spec", LIBRARY))
    ppcdeps("plan", *words, *base, "-o", "one.json", code=1)
    why = ppcdeps("why", "hello-devel", "--for", words[0], "--for", words[1], *base).out
    assert "your own package, to be built from ./hello.spec" in why
    spec(ppcdeps, "greet.spec", PROGRAM.replace("Requires: bash", "Requires: bash, rare"))
    ppcdeps("plan", *words, *base, "-o", "two.json", code=1)
    assert "+ rare (unknown" in ppcdeps("diff", "one.json", "two.json").out


@pytest.mark.parametrize(
    ("word", "text", "said"),
    [
        ("./gone.spec", None, "there is no spec ./gone.spec"),
        ("./gone-1-1.src.rpm", None, "there is no source RPM ./gone-1-1.src.rpm"),
        ("./empty/", None, "has no spec and no source RPM"),
        ("./nowhere/", None, "there is no folder ./nowhere/"),
        ("./folder.spec", None, "./folder.spec is a folder, not a spec"),
        ("./pipe.spec", None, "./pipe.spec is not a regular file"),
        ("./notes.txt", "text", "./notes.txt is not a spec, source RPM or folder of them"),
        ("./bad.spec", "Name: x\n%if\n", "bad.spec does not parse for ppc64le"),
        ("./none.spec", HEAD.format(name="x", version="1", preamble="", rest=""), "gives no package for ppc64le"),
        ("./broken-1-1.src.rpm", "not an RPM", "broken-1-1.src.rpm"),
    ],
)
def test_a_wrong_own_file_is_one_clear_line(
    word: str, text: str | None, said: str, ppcdeps: Program, base: tuple[str, ...]
) -> None:
    (ppcdeps.folder / "empty").mkdir()
    (ppcdeps.folder / "folder.spec").mkdir()
    os.mkfifo(ppcdeps.folder / "pipe.spec")
    if text is not None:
        (ppcdeps.folder / word).write_text(text)
    assert said in ppcdeps("plan", word, *base, code=3).fault


def test_two_files_of_one_source_are_refused(ppcdeps: Program, base: tuple[str, ...]) -> None:
    words = (spec(ppcdeps, "a.spec", LIBRARY), spec(ppcdeps, "b.spec", LIBRARY))
    assert "both the source of hello" in ppcdeps("plan", *words, *base, code=3).fault


def test_a_folder_of_this_machine_is_a_root_all_the_same(ppcdeps: Program, base: tuple[str, ...]) -> None:
    """/usr/share is a folder here, and a path that a package of the target may own; bash is a package."""
    spec(ppcdeps, "bash/bash.spec", LIBRARY)
    assert not plan(ppcdeps, "bash", *base, code=0)["own"]
    assert "no repository of ad-hoc knows /usr/share" in ppcdeps("plan", "/usr/share", *base, code=2).fault


def test_a_source_repository_alone_is_enough(ppcdeps: Program, base: tuple[str, ...]) -> None:
    """A source repository does not say what its sources give: what is called after one is taken to be of it."""
    sources = [
        Package(Nevra.parse("app-1-1.src"), relations={"requires": ("gcc", "libbar-devel >= 2", "old >= 2")}),
        Package(Nevra.parse("libbar-2-1.src"), relations={"requires": ("gcc", "gone")}),
        Package(Nevra.parse("old-1-1.src"), relations={"requires": ("gcc",)}),
    ]
    write_repository(ppcdeps.folder / "src", sources)
    document = plan(ppcdeps, "app", *base, "--source", "src,src")
    assert gaps(document) == {
        "app": ("absent", "run", "rebuild"),
        "libbar": ("absent", "build", "rebuild"),
        "gone": ("unknown", "build", "blocked"),
        "old >= 2": ("unknown", "build", "blocked"),
    }
    assert document["waves"] == [["libbar"], ["app"]]
    (app,) = [gap for gap in document["gaps"] if gap["name"] == "app"]
    assert "taken from its name" in app["detail"]


def test_a_source_repository_alone_is_one_more_of_the_default_target(ppcdeps: Program) -> None:
    write_repository(
        ppcdeps.folder / "src", [Package(Nevra.parse("strange-1-1.src"), relations={"requires": ("gcc",)})]
    )
    document = plan(ppcdeps, "strange", "--source", "src,src", "--python", "rpm")
    assert document["target"] == "centos-stream-9"
    assert gaps(document)["strange"] == ("absent", "run", "rebuild")


def test_the_order_on_standard_output_is_that_of_the_file(ppcdeps: Program, base: tuple[str, ...]) -> None:
    words = (spec(ppcdeps, "greet.spec", PROGRAM), spec(ppcdeps, "hello.spec", LIBRARY), *base)
    ppcdeps("plan", *words, "--build-order", "order.json", code=1)
    shown = ppcdeps("plan", *words, "--build-order", "-", "--json", code=1).out
    assert json.loads(shown) == json.loads((ppcdeps.folder / "order.json").read_text())
    assert [[step["source"] for step in wave] for wave in json.loads(shown)["waves"]] == [["hello"], ["greet"]]
    text = ppcdeps("plan", *words, "--build-order", "-", code=1).out
    assert "ppcdeps build plan-greet+hello.json --only greet" in text


def test_dnf_builddep_names_the_same(ppcdeps: Program, base: tuple[str, ...], tmp_path: Path) -> None:
    """What an own spec lacks in the target is what dnf finds no package for."""
    if subprocess.run(["dnf", "builddep", "--help"], capture_output=True, check=False).returncode:
        pytest.skip("needs dnf with builddep of dnf-plugins-core")
    wanted = "gcc, rare-devel, pkgconfig(rare) >= 2, /usr/bin/rare, bash >= 1, bash >= 2"
    text = HEAD.format(name="app", version="1", preamble=f"BuildRequires: {wanted}", rest="%files\n")
    file = ppcdeps.folder / "app.spec"
    file.write_text(text)
    srpm = make_srpm(file, ppcdeps.folder / "top")
    command = ["dnf", "builddep", "--disableplugin=*", "--enableplugin=builddep", "--releasever", "9", "--assumeno"]
    command += ["--installroot", str(tmp_path / "root"), "--forcearch", "ppc64le", "--setopt=reposdir=/dev/null"]
    command += [f"--setopt=cachedir={tmp_path / 'cache'}", "--repofrompath", f"b,{ppcdeps.folder / 'base'}"]
    said = subprocess.run([*command, str(srpm)], capture_output=True, text=True, check=False)
    lines = [line for line in (said.stdout + said.stderr).splitlines() if "No matching package to install" in line]
    missing = {line.split("'")[1] for line in lines}
    assert missing
    blocked = {gap for gap, (_, phase, _) in gaps(plan(ppcdeps, "./app.spec", *base)).items() if phase == "build"}
    assert blocked == missing
