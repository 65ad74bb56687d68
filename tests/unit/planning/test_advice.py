"""Advice of plans: each rule where it is given, and where it is not."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.gap import Cause, Gap, GapKind, Phase, Route, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import ChosenPackage, Plan
from ppcdeps.model.workload import Workload
from ppcdeps.planning.advice import advice_of, load_advice
from ppcdeps.planning.workloads import list_workloads, load_workload

RULES = {rule.id: rule for rule in load_advice()}
DRIVER = "libvirt-daemon-driver-qemu-10.10.0-7.el9.ppc64le"


def nova(version: str) -> str:
    return f"openstack-nova-compute-1:{version}-1.el9s.noarch"


def given(
    *nevras: str,
    target: str = "centos-stream-9",
    recipe: str = "",
    names: tuple[str, ...] = (),
    by_pip: tuple[str, ...] = (),
) -> list[str]:
    """The ids of the advice for a closure."""
    chosen = load_target(target)
    gaps = [_recipe_gap(recipe)] if recipe else []
    closure = [ChosenPackage(Nevra.parse(nevra), "baseos", "target", ()) for nevra in nevras]
    workload = Workload("w", "w", ("w",), advice=names)
    told = advice_of(workload, chosen, closure, gaps, by_pip=by_pip)
    found = [
        next(name for name, rule in RULES.items() if line.endswith(f"({rule.source})") and _same(line, rule.text))
        for line in told
    ]
    assert len(found) == len(told)
    return found


def _same(line: str, text: str) -> bool:
    return all(part in line for part in re.split(r"{\w+}", text))


def _recipe_gap(name: str) -> Gap:
    return Gap(name, GapKind.RPM, Cause.NOT_BUILT, Phase.RUN, (), (), Route(RouteKind.RECIPE, (name,), "", "", ()))


CASES: Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]] = {
    "cpu-baseline": ({"nevras": [DRIVER]}, {"nevras": [DRIVER], "target": "fedora"}),
    "no-kvm": ({"nevras": [DRIVER]}, {"nevras": [DRIVER], "target": "almalinux-9"}),
    "nova-images": ({"nevras": [nova("13.0.0")]}, {"nevras": [nova("12.0.3")]}),
    "nova-images-cirrus": ({"nevras": [nova("12.0.3")]}, {"nevras": [nova("13.0.0")]}),
    "nova-images-ide": ({"nevras": [nova("12.0.2")]}, {"nevras": [nova("12.0.3")]}),
    "nova-libvirt": (
        {"nevras": [nova("31.0.0"), "libvirt-daemon-driver-qemu-7.10.0-1.el9.ppc64le"]},
        {"nevras": [nova("31.0.0"), "libvirt-daemon-driver-qemu-8.0.0-1.el9.ppc64le"]},
    ),
    "nova-qemu": (
        {"nevras": [nova("31.0.0"), "qemu-kvm-core-17:6.0.0-1.el9.ppc64le"]},
        {"nevras": [nova("31.0.0"), "qemu-kvm-core-17:6.2.0-1.el9.ppc64le"]},
    ),
    "nova-rpms-beside-pip": ({"nevras": [nova("25.3.0")], "by_pip": ("nova",)}, {"nevras": [nova("25.3.0")]}),
    "nova-pip-alone": (
        {"by_pip": ("nova",)},
        {"nevras": ["openstack-nova-common-1:25.3.0-1.el9s.noarch"], "by_pip": ("nova",)},
    ),
    "nova-mixed-cloud": ({"nevras": [nova("25.0.0")]}, {"nevras": [nova("24.2.0")]}),
    "nova-mixed-cloud-aggregates": ({"nevras": [nova("24.2.0")]}, {"nevras": [nova("25.0.0")]}),
    "nova-keyboard": ({"nevras": [nova("23.0.0")]}, {"nevras": [nova("22.4.0")]}),
    "nova-instances": ({"nevras": [nova("25.3.0")]}, {"nevras": [nova("24.2.0")]}),
    "video-fallback": ({"recipe": "libvirt"}, {"recipe": "qemu-kvm"}),
    "check": ({"nevras": [DRIVER]}, {"nevras": ["bash-5.1.8-9.el9.ppc64le"]}),
}


def run(case: Mapping[str, object]) -> list[str]:
    nevras = case.get("nevras", [])
    return given(*nevras, **{name: value for name, value in case.items() if name != "nevras"})  # type: ignore[misc, arg-type]


def test_every_rule_has_its_cases() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("rule", CASES)
def test_advice_is_given_where_it_applies_and_nowhere_else(rule: str) -> None:
    good, bad = CASES[rule]
    assert rule in run(good)
    assert rule not in run(bad)


def test_a_plain_package_gets_no_advice() -> None:
    assert given("bash-5.1.8-9.el9.ppc64le") == []


def test_a_workload_can_ask_for_advice_by_name() -> None:
    assert given(names=("no-kvm",)) == ["no-kvm"]
    assert given(names=("no-kvm",), target="almalinux-10") == []


def test_the_advice_that_workloads_name_exists() -> None:
    named = {rule for name in list_workloads() for rule in load_workload(name).advice}
    assert named <= set(RULES)
    assert named


def test_the_plan_of_nova_compute_advises(nova_plan: Plan) -> None:
    told = "\n".join(nova_plan.advice)
    assert "nova 25.3.0 chooses right" in told
    assert "has no KVM for POWER" in told
    assert "CPU lacks ISA 3.00" in told
    assert all(line.endswith(")") for line in nova_plan.advice)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[advice]]\nid = "a"\ntext = "t"\nsource = "s"\n', "it has no condition"),
        ('[[advice]]\nid = "a"\ntext = "{x}"\nsource = "s"\nurl = "u"\n', "a field that nothing stands for"),
        ('[[advice]]\nid = "a"\ntext = "t"\nsource = "s"\nurl = "u"\noldest = "x"\n', "libvirt or qemu"),
        ('[[advice]]\nid = "a"\ntext = "t"\nurl = "u"\n', '"source" is missing'),
    ],
)
def test_faults_of_the_file_are_told(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "advice.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_advice(file)


def test_owners_of_power8_are_sent_to_a_target_that_is_there() -> None:
    """Every target that advice names is shipped, and the one for POWER8 is compiled for it."""
    assert "--target almalinux-8" in RULES["cpu-baseline"].text
    assert load_target("almalinux-8").cpu_baseline == "POWER8"
    assert "cpu-baseline" not in given(DRIVER, target="almalinux-8")
    assert "no-kvm" not in given(DRIVER, target="almalinux-8")


def test_the_packages_that_stay_rpms_are_named() -> None:
    nevras = ("openstack-nova-common-1:25.3.0-1.el9s.noarch", nova("25.3.0"))
    closure = [ChosenPackage(Nevra.parse(nevra), "r", "reference", ()) for nevra in nevras]
    told = advice_of(Workload("w", "w", ("w",)), load_target("centos-stream-9"), closure, (), by_pip={"nova"})
    (line,) = (one for one in told if one.endswith("(docs/node.md)"))
    assert line.startswith("openstack-nova-common and openstack-nova-compute stay RPMs where pip installs nova: ")
