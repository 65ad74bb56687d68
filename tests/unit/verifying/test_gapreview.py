"""Which gaps a second plan shows to be closed."""

from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import ChosenPackage, Plan, RepositoryState
from ppcdeps.model.python_plan import PlannedDistribution, PlannedPython, Provision
from ppcdeps.verifying.gapreview import changed_metadata, review_gaps

LOCAL = "local"


def gap(name: str, route: RouteKind, kind: GapKind = GapKind.RPM, wanted: tuple[str, ...] = ()) -> Gap:
    return Gap(name, kind, Cause.ABSENT, Phase.RUN, wanted or (name,), (), Route(route, wanted or (name,)))


def plan(
    *gaps: Gap,
    closure: tuple[ChosenPackage, ...] = (),
    digests: dict[str, str] | None = None,
    python: PlannedPython | None = None,
) -> Plan:
    states = tuple(RepositoryState(name, "target", "1", 1, digest, 1) for name, digest in (digests or {}).items())
    return Plan("w", "t", "ppc64le", ("w",), states, closure, gaps, python=python)


def test_a_gap_that_is_not_there_any_more_is_closed_by_the_local_packages_of_its_source() -> None:
    built = ChosenPackage(Nevra.parse("libfoo-1-1.ppc64le"), LOCAL, "target", (), "foo")
    other = ChosenPackage(Nevra.parse("bar-1-1.ppc64le"), "base", "target", (), "foo")
    found = review_gaps(plan(gap("foo", RouteKind.REBUILD)), plan(closure=(built, other)), LOCAL)
    assert found.is_closed
    assert [(each.gap.name, each.by) for each in found.closed] == [("foo", ("libfoo-1-1.ppc64le",))]


def test_a_gap_that_is_still_there_remains_as_it_is_now() -> None:
    before, now = gap("foo", RouteKind.RECIPE), gap("foo", RouteKind.BLOCKED)
    found = review_gaps(plan(before), plan(now), LOCAL)
    assert not found.is_closed
    assert found.remaining == (now,)
    assert found.closed == ()
    assert found.new == ()


def test_a_gap_that_the_plan_had_not_is_new() -> None:
    found = review_gaps(plan(gap("foo", RouteKind.RECIPE)), plan(gap("bar", RouteKind.BLOCKED)), LOCAL)
    assert [each.gap.name for each in found.closed] == ["foo"]
    assert [each.name for each in found.new] == ["bar"]
    assert not found.is_closed


def test_what_pip_installs_without_a_build_is_closed_and_never_new() -> None:
    wheel = gap("six", RouteKind.PIP_WHEEL, GapKind.PYTHON, ("six==1.16.0",))
    sdist = gap("pbr", RouteKind.PIP_SDIST, GapKind.PYTHON, ("pbr==6.0.0",))
    found = review_gaps(plan(wheel), plan(wheel, sdist), LOCAL)
    assert found.is_closed
    assert [each.by for each in found.closed] == [("six==1.16.0 (pip)",)]


def test_a_distribution_that_has_to_be_built_remains_until_an_rpm_has_it() -> None:
    before = plan(gap("python-msgpack", RouteKind.BUILD_SDIST, GapKind.PYTHON, ("msgpack==1.0.5",)))
    assert not review_gaps(before, before, LOCAL).is_closed
    rpm = "python3-msgpack-1.0.5-1.ppc64le"
    msgpack = PlannedDistribution("msgpack", "1.0.5", Provision.RPM, rpm=rpm)
    after = plan(python=PlannedPython("3.9.25", "ppc64le", "2.34", (msgpack,)))
    found = review_gaps(before, after, LOCAL)
    assert found.is_closed
    assert found.closed[0].by == (rpm,)


def test_a_gap_of_rpm_that_became_one_of_python_is_the_same_gap() -> None:
    before, now = gap("python-six", RouteKind.REUSE), gap("python-six", RouteKind.PIP_WHEEL, GapKind.PYTHON)
    found = review_gaps(plan(before), plan(now), LOCAL)
    assert [each.gap for each in found.closed] == [before]
    assert found.new == ()


def test_metadata_that_changed_since_the_plan_is_named_and_the_local_repository_is_not() -> None:
    before = plan(digests={"base": "a", "crb": "b", "gone": "c"})
    after = plan(digests={"base": "a", "crb": "x", LOCAL: "y"})
    assert changed_metadata(before, after) == ("crb", "gone")
