"""Ten source RPMs that mislead a naive reader, made by rpmbuild, unpacked and evaluated for EL9 on ppc64le."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from trapsrpms import MISSING, SPECS, build_rpms, build_srpm, tarball

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.sync import ensure, fetch_repositories
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.build_order import Bootstrap
from ppcdeps.model.capability import Rich, parse_requirement
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.target import Target
from ppcdeps.planning.order import order_of
from ppcdeps.planning.plan import waves_of
from ppcdeps.planning.solution import solve_builds, solve_run
from ppcdeps.planning.workloads import workload_of_roots
from ppcdeps.recipebook.srpm import UnpackedSrpm, unpack_srpm
from ppcdeps.rpm.evaluated_spec import SpecEvaluation, differences
from ppcdeps.rpm.platforms import PlatformMacros, platform_of
from ppcdeps.rpm.specs import evaluate_spec

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

CYCLE = ("trap-cycle-a", "trap-cycle-b", "trap-cycle-c")
PYPROJECT = """
[build-system]
requires = ["setuptools>=61", "Cython ~= 3.0", "tomli; python_version < '3.11'", "wheel; sys_platform == 'win32'"]
"""


@pytest.fixture(scope="module")
def target() -> Target:
    return load_target("centos-stream-9")


@pytest.fixture(scope="module")
def platform(target: Target) -> PlatformMacros:
    return platform_of(target)


def unpacked(name: str, folder: Path, sources: Mapping[str, bytes] | None = None) -> UnpackedSrpm:
    srpm = build_srpm(SPECS / f"{name}.spec", folder / "top", sources)
    return unpack_srpm(srpm, folder / "unpacked")


@pytest.fixture
def both(
    request: pytest.FixtureRequest, tmp_path: Path, platform: PlatformMacros
) -> tuple[SpecEvaluation, SpecEvaluation]:
    """The evaluations of a trap for ppc64le and x86_64."""
    srpm = unpacked(request.param, tmp_path)
    return evaluate_spec(srpm.spec, platform, "ppc64le"), evaluate_spec(srpm.spec, platform, "x86_64")


Both = tuple[SpecEvaluation, SpecEvaluation]


@pytest.mark.parametrize("both", ["trap-exclusive"], indirect=True)
def test_exclusive_arch_leaves_the_architecture_out(both: Both) -> None:
    here, there = both
    assert here.excluded == "ExclusiveArch: x86_64"
    assert here.packages == ()
    assert here.why_missing("trap-exclusive-tools") == (
        Cause.EXCLUDED,
        "the spec of trap-exclusive says ExclusiveArch: x86_64",
    )
    assert not there.excluded
    assert [str(package.nevra) for package in there.packages] == [
        "trap-exclusive-1.0-1.el9.x86_64",
        "trap-exclusive-tools-1.0-1.el9.x86_64",
    ]


@pytest.mark.parametrize("both", ["trap-ifarch"], indirect=True)
def test_naming_the_architecture_proves_no_subpackage(both: Both) -> None:
    here, there = both
    assert not here.excluded
    assert [package.nevra.name for package in here.packages] == ["trap-ifarch-img"]
    cause, detail = here.why_missing("trap-ifarch-core") or (None, "")
    assert cause is Cause.NOT_BUILT
    assert detail == "the spec of trap-ifarch, evaluated for ppc64le, describes it and has no files for it"
    assert here.why_missing("trap-ifarch-img") is None
    only = differences(here, there)
    assert only.packages == ("trap-ifarch", "trap-ifarch-core")
    assert only.requires == {"trap-ifarch-img": ("libpmem",)}
    assert only.build_requires == ("libpmem-devel",)
    assert only.grounds("libpmem") == "the spec, evaluated for ppc64le, does not require it"
    assert only.grounds("glibc") is None


@pytest.mark.parametrize("both", ["trap-bcond"], indirect=True)
def test_a_build_condition_follows_the_distribution_and_the_architecture(both: Both) -> None:
    here, there = both
    assert [package.nevra.name for package in here.packages] == ["trap-bcond"]
    assert here.build_requires == ("make",)
    assert here.why_missing("trap-bcond-guests") == (
        Cause.NOT_BUILT,
        "the spec of trap-bcond, evaluated for ppc64le, does not describe it",
    )
    assert differences(here, there).build_requires == ("guest-devel >= 2",)


def test_a_build_condition_can_be_set(tmp_path: Path, platform: PlatformMacros) -> None:
    spec = unpacked("trap-bcond", tmp_path).spec
    on = evaluate_spec(spec, platform, "ppc64le", conditions={"guests": True})
    assert on.build_requires == ("guest-devel >= 2", "make")
    guests = on.package("trap-bcond-guests")
    assert guests is not None
    assert guests.requires == ("guest-runtime",)
    off = evaluate_spec(spec, platform, "x86_64", conditions={"guests": False})
    assert off.package("trap-bcond-guests") is None


def test_another_distribution_gives_another_evaluation(tmp_path: Path) -> None:
    spec = unpacked("trap-bcond", tmp_path).spec
    fedora = platform_of(load_target("fedora", variables={"releasever": "40"}))
    evaluation = evaluate_spec(spec, fedora, "ppc64le")
    assert evaluation.package("trap-bcond-guests") is not None
    assert evaluation.source.release == "1.fc40"


def test_what_generate_buildrequires_prints_is_left_to_the_build(tmp_path: Path, platform: PlatformMacros) -> None:
    archive = tarball("trap_dynamic-1.0", {"pyproject.toml": PYPROJECT})
    srpm = unpacked("trap-dynamic", tmp_path, {"trap_dynamic-1.0.tar.gz": archive})
    evaluation = evaluate_spec(srpm.spec, platform, "ppc64le", sources=srpm.folder)
    assert evaluation.build_requires == ("pyproject-rpm-macros", "python3-devel")
    assert evaluation.generates_build_requires


@pytest.mark.parametrize("holds", [True, False])
def test_generate_buildrequires_counts_where_its_condition_holds(
    holds: bool, tmp_path: Path, platform: PlatformMacros
) -> None:
    spec = tmp_path / "x.spec"
    spec.write_text(
        "Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\n%description\nd\n%prep\n:\n"
        f"%if {int(holds)}\n%generate_buildrequires\necho a\n%endif\n%build\n%files\n"
    )
    assert evaluate_spec(spec, platform, "ppc64le").generates_build_requires is holds


@pytest.mark.parametrize("both", ["trap-rich"], indirect=True)
def test_boolean_dependencies_are_kept_as_they_are(both: Both) -> None:
    here, there = both
    assert here.build_requires == (
        "(gcc >= 11 or clang)",
        "(kernel-headers if (glibc-devel or musl-devel) else linux-headers)",
        "(libnuma-devel with libnuma-devel < 3)",
    )
    assert all(isinstance(parse_requirement(text), Rich) for text in here.build_requires)
    only = differences(here, there)
    assert only.build_requires == ("(nasm or yasm)",)
    assert only.requires == {}


def test_an_epoch_is_in_every_version_but_not_in_the_file_name(tmp_path: Path, platform: PlatformMacros) -> None:
    srpm = build_srpm(SPECS / "trap-epoch.spec", tmp_path / "top")
    assert srpm.name == "trap-epoch-1.0~rc1-3.el9.src.rpm"
    evaluation = evaluate_spec(unpack_srpm(srpm, tmp_path / "unpacked").spec, platform, "ppc64le")
    assert evaluation.source == Nevra("trap-epoch", 2, "1.0~rc1", "3.el9", "src")
    libs = evaluation.package("trap-epoch-libs")
    assert libs is not None
    assert str(libs.nevra) == "trap-epoch-libs-2:1.0~rc1-3.el9.ppc64le"
    assert libs.requires == ("trap-epoch = 2:1.0~rc1-3.el9",)
    assert libs.obsoletes == ("trap-old < 1:2.0",)
    assert "trap-epoch-libs(ppc-64) = 2:1.0~rc1-3.el9" in libs.provides


@pytest.mark.parametrize("both", ["trap-noarch"], indirect=True)
def test_a_noarch_subpackage_is_the_same_on_both_sides(both: Both) -> None:
    here, there = both
    firmware = here.package("trap-firmware")
    assert firmware is not None
    assert firmware.nevra.arch == "noarch"
    assert firmware == there.package("trap-firmware")
    assert here.declared == ("trap-noarch", "trap-firmware")
    native = here.package("trap-noarch")
    assert native is not None
    assert native.nevra.arch == "ppc64le"


def test_a_spec_that_parses_elsewhere_only_is_told_in_rpms_words(tmp_path: Path, platform: PlatformMacros) -> None:
    spec = unpacked("trap-unparsable", tmp_path).spec
    assert evaluate_spec(spec, platform, "x86_64").packages
    with pytest.raises(ConfigError) as told:
        evaluate_spec(spec, platform, "ppc64le")
    assert "trap-unparsable.spec does not parse for ppc64le" in str(told.value)
    assert told.value.faults == ("line 8: Unknown tag: Flavour: none",)
    assert str(tmp_path) not in str(told.value)
    assert "ppcdeps-spec-" not in str(told.value)


def test_a_bootstrap_condition_takes_the_edge_that_closes_the_cycle(tmp_path: Path, platform: PlatformMacros) -> None:
    needs: dict[str, set[str]] = {}
    for name in CYCLE:
        spec = unpacked(name, tmp_path / name).spec
        needs[name] = set(evaluate_spec(spec, platform, "ppc64le").build_requires)
    stuck = order_of(needs)
    assert [str(cycle) for cycle in stuck.cycles] == [
        "trap-cycle-a needs trap-cycle-b needs trap-cycle-c needs trap-cycle-a"
    ]
    assert stuck.undecided == CYCLE
    plain = evaluate_spec(spec, platform, "ppc64le")
    early = evaluate_spec(spec, platform, "ppc64le", conditions={"bootstrap": True})
    freed = frozenset(plain.build_requires).difference(early.build_requires)
    order = order_of(needs, [Bootstrap("trap-cycle-c", "bootstrap", freed)])
    assert order.names == (
        ("trap-cycle-c (with bootstrap)",),
        ("trap-cycle-b",),
        ("trap-cycle-a",),
        ("trap-cycle-c",),
    )


@pytest.mark.skipif(shutil.which("createrepo_c") is None, reason="not installed: createrepo_c")
def test_a_cycle_of_three_is_found_in_solved_build_environments(tmp_path: Path, target: Target) -> None:
    for name in CYCLE:
        spec = SPECS / f"{name}.spec"
        top = tmp_path / "build" / name
        for kind, files in (("source", [build_srpm(spec, top)]), ("reference", build_rpms(spec, top))):
            folder = tmp_path / kind
            folder.mkdir(exist_ok=True)
            for file in files:
                shutil.copy(file, folder)
    (tmp_path / "target").mkdir()
    for kind in ("target", "reference", "source"):
        subprocess.run(["createrepo_c", "-q", str(tmp_path / kind)], check=True)
    small = replace(
        target,
        build_packages=(),
        repositories=tuple(
            RepoConfig(side.value, side, baseurl=((tmp_path / side.value).as_uri(),)) for side in Side
        ),
    )
    cache = Cache.open(tmp_path / "cache")
    metadata = fetch_repositories(small.repositories, cache, Silence())
    run = solve_run(
        workload_of_roots(["trap-cycle-a"]),
        small,
        metadata,
        cache,
        lambda wanted: ensure(wanted, ("filelists",), cache, Silence()),
    )
    solution = solve_builds(run)
    order = waves_of(solution)
    assert order.undecided == CYCLE
    assert [cycle.members for cycle in order.cycles] == [CYCLE]
    bootstrap = Bootstrap("trap-cycle-c", "bootstrap", frozenset({"trap-cycle-a"}))
    assert waves_of(solution, [bootstrap]).undecided == ()
