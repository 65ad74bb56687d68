from dataclasses import replace
from typing import Any

from audits import Audited
from reporters import Recorder

from ppcdeps.auditing.audit import Audit, AuditedPackage, AuditedSource, State, Unmet
from ppcdeps.auditing.explanation import Link, subject_of
from ppcdeps.model.gap import Cause
from ppcdeps.model.workload import Workload
from ppcdeps.report.audit import source_counts

WORLD: dict[str, dict[str, dict[str, Any]]] = {
    "target": {
        "libc-1-1.ppc64le": {},
        "shell-1-1.ppc64le": {"requires": ["libc"]},
        "half-1-1.ppc64le": {"from": "whole", "requires": ["script"]},
        "stuck-1-1.ppc64le": {"requires": ["engine >= 2"]},
        "hopeless-1-1.ppc64le": {"requires": ["never-heard-of"]},
        "victim-1-1.ppc64le": {"requires": ["hopeless"]},
    },
    "reference": {
        "libc-1-1.x86_64": {},
        "shell-1-1.x86_64": {"requires": ["libc"]},
        "half-1-1.x86_64": {"from": "whole", "requires": ["script"]},
        "other-half-1-1.x86_64": {"from": "whole"},
        "script-1-1.noarch": {},
        "engine-2-1.x86_64": {"from": "motor", "requires": ["fuel"]},
        "fuel-1-1.x86_64": {"from": "refinery"},
        "gui-1-1.noarch": {"requires": ["engine"]},
        "car-1-1.noarch": {"requires": ["gui", "fuel"]},
    },
    "source": {
        "whole-1-1.src": {},
        "motor-2-1.src": {"requires": ["fuel"]},
        "refinery-1-1.src": {"requires": ["engine"]},
    },
}


def _package(audit: Audit, name: str) -> AuditedPackage:
    return next(each for each in audit.packages if each.name == name)


def _source(audit: Audit, name: str) -> AuditedSource:
    return next(each for each in audit.sources if each.name == name)


def test_every_package_has_the_state_that_it_has(audited: Audited) -> None:
    states = {each.name: each.state for each in audited(**WORLD).packages}
    assert states == {
        "libc": State.INSTALLABLE,
        "shell": State.INSTALLABLE,
        "half": State.INSTALLABLE_WITH_NOARCH,
        "stuck": State.HELD_BACK,
        "hopeless": State.BLOCKED,
        "victim": State.BLOCKED,
        "other-half": State.MISSING,
        "script": State.NOARCH,
        "engine": State.MISSING,
        "fuel": State.MISSING,
        "gui": State.HELD_BACK,
        "car": State.HELD_BACK,
    }


def test_what_waits_says_for_which_builds_and_what_is_blocked_says_why(audited: Audited) -> None:
    found = audited(**WORLD)
    assert _package(found, "stuck").needs == ("motor", "refinery")
    assert _package(found, "fuel").needs == ("refinery",)
    assert _package(found, "stuck").unmet == (Unmet("engine >= 2", ("engine-2-1.ppc64le",)),)
    reason = "nothing provides never-heard-of needed by hopeless-1-1.ppc64le"
    assert _package(found, "hopeless").reason == _package(found, "victim").reason == reason


def test_sources_are_ranked_by_what_they_hold_back(audited: Audited) -> None:
    found = audited(**WORLD)
    ranked = [(each.name, each.holds_back, each.alone) for each in found.sources]
    # fuel, engine, stuck, gui and car wait for the refinery; all of these but fuel for the motor, too.
    assert ranked == [("refinery", 5, 1), ("motor", 4, 0), ("whole", 1, 1)]
    assert _source(found, "whole").cause is Cause.NOT_BUILT
    assert _source(found, "motor").cause is Cause.ABSENT
    assert _source(found, "whole").missing == ("other-half",)


def test_builds_that_need_each_other_are_a_cycle(audited: Audited) -> None:
    found = audited(**WORLD)
    assert _source(found, "motor").build_needs == ("refinery",)
    assert _source(found, "refinery").build_needs == ("motor",)
    assert found.cycles == (("motor", "refinery"),)


def test_of_two_ways_one_is_chosen_and_none_is_certain(audited: Audited) -> None:
    found = audited(
        target={"app-1-1.ppc64le": {"requires": ["mta"]}},
        reference={
            "sendmail-1-1.x86_64": {"provides": ["mta"]},
            "postfix-1-1.x86_64": {"provides": ["mta"]},
        },
    )
    assert _package(found, "app").needs in (("sendmail",), ("postfix",))


def test_a_conflict_that_no_build_solves_blocks(audited: Audited) -> None:
    found = audited(
        target={
            "app-1-1.ppc64le": {"requires": ["one", "two"]},
            "one-1-1.ppc64le": {"conflicts": ["two"]},
            "two-1-1.ppc64le": {},
        },
    )
    assert _package(found, "app").state is State.BLOCKED
    assert "conflicts with two" in _package(found, "app").reason


def test_a_requirement_that_only_a_build_solves_by_its_version_is_found_behind_a_conflict(audited: Audited) -> None:
    found = audited(
        target={
            "app-1-1.ppc64le": {"requires": ["one", "two"]},
            "one-1-1.ppc64le": {"conflicts": ["two < 2"]},
            "two-1-1.ppc64le": {},
        },
        reference={"two-2-1.x86_64": {}},
    )
    assert _package(found, "app").state is State.HELD_BACK
    assert _package(found, "app").needs == ("two",)


