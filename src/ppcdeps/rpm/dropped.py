"""Requirements of stand-ins that only the reference's build has, and the grounds on which they are dropped."""

import re
from collections.abc import Callable, Iterable
from dataclasses import field

from ppcdeps.model.plan import DroppedRequirement
from ppcdeps.model.values import dataclass
from ppcdeps.rpm.additions import set_requirements
from ppcdeps.rpm.sources import BuildEnvironments
from ppcdeps.rpm.universe import Universe

_ELF = re.compile(r"(?P<soname>[^\s()/]+\.so[^\s()/]*)\((?P<version>[^()]*)\)(?P<width>\(64bit\))?")

Grounds = Callable[[str], str | None]
"""Given a requirement: the reason why only the x86 build of a source has it, or None."""
Known = Callable[[str], Grounds | None]
"""Given a source: what its rebuild does not require; None where nothing is known of it."""


@dataclass(slots=True)
class RequirementDropper:
    """Drops requirements of chosen stand-ins, in place, and remembers which and why.

    A requirement is dropped on one of these grounds:

    - a curated fact says that only the x86 build has it;
    - it names a symbol version of a library that the target has: a rebuild links against the target's library
      and requires the versions found there;
    - it names a library that nothing in the source's build environment provides: what cannot be linked with
      is not required by the result.
    """

    universe: Universe
    environments: BuildEnvironments
    known: Known
    dropped_requirements: dict[tuple[str, str], DroppedRequirement] = field(default_factory=dict)
    _seen: set[tuple[str, bool]] = field(default_factory=set)

    def drop_from(self, chosen: Iterable[int], *, by_build: bool) -> bool:
        """Drop requirements of all stand-ins of the sources of chosen ones. Returns whether there were any to drop.

        ``by_build`` looks at build environments too, which costs a solver run for each source.
        """
        changed = False
        for source in sorted({self.universe.source_of(i) for i in chosen if self.universe.is_standin(i)}):
            # What the user's own specs state for the target holds.
            if (source, by_build) in self._seen or source in self.universe.own:
                continue
            self._seen.add((source, by_build))
            for standin in self.universe.standins_of(source):
                changed |= self._drop_from(source, standin, by_build)
        return changed

    def _drop_from(self, source: str, standin: int, by_build: bool) -> bool:
        kept, changed = [], False
        known = self.known(source)
        for dep in self.universe.requirements_of(standin):
            requirement = self.universe.text_of(dep)
            grounds = known(requirement) if known is not None else None
            if grounds is None and ".so" in requirement:
                grounds = self._elf_grounds(source, dep, requirement, by_build)
            if grounds is None:
                kept.append(dep)
                continue
            changed = True
            self.dropped_requirements.setdefault(
                (source, requirement), DroppedRequirement(source, requirement, grounds)
            )
        if changed:
            set_requirements(self.universe, standin, kept)
        return changed

    def _elf_grounds(self, source: str, dep: int, requirement: str, by_build: bool) -> str | None:
        found = _ELF.fullmatch(requirement)
        if found is None:
            return None
        providers = self.universe.providers(dep)
        if not self.universe.standins.issuperset(providers):
            return None
        if found["version"]:
            library = self.universe.pool.Dep(f"{found['soname']}(){found['width'] or ''}").id
            owners = [i for i in self.universe.providers(library) if not self.universe.is_standin(i)]
            if owners:
                return f"a rebuild links against the target's {found['soname']} ({self.universe.label(min(owners))})"
        if not by_build or any(self.universe.source_of(i) == source for i in providers):
            return None
        environment = self.environments.environment(source)
        if environment is None or environment.intersection(providers):
            return None
        return f"nothing in the build environment of {source} provides {found['soname']} to link with"
