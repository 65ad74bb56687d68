"""The target of a plan, taken from the plan itself: what need not be given again, and what only the user has."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from enabling import read_enabling_cases, write_target
from indexes import serving, wheel
from rpmmd import write_repository

from ppcdeps.base.cache import Cache
from ppcdeps.model.errors import UsageError
from ppcdeps.model.plan import Plan
from ppcdeps.model.plan_file import dump_plan, parse_plan
from ppcdeps.model.reporter import Silence
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import plan
from ppcdeps.workflows.replan import planned_request, replan, resolve_planned
from ppcdeps.workflows.repositories import ResolvedTarget, resolve_target
from ppcdeps.workflows.request import plan_request

CASE = next(case for case in read_enabling_cases() if case.name == "a repository that has what is missing")


def planned(root: str, choice: RepositoryChoice) -> Plan:
    made = plan(plan_request([root], resolve_target(choice, Silence()), python="rpm"), Silence())
    # What a file of it says, as commands that take a plan read it.
    return parse_plan(dump_plan(made), Path("plan.json"))


def enabled(resolved: ResolvedTarget) -> set[str]:
    return {config.id for config in resolved.target.repositories if config.enabled}


def test_a_shipped_target_need_not_be_given_again(tmp_path: Path) -> None:
    here = RepositoryChoice(offline=True, cache_directory=Cache.open(tmp_path / "cache").directory)
    choice = replace(here, target="centos-stream-10", enable=("kvm-power",), disable=("crb",))
    before = planned("bash", choice)
    assert (before.target, before.release) == ("centos-stream-10", "epoxy")
    resolved = resolve_planned(before, here, Silence())
    assert resolved.target.name == "centos-stream-10"
    assert resolved.target.openstack == "epoxy"
    assert enabled(resolved) == {state.id for state in before.repositories if state.enabled}
    assert "kvm-power" in enabled(resolved)
    assert "crb" not in enabled(resolved)


def test_what_is_given_counts_for_more_than_the_plan(tmp_path: Path) -> None:
    choice = RepositoryChoice(
        target=str(write_target(CASE, tmp_path)), cache_directory=Cache.open(tmp_path / "cache").directory
    )
    before = planned("app", replace(choice, enable=("extra",)))
    assert "extra" in enabled(resolve_planned(before, choice, Silence()))
    assert "extra" not in enabled(resolve_planned(before, replace(choice, disable=("extra",)), Silence()))


def test_a_target_that_only_the_user_has_is_to_be_given_where_the_plan_does_not_say_it(tmp_path: Path) -> None:
    here = RepositoryChoice(cache_directory=Cache.open(tmp_path / "cache").directory)
    told = planned("app", replace(here, target=str(write_target(CASE, tmp_path))))
    assert resolve_planned(told, here, Silence()).target.name == "el9-test"
    before = replace(told, request=None)
    with pytest.raises(UsageError, match="the plan is for el9-test, which is not a target that ppcdeps ships"):
        resolve_planned(before, here, Silence())


def test_repositories_that_only_the_user_has_are_to_be_given_where_the_plan_does_not_say_them(tmp_path: Path) -> None:
    here = RepositoryChoice(offline=True, cache_directory=Cache.open(tmp_path / "cache").directory)
    write_target(CASE, tmp_path)
    own = replace(here, source=(f"mine,{(tmp_path / 'source').as_uri()}/",))
    told = planned("bash", own)
    assert "mine" in enabled(resolve_planned(told, here, Silence()))
    before = replace(told, request=None)
    with pytest.raises(UsageError, match="the plan has repositories that are not of CentOS Stream 9: mine"):
        resolve_planned(before, here, Silence())
    assert "mine" in enabled(resolve_planned(before, own, Silence()))


WORKLOAD = 'name = "mine"\ntitle = "Mine"\nroots = ["pypi:maple"]\nconstraints = "own.txt"\n'


@pytest.mark.parametrize("word", ["pypi:maple", "mine.toml"])
def test_a_plan_made_again_keeps_the_pins_of_its_constraints_file(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(WORKLOAD)
    (tmp_path / "own.txt").write_text("maple==2.0\n")
    pins = tmp_path / "pins.txt"
    pins.write_text("maple==1.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    choice = RepositoryChoice(
        target=str(write_target(CASE, tmp_path / "t")), cache_directory=Cache.open(tmp_path / "cache").directory
    )
    with serving() as shop:
        monkeypatch.setenv("PIP_INDEX_URL", shop.url)
        for version in ("1.0", "1.5", "2.0"):
            shop.add("maple", wheel("maple", version))
        made = plan(plan_request([word], resolve_target(choice, Silence()), constraints=pins), Silence())
        before = parse_plan(dump_plan(made), Path("plan.json"))
        assert before.request is not None
        assert before.request.value("constraints") == str(pins)
        assert versions(before) == {"maple": "1.0"}
        # What was planned is what counts, and not what the file says by now.
        pins.write_text("maple==1.5\n")
        resolved = resolve_planned(before, replace(choice, target=None), Silence())
        _, after = replan(before, write_repository(tmp_path / "local", []), resolved, Silence())
        assert versions(after) == {"maple": "1.0"}
        # What is explained is requested as it was, with the file.
        again = planned_request(before, resolved, Silence())
        assert again.constraints == pins
        assert versions(plan(again, Silence())) == {"maple": "1.5"}


def versions(made: Plan) -> dict[str, str]:
    assert made.python is not None
    return {each.name: each.version for each in made.python.distributions}
