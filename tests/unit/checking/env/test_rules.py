"""Every rule of `check env`: what it finds, and what it leaves alone."""

import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from pythonroots import check_env, compile_library, el_root, has_program, make_dist, own_rpm
from rulecases import Cases, assert_complete, assert_fires, assert_silent

from ppcdeps.checking.findings import Finding, Severity

NATIVE = {"env-wrong-machine", "env-wrong-abi", "env-symbol-version", "env-missing-library", "env-damaged-module"}
RPM = {"env-rpm-shadowed", "env-rpm-overwritten", "env-rpm-missing", "env-rpmdb-damaged"}

Make = Callable[[Path, Path, Path], object]
"""Fills a root, given it and its site-packages below lib and below lib64."""


def findings(root: Path, constraints: Path | None = None) -> tuple[Finding, ...]:
    return check_env(root, constraints=constraints).findings


def case(make: Make, *, constraints: str = "", python: str = "3.9") -> Callable[[Path], Iterable[Finding]]:
    """The findings on an EL root with Python 3.9 that ``make`` has filled."""

    def found(folder: Path) -> Iterable[Finding]:
        root = folder / "root"
        plain, native = el_root(root, python)
        make(root, plain, native)
        file = None
        if constraints:
            file = folder / "constraints.txt"
            file.write_text(constraints)
        return findings(root, file)

    return found


