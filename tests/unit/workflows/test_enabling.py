"""Repositories that are known and not enabled: what a plan says of them, over real repositories."""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from enabling import EnablingCase, read_enabling_cases, write_target
from indexes import pkg_info, sdist, wheel
from reporters import Recorder
from rpmmd import Package, write_files

from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import UsageError
from ppcdeps.model.gap import Gap, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Enabling, Plan
from ppcdeps.model.plan_file import dump_plan
from ppcdeps.model.reporter import Silence
from ppcdeps.report.repositories import render_snapshot
from ppcdeps.report.text import render_explanation, render_plan
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import explain, plan
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.request import PlanRequest, plan_request
from ppcdeps.workflows.snapshots import save_snapshot

SCHEMA = json.loads((files("ppcdeps") / "data/schemas/plan.schema.json").read_text())
CASES = {case.name: case for case in read_enabling_cases()}
HAS_IT = CASES["a repository that has what is missing"]


def request_of(case: EnablingCase, target: Path, folder: Path, **options: object) -> PlanRequest:
    cache = Cache.open(folder / "cache").directory
    choice = RepositoryChoice(target=str(target), cache_directory=cache, **options)  # type: ignore[arg-type]
    return plan_request(case.roots, resolve_target(choice, Silence()), python="rpm")


def planned(case: EnablingCase, folder: Path, **options: object) -> Plan:
    return plan(request_of(case, write_target(case, folder), folder, **options), Silence())


def route_of(gap: Gap) -> str:
    if gap.alternative is None:
        return str(gap.route.kind)
    assert gap.route.kind is RouteKind.ENABLE
    assert gap.route.help == f"--enablerepo {','.join(gap.route.subject)}"
    return f"enable {' and '.join(gap.route.subject)}, or {gap.alternative.kind}: {gap.route.reason}"


def enabling_of(one: Enabling, found: Plan) -> str:
    text = f"{' and '.join(one.repositories)}: closes {', '.join(one.closes)}"
    if one.opens:
        text += f", opens {', '.join(one.opens)}"
    if one.replaces:
        text += ", replaces " + ", ".join(f"{each.package} by {each.by}" for each in one.replaces)
    if one.apart_from:
        return f"{text}; not with {' and '.join(one.apart_from)}"
    proposed = any(gap.route.subject == one.repositories for gap in found.gaps if gap.alternative is not None)
    return text if proposed else f"{text}; not proposed"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_plan_says_what_enabling_would_close(case: EnablingCase, tmp_path: Path) -> None:
    target = write_target(case, tmp_path)
    found = plan(request_of(case, target, tmp_path), Silence())
    jsonschema.validate(json.loads(dump_plan(found)), SCHEMA)
    assert {gap.name: route_of(gap) for gap in found.gaps} == case.routes
    assert tuple(enabling_of(one, found) for one in found.enablings) == case.enabling
    assert plan(request_of(case, target, tmp_path), Silence()) == found, "as it was remembered"
    # What it says of a set is what the user gets who enables it.
    for one in found.enablings:
        with_it = plan(request_of(case, target, tmp_path, enable=one.repositories), Silence())
        after = {gap.name for gap in with_it.gaps}
        assert after == {gap.name for gap in found.gaps} - {*one.closes} | {*one.opens}


def test_known_repositories_stand_among_the_metadata_and_not_in_the_closure(tmp_path: Path) -> None:
    found = planned(HAS_IT, tmp_path)
    states = {state.id: (state.enabled, state.packages, state.problem) for state in found.repositories}
    assert states["extra"] == (False, 1, "")
    assert states["target"] == (True, 1, "")
    assert "extra" not in {package.repo for package in found.closure}


def known_states(found: Plan) -> dict[str, str]:
    """Why each repository that is not enabled was not looked at; empty where it was."""
    return {state.id: state.problem for state in found.repositories if not state.enabled}


def test_with_nothing_missing_no_known_repository_is_looked_at(tmp_path: Path) -> None:
    case = replace(CASES["what a build lacks"], roots=("gcc",))
    target = write_target(case, tmp_path)
    (tmp_path / "crb/repodata/repomd.xml").unlink()
    found = plan(request_of(case, target, tmp_path), Silence())
    assert (found.gaps, known_states(found)) == ((), {})


