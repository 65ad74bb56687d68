"""The entry of this layer: a request for a consistent set of Python distributions in, the lock or a conflict
out.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ppcdeps.model.errors import ConfigError, PpcdepsError
from ppcdeps.model.python_plan import Provision
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.model.target import PythonEnvironment
from ppcdeps.python.catalogue import Catalogue, Release
from ppcdeps.python.constraintsfile import NO_CONSTRAINTS, Constraints
from ppcdeps.python.distmetadata import MetadataSource, best_sdists, local_file, sdist_facts
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.explain import Clash, ConflictError, clashes_of
from ppcdeps.python.index import Index, IndexFile
from ppcdeps.python.names import normalise
from ppcdeps.python.provider import (
    Candidate,
    FixedDistribution,
    TargetProvider,
    TooManyReleasesError,
    contains,
)
from ppcdeps.python.purity import Purity
from ppcdeps.python.wants import Want, applying, requirement_of, wants_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_ROUNDS = 20_000


@dataclass(frozen=True, slots=True)
class Root:
    """A PEP 508 requirement and who has it: the workload, or an RPM."""

    requirement: str
    by: str


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """What is up to the user.

    ``optional_as_pure``: let pip install without its compiled part what can do without (slower at run time),
    instead of building it. ``most_tries`` bounds how many releases of one distribution are tried before that
    is an error.
    """

    prereleases: bool = False
    optional_as_pure: bool = False
    most_tries: int = 40


DEFAULT_POLICY = LockPolicy()


@dataclass(frozen=True, slots=True)
class LockRequest:
    """Everything a resolution depends on, the index apart.

    ``reference`` gives by name the version that the reference RPM has: preferred where the constraints say
    nothing. ``hints`` are the pins of a former lock: kept wherever they still fit, so that little moves.
    """

    python: PythonEnvironment
    roots: tuple[Root, ...]
    machine: str = "ppc64le"
    fixed: tuple[FixedDistribution, ...] = ()
    constraints: Constraints = NO_CONSTRAINTS
    reference: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    policy: LockPolicy = DEFAULT_POLICY
    available: tuple[FixedDistribution, ...] = ()
    """What further RPMs of the target could provide: one is taken where it spares a native build and fits."""

    @property
    def environment(self) -> TargetEnvironment:
        """The target's markers and tags. Raises ConfigError."""
        return TargetEnvironment.of(self.python, self.machine)


@dataclass(frozen=True, slots=True)
class LockedFile:
    """A file that satisfies a pin. ``sha256`` is hexadecimal, ``size`` in bytes, ``upload_time`` as the index
    says.
    """

    filename: str
    url: str
    sha256: str
    size: int | None = None
    upload_time: str = ""

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, slots=True)
class LockedDistribution:
    """One pin. ``required_by`` pairs who asks (``name``, or what a root says of itself) with the version
    part.

    ``files`` are those that pip may take, the best first; empty for RPM. ``native``: it has compiled code for
    the target. ``builds_from`` and ``evidence`` tell of a source distribution what is compiled and where that
    was seen.
    """

    name: str
    version: str
    provision: Provision
    required_by: tuple[tuple[str, str], ...] = ()
    extras: tuple[str, ...] = ()
    files: tuple[LockedFile, ...] = ()
    rpm: str = ""
    url: str = ""
    native: bool = False
    builds_from: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    optional: bool = False
    metadata: MetadataSource | None = None
    requires_python: str = ""
    requires: tuple[str, ...] = ()
    """Names of the distributions that it requires on the target."""
    pinned_by: str = ""
    """What decided the version: an RPM, a line of the constraints, the former lock, the reference RPM, or
    newest.
    """


@dataclass(frozen=True, slots=True)
class PythonLock:
    """A consistent set for the target, sorted by name, and what the user should know about it."""

    environment: TargetEnvironment
    distributions: tuple[LockedDistribution, ...]
    notes: tuple[str, ...] = ()
    added: tuple[FixedDistribution, ...] = ()
    """RPMs of the target that must be installed too, because each spares a native build."""

    def by_name(self, name: str) -> LockedDistribution | None:
        """The pin of a distribution, whatever the spelling of its name."""
        key = normalise(name)
        return next((each for each in self.distributions if each.name == key), None)

    def having(self, *provisions: Provision) -> tuple[LockedDistribution, ...]:
        """The distributions that get there in one of these ways."""
        return tuple(each for each in self.distributions if each.provision in provisions)


