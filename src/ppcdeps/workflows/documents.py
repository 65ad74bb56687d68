"""A plan as documents of other tools: locks of its packages, bills of materials, files for who sets machines up."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ppcdeps.base.atomic import check_apart, write_output
from ppcdeps.building.farms.pipeline_files import HEAD, check_image
from ppcdeps.building.publishing.repository import read_manifest
from ppcdeps.building.run.rendered import ANOTHER_PLACE
from ppcdeps.model.documents import DocumentError, parse_json, read_document
from ppcdeps.model.errors import ConfigError, RepositoryError, UsageError
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.package_lock import LockFormat
from ppcdeps.model.plan import Plan
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig
from ppcdeps.model.wording import first_of
from ppcdeps.report.formats.bills import dump_plan_cyclonedx, dump_plan_spdx
from ppcdeps.report.formats.fromager import distributions_to_build, dump_build_order
from ppcdeps.report.formats.hosts import (
    CERTIFICATES,
    LOCAL_PLACE,
    HostRepository,
    HostSetup,
    ansible,
    containerfile,
    kickstart,
    takes_certificates,
)
from ppcdeps.report.formats.package_locks import dump_manifest, dump_rpm_lockfile
from ppcdeps.verifying.dnf import repository_options
from ppcdeps.verifying.verification import LOCAL, LOCAL_PRIORITY, enabled_of_target
from ppcdeps.workflows.build import default_repository
from ppcdeps.workflows.export import check_file, is_replaced
from ppcdeps.workflows.index import open_index
from ppcdeps.workflows.package_lock import address, package_lock_of
from ppcdeps.workflows.repositories import ResolvedTarget

_ADDRESS = re.compile(r"[!-~]{1,2000}")


class DocumentKind(StrEnum):
    """The documents that can be written."""

    MANIFEST = "manifest"
    RPM_LOCKFILE = "rpm-lockfile"
    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"
    FROMAGER = "fromager"
    KICKSTART = "kickstart"
    CONTAINERFILE = "containerfile"
    ANSIBLE = "ansible"

    @property
    def is_json(self) -> bool:
        """Whether the document is JSON."""
        return _FILES[self].endswith(".json")

    def file(self, workload: str) -> str:
        """The name of the file, where the user gives none."""
        return _FILES[self].format(workload)


_FILES: Mapping[DocumentKind, str] = {
    DocumentKind.MANIFEST: "{}.manifest.yaml",
    DocumentKind.RPM_LOCKFILE: "{}.rpms.lock.yaml",
    DocumentKind.CYCLONEDX: "{}.cdx.json",
    DocumentKind.SPDX: "{}.spdx.json",
    DocumentKind.FROMAGER: "{}.build-order.json",
    DocumentKind.KICKSTART: "{}.ks",
    DocumentKind.CONTAINERFILE: "Containerfile.{}",
    DocumentKind.ANSIBLE: "{}.yml",
}


_MEMBERS: Mapping[DocumentKind, str] = {
    DocumentKind.CYCLONEDX: "bomFormat",
    DocumentKind.SPDX: "spdxVersion",
    DocumentKind.FROMAGER: "source_url_type",
}
"""What a JSON document of each kind has, or its first entry. JSON has no comments that could say whose it is."""


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """A plan, and the document to write of it.

    ``plan_file`` is where the plan is, ``repository`` the folder of what was built (None: the one that is named after
    the workload, if it is there), ``url`` where that is served: None where the folder itself is meant. ``image`` is
    what a Containerfile begins from.
    """

    plan: Plan
    plan_file: Path
    kind: DocumentKind
    resolved: ResolvedTarget
    repository: Path | None = None
    url: str | None = None
    image: str | None = None
    output: Path | None = None

    @property
    def place(self) -> Path:
        """The folder of what was built, whether it is there or not."""
        return self.repository or default_repository(self.plan)


def write_document(request: DocumentRequest, reporter: Reporter) -> Path:
    """Write the document, and return its file; the reporter is told what it lacks.

    Raises UsageError where an option is missing or the file is one that is read, ConfigError for a place that holds
    something else, RepositoryError where the metadata does not say what the document needs.
    """
    file = request.output or Path(request.kind.file(request.plan.workload))
    if request.repository is not None and read_manifest(request.repository) is None:
        raise ConfigError(
            f"there is no repository in {request.repository}",
            hint="make it with `ppcdeps build PLAN`, or leave it out",
        )
    check_apart(file, (request.plan_file, *request.resolved.choice.files), "document")
    if request.kind.is_json:
        _check_json(file, _MEMBERS[request.kind])
    else:
        check_file(file)
    write_output(file, _text(request, reporter))
    return file


def _check_json(file: Path, member: str) -> None:
    """Raise ConfigError where the file has something that is no document with this member."""
    if not is_replaced(file) or not file.stat().st_size:
        return
    document: Any = None
    with contextlib.suppress(OSError, DocumentError):
        document = parse_json(read_document(file))
    first = document[0] if isinstance(document, list) and document else document
    if not isinstance(first, dict) or member not in first:
        raise ConfigError(
            f"{file} is no such document, and would be written over", hint=f"{ANOTHER_PLACE}, or remove it"
        )


def _text(request: DocumentRequest, reporter: Reporter) -> str:
    head = f"{HEAD} {request.plan.workload} on {request.plan.target} ({request.plan.arch})"
    match request.kind:
        case DocumentKind.MANIFEST | DocumentKind.RPM_LOCKFILE as kind:
            is_manifest = kind is DocumentKind.MANIFEST
            lock, unsaid = package_lock_of(
                request.plan,
                request.resolved,
                request.place,
                _url(request),
                LockFormat.MANIFEST if is_manifest else LockFormat.RPM_LOCKFILE,
            )
            for line in unsaid:
                reporter.warn(line)
            return (dump_manifest if is_manifest else dump_rpm_lockfile)(lock, head)
        case DocumentKind.CYCLONEDX:
            return dump_plan_cyclonedx(request.plan)
        case DocumentKind.SPDX:
            return dump_plan_spdx(request.plan)
        case DocumentKind.FROMAGER:
            return dump_build_order(request.plan, _sdists(request, reporter))
        case DocumentKind.KICKSTART:
            setup = _setup(request, _url(request), reporter)
            certified = [one.id for one in setup.repositories if any(key in one.options for key in CERTIFICATES)]
            if certified and not takes_certificates(setup.platform):
                reporter.warn(f"kickstart of this platform takes no certificates of {first_of(certified, 5)}")
            return kickstart(setup, head)
        case DocumentKind.ANSIBLE:
            return ansible(_setup(request, _url(request), reporter), head)
        case DocumentKind.CONTAINERFILE:
            if request.image is None:
                raise UsageError(
                    "a Containerfile begins from an image of the target, with dnf", hint="name it with --image IMAGE"
                )
            check_image(request.image)
            place = f"file://{LOCAL_PLACE}" if request.url is None else _url(request)
            setup = _setup(request, place, reporter)
            if setup.copied and (request.place.is_absolute() or ".." in request.place.parts):
                raise UsageError(
                    f"{request.place} is not in the folder that an image is built of",
                    hint="copy it beside the Containerfile, or say where it is served with --url URL",
                )
            return containerfile(setup, head, request.image)


def _url(request: DocumentRequest) -> str:
    if request.url is not None and not _ADDRESS.fullmatch(request.url):
        raise UsageError(f"not an address: {ascii(request.url)[:80]}", hint="write blanks in it as %20")
    return request.url or request.place.absolute().as_uri()


def _sdists(request: DocumentRequest, reporter: Reporter) -> dict[str, str]:
    """The address of the sdist of each distribution that is to be built, as pip's index has it now."""
    wanted = distributions_to_build(request.plan)
    if not wanted:
        workload = request.plan.workload
        raise UsageError(
            f"the plan for {workload} has no Python distribution to build", hint="plan with --python pip"
        )
    resolved = request.resolved
    found = {}
    with open_index(resolved.cache, reporter, offline=resolved.offline, refresh=resolved.refresh) as index:
        for each in wanted:
            digests = {file.sha256 for file in each.files}
            # Of any spelling of the version.
            files = index.project(each.name).by_filename().values()
            sdist = next((one for one in files if not one.is_wheel and one.hashes.get("sha256") in digests), None)
            if sdist is None:
                raise RepositoryError(
                    f"the index has no sdist of {each.name} {each.version} with the digest that the plan has",
                    hint="make the plan anew with `ppcdeps plan WORKLOAD`",
                )
            found[each.name] = f"{address(sdist.url).partition('#')[0]}#sha256={sdist.hashes['sha256']}"
    return found


