"""The resolution of a lock request: one consistent set of distributions out, or the conflict explained."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

from ppcdeps.base.digests import sha256_of
from ppcdeps.model.errors import ConfigError, PpcdepsError
from ppcdeps.model.python_plan import NEWEST, Provision
from ppcdeps.model.reporter import Reporter, Silence
from ppcdeps.python.catalogue import Catalogue, UsableRelease
from ppcdeps.python.coremetadata import MetadataSource
from ppcdeps.python.distfiles import IndexFile, Project, sdists_of
from ppcdeps.python.distmetadata import sdist_facts
from ppcdeps.python.environment import TargetEnvironment
from ppcdeps.python.explain import ConflictError, VersionClash, clashes_of, least_of, reason_of, refused_by
from ppcdeps.python.index import Index
from ppcdeps.python.lock import LockedDistribution, LockedFile, LockRequest, PythonLock, PythonRoot
from ppcdeps.python.lookahead import LookAhead
from ppcdeps.python.names import normalize
from ppcdeps.python.provider import Candidate, FixedDistribution, TargetProvider, TooManyReleasesError, contains
from ppcdeps.python.purity import Purity
from ppcdeps.python.requirements import (
    PythonRequirement,
    RequirementError,
    applying,
    usable_requirement,
    wants_of,
)
from ppcdeps.python.tried import other_versions, tried_files

_ROUNDS = 20_000


def resolve(request: LockRequest, index: Index, reporter: Reporter | None = None) -> PythonLock:
    """The one consistent set of distributions that the request's roots need on its target.

    No package code is run. Raises ConflictError where nothing satisfies all requirements, with the clash and the
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
        except _NoSolutionError as fault:
            offer = self._offer(fault.clashes)
            raise ConflictError(
                fault.clashes,
                offer,
                hint=fault.hint or self._hint(fault.clashes, offer),
                reason=reason_of(fault.clashes, self.fixed),
                ways_out=[*self._ways_out(fault.clashes), *([f"the pins {' '.join(offer)}"] if offer else ())],
            ) from None
        finally:
            self.reporter.end(task)

    # Solving ---------------------------------------------------------------------------------------

    def _provider(self, most_tries: int) -> TargetProvider:
        request = self.request
        return TargetProvider(
            self.catalogue,
            fixed=self.fixed,
            constraints=request.constraints,
            hints={normalize(name): version for name, version in request.hints.items()},
            reference={normalize(name): version for name, version in request.reference.items()},
            prereleases=request.policy.prereleases,
            most_tries=most_tries,
        )

    def _solved(
        self, wants: Sequence[PythonRequirement], most_tries: int
    ) -> tuple[dict[str, Candidate], TargetProvider]:
        provider = self._provider(most_tries)
        ahead = LookAhead(provider)
        ahead.follow(wants)
        requirers = _Requirers()
        try:
            resolver: Resolver[PythonRequirement, Candidate, str] = Resolver(provider, requirers)
            result = resolver.resolve(wants, max_rounds=_ROUNDS)
        except ResolutionImpossible as fault:
            found = clashes_of(
                fault.causes,
                provider,
                fixed=self.fixed,
                constraints=self.request.constraints,
                requirers=requirers.by_name,
            )
            raise _NoSolutionError(found) from None
        except TooManyReleasesError as fault:
            line = (
                f"{fault.name}: {len(fault.tried)} releases were tried, "
                f"from {fault.tried[0]} to {fault.tried[-1]}, and each clashes with something"
            )
            raise _NoSolutionError(
                [VersionClash(fault.name, (), (line,))], f"pin {fault.name} in the constraints file"
            ) from None
        except ResolutionTooDeep:
            raise ConfigError(
                f"the resolution was given up after {_ROUNDS} rounds", hint="pin more in the constraints file"
            ) from None
        finally:
            ahead.stop()
        return dict(result.mapping), provider

    def _offer(self, clashes: Sequence[VersionClash]) -> tuple[str, ...]:
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
                except (_NoSolutionError, PpcdepsError):
                    continue
                names = dict.fromkeys((want.name, clash.name))
                return tuple(f"{name}=={chosen[name].version}" for name in names if name in chosen)
        return ()

    def _hint(self, clashes: Sequence[VersionClash], offer: Sequence[str]) -> str | None:
        rpms = sorted({self.fixed[clash.name].rpm for clash in clashes if clash.name in self.fixed})
        if offer or not rpms:
            return None
        return f"no older or newer root gets along with {', '.join(rpms)}: another version of it is needed"

    def _ways_out(self, clashes: Sequence[VersionClash]) -> list[str]:
        """What would keep an RPM and a distribution of the index from clashing."""
        reference = {normalize(name): version for name, version in self.request.reference.items()}
        found: dict[str, None] = {}
        for clash in clashes:
            rpm = self.fixed.get(clash.name)
            if rpm is None:
                continue
            for want in refused_by(clash, rpm):
                found[f"a repository of the target with {rpm.rpm.rsplit('-', 2)[0]} {least_of(want)}"] = None
                by = normalize(want.by.partition(" ")[0].partition("[")[0])
                if by in reference and self._fits(by, reference[by], clash.name, rpm.version):
                    found[f"{by}=={reference[by]}, as the reference's RPM has it, in the constraints"] = None
        return list(found)

    def _fits(self, name: str, version: str, other: str, held: str) -> bool:
        """Whether a version that the index has of a distribution takes this version of another one."""
        release = next(iter(self.catalogue.pinned(name, version)), None)
        if release is None:
            return False
        try:
            requires = applying(self.catalogue.metadata(release).requires, self.environment, "", "")
        except (PpcdepsError, ValueError, LookupError, TypeError, RecursionError):
            return False  # there is no usable metadata
        return all(contains(each.specifier, Version(held), None) for each in requires if each.name == other)

    def _moved(self, want: PythonRequirement, clash: VersionClash) -> PythonRequirement | None:
        held = self._held_version(clash)
        offer = self.catalogue.offer(want.name)
        allowed = [release for release in offer.releases if contains(want.specifier, release.version, release)]
        if held is None or not allowed:
            return None

        def fits(release: UsableRelease) -> bool:
            requires = self.catalogue.metadata(release).requires
            try:
                requirers = applying(requires, self.environment, "", "")
            except (ValueError, LookupError, TypeError, RecursionError):
                return False  # its metadata are not valid
            return all(contains(each.specifier, Version(held), None) for each in requirers if each.name == clash.name)

        final = [release for release in offer.releases if not release.version.is_prerelease and not release.yanked]
        older = [release for release in final if release.version < allowed[-1].version]
        newer = [release for release in reversed(final) if release.version > allowed[0].version]
        found = _nearest(older, fits) or _nearest(newer, fits)
        if found is None:
            return None
        return replace(want, specifier=SpecifierSet(f"=={found.text}"), text=f"=={found.text}")

    def _held_version(self, clash: VersionClash) -> str | None:
        if clash.name in self.fixed:
            return self.fixed[clash.name].version
        constraint = self.request.constraints.by_name.get(clash.name)
        return (constraint.pin or None) if constraint is not None else None

    def _spared(self, lock: PythonLock) -> PythonLock:
        """The lock with RPMs of the target in place of native builds, as far as everything still fits."""
        for each in sorted(self.request.available, key=lambda one: (normalize(one.name), one.rpm)):
            name = normalize(each.name)
            known = lock.by_name(name)
            if known is None or known.provision is not Provision.BUILD:
                continue
            before = dict(self.fixed)
            try:
                # Raises ValueError before anything is changed.
                Version(each.version)
                self.fixed[name] = replace(each, name=name)
                lock = self._locked(*self._solved(self.wants, self.request.policy.most_tries))
            except (_NoSolutionError, ValueError):
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
        # In the order of the names: the lock must not depend on which answer comes first.
        for future in futures:
            each: LockedDistribution = future.result()
            requirers = sorted(requested.get(each.name, ()))
            found.append(
                replace(
                    each,
                    required_by=tuple(requirers),
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
            tried=self._tried(release),
        )
        if wheels:
            native = not wheels[0].tags.endswith("-any")
            return replace(base, files=tuple(self._file(each) for each in wheels), native=native)
        sdist = sdists_of(release.files)[0]
        facts = sdist_facts(self.index, sdist)
        verdict = facts.verdict
        optional = verdict.purity is Purity.OPTIONAL
        as_pure = verdict.purity is Purity.PURE or (optional and self.request.policy.optional_as_pure)
        if as_pure:
            tried = (*base.tried, f"{sdist.filename}: pip installs it without a compiler")
        else:
            others = other_versions(self._project(release), self.environment)
            compiled = ", ".join(verdict.builds_from) or "native code"
            tried = (*base.tried, f"{sdist.filename}: compiles {compiled}", others)
        return replace(
            base,
            provision=Provision.SDIST if as_pure else Provision.BUILD,
            files=(replace(self._file(sdist), size=facts.size),),
            native=not as_pure,
            builds_from=verdict.builds_from,
            evidence=verdict.evidence,
            optional=optional,
            tried=tried,
        )

    def _tried(self, release: UsableRelease) -> tuple[str, ...]:
        if release.url:
            return tried_files(release.files, "required by its URL", self.environment)
        project = self._project(release)
        files = [file for text in project.spellings(release.version) for file in project.files[text]]
        return tried_files(files, self.index.option_of(release.name), self.environment)

    def _project(self, release: UsableRelease) -> Project:
        return self.index.project(release.name)

    def _wheels(self, release: UsableRelease) -> list[IndexFile]:
        ranked = [
            (rank, tuple(-part if isinstance(part, int) else part for part in file.build_number[:1]), file)
            for file in release.files
            if file.is_wheel and (rank := self.environment.rank(file.tags)) is not None
        ]
        return [file for _, _, file in sorted(ranked, key=lambda each: (each[0], each[1], each[2].filename))]

    def _file(self, file: IndexFile) -> LockedFile:
        digest = file.hashes.get("sha256") or sha256_of(self.index.local_file(file))
        return LockedFile(file.filename, file.url, digest, file.size, file.upload_time)

    def _pinned_by(self, candidate: Candidate) -> str:
        constraint = self.request.constraints.by_name.get(candidate.name)
        if constraint is not None and (constraint.pin or constraint.url):
            return constraint.where
        named = ((self.request.hints, "the former lock"), (self.request.reference, "the reference RPM"))
        for table, reason in named:
            text = next((version for name, version in table.items() if normalize(name) == candidate.name), None)
            if text is not None and _is_version(text, candidate.version):
                return reason
        return NEWEST

    def _notes(self, found: Sequence[LockedDistribution], chosen: Mapping[str, Candidate]) -> list[str]:
        notes = [
            f"{normalize(each.name)} is {each.version!r} in the RPM {each.rpm}, which is no Python version"
            for each in self.request.fixed
            if normalize(each.name) not in self.fixed
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


class _NoSolutionError(Exception):
    def __init__(self, clashes: Sequence[VersionClash], hint: str | None = None) -> None:
        super().__init__()
        self.clashes = clashes
        self.hint = hint


class _Requirers(BaseReporter):  # type: ignore[type-arg]
    """What has a requirement on each distribution, in the order it was met."""

    def __init__(self) -> None:
        self.by_name: dict[str, dict[str, str]] = {}

    def adding_requirement(self, requirement: PythonRequirement, parent: Candidate | None) -> None:  # noqa: ARG002
        """Called by resolvelib for each requirement that it takes up."""
        self.by_name.setdefault(requirement.name, {}).setdefault(requirement.by, requirement.text)


def _is_version(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except ValueError:
        # A line of a former lock, or an RPM's version, can be one that is no Python version.
        return False


def _of_rpm(fixed: FixedDistribution) -> LockedDistribution:
    return LockedDistribution(
        fixed.name, fixed.version, Provision.RPM, rpm=fixed.rpm, pinned_by=f"the RPM {fixed.rpm}"
    )


def _nearest(releases: Sequence[UsableRelease], fits: Any) -> UsableRelease | None:
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
    """By name. What has no Python version (some RPMs provide ``devel``) can be compared with nothing:
    left out.
    """
    found: dict[str, FixedDistribution] = {}
    faults = []
    for each in fixed:
        name = normalize(each.name)
        try:
            version = Version(each.version)
        except ValueError:
            continue
        known = found.setdefault(name, replace(each, name=name))
        if Version(known.version) != version:
            faults.append(
                f"{name} is {known.version} in the RPM {known.rpm} and {each.version} in the RPM {each.rpm}"
            )
    if faults:
        raise ConfigError("the RPMs do not agree on their Python distributions", faults=tuple(faults))
    return found


def _root_wants(roots: Sequence[PythonRoot], environment: TargetEnvironment) -> list[PythonRequirement]:
    wants: list[PythonRequirement] = []
    faults = []
    for root in sorted(roots, key=lambda each: (normalize(each.requirement), each.by)):
        try:
            requirement, holds = usable_requirement(root.requirement, environment)
        except RequirementError as fault:
            faults.append(f"{root.requirement!r} of {root.by}: {fault}")
            continue
        if holds:
            wants.extend(wants_of(requirement, root.by))
    if faults:
        raise ConfigError("these roots are not Python requirements", faults=tuple(faults))
    return wants
