"""Source RPMs at hand: what their specs say for ppc64le decides."""

from pathlib import Path
from typing import Any

import pytest
import trapsrpms
from reporters import Recorder

from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause, RouteKind
from ppcdeps.model.reporter import Silence
from ppcdeps.planning.evaluation import Evaluations
from ppcdeps.planning.plan import plan_of
from ppcdeps.recipebook.book import RecipeBook

pytestmark = pytest.mark.skipif(bool(trapsrpms.MISSING), reason=f"lacking: {', '.join(trapsrpms.MISSING)}")

SPEC = """
Name: {name}
Version: {version}
Release: {release}
Summary: A stand-in's true source
License: MIT
{head}
%description
%package -n {package}
Summary: What is asked for
{requires}
%description -n {package}
%files
{files}
%files -n {package}
"""


def srpm_folder(tmp_path: Path, **parts: str) -> Path:
    """A folder with one source RPM."""
    words = {"head": "", "requires": "", "files": "", **parts}
    spec = tmp_path / f"{words['name']}.spec"
    spec.write_text(SPEC.format(**words))
    return trapsrpms.build_srpm(spec, tmp_path / "top").parent


YAPPI = {"name": "python-yappi", "version": "1.3.1", "release": "2.el9s", "package": "python3-yappi"}


def test_an_excluded_architecture_is_the_cause(planner: Any, tmp_path: Path) -> None:
    folder = srpm_folder(tmp_path, **YAPPI, head="ExclusiveArch: x86_64 aarch64")
    solution = planner.solve("python3-yappi", evaluations=Evaluations.in_folder(folder, planner.target, Silence()))
    (gap,) = [gap for gap in plan_of(solution, planner.metadata()).gaps if gap.name == "python-yappi"]
    assert gap.cause is Cause.EXCLUDED
    assert gap.route.kind is RouteKind.REBUILD
    assert gap.route.reason == "source RPM python-yappi-1.3.1-2.el9s.src.rpm"


def test_what_only_x86_needs_for_the_build_is_not_asked_for(planner: Any, tmp_path: Path) -> None:
    head = "%ifarch x86_64\nBuildRequires: nobody-has-this\n%endif\nBuildRequires: bash"
    folder = srpm_folder(tmp_path, **YAPPI, head=head)
    solution = planner.solve("python3-yappi", evaluations=Evaluations.in_folder(folder, planner.target, Silence()))
    names = {gap.name for gap in plan_of(solution, planner.metadata()).gaps}
    assert "python-yappi" in names
    assert "nobody-has-this" not in names


def test_what_only_x86_needs_at_run_time_is_taken_away(planner: Any, tmp_path: Path) -> None:
    name = {"name": "libvirt", "version": "10.10.0", "release": "3.el9", "package": "libvirt-daemon-common"}
    folder = srpm_folder(tmp_path, **name, requires="%ifarch x86_64\nRequires: dmidecode\n%endif")
    evaluations = Evaluations.in_folder(folder, planner.target, Silence())
    solution = planner.solve("libvirt-daemon-driver-qemu", book=RecipeBook(()), evaluations=evaluations)
    found = evaluations.of("libvirt")
    assert found is not None
    assert found.differences.grounds("dmidecode")
    assert "dmidecode" not in {gap.name for gap in plan_of(solution, planner.metadata()).gaps}


def test_a_spec_that_would_run_code_is_a_warning_and_the_facts_decide(planner: Any, tmp_path: Path) -> None:
    folder = srpm_folder(tmp_path, **YAPPI, head="%define when %(date +%s)")
    warned = Recorder()
    solution = planner.solve("python3-yappi", evaluations=Evaluations.in_folder(folder, planner.target, warned))
    (gap,) = [gap for gap in plan_of(solution, planner.metadata()).gaps if gap.name == "python-yappi"]
    assert gap.cause is Cause.ABSENT
    assert len(warned.warnings) == 1
    assert warned.warnings[0].startswith("python-yappi-1.3.1-2.el9s.src.rpm is not evaluated: ")


def test_a_folder_that_is_not_there_or_ambiguous_is_told(planner: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder of source RPMs"):
        Evaluations.in_folder(tmp_path / "none", planner.target, Silence())
    for release in ("1", "2"):
        (tmp_path / f"a-1-{release}.src.rpm").touch()
    with pytest.raises(ConfigError, match=r"two source RPMs of a: a-1-1\.src\.rpm and a-1-2\.src\.rpm"):
        Evaluations.in_folder(tmp_path, planner.target, Silence())
