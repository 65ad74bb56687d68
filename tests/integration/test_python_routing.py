"""Routing nova-compute's Python on EL9, from the real metadata of RDO Yoga and EL9, to a lock and a
bridge.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import el9
import pytest
from indexes import index_of_pip

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import open_stream
from ppcdeps.model.capability import Capability, Requirement, parse_requirement
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.bridge import bridge_provides, bridged_for_builds, spec_of_bridge
from ppcdeps.python.routing import PythonPolicy, route_python
from ppcdeps.python.rpmpackages import PythonPackage
from ppcdeps.python.workload import WorkloadPython, constraints_for

RPM = "{http://linux.duke.edu/metadata/rpm}"
COMMON = "{http://linux.duke.edu/metadata/common}"
RELATIONS = {"EQ": "=", "GE": ">=", "LE": "<=", "LT": "<", "GT": ">"}


def capability(entry: ElementTree.Element) -> str:
    name, flags = str(entry.get("name")), entry.get("flags")
    if flags is None:
        return name
    epoch = f"{entry.get('epoch')}:" if entry.get("epoch") not in (None, "0") else ""
    release = f"-{entry.get('rel')}" if entry.get("rel") else ""
    return f"{name} {RELATIONS[flags]} {epoch}{entry.get('ver')}{release}"


def packages(repository: str, *, on_target: bool) -> Iterator[PythonPackage]:
    with open_stream(el9.primary(repository)) as stream:
        for _, element in ElementTree.iterparse(stream):
            if element.tag != f"{COMMON}package":
                continue
            name = element.findtext(f"{COMMON}name") or ""
            version = element.find(f"{COMMON}version")
            assert version is not None
            epoch = f"{version.get('epoch')}:" if version.get("epoch") != "0" else ""
            arch = element.findtext(f"{COMMON}arch")
            yield PythonPackage(
                f"{name}-{epoch}{version.get('ver')}-{version.get('rel')}.{arch}",
                name,
                on_target,
                tuple(map(capability, element.iterfind(f".//{RPM}provides/{RPM}entry"))),
                tuple(map(capability, element.iterfind(f".//{RPM}requires/{RPM}entry"))),
                tuple(file.text or "" for file in element.iter(f"{COMMON}file")),
            )
            element.clear()


def names_in(requirement: Requirement) -> Iterator[str]:
    if isinstance(requirement, Capability):
        yield requirement.name
    else:
        for operand in requirement.operands:
            yield from names_in(operand)


@pytest.fixture(scope="module")
def closure() -> list[PythonPackage]:
    """Everything that openstack-nova-compute leads to by names, the target's packages first: enough to
    route.
    """
    providers: dict[str, PythonPackage] = {}
    for repository, on_target in (("appstream", True), ("baseos", True), ("reference-rdo", False)):
        for package in packages(repository, on_target=on_target):
            for name in (package.name, *(each.split(" ")[0] for each in package.provides), *package.paths):
                providers.setdefault(name, package)
    found: dict[str, PythonPackage] = {}
    pending = ["openstack-nova-compute"]
    while pending:
        reached = providers.get(pending.pop())
        if reached is not None and reached.nevra not in found:
            found[reached.nevra] = reached
            pending.extend(name for each in reached.requires for name in names_in(parse_requirement(each)))
    return list(found.values())


def test_services_and_language_packs_stay_and_libraries_go_to_pip(closure: list[PythonPackage]) -> None:
    routing = route_python(closure, python="3.9")
    names = {each.nevra: each.name for each in closure}
    to_pip = {names[nevra] for nevra in routing.by_pip}
    assert {"python3-nova", "python3-oslo-utils", "python3-cinderclient"} <= to_pip
    assert all(name.startswith("python3-") for name in to_pip)
    kept = {each.name for each in closure if not each.on_target} - to_pip
    assert {"openstack-nova-compute", "openstack-nova-common", "python-oslo-i18n-lang"} <= kept
    assert {each.name for each in routing.fixed} >= {"pyyaml", "lxml", "requests"}
    assert [each.requirement for each in routing.roots] == ["nova==25.3.0", "python-cinderclient>=3.3.0"]


def test_with_the_rpm_policy_nothing_goes_to_pip(closure: list[PythonPackage]) -> None:
    routing = route_python(closure, policy=PythonPolicy.RPM, python="3.9")
    assert (routing.by_pip, routing.bridged) == ((), ())


def test_the_whole_way_from_packages_to_lock_and_bridge(closure: list[PythonPackage], tmp_path: Path) -> None:
    routing = route_python(closure, python="3.9")
    asked = WorkloadPython(
        "nova-compute",
        PythonEnvironment("3.9.25", (2, 34)),
        routing.roots,
        fixed=routing.fixed,
        reference=routing.reference,
        constraints=el9.CONSTRAINTS,
    )
    with index_of_pip(Cache.open(tmp_path)) as index:
        lock, _ = constraints_for(asked, index)
    nova = lock.by_name("nova")
    assert nova is not None
    assert (nova.version, nova.provision) == ("25.3.0", Provision.WHEEL)
    spec = spec_of_bridge("nova-compute", bridge_provides("nova-compute", routing.bridged, lock))
    assert "Provides:       python3-cinderclient = 8.3.0\nProvides:       python3-nova = 1:25.3.0\n" in spec
    # What rpm will make of the metadata of ovs, which is built, and of what pip installs beside it.
    assert "python3.9dist(sortedcontainers)" in {each.name for each in bridged_for_builds(lock, "3.9")}
    # The constraints have nothing for Python 3.9 there: the reference RPM's version is taken, not the newest.
    kombu = lock.by_name("kombu")
    assert kombu is not None
    assert (kombu.version, kombu.pinned_by) == ("5.1.0", "the reference RPM")
