"""Which Python packages of a closure pip takes over, and what RPM is told about it."""

import pytest

from ppcdeps.python.bridge import BridgedCapability
from ppcdeps.python.lock import PythonRoot
from ppcdeps.python.provider import FixedDistribution
from ppcdeps.python.routing import PythonPolicy, route_python
from ppcdeps.python.rpmpackages import PythonPackage, distributions_of

SERVICE = PythonPackage(
    "openstack-app-1:25.3.0-1.el9.noarch",
    "openstack-app",
    False,
    requires=("python3-app = 1:25.3.0-1.el9", "python3-cfg >= 2:8.1", "systemd", "(python3dist(a) if foo)"),
)
APP = PythonPackage(
    "python3-app-1:25.3.0-1.el9.noarch",
    "python3-app",
    False,
    ("python3.9dist(app) = 25.3", "python3dist(app) = 25.3", "python3-app = 1:25.3.0-1.el9"),
    ("python3dist(cfg)", "python3-six"),
)
CFG = PythonPackage(
    "python3-cfg-2:8.8.0-1.el9.noarch",
    "python3-cfg",
    False,
    ("python3dist(cfg) = 8.8", "python3-cfg = 2:8.8.0-1.el9"),
)
SIX = PythonPackage("python3-six-1.16.0-9.el9.noarch", "python3-six", True, ("python3dist(six) = 1.16",))
ALL = [SERVICE, APP, CFG, SIX]


def test_importable_distributions_go_to_pip_and_services_stay() -> None:
    routing = route_python(ALL, python="3.9")
    assert routing.by_pip == (APP.nevra, CFG.nevra)
    assert routing.fixed == (FixedDistribution("six", "1.16.0", SIX.nevra),)
    assert routing.reference == (("app", "25.3.0"), ("cfg", "8.8.0"))
    assert PythonRoot("app==25.3.0", SERVICE.nevra) in routing.roots
    assert PythonRoot("cfg>=8.1", SERVICE.nevra) in routing.roots


def test_what_remaining_rpms_ask_of_them_is_bridged() -> None:
    assert route_python(ALL).bridged == (
        BridgedCapability("python3-app", "app", "=", "1:25.3.0-1.el9", SERVICE.nevra),
        BridgedCapability("python3-cfg", "cfg", ">=", "2:8.1", SERVICE.nevra),
    )


def test_by_policy_everything_stays_an_rpm() -> None:
    routing = route_python(ALL, policy=PythonPolicy.RPM)
    assert routing.by_pip == ()
    assert routing.bridged == ()
    assert [each.name for each in routing.fixed] == ["app", "cfg", "six"]


def test_a_package_whose_files_are_asked_for_stays() -> None:
    user = PythonPackage("tool-1-1.noarch", "tool", True, requires=("/usr/bin/cfg-tool",))
    owner = PythonPackage(CFG.nevra, CFG.name, False, CFG.provides, paths=("/usr/bin/cfg-tool",))
    routing = route_python([SERVICE, APP, owner, SIX, user])
    assert routing.by_pip == (APP.nevra,)
    assert FixedDistribution("cfg", "8.8.0", CFG.nevra) in routing.fixed


def test_a_root_that_nobody_requires_is_asked_for_itself() -> None:
    assert route_python([CFG]).roots == (PythonRoot("cfg", CFG.nevra),)


def test_workload_roots_and_what_no_repository_has_are_added() -> None:
    routing = route_python(
        [SIX],
        python="3.9",
        roots=[PythonRoot("flask>=2", "workload demo")],
        missing=[
            ("python3dist(gone) >= 2", "a-1-1.noarch"),
            ("libgone.so.1", "b"),
            ("python3.11dist(x)", "c"),
        ],
    )
    assert routing.roots == (PythonRoot("flask>=2", "workload demo"), PythonRoot("gone>=2", "a-1-1.noarch"))


def test_another_interpreters_packages_stay() -> None:
    other = PythonPackage("python3.11-x-1-1.noarch", "python3.11-x", False, ("python3.11dist(x) = 1",))
    routing = route_python([other], python="3.9")
    assert routing.by_pip == ()
    assert routing.fixed == ()


