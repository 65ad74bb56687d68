"""What puts an environment in order: which copies go, what comes in their place, and what packages of the system own.

pip's part is the difference that pip-tools finds between the requirements and what pip installed. Around it stand
the rules that pip-tools does not have: what an RPM or the base installation owns is not pip's to change; a copy that
hides one of theirs goes where theirs does; and nothing goes that what stays still requires.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ppcdeps.checking.env.copies import HeldRequirement, wants_of, weight_of
from ppcdeps.checking.env.environment import Environment
from ppcdeps.checking.env.installed import Installed
from ppcdeps.checking.env.interpreters import Style
from ppcdeps.checking.env.piptools_sync import (
    NEVER_REMOVED,
    PresentDistribution,
    difference,
    requirement_text,
)
from ppcdeps.checking.env.searchpath import PathOrigin
from ppcdeps.checking.findings import Finding, Severity, Skipped
from ppcdeps.model.nevra import Nevra
from ppcdeps.python.distfiles import name_in
from ppcdeps.python.names import normalize, rpm_version
from ppcdeps.python.requirementfiles import RequirementLine
from ppcdeps.python.requirementset import RequiredDistribution, RequirementSet

_DAMAGED = frozenset({"env-missing-files", "env-missing-module", "env-broken-record"})
"""Findings on a copy that is the right version, and is to be installed anew all the same."""
_PACKAGERS = frozenset({"rpm", "debian", "apt"})
_INSTALLERS = frozenset({"pip", "uv"})
"""What INSTALLER says."""
_COMMIT = re.compile(r"@([0-9a-f]{40})(?:#|$)")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SHOWN = 200
"""Characters of a line in a message."""


@dataclass(frozen=True, slots=True)
class WantedEnvironment:
    """What an environment is to have: ``origin`` says where that is written.

    ``built`` gives the pins of what is built from source first, which pip does not fetch; ``packages`` the RPM of
    each distribution that an RPM is to provide, as NEVRA, both by normalized name. ``machine`` is the one that the
    files say they are for, empty where they say none.
    """

    origin: str
    requirements: RequirementSet
    built: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    unfollowed: tuple[tuple[str, str], ...] = ()
    """Options that say where pip looks, with file and line."""
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Removal:
    """A copy that goes. ``is_first``: pip finds it without being pointed to its folder. ``by_hand`` is why pip does
    not remove it.
    """

    copy: Installed
    why: str
    is_first: bool
    by_hand: str = ""


@dataclass(frozen=True, slots=True)
class Addition:
    """A distribution that pip installs. ``replaced`` is the copy that pip takes away for it; ``over`` says that pip
    does not remove that copy and has to write over it.
    """

    required: RequiredDistribution
    why: str
    replaced: Installed | None = None
    over: bool = False

    @property
    def text(self) -> str:
        """The requirement as pip is given it."""
        return requirement_text(self.required)


@dataclass(frozen=True, slots=True)
class OwnedDistribution:
    """What a package of the system owns and pip must leave alone.

    ``wanted`` is the requirement that its version does not satisfy, empty where it does; ``after`` says that a copy
    of pip's lies in the package's own folder, so that the package comes back only when that has gone.
    """

    name: str
    version: str
    owner: str
    wanted: str = ""
    package: str = ""
    after: bool = False
    planned: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy that no requirement names and that stays, and why."""

    copy: Installed
    why: str


@dataclass(frozen=True, slots=True)
class Repair:
    """What is to be done. ``satisfied`` are the requirements that hold already; ``put_back`` the packages whose files
    pip changed or removed; ``remains`` folders that an interrupted pip left behind.

    ``open`` is what these changes leave undone; ``unjudged`` are lines of the requirements that nothing is said of.
    """

    origin: str
    satisfied: tuple[str, ...] = ()
    removals: tuple[Removal, ...] = ()
    additions: tuple[Addition, ...] = ()
    owned: tuple[OwnedDistribution, ...] = ()
    kept: tuple[Kept, ...] = ()
    put_back: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    unjudged: tuple[Skipped, ...] = ()

    @property
    def is_in_order(self) -> bool:
        """Whether there is nothing to do and nothing left undone."""
        wanting = any(one.wanted for one in self.owned)
        return not (self.removals or self.additions or wanting or self.put_back or self.remains or self.open)


