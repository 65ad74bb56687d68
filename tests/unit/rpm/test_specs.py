"""Specs evaluated for a target: what is refused, what is said of faults, and that no macro gets out."""

import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from otherprograms import all_but
from trapsrpms import MISSING

from ppcdeps.engines.confined_shell import run_confined_with_shell
from ppcdeps.engines.confinement import UnconfinableError
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.ceilings import CEILINGS
from ppcdeps.model.errors import ConfigError
from ppcdeps.rpm.evaluated_spec import SpecEvaluation
from ppcdeps.rpm.platforms import PlatformMacros, platform_of
from ppcdeps.rpm.specs import SpecRefusedError, evaluate_spec
from ppcdeps.rpm.specscan import RUNS_SHELL, code_in, without_shells

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}")


def _no_bwrap() -> bool:
    try:
        return bool(run_confined_with_shell(["true"], folder=Path(__file__).parent, arch="ppc64le").code)
    except UnconfinableError:
        return True


NO_BWRAP = _no_bwrap()

HEAD = "Name: one\nVersion: 1\nRelease: 1%{?dist}\nSummary: One\nLicense: MIT\n"
TAIL = "%description\nOne.\n%files\n"


@pytest.fixture(scope="module")
def platform() -> PlatformMacros:
    return platform_of(load_target("centos-stream-9"))


def evaluate(folder: Path, platform: PlatformMacros, text: str, arch: str = "ppc64le") -> SpecEvaluation:
    spec = folder / "one.spec"
    spec.write_text(text)
    return evaluate_spec(spec, platform, arch)


CODE = {
    "shell": "%global x %(touch {mark})\n",
    "shell defined, used later": "%define x %(touch {mark})\nProvides: a%x\n",
    "shell in a comment": "# %(touch {mark})\n",
    "shell behind a condition": "%{!?no:%(touch {mark})}\n",
    "shell in a parametric macro": "%define x() %{expand:%%(touch {mark})}\n%x\n",
    "shell escaped for expand": "%{expand:%%(touch {mark})}\n",
    "shell escaped twice": "%{expand:%{expand:%%%%(touch {mark})}}\n",
    "shell over two lines": "%global x %{expand: \\\n%%(touch {mark})}\n",
    "shell in an expression": '%if "%(touch {mark})" == ""\n%endif\n',
    "shell in a section": "%build\necho %(touch {mark})\n",
    "os.execute": "%{lua:os.execute('touch {mark}')}\n",
    "os by another name": "%{lua: local o = os; o.execute('touch {mark}')}\n",
    "os by its table": "%{lua: _G['o'..'s'].execute('touch {mark}')}\n",
    "io.popen": "%{lua:io.popen('touch {mark}'):read('a')}\n",
    "io.open": "%{lua:io.open('{mark}', 'w'):write('x')}\n",
    "posix": "%{lua:posix.mkdir('{mark}')}\n",
    "rpm.execute": "%{lua:rpm.execute('touch', '{mark}')}\n",
    "rpm by index": "%{lua:rpm['execute']('touch', '{mark}')}\n",
    "rpm by another name": "%{lua:local r = rpm; r.execute('touch', '{mark}')}\n",
    "Lua in a macro's body": "%define y() %{lua: if true then os.remove('{mark}') end}\n",
    "Lua behind a brace in a string": "%{lua: local a = '\\}'; os.execute('touch {mark}')}\n",
    "Lua loaded": "%{lua: load('o'..'s.execute()')()}\n",
    "a macro whose name is made": "%global l lua\n%{expand:%%{%{l}:os.execute('touch {mark}')}}\n",
    "a file of the machine included": "%include /etc/hostname\n",
    "a macro file of the machine": "%{load:/etc/rpm/macros}\n",
    "a climbing include": "%include %{_sourcedir}/../../etc/passwd\n",
}


@pytest.fixture(scope="module")
def other_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all programs of this machine but bubblewrap."""
    return all_but("bwrap", tmp_path_factory.mktemp("bin"))


@pytest.fixture
def without_bwrap(other_programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without bubblewrap."""
    monkeypatch.setenv("PATH", str(other_programs))


