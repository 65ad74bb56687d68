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
from ppcdeps.recipebook.book import RecipeBook, load_book

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
    assert ("libvirt", "dmidecode") in solution.search.dropper.dropped_requirements


def test_a_spec_that_does_not_parse_is_a_warning_and_the_facts_decide(planner: Any, tmp_path: Path) -> None:
    folder = srpm_folder(tmp_path, **YAPPI, head="%ifarch ppc64le\nRequires: !x\n%endif")
    warned = Recorder()
    solution = planner.solve("python3-yappi", evaluations=Evaluations.in_folder(folder, planner.target, warned))
    (gap,) = [gap for gap in plan_of(solution, planner.metadata()).gaps if gap.name == "python-yappi"]
    assert gap.cause is Cause.ABSENT
    assert len(warned.warnings) == 1
    assert warned.warnings[0].startswith("python-yappi-1.3.1-2.el9s.src.rpm is not evaluated: ")


LIBVIRT = {"name": "libvirt", "version": "10.10.0", "release": "3.el9", "package": "libvirt-daemon-common"}
DRIVER = """
%global arches x86_64 s390x
%ifarch %{arches}
%package daemon-driver-qemu
Summary: The driver
Requires: libvirt-daemon-common = %{version}-%{release}
%ifarch x86_64
Requires: dmidecode
%endif
%description daemon-driver-qemu
The driver.
%endif
"""
FILES = "%ifarch %{arches}\n%files daemon-driver-qemu\n%endif"


def book_of(folder: Path, edit: str, packages: tuple[str, ...] = ("libvirt-daemon-driver-qemu",)) -> RecipeBook:
    """A book with one recipe, for libvirt, that makes one edit."""
    place = folder / "book" / "libvirt" / "recipe.toml"
    place.parent.mkdir(parents=True)
    place.write_text(
        'source = "libvirt"\nkind = "srpm"\nsummary = "s"\nreason = "r"\n'
        f"packages = {list(packages)}\nsmoke_test = 'true'\n"
        '[build]\nrelease_suffix = ".ppc1"\n'
        f'[[edits]]\nwhy = "w"\n{edit}'
    )
    return load_book([folder / "book"], shipped=False)


EXTEND = 'action = "extend-macro"\nname = "arches"\nadd = "%{power64}"\n'


def with_driver(tmp_path: Path) -> Path:
    return srpm_folder(tmp_path, **LIBVIRT, head="", requires="", files=f"{DRIVER}\n{FILES}")


def test_what_is_evaluated_is_the_spec_with_the_changes_of_its_recipe(planner: Any, tmp_path: Path) -> None:
    folder = with_driver(tmp_path)
    plain = Evaluations.in_folder(folder, planner.target, Silence()).of("libvirt")
    changed = Evaluations.in_folder(folder, planner.target, Silence(), book_of(tmp_path, EXTEND)).of("libvirt")
    assert plain is not None
    assert changed is not None
    assert [one.name for one in plain.products()] == ["libvirt-daemon-driver-qemu"]
    assert plain.recipe is None
    assert [one.name for one in changed.products()] == []
    assert changed.gives("libvirt-daemon-driver-qemu")
    assert changed.target.source.release == "3.el9.ppc1"
    # As a stand-in of another build states it.
    assert changed.differences.grounds("libvirt-daemon-common = 9.0.0-1.el9") is None
    assert changed.differences.grounds("dmidecode")


def test_the_grounds_name_the_recipe_and_the_cause_is_the_distributions(planner: Any, tmp_path: Path) -> None:
    book = book_of(tmp_path, EXTEND)
    evaluations = Evaluations.in_folder(with_driver(tmp_path), planner.target, Silence(), book)
    solution = planner.solve("libvirt-daemon-driver-qemu", book=book, evaluations=evaluations)
    plan = plan_of(solution, planner.metadata())
    (gap,) = [gap for gap in plan.gaps if gap.name == "libvirt"]
    assert gap.cause is Cause.NOT_BUILT
    assert gap.route.kind is RouteKind.RECIPE
    grounds = solution.adaptation.grounds("libvirt", "dmidecode")
    assert grounds == "the spec, evaluated for ppc64le, does not require it, with the changes of recipe libvirt"


def test_a_package_that_the_spec_gives_for_x86_only_is_not_taken_to_be_built(planner: Any, tmp_path: Path) -> None:
    evaluations = Evaluations.in_folder(with_driver(tmp_path), planner.target, Silence())
    solution = planner.solve("libvirt-daemon-driver-qemu", book=RecipeBook(()), evaluations=evaluations)
    (gap,) = [gap for gap in plan_of(solution, planner.metadata()).gaps if gap.name == "libvirt-daemon-driver-qemu"]
    assert gap.route.kind is RouteKind.BLOCKED
    assert "the spec of libvirt, evaluated for ppc64le, does not give it" in gap.detail


@pytest.mark.parametrize(
    ("edit", "packages", "said"),
    [
        (EXTEND, ("libvirt-daemon-driver-qemu", "libvirt-more"), "libvirt.spec gives no package libvirt-more on"),
        (EXTEND.replace('"arches"', '"other"'), ("libvirt",), 'the spec defines no macro "other"'),
        ('action = "add-tag"\ntag = "ExcludeArch"\nvalue = "%{power64}"\n', ("libvirt",), "is excluded on ppc64le"),
    ],
)
def test_a_recipe_that_does_not_do_what_it_promises_blocks(
    edit: str, packages: tuple[str, ...], said: str, planner: Any, tmp_path: Path
) -> None:
    book, warned = book_of(tmp_path, edit, packages), Recorder()
    evaluations = Evaluations.in_folder(with_driver(tmp_path), planner.target, warned, book)
    solution = planner.solve("libvirt-daemon-driver-qemu", book=book, evaluations=evaluations)
    (gap,) = [gap for gap in plan_of(solution, planner.metadata()).gaps if gap.name == "libvirt"]
    assert gap.route.kind is RouteKind.BLOCKED
    assert said in gap.route.reason
    assert [text for text in warned.warnings if said in text]


def test_a_curated_fact_that_the_spec_contradicts_is_named_and_does_not_count(planner: Any, tmp_path: Path) -> None:
    folder = srpm_folder(tmp_path, **LIBVIRT, requires="Requires: dmidecode")
    warned = Recorder()
    evaluations = Evaluations.in_folder(folder, planner.target, warned)
    solution = planner.solve("libvirt-daemon-driver-qemu", book=RecipeBook(()), evaluations=evaluations)
    assert ("libvirt", "dmidecode") not in solution.search.dropper.dropped_requirements
    (text,) = [text for text in warned.warnings if "dmidecode" in text]
    assert text.startswith("only x86 builds of libvirt are known to require dmidecode, and ppc64le's does: ")


def test_a_folder_that_is_not_there_or_ambiguous_is_told(planner: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder of source RPMs"):
        Evaluations.in_folder(tmp_path / "none", planner.target, Silence())
    for release in ("1", "2"):
        (tmp_path / f"a-1-{release}.src.rpm").touch()
    with pytest.raises(ConfigError, match=r"two source RPMs of a: a-1-1\.src\.rpm and a-1-2\.src\.rpm"):
        Evaluations.in_folder(tmp_path, planner.target, Silence())
