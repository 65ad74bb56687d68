"""The gaps of every shipped workload on both embedded snapshots, held against dnf and against what others rebuild.

dnf gets the target's repositories, the noarch packages of the reference, and the reference's builds of the sources
that the plan calls gaps, written as builds for ppc64le without ppcdeps. It must install the workload with all of
them, and without any one of them it must not.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import el9
import el10
import pytest
from againstdnf import ask_dnf, dnf_lacks
from rpmmd import Package, write_files, write_repository

from ppcdeps.base.cache import Cache
from ppcdeps.base.compression import open_stream
from ppcdeps.model.evr import evr_key
from ppcdeps.model.gap import Phase, RouteKind
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Silence
from ppcdeps.planning.workloads import list_workloads, load_workload
from ppcdeps.workflows.choice import RepositoryChoice
from ppcdeps.workflows.plans import plan
from ppcdeps.workflows.repositories import resolve_target
from ppcdeps.workflows.request import plan_request

COMMON = "http://linux.duke.edu/metadata/common"
RPM = "http://linux.duke.edu/metadata/rpm"

ALMALINUX_REBUILDS = {
    "kernel", "qemu-kvm", "libvirt", "libguestfs", "guestfs-tools", "supermin", "seabios", "virt-top", "virtiofsd",
}  # fmt: skip
"""What AlmaLinux rebuilds for KVM on POWER (its wiki and release notes, 9.6 and 10)."""

KVM_SOURCES = {
    ("el9", "nova-compute"): {"libguestfs", "libvirt", "qemu-kvm", "supermin", "virtiofsd"},
    ("el9", "libvirt-kvm"): {"libvirt", "qemu-kvm", "virtiofsd"},
    ("el10", "nova-compute"): {"libguestfs", "libtpms", "libvirt", "qemu-kvm", "supermin", "swtpm", "virtiofsd"},
    ("el10", "libvirt-kvm"): {"libtpms", "libvirt", "qemu-kvm", "swtpm", "virtiofsd"},
}
"""The sources that a KVM host on POWER lacks, through the builds of the others."""

SERVICES = {
    # What RDO builds natively, and EL does not have: the compiled modules that OpenStack's requirements name.
    ("el9", "nova-compute"): {"bcrypt", "msgpack", "pynacl", "simplejson", "wrapt", "yappi", "openvswitch3.1"},
    ("el9", "cinder-volume"): {"bcrypt", "msgpack", "pynacl", "simplejson", "wrapt", "yappi", "zstd"},
    ("el9", "neutron-openvswitch-agent"): {
        "bcrypt", "msgpack", "pynacl", "simplejson", "wrapt", "yappi", "openvswitch3.1",
    },
    ("el10", "nova-compute"): {"bcrypt", "msgpack", "pynacl", "wrapt", "yappi", "openvswitch3.4"},
    ("el10", "cinder-volume"): {"bcrypt", "msgpack", "pynacl", "wrapt", "yappi"},
    ("el10", "neutron-openvswitch-agent"): {
        "bcrypt", "msgpack", "pynacl", "setproctitle", "wrapt", "yappi", "openvswitch3.4",
    },
    ("el9", "ceph-client"): {"ceph"},
    ("el10", "ceph-client"): {"ceph"},
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """The plan of a workload whose Python stays RPMs, and the distribution that it is of."""

    distribution: ModuleType
    workload: str
    plan: Plan

    @property
    def name(self) -> tuple[str, str]:
        return self.distribution.__name__, self.workload

    def native(self, *phases: Phase) -> set[str]:
        """The sources that are to be rebuilt, or that another repository has."""
        return {
            gap.name
            for gap in self.plan.gaps
            if gap.phase in phases and RouteKind.REUSE not in {gap.route.kind, getattr(gap.alternative, "kind", None)}
        }


LACKS = dnf_lacks()
ANSWERS = [(distribution, workload) for distribution in ("el9", "el10") for workload in list_workloads()]


@pytest.fixture(scope="module", params=ANSWERS, ids=[f"{workload}-{name}" for name, workload in ANSWERS])
def answer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    name, workload = request.param
    distribution = {"el9": el9, "el10": el10}[name]
    target = distribution.SNAPSHOT.name.rpartition("-")[0]
    folder = tmp_path_factory.getbasetemp() / "answers"
    cache = Cache.open(folder).directory
    resolved = resolve_target(RepositoryChoice(target=target, offline=True, cache_directory=cache), Silence())
    assert resolved.basis.name == distribution.SNAPSHOT.name
    return Answer(distribution, workload, plan(plan_request([workload], resolved, python="rpm"), Silence()))


def test_nothing_is_blocked(answer: Answer) -> None:
    assert [gap.name for gap in answer.plan.gaps if gap.route.kind is RouteKind.BLOCKED] == []


def test_what_is_missing_is_what_others_rebuild_for_power(answer: Answer) -> None:
    expected = KVM_SOURCES.get(answer.name, set()) | SERVICES.get(answer.name, set())
    found = {name.removeprefix("python-") for name in answer.native(Phase.RUN, Phase.BUILD)}
    of_epel = {gap.name for gap in answer.plan.gaps if gap.route.subject == ("epel",)}
    # pynacl's source bundles libsodium; RDO's RPM takes the library that EL lacks.
    assert found - of_epel - {"libsodium"} == expected
    assert bool(of_epel) == (answer.name == ("el9", "ceph-client"))


def test_what_a_kvm_host_lacks_is_what_almalinux_and_the_virt_sig_rebuild() -> None:
    for (name, _), sources in KVM_SOURCES.items():
        # EL10 builds these two for POWER itself; the snapshot has them in the SIG's repository, which publishes them.
        own = {"libtpms", "swtpm"} if name == "el10" else set()
        assert sources - own <= ALMALINUX_REBUILDS
    assert KVM_SOURCES["el10", "nova-compute"] <= {source_of(each) for each in packages_in(el10, "kvm-power")}


@pytest.mark.skipif(bool(LACKS), reason=LACKS or "dnf is there")
def test_dnf_installs_the_workload_with_every_rebuild_and_with_none_left_out(answer: Answer, tmp_path: Path) -> None:
    distribution = answer.distribution
    urls = dict(distribution.urls(distribution.TARGET))
    rebuilds: dict[str, list[str]] = {source: [] for source in sorted(answer.native(Phase.RUN))}
    for reference in distribution.REFERENCE:
        packages = packages_in(distribution, reference)
        newest = newest_builds(packages)
        parts = {"noarch": [each for each in packages if "<arch>noarch</arch>" in each]}
        for source in rebuilds:
            parts[source] = [translated(each) for each in packages if source_of(each) == source and each in newest]
        for part, chosen in parts.items():
            if not chosen:
                continue
            name = f"{reference}-{part}"
            text = (
                f'<metadata xmlns="{COMMON}" xmlns:rpm="{RPM}" packages="{len(chosen)}">{"".join(chosen)}</metadata>'
            )
            write_files(tmp_path / name, {"primary": text, "filelists": opened(distribution, reference, "filelists")})
            urls[name] = (tmp_path / name).as_uri()
            if part in rebuilds:
                rebuilds[part].append(name)
    assert all(rebuilds.values())
    dropped = tuple(sorted({each.requirement for each in answer.plan.dropped_requirements}))
    if dropped:
        # What x86 builds alone require: each with its grounds in the plan.
        package = Package(Nevra.parse("dropped-1-1.noarch"), relations={"provides": dropped})
        urls["dropped"] = write_repository(tmp_path / "dropped", [package]).as_uri()

    roots = load_workload(answer.workload).roots
    without: dict[str, list[str]] = {"": [], **rebuilds}
    said = ask_dnf(tmp_path / "dnf", urls, roots, distribution.SNAPSHOT.name.split("-")[2], 300, without)
    assert said.pop("")["problems"] == []
    assert [source for source, answered in said.items() if answered["installable"]] == []


def opened(distribution: ModuleType, repository: str, kind: str) -> str:
    """A file of a repository's metadata, decompressed."""
    with open_stream(distribution.SNAPSHOT / repository / "repodata" / f"{kind}.xml.zst") as stream:
        return stream.read().decode()