def test_a_known_repository_that_is_not_there_is_no_fault_of_the_plan(tmp_path: Path) -> None:
    target = write_target(HAS_IT, tmp_path)
    shutil.rmtree(tmp_path / "extra")
    found = plan(request_of(HAS_IT, target, tmp_path), Silence())
    assert [gap.route.kind for gap in found.gaps] == [RouteKind.REBUILD]
    assert "repomd.xml" in known_states(found)["extra"]
    assert "not looked at for what is missing\n  extra: " in render_plan(found)


def damaged_xml(_: str) -> str:
    return "<metadata><package"


def without_release(primary: str) -> str:
    return primary.replace('rel="1"', 'rel=""')


@pytest.mark.parametrize("damage", [damaged_xml, without_release])
def test_a_known_repository_whose_metadata_is_damaged_is_no_fault_of_the_plan(
    damage: Callable[[str], str], tmp_path: Path
) -> None:
    case = CASES["two that close a gap each, and go together"]
    target = write_target(case, tmp_path)
    primary = gzip.decompress((tmp_path / "two/repodata/primary.xml.gz").read_bytes()).decode()
    shutil.rmtree(tmp_path / "two")
    write_files(tmp_path / "two", {"primary": damage(primary)})
    found = plan(request_of(case, target, tmp_path), Silence())
    assert {gap.name: gap.route.kind for gap in found.gaps} == {"a": RouteKind.ENABLE, "b": RouteKind.REBUILD}
    problems = known_states(found)
    assert problems["one"] == ""
    assert "two" in problems["two"]


def test_file_lists_that_are_gone_are_no_fault_of_the_plan(tmp_path: Path) -> None:
    case = CASES["a path that only file lists have"]
    target = write_target(case, tmp_path)
    (tmp_path / "extra/repodata/filelists.xml.gz").unlink()
    found = plan(request_of(case, target, tmp_path), Silence())
    assert [gap.route.kind for gap in found.gaps] == [RouteKind.BLOCKED]
    assert "filelists" in known_states(found)["extra"]


def test_what_would_be_built_for_python_may_come_from_a_repository_and_what_pip_installs_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_of(tmp_path / "simple", monkeypatch)
    requires = ("python3.9dist(native)", "python3.9dist(pure)")
    packages = {
        "target": (package("app-1-1.noarch", requires=requires),),
        "epel": (
            package("python3-native-1-1.ppc64le", provides=("python3.9dist(native) = 1",)),
            package("python3-pure-1-1.noarch", provides=("python3.9dist(pure) = 1",)),
        ),
    }
    case = replace(HAS_IT, packages=packages, sides={"target": "target", "epel": "known"})
    target = write_target(case, tmp_path)
    request = replace(request_of(case, target, tmp_path), python="pip")
    found = plan(request, Silence())
    assert {gap.name: gap.route.kind for gap in found.gaps} == {
        "native": RouteKind.ENABLE,
        "pure": RouteKind.PIP_WHEEL,
    }
    (native,) = [gap for gap in found.gaps if gap.name == "native"]
    assert native.route_without_enabling.kind is RouteKind.BUILD_SDIST
    assert native.route.reason == "epel has python3-native-1-1.ppc64le"


def package(nevra: str, **relations: tuple[str, ...]) -> Package:
    return Package(Nevra.parse(nevra), "", (), relations)


def index_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pip's index offer a wheel of one distribution, and of another an sdist with C alone."""
    setup = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"
    native = {"PKG-INFO": pkg_info("native", "1", metadata="2.2"), "setup.py": setup, "x.c": ""}
    for name, (file, content) in {"native": sdist("native", "1", native), "pure": wheel("pure", "1")}.items():
        page = folder / name
        page.mkdir(parents=True)
        (page / file).write_bytes(content)
        (page / "index.html").write_text(
            f'<!DOCTYPE html>\n<a href="{file}#sha256={hashlib.sha256(content).hexdigest()}">{file}</a>'
        )
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", folder.as_uri())


@pytest.mark.parametrize("options", [{"disable": ("extra",)}, {"disable": ("e*,x",)}, {"only": ("target",)}])
def test_what_the_user_turned_off_is_not_looked_at(options: dict[str, object], tmp_path: Path) -> None:
    case = replace(HAS_IT, name="x", packages={**HAS_IT.packages, "x": ()}, sides={**HAS_IT.sides, "x": "known"})
    target = write_target(case, tmp_path)
    assert "extra" not in known_states(plan(request_of(case, target, tmp_path, **options), Silence()))