def test_a_provide_that_only_repeats_the_packages_name_is_not_believed() -> None:
    client = PythonPackage(
        "python3-novaclient-17.7.0-1.noarch", "python3-novaclient", False, ("python3dist(novaclient) = 17.7",)
    )
    user = PythonPackage("tool-1-1.noarch", "tool", True, requires=("python3-novaclient >= 17",))
    routing = route_python([client, user])
    assert routing.roots == (PythonRoot("python-novaclient>=17", user.nevra),)
    assert routing.reference == (("python-novaclient", "17.7.0"),)


def test_the_order_of_packages_changes_nothing() -> None:
    assert route_python(ALL) == route_python(ALL[::-1])


def test_an_rpm_that_states_no_distribution_is_fixed_under_its_name() -> None:
    provides = ("python3-cffi = 1.14.5-5.el9",)
    silent = PythonPackage("python3-cffi-1.14.5-5.el9.ppc64le", "python3-cffi", True, provides)
    stated = PythonPackage("python3-x-1-1.noarch", "python3-x", True, ("python3.9dist(y) = 1",))
    routing = route_python([silent, stated], python="3.9")
    assert {(each.name, each.version) for each in routing.fixed} == {("cffi", "1.14.5"), ("y", "1")}


EL8 = ("python39-cfg-2.0-1.module_el8.noarch", "python39-cfg")


def _package(nevra: str, name: str, *provides: str, requires: tuple[str, ...] = ()) -> PythonPackage:
    return PythonPackage(nevra, name, False, provides, requires)


def test_on_el8_a_package_of_another_interpreter_states_python3dist_too_and_is_not_the_platforms() -> None:
    """rpm's generator of EL8 writes python3dist for packages of every interpreter."""
    package = _package(*EL8, "python3.9dist(cfg) = 2", "python3dist(cfg) = 2")
    assert distributions_of(package, "3.9", "python39") == [("cfg", "2.0")]
    assert distributions_of(package, "3.6") == []
    stated = ("python3.6dist(cfg) = 1", "python3dist(cfg) = 1")
    platform = _package("python3-cfg-1.0-1.el8.noarch", "python3-cfg", *stated)
    assert distributions_of(platform, "3.6") == [("cfg", "1.0")]
    assert distributions_of(platform, "3.9", "python39") == []


def test_python3dist_alone_is_the_platforms() -> None:
    package = _package("python3-cfg-1.0-1.noarch", "python3-cfg", "python3dist(cfg) = 1")
    assert distributions_of(package, "3.9") == [("cfg", "1.0")]
    assert distributions_of(package, "3.11", "python3.11") == []


def test_what_is_for_the_platform_stays_an_rpm_beside_another_interpreter() -> None:
    new = _package("python3.11-cfg-2.0-1.noarch", "python3.11-cfg", "python3.11dist(cfg) = 2")
    old = _package("python3-cfg-1.0-1.noarch", "python3-cfg", "python3.9dist(cfg) = 1", "python3dist(cfg) = 1")
    user = _package("app-1-1.noarch", "app", requires=("python3.11dist(cfg)", "python3dist(cfg)", "python3-cfg"))
    routing = route_python([new, old, user], python="3.11", beside="python3.11")
    assert routing.by_pip == (new.nevra,)
    assert [each.name for each in routing.bridged] == ["python3.11dist(cfg)"]
    assert routing.fixed == ()
    routing = route_python([new, old, user], python="3.9")
    assert routing.by_pip == (old.nevra,)
    assert {each.name for each in routing.bridged} == {"python3dist(cfg)", "python3-cfg"}


@pytest.mark.parametrize(
    ("requirement", "python", "beside", "root"),
    [
        ("python3dist(cfg) >= 2", "3.9", "", True),
        ("python3dist(cfg) >= 2", "3.11", "python3.11", False),
        ("python3.11dist(cfg) >= 2", "3.11", "python3.11", True),
        ("python39-cfg", "3.9", "python39", True),
        ("python39-cfg", "3.6", "", False),
        ("python3-cfg", "3.9", "python39", False),
        ("python-cfg", "2.7", "", True),
        ("python2-cfg", "2.7", "", True),
        ("python3-cfg", "2.7", "", False),
    ],
)
def test_a_missing_requirement_is_a_root_of_the_interpreter_that_it_names(
    requirement: str, python: str, beside: str, root: bool
) -> None:
    routing = route_python([], python=python, beside=beside, missing=[(requirement, "app")])
    assert [each.requirement.startswith("cfg") for each in routing.roots] == ([True] if root else [])