def _setup(request: DocumentRequest, url: str, reporter: Reporter) -> HostSetup:
    """What the machine gets. The local repository is first where there is one, and is at ``url`` for the machine."""
    plan, target = request.plan, request.resolved.target
    manifest = read_manifest(request.place)
    there = {Nevra.parse(one.nevra).name: one.nevra for one in manifest.packages} if manifest else {}
    python = plan.python
    built = python.built_packages if python else ()
    needed = {one.nevra.name for one in plan.closure if one.side != "target"}.union(built)
    missing = sorted(needed.difference(there))
    if missing:
        reporter.warn(
            f"not in {request.place}, which the machines need for {plan.workload}: {first_of(missing, 5)}; "
            "build it first with `ppcdeps build PLAN`"
        )
    enabled = _repositories_of_machines(request.resolved, reporter)
    secret = [config.id for config in enabled if config.username or config.password or config.sslclientkey]
    if secret:
        reporter.warn(f"not in the document, and for you to give the machines: credentials of {first_of(secret, 5)}")
    repositories = [_repository(config) for config in enabled]
    if manifest is not None:
        keys = [f"{url.rstrip('/')}/{path.name}" for path in sorted(request.place.glob("RPM-GPG-KEY*"))]
        signed = str(int(bool(manifest.key)))
        options = {
            "name": "Packages built by ppcdeps",
            "baseurl": f"{url.rstrip('/')}/",
            "enabled": "1",
            "priority": str(LOCAL_PRIORITY),
            "gpgcheck": signed,
            "repo_gpgcheck": signed,
            "module_hotfixes": "1",
            # What is built today is to be seen today.
            "metadata_expire": "60",
            **({"gpgkey": " ".join(keys)} if manifest.key else {}),
        }
        repositories.insert(0, HostRepository(LOCAL, options))
    roots = {one.nevra.name for one in plan.closure if any(each.by == plan.workload for each in one.required_by)}
    pins = tuple(_pins(plan))
    more = [target.python.pip_package] if pins else []
    more += [name for name in built if name in there]
    bridge = f"ppcdeps-bridge-{plan.workload}"
    more += [bridge] if bridge in there else []
    return HostSetup(
        plan.workload,
        plan.arch,
        tuple(repositories),
        # Of what was built, the very build; of all else the name: repositories move on.
        tuple(sorted(there.get(name, name) for name in roots.union(more))),
        plan.modules,
        pins,
        python.program if python else "python3",
        target.install_weak_deps,
        request.place.as_posix() if manifest is not None and request.url is None else "",
        target.platform_id,
    )