@pytest.mark.usefixtures("without_bwrap")
@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_without_bubblewrap_a_spec_that_runs_code_is_refused_with_the_line(
    code: str, tmp_path: Path, platform: PlatformMacros
) -> None:
    mark = tmp_path / "ran"
    line = code.replace("{mark}", str(mark))
    with pytest.raises(SpecRefusedError) as told:
        evaluate(tmp_path, platform, HEAD + line + TAIL)
    assert told.value.faults
    assert "install bubblewrap" in (told.value.hint or "")
    first = HEAD.count("\n") + 1
    assert any(fault.startswith((f"line {first}:", f"line {first + 1}:")) for fault in told.value.faults)
    assert not mark.exists()


HIDDEN = {
    "a percent sign of its own": "%global p %\n%{expand:%{p}(touch {mark})}\n",
    "a percent sign from an expression": '%global p %["%"]\n%{expand:%{p}(touch {mark})}\n',
    "a percent sign cut from a word": "%{expand:%{lua:print(string.char(37) .. '(touch {mark})')}}\n",
    "rpm.expand": "%{lua:rpm.expand(string.char(37) .. '(touch {mark})')}\n",
    "rpm.define": "%{lua:rpm.define('x ' .. string.char(37) .. '(touch {mark})')}\nProvides: a%x\n",
    "a percent sign beside a parenthesis": "%{lua:rpm.expand('%' .. '(touch {mark})')}\n",
    "a bracket by macro": "%global b (touch {mark})\n%{expand:%%%b}\n",
}


@pytest.mark.usefixtures("without_bwrap")
@pytest.mark.parametrize("code", HIDDEN.values(), ids=HIDDEN)
def test_what_the_scan_cannot_see_is_stopped_when_it_starts(
    code: str, tmp_path: Path, platform: PlatformMacros
) -> None:
    mark = tmp_path / "ran"
    text = HEAD + code.replace("{mark}", str(mark)) + TAIL
    with pytest.raises(SpecRefusedError, match="it starts a program while it is read"):
        evaluate(tmp_path, platform, text)
    assert not mark.exists()


@pytest.mark.skipif(NO_BWRAP, reason="bubblewrap does not work here")
@pytest.mark.parametrize("code", [*CODE.values(), *HIDDEN.values()], ids=[*CODE, *HIDDEN])
def test_code_of_a_spec_changes_nothing_and_sees_nothing_of_this_machine(
    code: str, tmp_path: Path, platform: PlatformMacros
) -> None:
    mark = tmp_path / "ran"
    with suppress(ConfigError):
        evaluate(tmp_path, platform, HEAD + code.replace("{mark}", str(mark)) + TAIL)
    assert not mark.exists()


SHELLS = {
    "words": ("echo one two | cut -d' ' -f2", "two"),
    "a condition as libvirt's": (r"echo 9.0.0 | grep -q '\.0$'; echo $?", "0"),
    "the architecture": ("uname -m", "ppc64le"),
    "a program that is not there": ("git rev-parse HEAD", "unknown"),
    "another one": ("rare-program --version", "unknown"),
    "a path of one": ("/usr/bin/perl -V", "unknown"),
    "another date every day": ("date +%%Y", "unknown"),
    "the name of this machine": ("hostname", "unknown"),
    "its files": ("cat /etc/hostname /proc/version /root/.bashrc 2>/dev/null; echo none", "none"),
    "its folders": ("cd /; echo $(ls | grep -v -x -e bin -e usr -e lib -e lib64 -e dev -e tmp); echo", ""),
    "its user": ("echo ${HOME#/}$USER$SECRET", "nonexistent"),
    "its network": ("(exec 3<>/dev/tcp/127.0.0.1/@PORT@) 2>/dev/null && echo on || echo off", "off"),
    "a file of its own": ("cat %{_sourcedir}/given", "given"),
    "writing": (
        "for f in %{_sourcedir} /tmp /dev /dev/shm /usr/bin /; do : >$f/x && echo wrote; done 2>/dev/null; echo",
        "",
    ),
}
"""Shells of specs, and what they print."""


