"""Debian roots made by mmdebstrap from the mirror of this machine's apt, and RPMs built in them in each way."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import debianroots
import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.building.buildroots.buildroots import MARKER, Buildroots
from ppcdeps.building.buildroots.debianbase import base_repository, install
from ppcdeps.building.buildroots.definitions import DebianMaking, load_definitions
from ppcdeps.engines.job import BuildMode, Buildroot
from ppcdeps.model.errors import EnvironmentLacksError, UsageError
from ppcdeps.rpm.header import read_header

SPEC = r"""
Name: libcount
Version: 1.2
Release: 1%{?dist}
Summary: Counts
License: MIT
BuildRequires: gcc >= 4, make, pkgconfig(zlib) >= 1.2, zlib-devel%{?_isa}, python(abi) = 3.11, /usr/bin/tar
%description
Counts.
%prep
rm -rf source && mkdir source && cd source
cat >count.c <<'C'
#include <zlib.h>
unsigned long count(void) { return crc32(0L, Z_NULL, 0); }
C
cat >count.pc <<'P'
Name: count
Description: Counts
Version: 1.2
Libs: -lcount
P
%build
cd source
%{?ppcdeps_environment}
${CC:-gcc} %{optflags} -shared -fPIC -Wl,-soname,libcount.so.1 -o libcount.so.1.2 count.c -lz
%install
cd source
install -D -m 755 libcount.so.1.2 %{buildroot}%{_libdir}/libcount.so.1.2
ln -s libcount.so.1.2 %{buildroot}%{_libdir}/libcount.so.1
ln -s libcount.so.1.2 %{buildroot}%{_libdir}/libcount.so
install -D -m 644 count.pc %{buildroot}%{_libdir}/pkgconfig/count.pc
%if ! 0%{?ppcdeps_cross}
%check
cd source
echo 'int main(void) { extern unsigned long count(void); return count() != 0; }' >t.c
gcc t.c -o t ./libcount.so.1.2 && ln -s libcount.so.1.2 libcount.so.1 && LD_LIBRARY_PATH=. ./t && echo the check ran
%endif
%files
%{_libdir}/libcount.so*
%{_libdir}/pkgconfig/count.pc
"""


@pytest.fixture
def store(debian_cache: Cache) -> Buildroots:
    return Buildroots(debian_cache)


def queried(package: Path, what: str) -> set[str]:
    command = ["rpm", "-qp", "--nosignature", what, str(package)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def provided(repository: Path, arch: str) -> set[str]:
    (package,) = repository.glob(f"debian-12-base-*.{arch}.rpm")
    return queried(package, "--provides")


def built(buildroot: Buildroot, workspace: Path) -> tuple[Path, str]:
    (workspace / "SPECS").mkdir(parents=True)
    (workspace / "SPECS" / "libcount.spec").write_text(SPEC)
    done = debianroots.rpmbuild(buildroot, workspace, "libcount.spec")
    assert done.code == 0, done.output
    (package,) = (workspace / "RPMS").rglob("*.rpm")
    return package, done.output


def test_a_root_is_made_once_and_says_what_it_holds(debian_root: Buildroot, store: Buildroots) -> None:
    made = (debian_root.path.parent / MARKER).stat().st_mtime_ns
    again = store.create("debian-12", mode=debian_root.mode)
    assert again == debian_root
    assert (debian_root.path.parent / MARKER).stat().st_mtime_ns == made
    recorded = store.of(debian_root)
    assert recorded in store.created()
    assert recorded.packages["rpm:ppc64el"].startswith("4.18")
    assert recorded.size > 100_000_000
    assert any(source.startswith("bookworm of ") for source in recorded.sources)
    assert json.loads((debian_root.path.parent / MARKER).read_text())["key"] == debian_root.key


def test_nothing_of_the_machine_is_in_a_root(debian_root: Buildroot) -> None:
    assert not (debian_root.path / "etc/resolv.conf").exists()
    assert os.uname().nodename not in (debian_root.path / "etc/hosts").read_text()
    assert "root:*:0:0:" in (debian_root.path / "etc/passwd").read_text()


def test_the_base_package_provides_what_the_root_is_to_rpms(debian_root: Buildroot, store: Buildroots) -> None:
    repository = store.of(debian_root).repository
    assert repository is not None
    assert (repository / "repodata/repomd.xml").is_file()
    provides = provided(repository, "ppc64le")
    names = {provide.partition(" ")[0] for provide in provides}
    assert {"libc.so.6(GLIBC_2.36)(64bit)", "libstdc++.so.6(GLIBCXX_3.4.30)(64bit)", "rtld(GNU_HASH)"} <= names
    assert {"ld64.so.2()(64bit)", "/bin/sh", "/usr/bin/python3", "python3-devel(ppc-64)"} <= names
    assert {"gcc", "gcc-c++", "make", "cmake", "meson", "ninja-build", "tar", "patch", "perl(strict)"} <= names
    assert {"python(abi) = 3.11", "debian-12-base(ppc-64) = 12"} <= {
        provide.partition(".")[0] if provide.startswith("debian") else provide for provide in provides
    }
    assert {
        "python3dist(cython) = 0.29.32",
        "python3.11dist(cython) = 0.29.32",
        "pkgconfig(zlib) = 1.2.13",
    } <= provides
    assert "gcc = 12.2.0" in provides, "no epoch and no revision of Debian's"


def test_the_same_root_gives_the_same_base_package(debian_root: Buildroot, store: Buildroots, tmp_path: Path) -> None:
    making = load_definitions().named("debian-12").making
    assert isinstance(making, DebianMaking)
    recorded = store.of(debian_root)
    assert recorded.repository is not None
    again = base_repository(debian_root.path, "ppc64le", tmp_path, making, packages=recorded.packages)
    (first,) = recorded.repository.glob("*.ppc64le.rpm")
    assert again.package.read_bytes() == first.read_bytes()


@pytest.mark.parametrize("name", ["it's", "back\\slash [a]", "a{b,c}", "%(touch made)"])
def test_a_root_may_lie_in_any_folder(name: str, tmp_path: Path) -> None:
    making = load_definitions().named("debian-12").making
    assert isinstance(making, DebianMaking)
    root = tmp_path / name / "root"
    root.mkdir(parents=True)
    base = base_repository(root, "ppc64le", tmp_path / name / "repository", making)
    install(root, base.package)
    assert (root / "var/lib/rpm/rpmdb.sqlite").is_file()
    assert read_header(base.package).nevra.name == "debian-0-base"


def test_a_cross_root_stands_for_both_architectures(debian_cross_root: Buildroot, store: Buildroots) -> None:
    repository = store.of(debian_cross_root).repository
    assert repository is not None
    arch = os.uname().machine
    assert {"libz.so.1()(64bit)", "gcc = 12.2.0"} <= provided(repository, "ppc64le")
    assert {"libc.so.6()(64bit)", "gcc = 12.2.0"} <= provided(repository, arch)
    database = debian_cross_root.path / "var/lib/rpm"
    listed = subprocess.run(
        ["rpm", "--dbpath", database, "-qa", "--qf", "%{ARCH}\n"], capture_output=True, text=True, check=True
    )
    assert sorted(listed.stdout.split()) == sorted(["ppc64le", arch])


@pytest.mark.skipif(shutil.which("dnf") is None, reason="dnf is not installed")
def test_dnf_finds_the_base_package_in_the_root(debian_root: Buildroot, store: Buildroots, tmp_path: Path) -> None:
    repository = store.of(debian_root).repository
    command = ["dnf", "--forcearch", "ppc64le", "--releasever", "12", "--disableplugin=*", "-q", "repoquery"]
    settings = [f"--setopt=cachedir={tmp_path}", "--setopt=reposdir=/dev/null", f"--repofrompath=base,{repository}"]
    found = subprocess.run(
        [*command, *settings, "--whatprovides", "libc.so.6()(64bit)"], capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith("debian-12-base-0:12")


def test_the_same_library_in_every_mode(
    debian_root: Buildroot, debian_cross_root: Buildroot, store: Buildroots, tmp_path: Path
) -> None:
    cross, _ = built(debian_cross_root, tmp_path / "cross")
    assert queried(cross, "--qf=%{ARCH}") == {"ppc64le"}
    elf = subprocess.run(
        ["readelf", "-h", debian_cross_root.path / "bin/sh"], capture_output=True, text=True, check=True
    )
    assert "PowerPC64" not in elf.stdout, "the cross root's own programs run natively"
    if not debianroots.emulates():
        pytest.skip("cross-compiled only: this machine runs no ppc64le programs")
    emulated, said = built(debian_root, tmp_path / "emulated")
    assert "the check ran" in said
    assert queried(emulated, "--qf=%{ARCH}") == {"ppc64le"}
    for what in ("--requires", "--provides", "--list"):
        assert queried(emulated, what) == queried(cross, what), what
    assert "libz.so.1()(64bit)" in queried(cross, "--requires")
    assert {"libcount.so.1()(64bit)", "pkgconfig(count) = 1.2"} <= queried(cross, "--provides")
    quick = accelerated(store)
    package, said = built(quick, tmp_path / "accelerated")
    assert "the check ran" in said
    for what in ("--requires", "--provides", "--list"):
        assert queried(package, what) == queried(emulated, what), what


def accelerated(store: Buildroots) -> Buildroot:
    try:
        return store.create("debian-12", mode=BuildMode.ACCELERATED)
    except EnvironmentLacksError as reason:
        pytest.skip(f"emulated and cross only: {reason}")


def test_the_accelerated_way_compiles_with_this_machines_programs(
    debian_root: Buildroot, store: Buildroots, tmp_path: Path
) -> None:
    if not debianroots.emulates():
        pytest.skip("this machine runs no ppc64le programs")
    quick = accelerated(store)
    assert quick.path == debian_root.path
    assert quick.key != debian_root.key
    (tmp_path / "c.cc").write_text('#include <string>\nint main() { return std::string("abc").size() != 3; }\n')
    script = "command -v g++ && g++ -v -O2 -o t c.cc 2>&1 && ./t && readelf -h t | grep Machine"
    done = debianroots.run_in(quick, tmp_path, "sh", "-ec", f"cd /build; {script}")
    assert done.code == 0, done.output
    assert done.output.startswith("/opt/accel/bin/g++\n")
    assert "/opt/accel/bin/../lib/gcc-cross/" in done.output
    assert "PowerPC64" in done.output
    compiler = quick.tools["/opt/accel"] / "bin/g++"
    header = subprocess.run(["readelf", "-h", compiler], capture_output=True, text=True, check=True).stdout
    assert "PowerPC64" not in header


def test_build_requirements_are_checked(debian_cross_root: Buildroot, tmp_path: Path) -> None:
    (tmp_path / "SPECS").mkdir()
    spec = SPEC.replace("gcc >= 4", "gcc >= 99, no-such-devel")
    (tmp_path / "SPECS/libcount.spec").write_text(spec)
    done = debianroots.rpmbuild(debian_cross_root, tmp_path, "libcount.spec")
    assert done.code != 0
    assert "gcc >= 99 is needed by libcount" in done.output
    assert "no-such-devel is needed by libcount" in done.output


def test_a_way_that_a_root_has_not(store: Buildroots) -> None:
    with pytest.raises(UsageError, match=r"debian-12 has no build mode cross; its modes: native, emulated"):
        store.create("debian-12", mode=BuildMode.CROSS)
    if os.uname().machine != "ppc64le":
        with pytest.raises(EnvironmentLacksError, match="builds nothing native for ppc64le"):
            store.create("debian-12", mode=BuildMode.NATIVE)
