"""Rules on files: missing ones, those of two distributions, and those of an RPM that pip changed."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping

from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.fixes import pip_uninstall, reinstall
from ppcdeps.checking.env.installed import Installed, RecordedFile
from ppcdeps.checking.env.root_file_system import RootFileSystem
from ppcdeps.checking.env.rpmdatabase import RpmFile
from ppcdeps.checking.env.searchpath import PathOrigin
from ppcdeps.checking.findings import Finding, Severity
from ppcdeps.checking.rules import finding

_CODE = (".py", ".so")
_ASIDE = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmarks", "scripts", "tools"}
)
_SHOWN = 5
"""Files of a finding that are named; of the rest there is a count."""


def file_findings(environment: Environment) -> Iterator[Finding]:
    """What is wrong with the files of distributions and of RPMs."""
    for copy in environment.imported.values():
        gone = list(_missing_files(environment, copy))
        yield from gone
        if not gone:
            yield from _missing_module(environment, copy)
            yield from _stray_modules(environment, copy)
    yield from _owned_twice(environment)
    if environment.rpm is not None:
        yield from _overwritten(environment, environment.rpm.files)
        yield from _gone_from_rpms(environment, environment.rpm.files)
        if environment.rpm.fault:
            yield finding(
                "env-rpmdb-damaged",
                f"rpm cannot read its database in full: {environment.rpm.fault}",
                environment.rpm.place,
                fix=["rpm --rebuilddb", "rpm --verify --all --nofiles  # shows what is inconsistent afterwards"],
            )


def some(paths: Iterable[str]) -> list[str]:
    """The first few of the paths in order, and how many more there are."""
    listed = sorted(paths)
    rest = len(listed) - _SHOWN
    return listed if rest < 2 else [*listed[:_SHOWN], f"and {rest} more"]


def _missing_files(environment: Environment, copy: Installed) -> Iterator[Finding]:
    # Distributions' packages leave out what RECORD lists; whether their files are there, their own database says.
    if copy.files is None or environment.owner(copy):
        return
    sites = tuple(f"{entry.real}/" for entry in environment.path.sites)
    gone = [
        one.path
        for one in copy.files
        if one.path.startswith(sites)
        and not one.path.endswith((".pyc", ".pyo"))
        and environment.root.is_gone(one.path)
    ]
    if not gone:
        return
    code = [path for path in gone if path.endswith(_CODE)]
    noun = "file" if len(gone) == 1 else "files"
    yield finding(
        "env-missing-files",
        f"{copy.shown}: {len(gone)} {noun} of {len(copy.files)} that it was installed with "
        f"{'is' if len(gone) == 1 else 'are'} gone" + ("" if code else ", none of them code"),
        copy.metadata,
        severity=None if code else Severity.WARNING,
        detail=some(code or gone),
        fix=[reinstall(environment, copy)],
    )


def _missing_module(environment: Environment, copy: Installed) -> Iterator[Finding]:
    # Of packages of the system, their own database says which files are to be there.
    if not copy.modules or copy.editable or environment.owner(copy):
        return
    mapped = {name.partition(".")[0] for name, _ in environment.path.mapped}
    if any(name in mapped or environment.module_place(name) for name in (*copy.modules, copy.key.replace("-", "_"))):
        return
    names = ", ".join(copy.modules[:_SHOWN])
    yield finding(
        "env-missing-module",
        f"{copy.shown} has metadata, and there is no module {names}",
        copy.metadata,
        fix=[reinstall(environment, copy)],
    )


def _stray_modules(environment: Environment, copy: Installed) -> Iterator[Finding]:
    """Modules that are found in an earlier folder than their distribution's."""
    if copy.files is None or copy.editable:
        return
    own = {one.path for one in copy.files}
    standard = {entry.real for entry in environment.path.entries if entry.origin is PathOrigin.STANDARD}
    for name in copy.modules:
        base = f"{copy.entry.real}/{name}"
        if name in _ASIDE:
            continue
        listed = next((one for one in (f"{base}/__init__.py", f"{base}.py") if one in own), None)
        found = environment.module_place(name)
        if listed is None or found is None or found[0] in (copy.entry.real, *standard):
            continue
        package = f"{found[0]}/{found[1]}/__init__.py"
        if environment.root.has(package) and _extends_its_path(environment.root, package):
            continue
        yield finding(
            "env-stray-module",
            f"`import {name}` finds {found[0]}/{found[1]}, and not what {copy.shown} installed in {copy.entry.path}",
            f"{found[0]}/{found[1]}",
            detail=_owner_detail(environment, found[0], name),
        )


def _owner_detail(environment: Environment, folder: str, module: str) -> list[str]:
    """The distribution that the module in that folder belongs to, as far as metadata say."""
    others = [one for one in environment.copies if one.entry.real == folder and module in one.modules]
    return [f"that one is {one.shown}'s" for one in others] or ["it has no metadata: its version is not known"]