def resolve(request: LockRequest, index: Index, reporter: Reporter | None = None) -> PythonLock:
    """The one consistent set of distributions that the request's roots need on its target.

    No package code is run. Raises ConflictError where nothing satisfies all demands, with the clash and the
    nearest set that does fit; ConfigError where a root or a direct reference is malformed; RepositoryError
    where an index or a file cannot be read or trusted.
    """
    return _Resolution(request, index, reporter or Silence()).run()


class _Resolution:
    def __init__(self, request: LockRequest, index: Index, reporter: Reporter) -> None:
        self.request = request
        self.index = index
        self.reporter = reporter
        self.environment = request.environment
        self.catalogue = Catalogue(index, self.environment)
        self.fixed = _fixed_by_name(request.fixed)
        self.wants = _root_wants(request.roots, self.environment)
        self.added: list[FixedDistribution] = []

    def run(self) -> PythonLock:
        task = f"Python distributions for {self.environment.machine}, Python {self.environment.python}"
        self.reporter.begin(task, None)
        try:
            chosen, provider = self._solved(self.wants, self.request.policy.most_tries)
            return self._spared(self._locked(chosen, provider))
        except _NoSolution as fault:
            offer = self._offer(fault.clashes)
            raise ConflictError(fault.clashes, offer, hint=fault.hint or self._hint(fault.clashes, offer)) from None
        finally:
            self.reporter.end(task)

    # Solving ---------------------------------------------------------------------------------------

    def _provider(self, most_tries: int) -> TargetProvider:
        request = self.request
        return TargetProvider(
            self.catalogue,
            fixed=self.fixed,
            constraints=request.constraints,
            hints={normalise(name): version for name, version in request.hints.items()},
            reference={normalise(name): version for name, version in request.reference.items()},
            prereleases=request.policy.prereleases,
            most_tries=most_tries,
        )

    def _solved(self, wants: Sequence[Want], most_tries: int) -> tuple[dict[str, Candidate], TargetProvider]:
        from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

        provider = self._provider(most_tries)
        scout = _Scout(provider)
        scout.follow(wants)
        asked = _Asked()
        try:
            resolver: Resolver[Want, Candidate, str] = Resolver(provider, _watching(asked, BaseReporter))
            result = resolver.resolve(wants, max_rounds=_ROUNDS)
        except ResolutionImpossible as fault:
            found = clashes_of(
                fault.causes,
                provider,
                fixed=self.fixed,
                constraints=self.request.constraints,
                asked=asked.by_name,
            )
            raise _NoSolution(found) from None
        except TooManyReleasesError as fault:
            line = (
                f"{fault.name}: {len(fault.tried)} releases were tried, "
                f"from {fault.tried[0]} to {fault.tried[-1]}, and each clashes with something"
            )
            raise _NoSolution([Clash(fault.name, (), (line,))], f"pin {fault.name} in the constraints file") from None
        except ResolutionTooDeep:
            raise ConfigError(
                f"the resolution was given up after {_ROUNDS} rounds", hint="pin more in the constraints file"
            ) from None
        finally:
            scout.stop()
        return dict(result.mapping), provider

    def _offer(self, clashes: Sequence[Clash]) -> tuple[str, ...]:
        """Pins that fit: the roots behind the clash moved to the nearest release that gets along with the
        rest.
        """
        for clash in clashes:
            for position, want in enumerate(self.wants):
                if want.extra or want.name == clash.name or want.name in self.fixed or want.url:
                    continue
                if not any(each.by.partition(" ")[0].partition("[")[0] == want.name for each in clash.wants):
                    continue
                try:
                    moved = self._moved(want, clash)
                    if moved is None:
                        continue
                    wants = [moved if number == position else each for number, each in enumerate(self.wants)]
                    chosen, _ = self._solved(wants, most_tries=12)
                except (_NoSolution, PpcdepsError):
                    continue
                names = dict.fromkeys((want.name, clash.name))
                return tuple(f"{name}=={chosen[name].version}" for name in names if name in chosen)
        return ()

    def _hint(self, clashes: Sequence[Clash], offer: Sequence[str]) -> str | None:
        rpms = sorted({self.fixed[clash.name].rpm for clash in clashes if clash.name in self.fixed})
        if offer or not rpms:
            return None
        return f"no older or newer root gets along with {', '.join(rpms)}: another version of it is needed"

    def _moved(self, want: Want, clash: Clash) -> Want | None:
        from packaging.specifiers import SpecifierSet
        from packaging.version import Version

        held = self._held_version(clash)
        offer = self.catalogue.offer(want.name)
        asked = [release for release in offer.releases if contains(want.specifier, release.version, release)]
        if held is None or not asked:
            return None

        def fits(release: Release) -> bool:
            requires = self.catalogue.metadata(release).requires
            requirers = applying(requires, self.environment, "", "")
            return all(contains(each.specifier, Version(held), None) for each in requirers if each.name == clash.name)

        final = [release for release in offer.releases if not release.version.is_prerelease and not release.yanked]
        older = [release for release in final if release.version < asked[-1].version]
        newer = [release for release in reversed(final) if release.version > asked[0].version]
        found = _nearest(older, fits) or _nearest(newer, fits)
        if found is None:
            return None
        return replace(want, specifier=SpecifierSet(f"=={found.text}"), text=f"=={found.text}")

    def _held_version(self, clash: Clash) -> str | None:
        if clash.name in self.fixed:
            return self.fixed[clash.name].version
        constraint = self.request.constraints.by_name.get(clash.name)
        return (constraint.pin or None) if constraint is not None else None

    def _spared(self, lock: PythonLock) -> PythonLock:
        """The lock with RPMs of the target in place of native builds, as far as everything still fits."""
        from packaging.version import InvalidVersion, Version

        for each in sorted(self.request.available, key=lambda one: (normalise(one.name), one.rpm)):
            name = normalise(each.name)
            known = lock.by_name(name)
            if known is None or known.provision is not Provision.BUILD:
                continue
            before = dict(self.fixed)
            try:
                Version(each.version)
                self.fixed[name] = replace(each, name=name)
                lock = self._locked(*self._solved(self.wants, self.request.policy.most_tries))
            except (_NoSolution, InvalidVersion):
                self.fixed = before
                continue
            self.added.append(each)
        return replace(lock, added=tuple(self.added))

    # The answer ------------------------------------------------------------------------------------

    def _locked(self, chosen: Mapping[str, Candidate], provider: TargetProvider) -> PythonLock:
        requested: dict[str, dict[tuple[str, str], None]] = {}
        for want in self.wants:
            requested.setdefault(want.name, {})[(want.by, want.text)] = None
        edges: dict[str, dict[str, None]] = {}
        extras: dict[str, list[str]] = {}
        for candidate in chosen.values():
            if candidate.extra:
                extras.setdefault(candidate.name, []).append(candidate.extra)
            for want in provider.get_dependencies(candidate):
                if want.name != candidate.name:
                    requested.setdefault(want.name, {})[(candidate.name, want.text)] = None
                    edges.setdefault(candidate.name, {})[want.name] = None
        plain = sorted(
            (candidate for candidate in chosen.values() if not candidate.extra), key=lambda each: each.name
        )
        futures = [
            self.index.submit(lambda candidate=candidate: self._distribution(candidate))  # type: ignore[misc]
            for candidate in plain
        ]
        found = []
        for future in futures:
            each: LockedDistribution = future.result()
            asked = sorted(requested.get(each.name, ()))
            found.append(
                replace(
                    each,
                    required_by=tuple(asked),
                    extras=tuple(sorted(extras.get(each.name, ()))),
                    requires=tuple(sorted(edges.get(each.name, ()))),
                )
            )
        # RPMs provide these too, though no root leads there: who installs more with pip must not replace
        # them.
        known = {each.name for each in found}
        found.extend(_of_rpm(fixed) for name, fixed in self.fixed.items() if name not in known)
        found.sort(key=lambda each: each.name)
        notes = self._notes(found, chosen)
        return PythonLock(self.environment, tuple(found), tuple(notes))

    def _distribution(self, candidate: Candidate) -> LockedDistribution:
        if candidate.fixed is not None:
            return _of_rpm(candidate.fixed)
        release = candidate.release
        assert release is not None
        metadata = self.catalogue.metadata(release)
        wheels = self._wheels(release)
        base = LockedDistribution(
            candidate.name,
            release.text if release.text.lower() == str(release.version).lower() else str(release.version),
            Provision.WHEEL,
            url=release.url,
            metadata=metadata.source,
            requires_python=metadata.requires_python,
            pinned_by=self._pinned_by(candidate),
        )
        if wheels:
            native = not wheels[0].tags.endswith("-any")
            return replace(base, files=tuple(self._file(each) for each in wheels), native=native)
        sdist = best_sdists(release.files)[0]
        verdict = sdist_facts(self.index, sdist).verdict
        optional = verdict.purity is Purity.OPTIONAL
        as_pure = verdict.purity is Purity.PURE or (optional and self.request.policy.optional_as_pure)
        return replace(
            base,
            provision=Provision.SDIST if as_pure else Provision.BUILD,
            files=(self._file(sdist),),
            native=not as_pure,
            builds_from=verdict.builds_from,
            evidence=verdict.evidence,
            optional=optional,
        )

    def _wheels(self, release: Release) -> list[IndexFile]:
        ranked = [
            (rank, tuple(-part if isinstance(part, int) else part for part in file.build_number[:1]), file)
            for file in release.files
            if file.is_wheel and (rank := self.environment.rank(file.tags)) is not None
        ]
        return [file for _, _, file in sorted(ranked, key=lambda each: (each[0], each[1], each[2].filename))]

    def _file(self, file: IndexFile) -> LockedFile:
        digest = file.hashes.get("sha256")
        if digest is None:
            import hashlib

            with local_file(self.index, file).open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return LockedFile(file.filename, file.url, digest, file.size, file.upload_time)

    def _pinned_by(self, candidate: Candidate) -> str:
        from packaging.version import Version

        constraint = self.request.constraints.by_name.get(candidate.name)
        if constraint is not None and (constraint.pin or constraint.url):
            return constraint.where
        named = ((self.request.hints, "the former lock"), (self.request.reference, "the reference RPM"))
        for table, reason in named:
            text = next((version for name, version in table.items() if normalise(name) == candidate.name), None)
            if text is not None and Version(text) == candidate.version:
                return reason
        return "the newest that fits"

    def _notes(self, found: Sequence[LockedDistribution], chosen: Mapping[str, Candidate]) -> list[str]:
        from packaging.version import Version

        notes = [
            f"{normalise(each.name)} is {each.version!r} in the RPM {each.rpm}, which is no Python version"
            for each in self.request.fixed
            if normalise(each.name) not in self.fixed
        ]
        constraints = self.request.constraints
        for each in found:
            constraint = constraints.by_name.get(each.name)
            candidate = chosen.get(each.name)
            fixed = each.provision is Provision.RPM and constraint is not None
            if fixed and constraint and not contains(constraint.specifier, Version(each.version), None):
                notes.append(
                    f"{each.name} is {each.version} from the RPM {each.rpm}; {constraint.where} says "
                    f"{constraint.specifier}"
                )
            if candidate is not None and candidate.release is not None and candidate.release.yanked:
                reason = candidate.release.yanked
                notes.append(f"{each.name} {each.version} was yanked" + ("" if reason == "*" else f": {reason}"))
            if each.metadata is MetadataSource.NEEDS_BUILD:
                notes.append(f"what {each.name} {each.version} requires is unknown until it is built")
            elif each.metadata in (
                MetadataSource.EGG_INFO,
                MetadataSource.DECLARED,
                MetadataSource.OTHER_WHEEL,
            ):
                notes.append(f"what {each.name} {each.version} requires is read from its {each.metadata.value}")
            if each.name in constraints.elsewhere and each.provision is not Provision.RPM:
                notes.append(
                    f"{each.name} is held by {constraints.origin} for other targets only; {each.version} is "
                    f"{each.pinned_by}"
                )
        return notes