def two_versions(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.16.0")
    make_dist(native, "six", "1.10.0")


def different_names(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.16.0")
    make_dist(native, "seven", "1.10.0")


def pip_before_rpm(root: Path, plain: Path, native: Path) -> None:
    info = make_dist(plain, "six", "1.16.0", installer="rpm")
    own_rpm(root, "python3-six", "1.16.0", [info, plain / "six"])
    make_dist(root / "usr/local/lib/python3.9/site-packages", "six", "1.10.0")


def two_rpms(root: Path, plain: Path, native: Path) -> None:
    for site, version, name in ((plain, "1.16.0", "python3-six"), (native, "1.10.0", "python3-six-old")):
        own_rpm(root, name, version, [make_dist(site, "six", version, installer="rpm"), site / "six"])


def metadata_twice(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.10.0")
    make_dist(plain, "six", "1.16.0")


def metadata_of_two_kinds(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.16.0")
    (plain / "six.egg-info").mkdir()
    (plain / "six.egg-info/PKG-INFO").write_text("Metadata-Version: 1.1\nName: six\nVersion: 1.16.0\n")


def stray(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.16.0")
    (native / "six.py").write_text("")


def namespace(root: Path, plain: Path, native: Path) -> None:
    extends = b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
    make_dist(plain, "zope.one", "1", files={"zope/__init__.py": extends, "zope/one.py": b""})
    make_dist(native, "zope.two", "1", files={"zope/__init__.py": extends, "zope/two.py": b""})


def requires_what_is_absent(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "oslo.utils", "3.4.0", requires=["six>=1.9.0", "netaddr>=0.7.12,!=0.7.16"])
    make_dist(plain, "six", "1.16.0")


def requires_elsewhere(root: Path, plain: Path, native: Path) -> None:
    unmet = [
        "pywin32; sys_platform == 'win32'",
        "enum34; python_version < '3.4'",
        "x86-only; platform_machine == 'x86_64'",
        "sphinx; extra == 'docs'",
    ]
    make_dist(plain, "oslo.utils", "3.4.0", requires=unmet)


def requires_newer(root: Path, plain: Path, native: Path) -> None:
    make_dist(native, "oslo.concurrency", "3.20.0", requires=["oslo.utils>=3.20.0"])
    make_dist(plain, "oslo.utils", "3.4.0")


def requires_what_is_there(root: Path, plain: Path, native: Path) -> None:
    make_dist(native, "oslo.concurrency", "3.20.0", requires=["Oslo_Utils>=3.20.0"])
    make_dist(plain, "oslo.utils", "3.20.0+ppc64le1")


def for_newer_python(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "numpy", "2.1.0", requires_python=">=3.10")


def for_this_python(root: Path, plain: Path, native: Path) -> None:
    # Only 3.9 is known of the version, so that 3.9.2 may be what it is.
    make_dist(plain, "numpy", "2.0.0", requires_python=">=3.9.2")


def no_metadata(root: Path, plain: Path, native: Path) -> None:
    (make_dist(plain, "six", "1.16.0") / "METADATA").unlink()


def one_six(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.16.0")


def bad_record(root: Path, plain: Path, native: Path) -> None:
    (make_dist(plain, "six", "1.16.0") / "RECORD").write_text("six/__init__.py\n")


def files_gone(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.16.0", files={"six/__init__.py": b"", "six/moves.py": b""})
    (plain / "six/moves.py").unlink()


def bytecode_gone(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "six", "1.16.0", files={"six/__init__.py": b"", "six/__pycache__/moves.cpython-39.pyc": b""})
    shutil.rmtree(plain / "six/__pycache__")


def module_gone(root: Path, plain: Path, native: Path) -> None:
    (make_dist(plain, "six", "1.16.0") / "RECORD").unlink()
    shutil.rmtree(plain / "six")
    (plain / "six-1.16.0.dist-info/top_level.txt").write_text("six\n")


def stubs_alone(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "types-six", "1.16.0", files={"six-stubs/__init__.pyi": b""})


def overwriting(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "opencv-python", "4.9", files={"cv2/__init__.py": b"a"})
    make_dist(plain, "opencv-python-headless", "4.9", files={"cv2/__init__.py": b"b"})


def same_content(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "zope.one", "1", files={"zope/__init__.py": b"", "zope/one.py": b""})
    make_dist(plain, "zope.two", "1", files={"zope/__init__.py": b"", "zope/two.py": b""})


def pip_over_rpm(root: Path, plain: Path, native: Path) -> None:
    info = make_dist(plain, "six", "1.16.0", installer="rpm")
    own_rpm(root, "python3-six", "1.16.0", [info, plain / "six"])
    shutil.rmtree(info)
    make_dist(plain, "six", "1.10.0")


def rpm_alone(root: Path, plain: Path, native: Path) -> None:
    info = make_dist(plain, "six", "1.16.0", installer="rpm")
    own_rpm(root, "python3-six", "1.16.0", [info, plain / "six"])


def rpm_files_gone(root: Path, plain: Path, native: Path) -> None:
    rpm_alone(root, plain, native)
    (plain / "six/__init__.py").unlink()


def rpmdb_cut_off(root: Path, plain: Path, native: Path) -> None:
    rpm_alone(root, plain, native)
    database = root / "var/lib/rpm/rpmdb.sqlite"
    database.write_bytes(b"not a database" * 1000)


def interpreter(root: Path) -> None:
    """A program of this machine at the interpreter's place, and its C library."""
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy(Path(shutil.which("true") or "/bin/true").resolve(), root / "usr/bin/python3.9")
    (root / "usr/bin/python3").symlink_to("python3.9")
    compile_library(root / "lib64/libc.so.6", soname="libc.so.6", versions=["GLIBC_2.4", "GLIBC_2.17"])


def native_dist(site: Path, module: Path) -> None:
    content = module.read_bytes()
    module.unlink()
    make_dist(site, "fast", "1.0", files={f"fast/{module.name}": content, "fast/__init__.py": b""})


def good_module(root: Path, plain: Path, native: Path) -> None:
    interpreter(root)
    own = compile_library(native / "fast.libs/libown.so.1", soname="libown.so.1")
    options = ["-Wl,-rpath,$ORIGIN/../fast.libs"]
    module = compile_library(native / "_fast.so", needs=[root / "lib64/libc.so.6", own], options=options)
    native_dist(native, module)


def other_machine(root: Path, plain: Path, native: Path) -> None:
    good_module(root, plain, native)
    module = native / "fast/_fast.so"
    content = bytearray(module.read_bytes())
    # e_machine: EM_S390, which no machine here is.
    content[18:20] = (22).to_bytes(2, sys.byteorder)
    module.write_bytes(bytes(content))


def other_abi(root: Path, plain: Path, native: Path) -> None:
    good_module(root, plain, native)
    (native / "fast/_fast.so").rename(native / "fast/_fast.cpython-36m-powerpc64le-linux-gnu.so")


def both_abis(root: Path, plain: Path, native: Path) -> None:
    good_module(root, plain, native)
    for tag in ("38", "39"):
        shutil.copy(native / "fast/_fast.so", native / f"fast/_two.cpython-{tag}.so")


def newer_libc(root: Path, plain: Path, native: Path) -> None:
    interpreter(root)
    newer = compile_library(root / "newer/libc.so.6", soname="libc.so.6", versions=["GLIBC_2.17", "GLIBC_2.34"])
    source = "void glibc_2_34(void); void call(void) { glibc_2_34(); }"
    native_dist(native, compile_library(native / "_fast.so", needs=[newer], source=source))


def same_libc(root: Path, plain: Path, native: Path) -> None:
    interpreter(root)
    source = "void glibc_2_17(void); void call(void) { glibc_2_17(); }"
    native_dist(native, compile_library(native / "_fast.so", needs=[root / "lib64/libc.so.6"], source=source))


def no_library(root: Path, plain: Path, native: Path) -> None:
    interpreter(root)
    away = compile_library(root / "away/libssl.so.1.1", soname="libssl.so.1.1")
    compile_library(root / "usr/lib64/libssl.so.3", soname="libssl.so.3")
    native_dist(native, compile_library(native / "_fast.so", needs=[away]))


def cut_off(root: Path, plain: Path, native: Path) -> None:
    good_module(root, plain, native)
    module = native / "fast/_fast.so"
    module.write_bytes(module.read_bytes()[:100])


PINS = "six===1.16.0\nnumpy==1.0\n"

# As os_brick/privileged/nvmeof.py has it before and after the fix.
FAULTY = b"""    except putils.ProcessExecutionError as e:
        LOG.debug("Unable to locate dmidecode. For Cinder RSD Backend,"
"""
CAUGHT = FAULTY.replace(b"putils.ProcessExecutionError", b"(putils.ProcessExecutionError, FileNotFoundError)")


def brick(version: str, code: bytes | None) -> Make:
    """os-brick of a version, with this code where the fault is in its releases; None: without that module."""

    def make(root: Path, plain: Path, native: Path) -> None:
        files = {"os_brick/__init__.py": b""} | ({"os_brick/privileged/nvmeof.py": code} if code else {})
        make_dist(plain, "os-brick", version, files=files)

    return make


def rpm_program(root: Path, shebang: str = "#!/usr/bin/python3 -s") -> None:
    """A program as pbr writes it into an RPM, and its unit."""
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/nova-compute").write_text(
        f"{shebang}\n# PBR Generated from 'console_scripts'\n\nimport sys\n\nfrom nova.cmd.compute import main\n\n\n"
        'if __name__ == "__main__":\n    sys.exit(main())\n'
    )
    (root / "usr/lib/systemd/system").mkdir(parents=True)
    (root / "usr/lib/systemd/system/openstack-nova-compute.service").write_text(
        "[Service]\nType=notify\nExecStart=/usr/bin/nova-compute\n"
    )


NOVA = {"nova/__init__.py": b"", "nova/cmd/compute.py": b""}


def nova_by_pip(root: Path, plain: Path, native: Path) -> None:
    make_dist(root / "usr/local/lib/python3.9/site-packages", "nova", "25.3.0", files=NOVA)
    rpm_program(root)


def nova_by_rpm(root: Path, plain: Path, native: Path) -> None:
    make_dist(plain, "nova", "25.3.0", files=NOVA, installer="rpm")
    make_dist(root / "usr/local/lib/python3.9/site-packages", "six", "1.16.0")
    rpm_program(root)


BAD: Cases = {
    "env-shadowed": case(two_versions),
    "env-rpm-shadowed": case(pip_before_rpm),
    "env-metadata-twice": case(metadata_twice),
    "env-stray-module": case(stray),
    "env-missing-requirement": case(requires_what_is_absent),
    "env-wrong-version": case(requires_newer),
    "env-requires-python": case(for_newer_python),
    "env-constraint": case(two_versions, constraints=PINS),
    "env-broken-metadata": case(no_metadata),
    "env-broken-record": case(bad_record),
    "env-missing-files": case(files_gone),
    "env-missing-module": case(module_gone),
    "env-file-owned-twice": case(overwriting),
    "env-rpm-overwritten": case(pip_over_rpm),
    "env-rpm-missing": case(rpm_files_gone),
    "env-rpmdb-damaged": case(rpmdb_cut_off),
    "env-wrong-machine": case(other_machine),
    "env-wrong-abi": case(other_abi),
    "env-symbol-version": case(newer_libc),
    "env-missing-library": case(no_library),
    "env-damaged-module": case(cut_off),
    "env-known-fault": case(brick("6.1.2", FAULTY)),
    "env-isolated-program": case(nova_by_pip),
}

GOOD: Cases = {
    "env-shadowed": case(different_names),
    "env-rpm-shadowed": case(two_rpms),
    "env-metadata-twice": case(metadata_of_two_kinds),
    "env-stray-module": case(namespace),
    "env-missing-requirement": case(requires_elsewhere),
    "env-wrong-version": case(requires_what_is_there),
    "env-requires-python": case(for_this_python),
    "env-constraint": case(one_six, constraints=PINS),
    "env-broken-metadata": case(one_six),
    "env-broken-record": case(one_six),
    "env-missing-files": case(bytecode_gone),
    "env-missing-module": case(stubs_alone),
    "env-file-owned-twice": case(same_content),
    "env-rpm-overwritten": case(rpm_alone),
    "env-rpm-missing": case(rpm_alone),
    "env-rpmdb-damaged": case(rpm_alone),
    "env-wrong-machine": case(good_module),
    "env-wrong-abi": case(both_abis),
    "env-symbol-version": case(same_libc),
    "env-missing-library": case(good_module),
    "env-damaged-module": case(good_module),
    "env-known-fault": case(brick("6.2.0", CAUGHT)),
    "env-isolated-program": case(nova_by_rpm),
}


def _needed(cases: Mapping[str, object]) -> list[object]:
    compiler = pytest.mark.skipif(not has_program("gcc"), reason="gcc is not installed")
    rpm = pytest.mark.skipif(not has_program("rpmbuild"), reason="rpmbuild is not installed")
    marks = {rule: [compiler] if rule in NATIVE else [rpm] if rule in RPM else [] for rule in cases}
    return [pytest.param(rule, marks=marks[rule]) for rule in cases]


def test_every_rule_has_its_cases() -> None:
    assert_complete("env", BAD, GOOD)


@pytest.mark.parametrize("rule", _needed(BAD))
def test_the_bad_case_is_found(rule: str, tmp_path: Path) -> None:
    assert_fires(rule, BAD, tmp_path)


@pytest.mark.parametrize("rule", _needed(GOOD))
def test_the_good_case_is_silent(rule: str, tmp_path: Path) -> None:
    assert_silent(rule, GOOD, tmp_path)


def test_a_whole_good_root_has_no_finding_at_all(tmp_path: Path) -> None:
    if not has_program("gcc"):
        pytest.skip("gcc is not installed")
    assert list(case(good_module)(tmp_path)) == []


def only(found: Iterable[Finding], rule: str) -> Finding:
    matching = [one for one in found if one.rule == rule]
    assert len(matching) == 1, found
    return matching[0]


def test_the_imported_copy_is_the_first_on_the_path(tmp_path: Path) -> None:
    found = only(case(two_versions)(tmp_path), "env-shadowed")
    assert found.message == "six is in 2 folders; imported is 1.10.0, not 1.16.0"
    assert found.detail[0] == "imported: 1.10.0 in /usr/lib64/python3.9/site-packages, installed by pip"


def test_copies_of_one_version_are_advice(tmp_path: Path) -> None:
    def same(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "six", "1.16.0")
        make_dist(native, "six", "1.16.0")

    assert only(case(same)(tmp_path), "env-shadowed").severity is Severity.ADVICE


def test_a_wrong_version_is_fixed_by_the_lowest_that_all_accept(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "oslo.concurrency", "3.20.0", requires=["oslo.utils>=3.16.0,!=3.17.0"])
        make_dist(plain, "oslo.config", "3.20.0", requires=["oslo.utils>=3.5.0"])
        make_dist(plain, "oslo.utils", "3.4.0")

    found = only(case(make)(tmp_path), "env-wrong-version")
    assert found.fix == ("python3.9 -m pip install --no-deps oslo.utils==3.16.0",)
    assert "2 distributions require" in found.message


def test_a_hidden_copy_that_would_do_is_uncovered(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "app", "1", requires=["six>=1.12"])
        two_versions(root, plain, native)

    found = case(make)(tmp_path)
    wrong = only(found, "env-wrong-version")
    assert wrong.fix == ("python3.9 -m pip uninstall six",)
    assert any(line.startswith("hidden behind it: 1.16.0") for line in wrong.detail)
    assert only(found, "env-shadowed").message.endswith("although the others require what 1.16.0 is")


def test_constraints_give_the_pin(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "app", "1", requires=["six>=1.12"])

    found = only(case(make, constraints="six===1.16.0\n")(tmp_path), "env-missing-requirement")
    assert found.fix == ("python3.9 -m pip install --no-deps six==1.16.0",)


def test_a_hidden_copy_that_the_constraints_want_is_uncovered(tmp_path: Path) -> None:
    found = only(case(two_versions, constraints="six===1.16.0\n")(tmp_path), "env-constraint")
    assert found.fix == ("python3.9 -m pip uninstall six",)
    assert found.detail == ("hidden behind it: 1.16.0 in /usr/lib/python3.9/site-packages, installed by pip",)


def test_a_local_version_is_no_match_for_three_equal_signs(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "numpy", "2.2.6+ppc64le1")

    found = only(case(make, constraints="numpy===2.2.6\n")(tmp_path), "env-constraint")
    assert any("==2.2.6" in line for line in found.detail)
    other = tmp_path / "other"
    other.mkdir()
    assert list(case(make, constraints="numpy==2.2.6\n")(other)) == []


def test_extras_are_required_where_somebody_asks_for_them(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "app", "1", requires=["Requests[Use_Chardet.On-Py3]"])
        make_dist(
            plain, "requests", "2.31", requires=["chardet>=3; extra == 'use-chardet-on-py3'", "no; extra == 'x'"]
        )

    found = only(case(make)(tmp_path), "env-missing-requirement")
    assert found.where == "chardet"


def test_a_requirement_by_url_is_fixed_by_the_url(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "app", "1", requires=["six @ https://example.org/six.whl"])

    found = only(case(make)(tmp_path), "env-missing-requirement")
    assert found.fix == ("python3.9 -m pip install --no-deps 'six @ https://example.org/six.whl'",)


def test_a_module_of_another_distribution_in_the_way_is_named(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "pyserial", "3.5", files={"serial/__init__.py": b"", "tests/__init__.py": b""})
        make_dist(native, "serial", "0.0.97", files={"serial/__init__.py": b"0", "tests/__init__.py": b"0"})

    found = only(case(make)(tmp_path), "env-stray-module")
    assert found.detail == ("that one is serial 0.0.97's",)


def test_requirements_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "one", "1", requires=["six>=1.12"])
        make_dist(plain, "two", "1", requires=["six<1.11"])
        make_dist(plain, "six", "1.16.0")

    found = only(case(make)(tmp_path), "env-wrong-version")
    assert any("one that requires it has to change" in line for line in found.detail)


@pytest.mark.skipif(not has_program("gcc"), reason="gcc is not installed")
def test_a_missing_symbol_version_is_told_with_what_the_root_has(tmp_path: Path) -> None:
    found = only(case(newer_libc)(tmp_path), "env-symbol-version")
    assert "needs GLIBC_2.34 of libc.so.6" in found.message
    assert "/lib64/libc.so.6 goes up to GLIBC_2.17" in found.detail


@pytest.mark.skipif(not has_program("gcc"), reason="gcc is not installed")
def test_a_missing_library_is_told_with_what_is_there_instead(tmp_path: Path) -> None:
    found = only(case(no_library)(tmp_path), "env-missing-library")
    assert "needs libssl.so.1.1, and the root has none of that name" in found.message
    assert "instead of libssl.so.1.1 there is libssl.so.3" in found.detail


@pytest.mark.skipif(not has_program("rpmbuild"), reason="rpmbuild is not installed")
def test_what_pip_put_over_an_rpm_names_both(tmp_path: Path) -> None:
    found = only(case(pip_over_rpm)(tmp_path), "env-rpm-overwritten")
    assert found.message == "six 1.10.0 overwrote a file of the RPM python3-six"
    assert found.fix == ("python3.9 -m pip uninstall six", "dnf reinstall python3-six")


@pytest.mark.skipif(not has_program("rpmbuild"), reason="rpmbuild is not installed")
def test_a_copy_of_an_rpm_is_uncovered_by_removing_pip_s(tmp_path: Path) -> None:
    found = only(case(pip_before_rpm)(tmp_path), "env-rpm-shadowed")
    assert found.fix == ("python3.9 -m pip uninstall six",)
    assert any(line.endswith("RPM python3-six") for line in found.detail)


@pytest.mark.skipif(not has_program("rpmbuild"), reason="rpmbuild is not installed")
@pytest.mark.parametrize(
    ("rpm_requires", "severity"),
    [
        (["python3.9dist(pycairo)", "python3.9dist(six)"], Severity.ERROR),
        (["python3.9dist(six)"], Severity.ADVICE),
        ([], Severity.WARNING),
    ],
)
def test_what_an_rpm_s_packager_took_away_is_no_error(
    tmp_path: Path, rpm_requires: list[str], severity: Severity
) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        info = make_dist(plain, "PyGObject", "3.42", requires=["pycairo>=1.16.0"], installer="rpm")
        own_rpm(root, "python3-gobject-base", "3.42", [info, plain / "pygobject"], requires=rpm_requires)

    assert only(case(make)(tmp_path), "env-missing-requirement").severity is severity


def test_tests_that_two_distributions_installed_at_the_top_are_advice(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(plain, "one", "1", files={"one.py": b"", "tests/__init__.py": b"1", "README.md": b"1"})
        make_dist(plain, "two", "1", files={"two.py": b"", "tests/__init__.py": b"2", "README.md": b"2"})

    assert only(case(make)(tmp_path), "env-file-owned-twice").severity is Severity.ADVICE


def test_a_digest_that_cannot_be_compared_says_nothing_of_who_wrote_a_file(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        for name, content in (("one", b"1"), ("two", b"2")):
            record = make_dist(plain, name, "1", files={f"{name}.py": b"", "both.py": content}) / "RECORD"
            record.write_text(re.sub(r"(both\.py),sha256=", r"\1,shake_128=", record.read_text()))

    found = only(case(make)(tmp_path), "env-file-owned-twice")
    assert found.message == "one 1 and two 1 both installed a file, with different content"


@pytest.mark.skipif(not has_program("rpmbuild"), reason="rpmbuild is not installed")
def test_the_way_back_to_the_rpm_that_was_content_is_shown(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        info = make_dist(plain, "oslo.concurrency", "1.8.2", requires=["oslo.utils>=1.4"], installer="rpm")
        own_rpm(root, "python3-oslo-concurrency", "1.8.2", [info, plain / "oslo_concurrency"])
        make_dist(plain, "oslo.utils", "1.4.0")
        newer = root / "usr/local/lib/python3.9/site-packages"
        make_dist(newer, "oslo.concurrency", "3.20.0", requires=["oslo.utils>=3.20"])

    assert only(case(make)(tmp_path), "env-wrong-version").fix == (
        "python3.9 -m pip install --no-deps oslo.utils==3.20",
        "# or, to go back to oslo.concurrency 1.8.2 of the RPM python3-oslo-concurrency:",
        "python3.9 -m pip uninstall oslo.concurrency",
    )


@pytest.mark.skipif(not has_program("gcc"), reason="gcc is not installed")
def test_a_link_to_a_module_is_not_told_again(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        no_library(root, plain, native)
        (plain / "fast").mkdir()
        (plain / "fast/_fast.so").symlink_to("../../../../lib64/python3.9/site-packages/fast/_fast.so")

    assert only(case(make)(tmp_path), "env-missing-library").where.startswith("/usr/lib64/")


def test_a_known_fault_names_what_happens_and_what_fixes_it(tmp_path: Path) -> None:
    found = only(case(brick("6.1.0", FAULTY))(tmp_path), "env-known-fault")
    assert found.severity is Severity.ERROR
    assert found.message == "os-brick 6.1.0 has a known fault (os-brick-dmidecode), and there is no program dmidecode"
    assert "every volume attach fails with FileNotFoundError" in found.detail[0]
    assert found.fixed_in == "6.2.0"
    assert found.fix[0] == "ppcdeps recipes render dmidecode-power --to dmidecode-power"
    assert found.fix[-1].startswith("rpm2cpio ")


def test_a_release_that_the_distributor_patched_is_not_taken_for_faulty(tmp_path: Path) -> None:
    assert list(case(brick("6.1.2", CAUGHT))(tmp_path)) == []


def test_without_the_module_the_version_decides(tmp_path: Path) -> None:
    assert only(case(brick("6.1.2", None))(tmp_path), "env-known-fault")


def test_the_shim_hides_the_fault(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        brick("6.1.2", FAULTY)(root, plain, native)
        (root / "usr/sbin").mkdir(parents=True)
        (root / "usr/sbin/dmidecode").write_text("#!/bin/sh\n")

    assert list(case(make)(tmp_path)) == []


def test_only_the_copy_that_is_imported_counts(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        brick("6.1.2", FAULTY)(root, plain, native)
        brick("6.2.0", CAUGHT)(root, native, plain)

    rules = [one.rule for one in case(make)(tmp_path)]
    assert "env-shadowed" in rules
    assert "env-known-fault" not in rules


@pytest.mark.skipif(platform.machine() != "x86_64", reason="no program here is for x86_64")
def test_on_x86_the_fault_of_power_is_none(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        brick("6.1.2", FAULTY)(root, plain, native)
        (root / "bin").mkdir()
        shutil.copy(shutil.which("sh") or "", root / "bin/sh")

    assert list(case(make)(tmp_path)) == []


def test_a_masked_mount_failure_is_advice_for_nova_before_its_fix(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        code = b"                except processutils.ProcessExecutionError():\n"
        make_dist(plain, "nova", "26.3.0", files={"nova/virt/libvirt/volume/mount.py": code, "nova/__init__.py": b""})

    found = only(case(make)(tmp_path), "env-known-fault")
    assert found.severity is Severity.ADVICE
    assert found.fixed_in == "27.5.0"
    assert "the true fault is the mount's" in found.detail[0]


def test_a_service_of_an_rpm_whose_package_pip_brings_is_started_by_pips_program(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        nova_by_pip(root, plain, native)
        (root / "usr/local/bin").mkdir(parents=True)
        (root / "usr/local/bin/nova-compute").write_text("#!/usr/bin/python3\n")

    found = only(case(make)(tmp_path), "env-isolated-program")
    assert found.message == (
        "/usr/bin/nova-compute begins with python3 -s, and cannot import nova: "
        "it is in /usr/local/lib/python3.9/site-packages only"
    )
    assert found.detail == ("pip's own program is /usr/local/bin/nova-compute",)
    assert found.fix == ("[Service]", "ExecStart=", "ExecStart=/usr/local/bin/nova-compute")


@pytest.mark.parametrize("shebang", ["#!/usr/bin/python3", "#!/bin/sh -s", "#!/opt/nova/bin/python3 -s"])
def test_other_programs_see_what_pip_installed(shebang: str, tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(root / "usr/local/lib/python3.9/site-packages", "nova", "25.3.0", files=NOVA)
        rpm_program(root, shebang)

    assert "env-isolated-program" not in {one.rule for one in case(make)(tmp_path)}


@pytest.mark.parametrize(
    "shebang", ["#! /usr/bin/python3.9 -sP", "#!/usr/libexec/platform-python -Es", "#!/usr/bin/python3 -I"]
)
def test_the_option_is_found_among_others(shebang: str, tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        make_dist(root / "usr/local/lib/python3.9/site-packages", "nova", "25.3.0", files=NOVA)
        rpm_program(root, shebang)

    assert "env-isolated-program" in {one.rule for one in case(make)(tmp_path)}


def test_a_unit_that_starts_pips_program_makes_the_other_one_a_warning(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        nova_by_pip(root, plain, native)
        (root / "usr/local/bin").mkdir(parents=True)
        (root / "usr/local/bin/nova-compute").write_text("#!/usr/bin/python3\n")
        drop_ins = root / "etc/systemd/system/openstack-nova-compute.service.d"
        drop_ins.mkdir(parents=True)
        (drop_ins / "pip.conf").write_text("[Service]\nExecStart=\nExecStart=/usr/local/bin/nova-compute\n")

    found = only(case(make)(tmp_path), "env-isolated-program")
    assert found.severity is Severity.WARNING
    assert found.fix == ()


def test_a_drop_in_that_only_adds_does_not_replace(tmp_path: Path) -> None:
    def make(root: Path, plain: Path, native: Path) -> None:
        nova_by_pip(root, plain, native)
        drop_ins = root / "etc/systemd/system/openstack-nova-compute.service.d"
        drop_ins.mkdir(parents=True)
        (drop_ins / "more.conf").write_text("[Service]\nExecStart=/usr/local/bin/nova-compute\n")

    assert only(case(make)(tmp_path), "env-isolated-program").severity is Severity.ERROR