def packages_in(distribution: ModuleType, repository: str) -> list[str]:
    """The package elements of a repository, as text."""
    return re.findall(r"<package .*?</package>\n", opened(distribution, repository, "primary"), re.DOTALL)


def source_rpm_of(package: str) -> str:
    found = re.search(r"<rpm:sourcerpm>(.*)\.src\.rpm</rpm:sourcerpm>", package)
    return found[1] if found else ""


def source_of(package: str) -> str:
    return source_rpm_of(package).rpartition("-")[0].rpartition("-")[0]


def newest_builds(packages: Iterable[str]) -> set[str]:
    """The native packages of the newest build of each source: what older ones had, a rebuild does not give."""
    by_source: dict[str, list[str]] = {}
    for each in packages:
        if "<arch>x86_64</arch>" in each:
            by_source.setdefault(source_of(each), []).append(each)
    newest = set()
    for source, built in by_source.items():
        latest = max(
            (source_rpm_of(each) for each in built), key=lambda text: evr_key(text.removeprefix(f"{source}-"))
        )
        newest |= {each for each in built if source_rpm_of(each) == latest}
    return newest


def translated(package: str) -> str:
    """An x86_64 package as the build of its source for ppc64le: markers, loader, glibc's first version there."""
    text = package.replace("<arch>x86_64</arch>", "<arch>ppc64le</arch>").replace("(x86-64)", "(ppc-64)")
    text = text.replace("ld-linux-x86-64.so.2(GLIBC_2.3)", "ld64.so.2(GLIBC_2.22)").replace("ld-linux-x86-64", "ld64")
    text = text.replace("x86_64-linux-gnu", "powerpc64le-linux-gnu").replace(
        "x86-64-linux-gnu", "powerpc64le-linux-gnu"
    )
    return re.sub(r"GLIBC_2\.(?:[0-9]|1[0-6])(?:\.\d+)?\)", "GLIBC_2.17)", text)
