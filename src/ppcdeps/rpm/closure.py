"""The closure of questions, with an irreducible set of sources to rebuild and of things that nobody provides."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ppcdeps.model.capability import Capability, Requirement, parse_requirement
from ppcdeps.model.errors import PpcdepsError
from ppcdeps.rpm.dropped import RequirementDropper
from ppcdeps.rpm.problems import Chain, Clash, Lacking, Statement, missing_leaves, statements_of
from ppcdeps.rpm.universe import Attempt, Request, Universe

_ROUNDS = 200
"""More than any real question needs; ends the search if a relaxation should ever change nothing."""


@dataclass(frozen=True, slots=True)
class Closure:
    """The packages that satisfy the questions together.

    ``sources`` are those whose stand-ins are used and that were not free, ``unknown`` the imagined providers
    used, ``clashes`` what had to be overlooked so that the rest could be told.
    """

    chosen: tuple[int, ...]
    sources: tuple[str, ...]
    unknown: tuple[int, ...]
    clashes: tuple[Clash, ...]


@dataclass(slots=True)
class Search:
    """Searches answers in one universe. Its discoveries (imagined providers, reliefs) stay for later searches."""

    universe: Universe
    dropper: RequirementDropper
    weak: bool = False
    ignored: list[Clash] = field(default_factory=list)

    def closure(self, requests: Sequence[Request], free: Collection[str] = ()) -> Closure:
        """The answer to all questions together with as few rebuilds as can be.

        Stand-ins of ``free`` sources cost nothing: these are built anyway. The result is irreducible: without
        any one of its sources, or imagined providers, nothing satisfies the questions.
        """
        attempt = self._relaxed(requests)
        while self._paths_matter(attempt) and self.universe.answer_paths():
            attempt = self._relaxed(requests)
        while True:
            attempt = self._coarsely_reduced(requests, attempt, free)
            if not self._dropped(attempt):
                break
            attempt = self._relaxed(requests)
        attempt = self._reduced(requests, attempt, free)
        while self._dropped(attempt):
            attempt = self._reduced(requests, self._relaxed(requests), free)
        there = set(attempt.chosen)
        return Closure(
            attempt.chosen,
            tuple(sorted(self._sources(attempt, free))),
            tuple(sorted(self._placeholders(attempt))),
            tuple(clash for clash in self.ignored if there.issuperset((clash.package, clash.other))),
        )

    def refuted(self, requests: Sequence[Request], source: str) -> Attempt:
        """The solver's attempt with a source's stand-ins forbidden: its problems say why they are needed."""
        return self.universe.solve(
            requests, without=self.universe.standins_of(source), weak=self.weak, placeholders=()
        )

    def _relaxed(self, requests: Sequence[Request]) -> Attempt:
        """A solved attempt, with providers invented and clashes overlooked where there is none without."""
        for _ in range(_ROUNDS):
            for duplicates in (False, True):
                attempt = self.universe.solve(requests, duplicates=duplicates, weak=self.weak)
                if attempt.solved:
                    return attempt
            if self.universe.answer_paths():
                continue
            statements = statements_of(attempt)
            if self._add_placeholders(statements):
                continue
            found = next((s for s in statements if isinstance(s, Clash) and s not in self.ignored), None)
            if found is None:
                break
            self._ignore(found)
            self.ignored.append(found)
        raise PpcdepsError(
            f"no answer for {', '.join(request.title for request in requests)}: "
            + "; ".join(str(problem) for problem in attempt.problems)
        )

    def _add_placeholders(self, statements: Iterable[Statement]) -> bool:
        """Invent providers for what nobody provides, looking into boolean requirements whatever rule has them."""
        known = set(self.universe.placeholders.values())
        requirements = {
            statement.requirement
            for statement in statements
            if isinstance(statement, Lacking)
            or (isinstance(statement, Chain) and statement.requirement.startswith("("))
        }
        missing = {leaf for text in requirements for leaf in missing_leaves(text, self._is_provided)} - known
        for requirement in sorted(missing):
            self.universe.add_placeholder(requirement)
        return bool(missing)

    def _is_provided(self, requirement: Requirement) -> bool:
        return bool(self.universe.providers_of(str(requirement)))

    def _ignore(self, clash: Clash) -> None:
        if clash.kind == "same-name":
            self.universe.multiversion += [clash.package, clash.other]
        else:
            self.universe.ignore(clash.package, clash.dependency)

    def _paths_matter(self, attempt: Attempt) -> bool:
        """Whether the owners of further paths could change the attempt."""
        if any(self.universe.is_standin(i) or i in self.universe.placeholders for i in attempt.chosen):
            return True
        wanted, universe = self.universe.path_wanted, self.universe
        return any(
            wanted(str(dep))
            for i in attempt.chosen
            for dep in (*universe.requirements_of(i), *universe.conflicts_of(i))
        )

    def _dropped(self, attempt: Attempt) -> bool:
        if self.dropper.drop_from(attempt.chosen, by_build=False):
            return True
        return self.dropper.drop_from(attempt.chosen, by_build=True)

    def _sources(self, attempt: Attempt, free: Collection[str]) -> set[str]:
        used = {self.universe.source_of(i) for i in attempt.chosen if self.universe.is_standin(i)}
        return used.difference(free)

    def _placeholders(self, attempt: Attempt) -> set[int]:
        return {i for i in attempt.chosen if i in self.universe.placeholders}

    def _coarsely_reduced(self, requests: Sequence[Request], attempt: Attempt, free: Collection[str]) -> Attempt:
        """Try at once without all sources that only replace packages which the target has too."""
        sources = self._sources(attempt, free)
        replaceable = {source for source in sources if self.universe.built_for_target(source)}
        lacking = {
            self.universe.source_of(i)
            for i in attempt.chosen
            if self.universe.is_standin(i) and not self.universe.has_name(i)
        }
        doubtful = replaceable - lacking
        if not doubtful:
            return attempt
        fewer = self.universe.solve(requests, {*free, *(sources - doubtful)}, weak=self.weak)
        return fewer if fewer.solved else attempt

    def _reduced(self, requests: Sequence[Request], attempt: Attempt, free: Collection[str]) -> Attempt:
        """Drop imagined providers and sources, one after the other, as long as an answer is left."""
        for placeholder in sorted(
            self._placeholders(attempt), key=lambda i: _strength(self.universe.placeholders[i])
        ):
            placeholders = self._placeholders(attempt)
            if placeholder not in placeholders:
                continue
            fewer = self.universe.solve(
                requests, duplicates=True, placeholders=placeholders - {placeholder}, weak=self.weak
            )
            attempt = fewer if fewer.solved else attempt
        placeholders = self._placeholders(attempt)
        for source in sorted(self._sources(attempt, free)):
            sources = self._sources(attempt, free)
            if source not in sources:
                continue
            fewer = self.universe.solve(
                requests, {*free, *sources} - {source}, placeholders=placeholders, weak=self.weak
            )
            attempt = fewer if fewer.solved else attempt
        return attempt


_STRICTER = ("", "<", ">", "<=", ">=", "=")


def _strength(requirement: str) -> tuple[int, int, str]:
    """Orders requirements so that what satisfies a later one is likelier to satisfy an earlier one as well."""
    try:
        parsed = parse_requirement(requirement)
    except ValueError:
        return 0, 0, requirement
    if isinstance(parsed, Capability):
        return _STRICTER.index(parsed.relation), len(parsed.evr), requirement
    return len(_STRICTER), 0, requirement