@pytest.mark.skipif(NO_BWRAP, reason="bubblewrap does not work here")
@pytest.mark.parametrize(("shell", "printed"), SHELLS.values(), ids=SHELLS)
def test_a_shell_of_a_spec_runs_confined(
    shell: str, printed: str, tmp_path: Path, platform: PlatformMacros, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "told")
    (tmp_path / "given").write_text("given")
    spec = tmp_path / "one.spec"
    with socket.create_server(("127.0.0.1", 0)) as server:
        shell = shell.replace("@PORT@", str(server.getsockname()[1]))
        spec.write_text(f"{HEAD}Provides: printed = 1%({shell})\n{TAIL}")
        found = evaluate_spec(spec, platform, "ppc64le", sources=tmp_path)
    assert f"printed = 1{printed}" in found.packages[0].provides
    assert any("unknown" in text for text in found.warnings) == (printed == "unknown")


@pytest.mark.skipif(NO_BWRAP, reason="bubblewrap does not work here")
@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("while :; do :; done", "takes more than 2 s"),
        ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >&2 || exit; done", "more than (2 s|100000 bytes)"),
        ("for i in {1..200}; do (while :; do :; done) & done; wait", "starts more programs than a spec may"),
        ("x=a; while :; do x=$x$x; done", "does not parse|bytes of memory|more than 2 s"),
    ],
)
def test_a_shell_without_end_is_given_up(
    shell: str, said: str, tmp_path: Path, platform: PlatformMacros, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CEILINGS, "spec_seconds", 2)
    monkeypatch.setattr(CEILINGS, "spec_output", 100_000)
    monkeypatch.setattr(CEILINGS, "spec_memory", 200_000_000)
    before = time.monotonic()
    with pytest.raises(ConfigError, match=said):
        evaluate(tmp_path, platform, f"{HEAD}Version: %({shell})\n{TAIL}")
    assert time.monotonic() - before < 20


@pytest.mark.skipif(NO_BWRAP, reason="bubblewrap does not work here")
def test_where_a_shell_prints_no_version_the_word_unknown_stands_for_it(
    tmp_path: Path, platform: PlatformMacros
) -> None:
    spec = tmp_path / "one.spec"
    spec.write_text(HEAD + "BuildRequires: a >= %(cat /sys/version 2>/dev/null)\n" + TAIL)
    with pytest.raises(ConfigError, match="does not parse"):
        evaluate_spec(spec, platform, "ppc64le")
    found = evaluate_spec(spec, platform, "ppc64le", shells_unknown=True)
    assert found.build_requires == ("a >= unknown",)
    assert found.warnings[0].endswith(RUNS_SHELL)


