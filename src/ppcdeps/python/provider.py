"""The rules of the target for resolvelib: who is a candidate, in what order, and what each requires."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resolvelib import AbstractProvider

from ppcdeps.base.urls import refusal, shown_url
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.values import dataclass
from ppcdeps.python.catalogue import Catalogue, UsableRelease
from ppcdeps.python.constraintsfile import Constraints
from ppcdeps.python.requirements import PythonRequirement, applying, exact_version

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version


@dataclass(frozen=True, slots=True)
class FixedDistribution:
    """A distribution that an RPM of the closure provides: its version is not for pip to choose."""

    name: str
    version: str
    rpm: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One version of a distribution, or of one of its extras. Exactly one of ``release`` and ``fixed`` is
    set.
    """

    name: str
    extra: str
    version: "Version"
    release: UsableRelease | None = None
    fixed: FixedDistribution | None = None

    @property
    def identifier(self) -> str:
        """As in Want."""
        return f"{self.name}[{self.extra}]" if self.extra else self.name

    def __str__(self) -> str:
        return f"{self.identifier} {self.version}"


class TooManyReleasesError(Exception):
    """One distribution made the resolution try release after release. ``name`` says which, ``tried`` how
    many.
    """

    def __init__(self, name: str, tried: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.tried = tuple(tried)


class TargetProvider(AbstractProvider[PythonRequirement, Candidate, str]):
    """Versions fixed by RPMs, held by constraints, preferred by a former lock or the reference, else the
    newest.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        fixed: Mapping[str, FixedDistribution],
        constraints: Constraints,
        hints: Mapping[str, str],
        reference: Mapping[str, str],
        prereleases: bool,
        most_tries: int,
    ) -> None:
        self.catalogue = catalogue
        self._fixed = fixed
        self._constraints = constraints
        self._hints = hints
        self._reference = reference
        self._prereleases = prereleases
        self._most_tries = most_tries
        self.rejected: dict[str, dict[str, str]] = {}
        """By name and version, why a release that matched was passed over."""
        self._satisfied: dict[tuple[int, int], tuple[bool, PythonRequirement, Candidate]] = {}
        self._tried: dict[str, dict[str, None]] = {}

    # What resolvelib calls --------------------------------------------------------------------------

    def identify(self, requirement_or_candidate: PythonRequirement | Candidate) -> str:
        """``name`` or ``name[extra]``."""
        return requirement_or_candidate.identifier

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],  # noqa: ARG002 - resolvelib names them
        candidates: Mapping[str, Iterator[Candidate]],  # noqa: ARG002
        information: Mapping[str, Iterator[Any]],  # noqa: ARG002
        backtrack_causes: Sequence[Any],
    ) -> tuple[bool, bool, str]:
        """What can have one version only comes first, then what made trouble; the rest by name, so that the
        order in which answers arrive changes nothing.
        """
        name = identifier.partition("[")[0]
        constraint = self._constraints.by_name.get(name)
        single = name in self._fixed or (constraint is not None and bool(constraint.pin or constraint.url))
        troubled = any(
            cause.requirement.name == name or (cause.parent is not None and cause.parent.name == name)
            for cause in backtrack_causes
        )
        return (not single, not troubled, identifier)

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[PythonRequirement]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]]:
        """The candidates, best first; each release's metadata is read only when its turn comes."""
        wanted = list(requirements[identifier])
        name, _, extra = identifier.rstrip("]").partition("[")
        # What is required of the plain distribution narrows its extras too; else each newer one would be tried.
        if extra:
            wanted.extend(requirements.get(name, ()))
        excluded = {candidate.version for candidate in incompatibilities[identifier]}
        return lambda: self._matches(name, extra, wanted, excluded)

    def is_satisfied_by(self, requirement: PythonRequirement, candidate: Candidate) -> bool:
        """Whether the candidate's version is one that the requirement allows, pre-releases no matter."""
        # resolvelib calls with the same pairs over and over. Holding the objects keeps their ids from being reused.
        key = (id(requirement), id(candidate))
        known = self._satisfied.get(key)
        if known is None:
            if requirement.url:
                verdict = candidate.release is not None and candidate.release.url == requirement.url
            else:
                verdict = contains(requirement.specifier, candidate.version, candidate.release)
            known = self._satisfied[key] = (verdict, requirement, candidate)
        return known[0]

    def get_dependencies(self, candidate: Candidate) -> Iterable[PythonRequirement]:
        """What the candidate requires on the target. RPM sees to the requirements of what it provides."""
        own: list[PythonRequirement] = []
        if candidate.extra:
            own.append(_same_version(candidate))
        release = candidate.release
        if candidate.fixed is not None:
            release = self._release_of_fixed(candidate) if candidate.extra else None
        if release is None:
            return own
        requires = self.catalogue.metadata(release).requires
        by = str(candidate)
        return [*own, *applying(requires, self.catalogue.environment, candidate.extra, by)]

    # Candidates ------------------------------------------------------------------------------------

    def best_guess(self, want: PythonRequirement) -> UsableRelease | None:
        """The release that would be chosen if ``want`` were the only requirement. For looking ahead."""
        if want.name in self._fixed:
            return None
        return next(self._in_order(want.name, [want], set()), None)

    def _matches(
        self, name: str, extra: str, wanted: list[PythonRequirement], excluded: "set[Version]"
    ) -> Iterator[Candidate]:
        fixed = self._fixed.get(name)
        if fixed is not None:
            from packaging.version import Version

            candidate = Candidate(name, extra, Version(fixed.version), fixed=fixed)
            if candidate.version not in excluded and all(self.is_satisfied_by(want, candidate) for want in wanted):
                yield candidate
            return
        for release in self._in_order(name, wanted, excluded):
            if self._is_sound(release):
                yield Candidate(name, extra, release.version, release=release)

    def _in_order(
        self, name: str, wanted: list[PythonRequirement], excluded: "set[Version]"
    ) -> Iterator[UsableRelease]:
        constraint = self._constraints.by_name.get(name)
        urls = {want.url for want in wanted if want.url} | (
            {constraint.url} if constraint and constraint.url else set()
        )
        specifiers = [want.specifier for want in wanted if not want.url]
        if constraint is not None:
            specifiers.append(constraint.specifier)
        if urls:
            # Where they differ, none fits: min only makes sure that it is always the same one.
            release = self.catalogue.direct(name, min(urls))
            fits = len(urls) == 1 and all(contains(each, release.version, release) for each in specifiers)
            if fits and release.version not in excluded:
                yield release
            return
        pin = next((text for each in specifiers if (text := exact_version(each))), "")
        releases = self.catalogue.pinned(name, pin) if pin else self.catalogue.offer(name).releases
        fitting = [
            release
            for release in releases
            if release.version not in excluded
            # PEP 592: a yanked release counts only where it is pinned.
            and (pin or not release.yanked)
            and all(contains(each, release.version, release) for each in specifiers)
        ]
        # SpecifierSet.prereleases is true where a specifier itself names a pre-release.
        explicit = self._prereleases or any(each.prereleases for each in specifiers)
        if not explicit:
            final = [release for release in fitting if not release.version.is_prerelease]
            # Pre-releases count only where there is nothing else, as the specification says.
            fitting = final or fitting
        yield from self._preferred_first(name, fitting)

    def _preferred_first(self, name: str, fitting: list[UsableRelease]) -> Iterator[UsableRelease]:
        from packaging.version import Version

        preferred = [self._hints.get(name)]
        if name not in self._constraints.by_name:
            preferred.append(self._reference.get(name))
        first: list[UsableRelease] = []
        for text in preferred:
            try:
                version = Version(text) if text else None
            except ValueError:
                continue
            if version is None:
                continue
            found = [release for release in fitting if release.version == version]
            if not found:
                # Not on the index: the nearest in kind is the newest of its series, then of its generation.
                for length in (2, 1):
                    series = version.release[:length]
                    found.extend(release for release in fitting if release.version.release[:length] == series)
            first.extend(release for release in found if release not in first)
        yield from first
        yield from (release for release in fitting if release not in first)

    def _is_sound(self, release: UsableRelease) -> bool:
        """Whether the release's metadata can be used; why not is recorded for the explanation."""

        tried = self._tried.setdefault(release.name, {})
        tried[release.text] = None
        if len(tried) > self._most_tries:
            raise TooManyReleasesError(release.name, list(tried))
        metadata = self.catalogue.metadata(release)
        reason = ""
        if not self.catalogue.allows_python(metadata.requires_python):
            reason = f"requires Python {metadata.requires_python}"
        else:
            try:
                for want in applying(metadata.requires, self.catalogue.environment, "", ""):
                    forbidden = refusal(want.url, release.files[0].url, "file:///") if want.url else ""
                    if forbidden:
                        reason = f"requires {want.name} from {shown_url(want.url)[:200]}, which {forbidden}"
            except (ValueError, RecursionError, LookupError, TypeError) as fault:
                # packaging lets through what its grammar does not foresee, such as numbers of 5,000 digits.
                first = next(iter(str(fault).splitlines()), "") or type(fault).__name__
                reason = f"its metadata is invalid ({first[:200]})"
                self.catalogue.index.warn_once(f"{release.name} {release.text} is passed over: {reason}")
        if reason:
            self.rejected.setdefault(release.name, {})[release.text] = reason
        return not reason

    def _release_of_fixed(self, candidate: Candidate) -> UsableRelease | None:
        """The release that the RPM packages, to learn what the extra requires; None where the index has it
        not.
        """
        offer = self.catalogue.offer(candidate.name)
        found = next((release for release in offer.releases if release.version == candidate.version), None)
        if found is None:
            self.catalogue.index.warn_once(
                f"what {candidate} requires is unknown: an RPM provides the distribution, "
                "and no index has that version"
            )
            return None
        try:
            self.catalogue.metadata(found)
        except RepositoryError as fault:
            self.catalogue.index.warn_once(f"what {candidate} requires is unknown: {fault.message}")
            return None
        return found


def contains(specifier: "SpecifierSet", version: "Version", release: UsableRelease | None) -> bool:
    """Whether a specifier allows a version, pre-releases included.

    ``===`` compares texts: with the version as the release spells it, or as PEP 440 does. Without a release
    (an RPM's provide, whose generator drops zeros at the end) equal versions are the same, a local part
    included.
    """
    if specifier.contains(version, prereleases=True):
        return True
    if not any(each.operator == "===" for each in specifier):
        return False
    return all(
        _is_exactly(each.version, version, release)
        if each.operator == "==="
        else each.contains(version, prereleases=True)
        for each in specifier
    )


def _is_exactly(text: str, version: "Version", release: UsableRelease | None) -> bool:
    from packaging.version import Version

    if release is not None:
        return text.lower() == release.text.lower()
    try:
        return Version(text) == version
    except ValueError:
        return False


def _same_version(candidate: Candidate) -> PythonRequirement:
    from packaging.specifiers import SpecifierSet

    release = candidate.release
    url = release.url if release is not None else ""
    # Not ==, which a version with a local part added would satisfy as well.
    exact = SpecifierSet("" if url else f"==={candidate.version}")
    return PythonRequirement(candidate.name, "", exact, url, f"=={candidate.version}", str(candidate))