class _NoSolution(Exception):  # noqa: N818 - becomes a ConflictError once an offer was looked for
    def __init__(self, clashes: Sequence[Clash], hint: str | None = None) -> None:
        super().__init__()
        self.clashes = clashes
        self.hint = hint


class _Scout:
    """Follows requirements ahead of the resolution, in the index's workers, so that pages and metadata are
    there when their turn comes. A wrong guess costs a request and changes no answer.
    """

    def __init__(self, provider: TargetProvider) -> None:
        self._provider = provider
        self._index = provider.catalogue.index
        self._seen: set[str] = set()
        self._guard = threading.Lock()
        self._stopped = False

    def follow(self, wants: Sequence[Want]) -> None:
        """Look after these, and what they lead to."""
        for want in wants:
            if want.url:
                continue
            with self._guard:
                if self._stopped or want.identifier in self._seen:
                    continue
                self._seen.add(want.identifier)
            self._index.project_later(want.name).add_done_callback(self._follower(want))

    def stop(self) -> None:
        """Begin nothing more."""
        with self._guard:
            self._stopped = True

    def _follower(self, want: Want) -> Callable[[object], None]:
        def go_on(_: object) -> None:
            if not self._stopped:
                self._index.submit(lambda: self._expand(want))

        return go_on

    def _expand(self, want: Want) -> None:
        if self._stopped:
            return
        from packaging.requirements import InvalidRequirement

        # Faults are told when the resolution comes by, if it ever does.
        try:
            release = self._provider.best_guess(want)
            if release is None:
                return
            requires = self._provider.catalogue.metadata(release).requires
            self.follow(applying(requires, self._provider.catalogue.environment, want.extra, str(want.name)))
        except (PpcdepsError, InvalidRequirement):
            return