HARMLESS = {
    "percent sign in a changelog": TAIL + "%changelog\n* Mon Jan 01 2024 A <a@b.c> - 1-1\n- Use %%(x)\n",
    "Lua on strings": "%{lua: print('Provides: v = ' .. ('1.2'):gsub('%.', '_'))}\n" + TAIL,
    "words about Lua": "%description\nThe os and io libraries of Lua, with posix.\n%files\n",
    "a commented macro": "%dnl %(touch x)\n%description\nOne.\n%files\n",
    "a scriptlet in Lua": "%description\nOne.\n%files\n%post -p <lua>\nposix.mkdir('/x')\n",
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_what_runs_nothing_is_evaluated(text: str, tmp_path: Path, platform: PlatformMacros) -> None:
    assert evaluate(tmp_path, platform, HEAD + text).packages


@pytest.mark.parametrize("name", ["sources", "so ur'c{e,s}", "100%{nil}%%", "back\\slash*"])
def test_a_source_of_the_spec_may_be_included_and_is_confined_as_well(
    name: str, tmp_path: Path, platform: PlatformMacros, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / name
    sources.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(sources))
    spec = tmp_path / "one.spec"
    reading = "Source0: more.inc\nSource1: m.macros\n%include %{SOURCE0}\n%{load:%{SOURCE1}}\n%own\n"
    spec.write_text(HEAD + reading + TAIL)
    (sources / "more.inc").write_text("Provides: included\n")
    (sources / "m.macros").write_text("%own Provides: loaded\n")
    evaluation = evaluate_spec(spec, platform, "ppc64le", sources=sources)
    assert {"included", "loaded"} <= set(evaluation.packages[0].provides)
    mark = tmp_path / "ran"
    (sources / "m.macros").write_text(f"%own %(touch {mark})\n")
    with suppress(ConfigError):
        evaluate_spec(spec, platform, "ppc64le", sources=sources)
    assert not mark.exists()


def test_the_macros_are_those_of_the_target_and_not_of_this_machine(
    tmp_path: Path, platform: PlatformMacros, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".rpmmacros").write_text("%dist .mine\n%rhel 1\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SECRET", "told")
    text = HEAD + (
        "Provides: rhel = %{?rhel}\nProvides: secret-%{getenv:SECRET}x\nProvides: vendor-%{_vendor}\n"
        "Provides: python = %{python3_version}\nProvides: lib = 1%{_libdir}\n"
    )
    evaluation = evaluate(tmp_path, platform, text.replace("1%{_libdir}", "1") + TAIL)
    assert evaluation.source.release == "1.el9"
    assert {"rhel = 9", "secret-x", "vendor-redhat", "python = 3.9"} <= set(evaluation.packages[0].provides)


def test_macros_of_the_distribution_that_write_tags_do_so(tmp_path: Path, platform: PlatformMacros) -> None:
    text = HEAD + (
        "%{?systemd_requires}\n%{?systemd_ordering}\n%{?sysusers_requires_compat}\n"
        "%{?python_provide:%python_provide x}\n"
        "%py_provides python3-one\nSource0: %{pypi_source}\nSource1: %{pypi_source two}\n"
        "Source2: %{pypi_source two 2.0 zip}\n%ldconfig_scriptlets\n"
    )
    evaluation = evaluate(tmp_path, platform, text + TAIL)
    (package,) = evaluation.packages
    assert package.requires == ("shadow-utils", "systemd")
    assert "python3-one = 1-1.el9" in package.provides
    assert not evaluation.warnings


def test_defines_win_over_the_platform(tmp_path: Path, platform: PlatformMacros) -> None:
    spec = tmp_path / "one.spec"
    spec.write_text(HEAD + TAIL)
    assert evaluate_spec(spec, platform, "ppc64le", defines={"dist": ".el9.ours"}).source.release == "1.el9.ours"


@pytest.mark.parametrize(
    ("tag", "excluded"),
    [
        ("ExclusiveArch: x86_64 %{power64}", ""),
        ("ExclusiveArch: %{kernel_arches}", ""),
        ("ExclusiveArch: x86_64 aarch64", "ExclusiveArch: x86_64 aarch64"),
        ("ExcludeArch: %{power64}", "ExcludeArch: ppc64 ppc64p7 ppc64le"),
        ("ExcludeArch: s390x", ""),
        ("BuildArch: noarch\nExclusiveArch: x86_64 noarch", "ExclusiveArch: x86_64 noarch"),
    ],
)
def test_the_verdict_on_the_architecture(tag: str, excluded: str, tmp_path: Path, platform: PlatformMacros) -> None:
    evaluation = evaluate(tmp_path, platform, f"{HEAD}{tag}\n{TAIL}")
    assert evaluation.excluded == excluded
    assert bool(evaluation.packages) == (not excluded)


def test_all_faults_that_rpm_tells_are_told(tmp_path: Path, platform: PlatformMacros) -> None:
    with pytest.raises(ConfigError) as told:
        evaluate(tmp_path, platform, HEAD + "BuildRequires: %{?nothing}!x\n%if 1\n" + TAIL)
    assert "one.spec does not parse for ppc64le" in str(told.value)
    assert any("Dependency tokens must begin" in fault or "Unclosed %if" in fault for fault in told.value.faults)


def test_a_file_that_is_no_spec_is_told(tmp_path: Path, platform: PlatformMacros) -> None:
    spec = tmp_path / "one.spec"
    with pytest.raises(ConfigError, match="cannot read the spec"):
        evaluate_spec(spec, platform, "ppc64le")
    spec.write_bytes(b"Name: x\n\0")
    with pytest.raises(ConfigError, match="NUL byte in line 2"):
        evaluate_spec(spec, platform, "ppc64le")
    spec.write_text("")
    with pytest.raises(ConfigError, match="does not parse"):
        evaluate_spec(spec, platform, "ppc64le")


def test_a_spec_without_end_is_given_up(
    tmp_path: Path, platform: PlatformMacros, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CEILINGS, "spec_seconds", 1)
    for endless in ("while true do end", "posix.sleep(1000)"):
        # Built by a macro, so that the scan for code does not see it first.
        lua = f"%global l lua: {endless}\n%{{expand:%%{{%{{l}}}}}}\n"
        with pytest.raises(ConfigError, match=r"takes more than 1 s; raise spec\.seconds in"):
            evaluate(tmp_path, platform, HEAD + lua + TAIL)


@pytest.mark.parametrize(
    "how",
    [
        "%{expand:%{expand:%%{lua:local f = io.open('@') if f then print(f:read('*a')) end}}}",
        "%{expand:%{load:@}}",
        "%global l load:@\n%{expand:%%{%{l}}}",
        "%global l lua:print((pcall(dofile, '@')), rpm.expand('%{load:@}'))\n%{expand:%%{%{l}}}",
        "%global l uncompress:@\n%{expand:%%{%{l}}}",
    ],
)
def test_a_spec_sees_no_other_file_of_this_machine(how: str, tmp_path: Path, platform: PlatformMacros) -> None:
    secret = tmp_path / "beside" / "secret"
    secret.parent.mkdir()
    secret.write_text("Canary")
    before, _, last = how.replace("@", str(secret)).rpartition("\n")
    folder = tmp_path / "spec"
    folder.mkdir()
    try:
        said = repr(evaluate(folder, platform, f"{before}\n{HEAD}Provides: x{last}\n{TAIL}"))
    except ConfigError as error:
        said = str(error)
    assert "Canary" not in said


def test_a_spec_that_prints_without_end_is_given_up(
    tmp_path: Path, platform: PlatformMacros, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CEILINGS, "spec_output", 100_000)
    lua = "%{lua: for i = 1, 100000 do print('Requires: x' .. i .. '\\n') end}\n"
    with pytest.raises(ConfigError, match=r"gives more than 100000 bytes; raise spec\.output in"):
        evaluate(tmp_path, platform, HEAD + lua + TAIL)


def test_a_spec_that_eats_memory_or_itself_is_told(tmp_path: Path, platform: PlatformMacros) -> None:
    hungry = "%{lua: local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1e7) .. i end}\n"
    for code in (hungry, "%define a %b\n%define b %a\nProvides: x%a\n"):
        with pytest.raises(ConfigError, match=r"does not parse for ppc64le|more than \d+ (s|bytes of memory);"):
            evaluate(tmp_path, platform, HEAD + code + TAIL)


@pytest.mark.parametrize("name", ["almalinux-9", "almalinux-10", "centos-stream-10", "rocky-9", "fedora"])
def test_every_shipped_target_has_its_macros(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    evaluation = evaluate(tmp_path, platform_of(target), HEAD + "ExclusiveArch: %{java_arches}\n" + TAIL)
    assert evaluation.source.release in {"1.el9", "1.el10", f"1.fc{target.releasever}"}
    assert not evaluation.warnings


def test_a_target_without_a_known_platform_is_told() -> None:

    target = replace(load_target("centos-stream-9"), platform_id="platform:el6")
    with pytest.raises(ConfigError, match="no macros for the platform platform:el6"):
        platform_of(target)


@pytest.mark.parametrize(
    ("text", "left", "lines"),
    [
        ("%global a %(echo 1)\nB: %{a}\n", "%global a unknown\nB: %{a}\n", [1]),
        ("A: %(echo (1) \\) $(x))-b\n", "A: unknown-b\n", [1]),
        ("A: 1\n%global x %%(echo\n2)\n%define y %(z)\n", "A: 1\n%global x unknown\n%define y unknown\n", [2, 4]),
        ("A: %(never closed\n", "A: %(never closed\n", []),
        ("A: %{expand:%(x)}\n", "A: %{expand:unknown}\n", [1]),
    ],
)
def test_what_a_shell_would_print_is_unknown(text: str, left: str, lines: list[int]) -> None:
    found, places = without_shells(text)
    assert found == left
    assert [each.line for each in places] == lines


@pytest.mark.parametrize("text", ["%{lua:os.execute('x')}", "%(never closed"])
def test_other_code_is_still_found(text: str) -> None:
    assert code_in(without_shells(text)[0])