def repair_of(environment: Environment, wanted: WantedEnvironment, findings: Iterable[Finding] = ()) -> Repair:
    """How the environment gets what is wanted. ``findings`` are those of `check env`: damaged copies come anew.

    Raises EnvironmentLacksError where pip-tools cannot be used, ConfigError for a requirement that pip does not take.
    """
    damaged = {one.where.partition("/RECORD")[0] for one in findings if one.rule in _DAMAGED}
    return _Repairing(environment, wanted, damaged).result()


@dataclass(slots=True)
class _Repairing:
    environment: Environment
    wanted: WantedEnvironment
    damaged: set[str]
    satisfied: list[str] = field(default_factory=list)
    removals: dict[str, list[Removal]] = field(default_factory=dict)
    additions: dict[str, Addition] = field(default_factory=dict)
    owned: list[OwnedDistribution] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    put_back: set[str] = field(default_factory=set)
    remains: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    unjudged: list[Skipped] = field(default_factory=list)
    distributions: dict[str, dict[str, str]] = field(default_factory=dict)
    """The versions of the distributions in each package of the RPM database, by their normalized names."""

    def result(self) -> Repair:
        for path, file in (self.environment.rpm.files if self.environment.rpm else {}).items():
            inside = self.distributions.setdefault(file.package, {})
            info = next((part for part in path.split("/") if part.endswith("-info")), "")
            name, _, rest = info.rpartition(".")[0].partition("-")
            if name:
                inside[normalize(name)] = rest.partition("-")[0] or file.version
        protected = self._protected()
        self.unjudged += [
            Skipped(f"{option} in {where}", "indexes and links are those of pip's configuration")
            for option, where in self.wanted.unfollowed
        ]
        machine = self.environment.target.machine
        if self.wanted.machine and self.wanted.machine != machine:
            why = f"it is for {self.wanted.machine}, and this environment is for {machine}: their digests differ"
            self.unjudged.append(Skipped(f"native wheels that {self.wanted.origin} names", why))
        required = dict(self.wanted.requirements.distributions)
        loose_by_key: dict[str, list[Installed]] = {}
        for key, copies in self.environment.by_key.items():
            loose = [one for one in copies if not self._is_fixed(one)]
            self.remains += [one.metadata for one in loose if _is_remains(one)]
            loose = [one for one in loose if not _is_remains(one)]
            fixed = [one for one in copies if self._is_fixed(one)]
            is_hidden = bool(fixed) and self._is_fixed(copies[0])
            if self._settled_by_package(key, loose, fixed, required.get(key), is_hidden=is_hidden):
                required.pop(key, None)
            elif loose:
                loose_by_key[key] = loose
        self._by_difference(loose_by_key, required, protected)
        self._keep_what_is_required()
        self._files_of_two(required)
        self._packages_of_what_goes()
        self._still_open(required)
        return Repair(
            self.wanted.origin,
            tuple(sorted(self.satisfied)),
            tuple(one for key in sorted(self.removals) for one in self.removals[key]),
            tuple(self.additions[key] for key in sorted(self.additions)),
            tuple(sorted(self.owned, key=lambda one: one.name)),
            tuple(sorted(self.kept, key=lambda one: one.copy.key)),
            tuple(sorted(self.put_back)),
            tuple(sorted(self.remains)),
            tuple(self.open),
            tuple(self.unjudged),
        )

    # What is whose -------------------------------------------------------------------------------------

    def _owner(self, copy: Installed) -> str:
        owner = self.environment.owner(copy)
        if owner:
            return owner
        if self.environment.python.is_virtual:
            return "the base installation" if copy.entry.origin is PathOrigin.BASE else ""
        rpm = self.environment.rpm
        if copy.installer in _PACKAGERS or (rpm is not None and rpm.unread and copy.installer not in _INSTALLERS):
            # Without a database that can be read, this is all that there is to see.
            return "a package of the system"
        return ""

    def _is_fixed(self, copy: Installed) -> bool:
        return bool(self._owner(copy))

    def _overwritten(self, copy: Installed) -> dict[str, dict[str, str]]:
        """The packages whose files the copy lists as its own, because pip installed into their folder: each with its
        distributions and their versions.
        """
        files = self.environment.rpm.files if self.environment.rpm else {}
        packages = {files[one.path].package for one in copy.files or () if one.path in files}
        return {package: self.distributions[package] for package in packages}

    # What packages of the system settle ------------------------------------------------------------------

    def _settled_by_package(
        self,
        key: str,
        loose: list[Installed],
        fixed: list[Installed],
        required: RequiredDistribution | None,
        *,
        is_hidden: bool,
    ) -> bool:
        """Whether a package has the distribution, so that pip-tools is not to judge it. ``is_hidden``: the package's
        copy comes before pip's.
        """
        after = False
        if required is None and key in NEVER_REMOVED and loose:
            return False
        if fixed:
            version, owner = fixed[0].version, self._owner(fixed[0])
        else:
            under = [
                (inside[key], package)
                for one in loose
                for package, inside in self._overwritten(one).items()
                if key in inside
            ]
            if not under:
                return False
            version, owner, after = under[0][0], f"RPM {under[0][1]}", True
        package = owner.removeprefix("RPM ") if owner.startswith("RPM ") else ""
        if key in self.wanted.built and _accepts_version(self.wanted.built[key], version):
            required = None
        if required is None or _fits(required, version):
            self.owned.append(OwnedDistribution(key, version, owner, package=package, after=after))
            relation = "it lies over" if after else "it is hidden by" if is_hidden else "it hides"
            why = f"{relation} {version} of {owner}"
            if required is not None:
                self.satisfied.append(key)
                why += f", which {required.where} allows"
            self._remove(key, loose, why)
            return True
        beside = not any(self._is_where_pip_installs(one) for one in fixed)
        if loose and not after and not is_hidden and (beside or _fits(required, loose[0].version)):
            # pip's copy hides the package's already. It stays where it fits, and is replaced where pip installs
            # beside the package's folder.
            self.owned.append(OwnedDistribution(key, version, owner, package=package))
            return False
        wanted = requirement_text(required)
        self.owned.append(OwnedDistribution(key, version, owner, wanted, package=package, after=after))
        self._remove(key, loose, f"{owner} owns {key}: a package of the system is to bring {wanted}")
        return True

    def _is_where_pip_installs(self, copy: Installed) -> bool:
        """Whether pip writes new distributions into the folder of this copy."""
        python = self.environment.python
        prefix = python.prefix.rstrip("/")
        if not python.is_virtual and prefix == "/usr" and not python.short.startswith("2"):
            if python.style is Style.FEDORA:
                prefix = "/usr/local"
            elif python.style is Style.DEBIAN:
                return copy.entry.path.startswith("/usr/local/")
        return posixpath.dirname(copy.entry.path) in {
            f"{prefix}/{libdir}/python{python.short}" for libdir in ("lib", "lib64")
        }

    # What pip-tools judges ---------------------------------------------------------------------------------

    def _by_difference(
        self,
        loose: dict[str, list[Installed]],
        required: dict[str, RequiredDistribution],
        protected: dict[str, str],
    ) -> None:
        present = [
            PresentDistribution(key, copies[0].version, copies[0].requires, self._direct_url(copies[0]))
            for key, copies in loose.items()
        ]
        found = difference(required.values(), present, self.environment.target)
        for key, each in required.items():
            copies = loose.get(key, [])
            first = copies[0] if copies else None
            if key not in found.install or (first is not None and self._is_there(each, first)):
                self._satisfied(each, copies)
            else:
                self._add(each, copies, f"{first.version} is there" if first else "it is not there")
        for key in sorted(found.uninstall | found.left_alone):
            copies = loose[key]
            if key in self.wanted.built:
                fits = _accepts_version(self.wanted.built[key], copies[0].version)
                if not fits:
                    self.open.append(
                        f"{key} is to be {self.wanted.built[key]}, built from source first, and "
                        f"{copies[0].version} is there: install the wheel that `ppcdeps build PLAN` makes"
                    )
            elif key in protected:
                self.kept.append(Kept(copies[0], protected[key]))
            elif key in self.wanted.packages and not self._sees_packages():
                package = self.wanted.packages[key]
                why = f"{self.wanted.origin} has it from the RPM {package}, which this environment does not see"
                self.kept.append(Kept(copies[0], why))
            elif key in found.left_alone:
                self.kept.append(Kept(copies[0], "pip-sync leaves pip and what belongs to it alone"))
            else:
                self._remove(key, copies, f"{self.wanted.origin} does not name it")

    def _satisfied(self, each: RequiredDistribution, copies: list[Installed]) -> None:
        first = copies[0]
        twice = [one for one in copies if one.entry.real == first.entry.real]
        if len(twice) > 1:
            self._add(each, copies, "its folder has metadata of several copies")
            return
        if first.metadata in self.damaged:
            self._add(each, copies, "its files are damaged")
            return
        self.satisfied.append(each.name)
        if first.editable:
            self.kept.append(
                Kept(first, f"it is an editable installation of {first.editable}: what it has may change")
            )
        self._remove(each.name, copies[1:], f"it is hidden by {first.version} in {first.entry.path}")

    def _add(self, each: RequiredDistribution, copies: list[Installed], why: str) -> None:
        first = copies[0] if copies else None
        twice = [one for one in copies if first is not None and one.entry.real == first.entry.real]
        if len(twice) > 1:
            # pip takes one of them away, and which one is left to chance.
            self._remove(each.name, copies, "its folder has metadata of several copies")
            self.additions[each.name] = Addition(each, why)
            return
        self._remove(each.name, copies[1:], "it is hidden, and another version is to be the only one")
        over = first is not None and bool(self._by_hand(first) or first.metadata in self.damaged)
        self.additions[each.name] = Addition(each, why, first, over)

    def _is_there(self, each: RequiredDistribution, copy: Installed) -> bool:
        """What pip takes for satisfied and pip-tools does not: a pre-release that nothing excludes, and the commit
        of a repository that was named.
        """
        if not each.url:
            return _fits(each, copy.version)
        commit = _COMMIT.search(each.url)
        if commit is None:
            return False
        text = self._direct_url(copy)
        place = each.url.partition("+")[2].partition("@")[0] if "+" in each.url.partition(":")[0] else ""
        return bool(place) and f'"{commit[1]}"' in text and place.removesuffix("/") in text

    def _direct_url(self, copy: Installed) -> str:
        path = f"{copy.metadata}/direct_url.json"
        if not self.environment.root.has(path):
            return ""
        return (self.environment.root.read(path, "root_text") or b"").decode("utf-8", "replace")

    def _protected(self) -> dict[str, str]:
        """Names that lines without a name stand for, as far as can be seen: these stay, and why."""
        found: dict[str, str] = {}
        for line in self.wanted.requirements.projects:
            names = self._names_of(line)
            found.update(dict.fromkeys(names, f"{line.where} names its sources or its file"))
            shown = line.text[:_SHOWN]
            why = "a folder, a file or a URL without a name: no version is known that it should have"
            self.unjudged.append(Skipped(f"{shown} ({line.where})", why))
        return found

    def _names_of(self, line: RequirementLine) -> set[str]:
        text = line.text.partition(" ;")[0].strip()
        egg = re.search(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)", text)
        if egg:
            return {normalize(egg[1])}
        bare = text.partition("#")[0].rstrip("/")
        named = name_in(posixpath.basename(bare))
        if named:
            return {named}
        # An editable installation of that folder, whatever the distribution is called.
        folder = posixpath.basename(bare.partition("[")[0])
        return {
            key
            for key, copies in self.environment.by_key.items()
            for one in copies
            if one.editable and (folder in (".", "") or posixpath.basename(one.editable.rstrip("/")) == folder)
        }

    # What goes ---------------------------------------------------------------------------------------------

    def _remove(self, key: str, copies: list[Installed], why: str) -> None:
        everything = self.environment.by_key[key] if copies else ()
        gone = [one.copy for one in self.removals.get(key, [])]
        for copy in copies:
            # What is first when the copies before it have gone.
            first = next((one for one in everything if one not in gone), None)
            removal = Removal(copy, why, first is copy, self._by_hand(copy))
            self.removals.setdefault(key, []).append(removal)
            gone.append(copy)

    def _by_hand(self, copy: Installed) -> str:
        """Why pip does not remove the copy; empty where it does. Followed: pip's UninstallPathSet.from_dist."""
        root, place = self.environment.root, copy.metadata
        if not _NAME.fullmatch(copy.name):
            return "its name is not one that pip takes"
        if place.endswith(".dist-info"):
            return "" if copy.files is not None else "it has no RECORD, from which pip reads what to remove"
        if place.endswith("EGG-INFO"):
            return ""
        if not root.is_folder(place):
            return "distutils installed it, and nothing lists its files"
        if copy.editable:
            links = (f"{one.path}/{copy.name}.egg-link" for one in self.environment.path.sites)
            return "" if any(root.has(one) for one in links) else "it is on the path without a link of setuptools"
        if copy.files is None and not root.has(f"{place}/top_level.txt"):
            return "nothing lists its files"
        return ""

    def _after(self) -> Environment:
        """The environment without what goes."""
        gone = {one.copy.metadata for removals in self.removals.values() for one in removals}
        return replace(
            self.environment, copies=tuple(one for one in self.environment.copies if one.metadata not in gone)
        )

    def _keep_what_is_required(self) -> None:
        """Take back removals of what a distribution that stays requires, and no other copy satisfies."""
        while True:
            after = self._after()
            needed: dict[str, str] = {}
            for want in wants_of(after)[0]:
                key = want.key
                if key not in self.removals or key in self.additions or want.by.key in self.additions:
                    continue
                if key in self.wanted.requirements.distributions or key in self.wanted.packages:
                    # What it is to be is said.
                    continue
                now, then = self.environment.imported[key], after.imported.get(key)
                if want.accepts(now.version) and not (then and want.accepts(then.version)):
                    needed.setdefault(key, f"{want.by.shown} requires {want.shown}, and stays")
            if not needed:
                return
            for key, why in needed.items():
                self.kept.append(Kept(self.removals.pop(key)[0].copy, f"{why}: add it to the requirements, or not"))

    def _files_of_two(self, required: Mapping[str, RequiredDistribution]) -> None:
        """Distributions that stay and list files of a copy that goes: pip takes these files along."""
        going = {
            file.path: one.copy
            for removals in self.removals.values()
            for one in removals
            if not one.by_hand
            for file in one.copy.files or ()
        }
        for key, copy in self._after().imported.items():
            if self._is_fixed(copy) or key in self.additions:
                continue
            other = next((going[one.path] for one in copy.files or () if one.path in going), None)
            if other is None or other.key == key:
                continue
            why = f"{other.shown}, which goes, has files of it"
            if key in required:
                self.satisfied.remove(key)
                self.additions[key] = Addition(required[key], why, copy, over=True)
            else:
                self.open.append(f"{copy.shown} stays, and {why}: install it anew afterwards")

    def _packages_of_what_goes(self) -> None:
        """Packages to put back: their files are gone, or are those of a copy that goes."""
        if self.environment.rpm is None:
            return
        staying: set[str] = set()
        for copy in self._after().copies:
            if not self._is_fixed(copy):
                staying |= set(self._overwritten(copy))
        changed = {
            package
            for removals in self.removals.values()
            for one in removals
            for package in self._overwritten(one.copy)
        }
        changed |= {
            file.package
            for path, file in self.environment.rpm.files.items()
            if path.endswith((".py", ".so", "-info")) and self.environment.root.is_gone(path)
        }
        upgraded = {one.package for one in self.owned if one.wanted and one.package}
        self.put_back = changed - staying - upgraded
        for package in sorted(changed & staying - upgraded):
            self.open.append(
                f"files of the RPM {package} are gone or changed, and a copy of pip's lies in their place"
            )

    # What is left ------------------------------------------------------------------------------------------

    def _still_open(self, required: Mapping[str, RequiredDistribution]) -> None:
        after = self._after()
        for key, version in sorted(self.wanted.built.items()):
            if key not in after.imported:
                self.open.append(
                    f"{key} {version} is built from source first: install the wheel that `ppcdeps build PLAN` makes"
                )
        self._packages_of_the_plan(required)
        coming = {key: (one.required.version, one.required.where) for key, one in self.additions.items()}
        for one in self.owned:
            if one.wanted:
                each = self.wanted.requirements.distributions.get(one.name)
                coming[one.name] = (each.version, each.where) if each else ("", "")
        seen: set[tuple[str, str]] = set()
        for want in wants_of(after)[0]:
            # What comes anew may require something else.
            if want.by.key in coming or (want.key, want.shown) in seen:
                continue
            trouble = self._trouble(want, after, coming)
            if trouble and weight_of(after, [want]) is not Severity.ADVICE:
                seen.add((want.key, want.shown))
                owner = after.owner(want.by)
                by = f"{want.by.shown}, of {owner}," if owner else want.by.shown
                self.open.append(f"{by} requires {want.shown}, {trouble}")

    def _packages_of_the_plan(self, required: Mapping[str, RequiredDistribution]) -> None:
        """What RPMs of a plan are to provide: the package is to be installed where the environment sees it."""
        unseen: list[str] = []
        for key, package in sorted(self.wanted.packages.items()):
            there = any(self._is_fixed(one) for one in self.environment.by_key.get(key, ()))
            if there or key in required or any(one.name == key for one in self.owned):
                continue
            if self._sees_packages():
                named = _without_release(package)
                self.owned.append(OwnedDistribution(key, "", f"RPM {package}", key, named, planned=True))
            elif key not in self.environment.by_key:
                unseen.append(key)
        if unseen:
            self.open.append(
                f"{self.wanted.origin} has these from RPMs, which a virtual environment sees only if it was made "
                f"with --system-site-packages: {', '.join(unseen)}"
            )

    def _sees_packages(self) -> bool:
        python = self.environment.python
        return python.system_site or not python.is_virtual

    def _trouble(self, want: HeldRequirement, after: Environment, coming: Mapping[str, tuple[str, str]]) -> str:
        """Why a requirement will not hold; empty where it will, as far as is known."""
        if want.key in coming:
            version, where = coming[want.key]
            return f"and {where} wants {version}" if version and not want.accepts(version) else ""
        then = after.imported.get(want.key)
        if then is None:
            is_named = want.key in self.wanted.packages or want.key in self.wanted.built
            return "" if is_named else "which no requirement names"
        return "" if want.accepts(then.version) else f"and {then.shown} stays"


def wanted_package(one: OwnedDistribution) -> str:
    """What dnf is to install for a distribution that a package owns at another version; empty where no package is
    known. dnf goes up or down to a version that is named.
    """
    if not one.package:
        return ""
    pin = re.search(r"={2,3}(\S+)$", one.wanted)
    return f"{one.package}-{rpm_version(pin[1])}" if pin else one.package


def _without_release(package: str) -> str:
    """A package as dnf takes it in any release and for any architecture: what is built anew has another release."""
    try:
        found = Nevra.parse(package)
    except ValueError:
        return package
    epoch = f"{found.epoch}:" if found.epoch else ""
    return f"{found.name}-{epoch}{found.version}"


def _is_remains(copy: Installed) -> bool:
    return posixpath.basename(copy.metadata).startswith("~")


def _fits(required: RequiredDistribution, version: str) -> bool:
    from packaging.version import Version

    if required.url:
        return False
    try:
        Version(version)
    except ValueError:
        return required.version == version
    return required.specifier.contains(version, prereleases=True)


def _accepts_version(wanted: str, version: str) -> bool:
    from packaging.version import Version

    try:
        # One that was built here may have a local part.
        return Version(version.partition("+")[0]) == Version(wanted)
    except ValueError:
        return wanted == version