class _Asked:
    """Who asked for each distribution, in the order it was met."""

    def __init__(self) -> None:
        self.by_name: dict[str, dict[str, str]] = {}

    def note(self, want: Want) -> None:
        """Take down a want."""
        self.by_name.setdefault(want.name, {}).setdefault(want.by, want.text)


def _watching(asked: _Asked, base: Any) -> Any:
    class Watcher(base):  # type: ignore[misc]
        def adding_requirement(self, requirement: Want, parent: Candidate | None) -> None:  # noqa: ARG002
            asked.note(requirement)

    return Watcher()


def _of_rpm(fixed: FixedDistribution) -> LockedDistribution:
    return LockedDistribution(
        fixed.name, fixed.version, Provision.RPM, rpm=fixed.rpm, pinned_by=f"the RPM {fixed.rpm}"
    )


def _nearest(releases: Sequence[Release], fits: Any) -> Release | None:
    """The first of ``releases`` (ordered by distance) that fits, where all beyond it do: found by halving."""
    if not releases or not fits(releases[-1]):
        return None
    low, high = 0, len(releases) - 1
    while low < high:
        middle = (low + high) // 2
        if fits(releases[middle]):
            high = middle
        else:
            low = middle + 1
    return releases[low]


def _fixed_by_name(fixed: Sequence[FixedDistribution]) -> dict[str, FixedDistribution]:
    from packaging.version import InvalidVersion, Version

    """By name. What has no Python version (some RPMs provide ``devel``) can be compared with nothing:
    left out.
    """
    found: dict[str, FixedDistribution] = {}
    faults = []
    for each in fixed:
        name = normalise(each.name)
        try:
            version = Version(each.version)
        except InvalidVersion:
            continue
        known = found.setdefault(name, replace(each, name=name))
        if Version(known.version) != version:
            faults.append(
                f"{name} is {known.version} in the RPM {known.rpm} and {each.version} in the RPM {each.rpm}"
            )
    if faults:
        raise ConfigError("the RPMs do not agree on their Python distributions", faults=tuple(faults))
    return found


def _root_wants(roots: Sequence[Root], environment: TargetEnvironment) -> list[Want]:
    from packaging.requirements import InvalidRequirement

    wants: list[Want] = []
    faults = []
    for root in sorted(roots, key=lambda each: (normalise(each.requirement), each.by)):
        try:
            requirement: Requirement = requirement_of(root.requirement)
        except InvalidRequirement as fault:
            faults.append(f"{root.requirement!r} of {root.by}: {str(fault).splitlines()[0]}")
            continue
        if environment.holds(requirement.marker):
            wants.extend(wants_of(requirement, root.by))
    if faults:
        raise ConfigError("these roots are no Python requirements", faults=tuple(faults))
    return wants