def test_a_snapshot_without_a_known_repository_says_so(tmp_path: Path) -> None:
    target = write_target(HAS_IT, tmp_path)
    choice = RepositoryChoice(target=str(target), cache_directory=tmp_path / "cache")
    without = save_snapshot(tmp_path / "without", choice, Silence(), name="el9-test")
    found = plan(request_of(HAS_IT, target, tmp_path, snapshot=str(without.path)), Silence())
    assert known_states(found) == {"extra": "not in the snapshot el9-test"}
    assert [gap.route.kind for gap in found.gaps] == [RouteKind.REBUILD]


def test_a_snapshot_with_a_known_repository_answers_as_the_live_one(tmp_path: Path) -> None:
    target = write_target(HAS_IT, tmp_path)
    choice = RepositoryChoice(target=str(target), cache_directory=tmp_path / "cache")
    saved = save_snapshot(tmp_path / "with", choice, Silence(), name="el9-test", with_disabled=True)
    assert [config.id for config in saved.configs if not config.enabled] == ["extra"]
    assert "Known and not enabled: extra" in render_snapshot(saved)
    live = plan(request_of(HAS_IT, target, tmp_path), Silence())
    found = plan(request_of(HAS_IT, target, tmp_path, snapshot=str(saved.path)), Silence())
    assert (found.gaps, found.enablings) == (live.gaps, live.enablings)
    assert (
        plan(request_of(HAS_IT, target, tmp_path, snapshot=str(saved.path), enable=("extra",)), Silence()).gaps == ()
    )


def test_a_root_that_no_repository_knows_stays_a_usage_error(tmp_path: Path) -> None:
    case = replace(CASES["a root that no enabled repository knows"], roots=("htop", "atop"))
    target = write_target(case, tmp_path)
    with pytest.raises(UsageError, match="no repository of el9-test knows htop, atop"):
        plan(request_of(case, target, tmp_path), Silence())
    shutil.rmtree(tmp_path / "extra")
    told = Recorder()
    with pytest.raises(UsageError, match="no repository of el9-test knows htop, atop"):
        plan(request_of(case, target, tmp_path), told)
    assert [text.partition(":")[0] for text in told.warnings] == ["extra, which is not enabled, was not looked at"]


def test_the_reports_name_the_repository_first_and_the_way_without_it(tmp_path: Path) -> None:
    request = request_of(HAS_IT, write_target(HAS_IT, tmp_path), tmp_path)
    shown = render_plan(plan(request, Silence()), None, ("ppcdeps", "plan", "a b", "--", "app")).splitlines()
    assert shown[2:6] == [
        "extra, known and not enabled, would close the gap",
        "  closes        lib",
        "  replaces      nothing of the enabled repositories",
        "  type          ppcdeps plan 'a b' --enablerepo extra -- app",
    ]
    assert "  lib   absent  enable (or rebuild)  -     app-1-1.ppc64le" in shown
    why = render_explanation(explain("lib", request, Silence()))
    assert "Route: enable extra (extra has lib-2-1.ppc64le)\nTo enable it: --enablerepo extra\n" in why
    assert "Otherwise: rebuild lib-1-1.src (source package in source)" in why


def test_what_is_not_proposed_says_why(tmp_path: Path) -> None:
    def told(name: str) -> list[str]:
        shown = render_plan(planned(CASES[name], tmp_path / name.replace(" ", "-"))).splitlines()
        return [line.strip().removeprefix("not proposed").strip() for line in shown if "not proposed" in line]

    assert told("of two that have it the one is proposed that closes more") == ["all closes as much"]
    assert told("two that close a gap each, and do not go together") == ["it does not go together with one"]
    assert told("a repository that takes what nothing has") == ["what it lacks is no less, or could not be had"]


def test_repositories_that_go_together_can_be_enabled_at_once(tmp_path: Path) -> None:
    shown = render_plan(planned(CASES["two that close a gap each, and go together"], tmp_path))
    assert "All that is proposed goes together\n  type          --enablerepo one --enablerepo two\n" in shown