def test_packages_of_el7_say_nothing_of_distributions_and_stay_rpms() -> None:
    """rpm 4.11 has no generator for them: the names alone keep pip from putting a second copy beside."""
    six = _package("python-six-1.9.0-2.el7.noarch", "python-six")
    paste = _package("python2-paste-1.7-1.el7.noarch", "python2-paste")
    app = _package("app-1-1.noarch", "app", requires=("python-six >= 1.9", "python2-paste"))
    routing = route_python([six, paste, app], python="2.7")
    assert (routing.by_pip, routing.bridged) == ((), ())
    assert {(each.name, each.version) for each in routing.fixed} == {("six", "1.9.0"), ("paste", "1.7")}


def test_what_no_repository_has_and_pip_brings_is_bridged_for_the_rpm_that_requires_it() -> None:
    lost = "(python3dist(lost) >= 1 with python3dist(lost) < 2)"
    app = _package("app-1-1.noarch", "app", requires=(lost,))
    routing = route_python([app], python="3.9", missing=[(lost, app.nevra), ("python3dist(root)", "workload w")])
    assert {(each.name, each.relation, each.evr, each.by) for each in routing.bridged} == {
        ("python3dist(lost)", ">=", "1", app.nevra),
        ("python3dist(lost)", "<", "2", app.nevra),
    }
    assert {each.requirement for each in routing.roots} == {"lost>=1,<2", "root"}


def _cinder(common: str = "1:26.0.0-1.el10s", stated: str = "26") -> list[PythonPackage]:
    """RDO's cinder: the package of the name requires, and the distribution lies in another one."""
    identity = f"python3-cinder-common-{common}.noarch"
    provides = (f"python3.12dist(cinder) = {stated}", f"python3-cinder-common = {common}")
    named = PythonPackage(
        "python3-cinder-1:26.0.0-1.el10s.noarch",
        "python3-cinder",
        False,
        ("python3-cinder = 1:26.0.0-1.el10s",),
        (f"python3-cinder-common = {common}",),
    )
    return [named, PythonPackage(identity, "python3-cinder-common", False, provides)]


def test_a_distribution_is_where_it_is_stated_whatever_the_package_is_called() -> None:
    named, common = _cinder()
    routing = route_python([named, common], python="3.12")
    assert routing.by_pip == (common.nevra,)
    assert routing.fixed == (), "python3-cinder is only named after it"
    assert routing.roots == (PythonRoot("cinder==26.0.0", named.nevra),)
    assert routing.reference == (("cinder", "26.0.0"),)
    assert [each.name for each in routing.bridged] == ["python3-cinder-common"]

    routing = route_python([named, common], python="3.12", policy=PythonPolicy.RPM)
    assert routing.fixed == (FixedDistribution("cinder", "26.0.0", common.nevra),)


def test_a_distribution_stated_outside_of_the_closure_is_not_where_a_name_says() -> None:
    named, _ = _cinder()
    stated = [("cinder", "python3-cinder-common")]
    assert route_python([named], python="3.12", stated=stated).fixed == ()
    # Another build of the same package that states it confirms the name.
    assert route_python([named], python="3.12", stated=[("cinder", "python3-cinder")]).fixed == (
        FixedDistribution("cinder", "26.0.0", named.nevra),
    )


def test_a_package_that_numbers_itself_otherwise_stays_where_its_version_is_required() -> None:
    named, common = _cinder("5-1.el10s", "26")
    routing = route_python([named, common], python="3.12")
    assert routing.by_pip == ()
    assert routing.fixed == (FixedDistribution("cinder", "26", common.nevra),)


def test_what_replaced_packages_require_of_rpms_is_inherited() -> None:
    app = PythonPackage(
        APP.nevra,
        APP.name,
        False,
        APP.provides,
        ("python3dist(cfg)", "python3-six >= 1.15", "lvm2", "(tool if app)", "/usr/sbin/useradd", "python3dist(new)"),
    )
    cfg = PythonPackage(
        CFG.nevra, CFG.name, False, CFG.provides, ("python(abi) = 3.9", "libz.so.1()(64bit)", "rpmlib(X) <= 1")
    )
    routing = route_python([SERVICE, app, cfg, SIX], missing=[("python3dist(new)", app.nevra)])
    assert routing.inherited == ("(tool if app)", "/usr/sbin/useradd", "lvm2", "python3-six >= 1.15")
    assert route_python([SERVICE, app, cfg, SIX], policy=PythonPolicy.RPM).inherited == ()