def test_sources_are_counted_by_what_the_target_lacks_of_them(audited: Audited) -> None:
    found = audited(**WORLD)
    # libc and shell; script, gui and car are noarch; whole, motor and refinery are listed.
    assert (found.built, found.reused, len(found.sources)) == (2, 3, 3)
    chosen = audited(only=("s*", "gui"), **WORLD)
    assert (chosen.built, chosen.reused) == (1, 2)
    # motor and refinery: gui and stuck wait for these, and no glob chose them.
    assert source_counts(chosen) == [
        ("1", "of which the target lacks nothing"),
        ("2", "of which the target lacks noarch packages alone"),
        ("2", "others, for whose builds these wait"),
    ]


def test_globs_choose_packages_by_their_name_or_their_sources(audited: Audited) -> None:
    found = audited(only=("s*", "motor"), **WORLD)
    assert {each.name for each in found.packages} == {"shell", "stuck", "script", "engine"}
    assert _source(found, "refinery").holds_back == 2


def test_globs_change_what_is_counted_and_not_what_is_said_of_a_source(audited: Audited) -> None:
    workloads = (Workload("drive", "drive", ("car",)), Workload("easy", "easy", ("shell",)))
    found, whole = (audited(only=only, workloads=workloads, **WORLD) for only in (("gui",), ()))
    assert [each.name for each in found.packages] == ["gui"]
    assert [each.name for each in found.workloads] == ["drive"]
    for name in ("motor", "refinery"):
        assert _source(found, name) == replace(_source(whole, name), holds_back=1, alone=0)
        assert _source(found, name).workloads == ("drive",)
    assert found.cycles == whole.cycles


def test_workloads_are_judged_like_packages(audited: Audited) -> None:
    found = audited(
        workloads=(
            Workload("easy", "easy", ("shell", "pypi:anything")),
            Workload("drive", "drive", ("car",)),
            Workload("odd", "odd", ("never-heard-of",)),
        ),
        **WORLD,
    )
    said = {each.name: (each.state, each.needs, each.reason) for each in found.workloads}
    assert said == {
        "easy": (State.INSTALLABLE, (), ""),
        "drive": (State.HELD_BACK, ("motor", "refinery"), ""),
        "odd": (State.BLOCKED, (), "nothing provides never-heard-of needed by odd"),
    }
    assert _source(found, "motor").workloads == ("drive",)


def test_the_chain_to_a_build_is_the_shortest(audited: Audited) -> None:
    subject = subject_of(audited(**WORLD), "car")
    assert subject is not None
    assert subject.chains["car-1-1.noarch", "refinery"] == (Link("car-1-1.noarch", "fuel", "fuel-1-1.ppc64le"),)
    assert [link.requirement for link in subject.chains["car-1-1.noarch", "motor"]] == ["gui", "engine"]


def test_a_name_can_be_that_of_a_source_and_of_nothing(audited: Audited) -> None:
    found = audited(**WORLD)
    subject = subject_of(found, "refinery")
    assert subject is not None
    assert subject.alone["refinery"] == ("fuel",)
    assert set(subject.holds["refinery"]) == {"fuel", "engine", "stuck", "gui", "car"}
    assert subject_of(found, "no-such-name") is None


def test_repositories_in_another_order_give_the_same_audit(audited: Audited) -> None:
    mirrored = {side: dict(reversed(packages.items())) for side, packages in WORLD.items()}
    one, other = audited(**WORLD), audited(**mirrored)
    assert (one.packages, one.sources, one.steps) == (other.packages, other.sources, other.steps)


def test_what_an_installable_package_obsoletes_needs_no_build(audited: Audited) -> None:
    found = audited(
        target={
            "old-1-1.ppc64le": {"requires": ["gone"]},
            "plain-1-1.ppc64le": {"requires": ["gone"]},
            "later-3-1.ppc64le": {"requires": ["gone"]},
            "newer-2-1.ppc64le": {"obsoletes": ["old < 2", "later < 3"]},
            "stuck-2-1.ppc64le": {"obsoletes": ["plain"], "requires": ["gone"]},
        },
        reference={"gone-1-1.x86_64": {}, "old-1-1.x86_64": {"requires": ["gone"]}},
    )
    assert {each.name: each.state for each in found.packages} == {
        "old": State.REPLACED,
        "plain": State.HELD_BACK,
        "later": State.HELD_BACK,
        "newer": State.INSTALLABLE,
        "stuck": State.HELD_BACK,
        "gone": State.MISSING,
    }
    old = _package(found, "old")
    assert old.reason == "newer-2-1.ppc64le obsoletes it, and dnf installs that in its place"
    assert old.needs == ()
    assert [each.requirement for each in old.unmet] == ["gone"]
    # gone itself, plain, later and stuck; not old.
    assert _source(found, "gone").holds_back == 4


def test_the_progress_ends_where_it_was_said_to(audited: Audited) -> None:
    recorder = Recorder()
    audited(reporter=recorder, **WORLD)
    assert recorder.progress == sum(total for _, total in recorder.tasks if total is not None)
    assert recorder.ended == [task for task, _ in recorder.tasks]