def _repositories_of_machines(resolved: ResolvedTarget, reporter: Reporter) -> list[RepoConfig]:
    """The enabled ones of the target. In place of a snapshot's, which has no packages, those that it is of."""
    basis = resolved.basis
    live = {config.id: config for config in basis.live}
    enabled = enabled_of_target(resolved.target.repositories)
    if not live.keys().isdisjoint(config.id for config in enabled):
        reporter.warn(f"the plan rests on the snapshot {basis.name}, and the machines get its live repositories")
    return [live.get(config.id, config) for config in enabled]


def _repository(config: RepoConfig) -> HostRepository:
    """What dnf does of itself is left out: a machine's own dnf.conf decides, of signatures, too."""
    usual = repository_options(RepoConfig(config.id, config.side))
    not_theirs = ("username", "password", "timeout", "retries", "metadata_expire")
    options = {
        key: address(" ".join(value.split()))
        for key, value in repository_options(config).items()
        if value != usual.get(key) and key not in not_theirs
    }
    return HostRepository(config.id, {"name": config.id, **options})


def _pins(plan: Plan) -> Iterable[str]:
    """A line of a requirements file for each distribution that pip installs."""
    for one in plan.python.by_pip if plan.python else ():
        digests = " ".join(f"--hash=sha256:{file.sha256}" for file in one.files)
        yield f"{one.name}=={one.version} {digests}".rstrip()