def _extends_its_path(root: RootFileSystem, path: str) -> bool:
    text = root.read(path, "root_text", whole=False) or b""
    return b"extend_path" in text or b"declare_namespace" in text


def _owned_twice(environment: Environment) -> Iterator[Finding]:
    owners: dict[str, list[tuple[Installed, RecordedFile]]] = {}
    for copies in environment.by_key.values():
        for copy in copies:
            for one in copy.files or ():
                if not one.path.endswith((".pyc", ".pyo")) and one.path.startswith(f"{copy.entry.real}/"):
                    owners.setdefault(one.path, []).append((copy, one))
    pairs: dict[tuple[str, str], list[str]] = {}
    known = {copy.metadata: copy for copy in environment.copies}
    for path, claims in owners.items():
        keys = {copy.key for copy, _ in claims}
        digests = {one.digest for _, one in claims}
        if len(keys) > 1 and len(digests) > 1 and "" not in digests:
            first, second = sorted({copy.key: copy for copy, _ in claims}.items())[:2]
            pairs.setdefault((first[1].metadata, second[1].metadata), []).append(path)
    for (metadata, other), paths in pairs.items():
        first_copy, second_copy = known[metadata], known[other]
        winners = {
            copy.name for path in paths for copy, file in owners[path] if _is_as_recorded(environment.root, file)
        }
        noun = "a file" if len(paths) == 1 else f"{len(paths)} files"
        inside = [path.removeprefix(f"{first_copy.entry.real}/") for path in paths]
        yield finding(
            "env-file-owned-twice",
            f"{first_copy.shown} and {second_copy.shown} both installed {noun}, with different content",
            min(paths),
            severity=Severity.ADVICE if all(_is_irrelevant(path) for path in inside) else None,
            detail=[*some(paths), *(f"what is there is of {name}" for name in sorted(winners))],
            fix=[
                pip_uninstall(environment, f"{first_copy.name}  # or {second_copy.name}: one of them can stay"),
                reinstall(environment, second_copy) + "  # the other one",
            ],
        )


def _is_irrelevant(path: str) -> bool:
    """Whether no program imports the file: tests and documents that should not have been installed at the top."""
    return path.partition("/")[0] in _ASIDE or not path.endswith(_CODE)


def _is_as_recorded(root: RootFileSystem, file: RecordedFile) -> bool:
    algorithm, _, digest = file.digest.partition("=")
    found = digest_of(root, file.path, algorithm)
    return found is not None and base64.urlsafe_b64encode(found).rstrip(b"=").decode() == digest


def digest_of(root: RootFileSystem, path: str, algorithm: str) -> bytes | None:
    """The digest of a file by a hashlib name; None where the file or the algorithm is not there."""
    try:
        state = hashlib.new(algorithm, usedforsecurity=False)
        with root.open(path) as stream:
            while block := stream.read(1 << 20):
                state.update(block)
    except (OSError, ValueError):
        return None
    # The digests of SHAKE have no length of their own, and are in no RECORD.
    return state.digest() if state.digest_size else None


def _overwritten(environment: Environment, files: Mapping[str, RpmFile]) -> Iterator[Finding]:
    """Files of RPMs that a copy of no RPM lists as its own, with another content than the RPM's."""
    for copies in environment.by_key.values():
        for copy in copies:
            if environment.owner(copy):
                continue
            changed: dict[str, list[str]] = {}
            for one in copy.files or ():
                file = files.get(one.path)
                if file is not None and file.digest:
                    found = digest_of(environment.root, one.path, file.algorithm)
                    if found is not None and found.hex() != file.digest.lower():
                        changed.setdefault(file.package, []).append(one.path)
            for package, paths in sorted(changed.items()):
                noun = "a file" if len(paths) == 1 else f"{len(paths)} files"
                yield finding(
                    "env-rpm-overwritten",
                    f"{copy.shown} overwrote {noun} of the RPM {package}",
                    copy.metadata,
                    detail=some(paths),
                    fix=[pip_uninstall(environment, copy.name), f"dnf reinstall {package}"],
                )


def _gone_from_rpms(environment: Environment, files: Mapping[str, RpmFile]) -> Iterator[Finding]:
    gone: dict[str, list[str]] = {}
    for path, file in files.items():
        is_metadata = "-info/" in path or path.endswith("-info")
        if (path.endswith(_CODE) or is_metadata) and environment.root.is_gone(path):
            gone.setdefault(file.package, []).append(path)
    for package, paths in sorted(gone.items()):
        code = [path for path in paths if path.endswith(_CODE)]
        noun = "a file" if len(paths) == 1 else f"{len(paths)} files"
        yield finding(
            "env-rpm-missing",
            f"{noun} of the RPM {package} {'is' if len(paths) == 1 else 'are'} gone",
            min(paths),
            # pip, upgrading in the RPM's folder, takes the old metadata away and leaves a copy of another version.
            severity=None if code else Severity.WARNING,
            detail=some(code or paths),
            fix=[f"dnf reinstall {package}"],
        )
