"""Source packages: which one builds a stand-in, and what its build needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key

from ppcdeps.model.nevra import Nevra
from ppcdeps.rpm.universe import Attempt, Question, Universe


@dataclass(slots=True)
class Buildroots:
    """The build environments of sources, asked for in one universe and remembered.

    ``base`` are the roots of the minimal buildroot (gcc, make, ...), as far as anybody provides them.
    """

    universe: Universe
    base: Sequence[str] = ()
    _questions: dict[str, Question | None] = field(default_factory=dict)
    _linkable: dict[str, Attempt | None] = field(default_factory=dict)

    def source_package(self, source: str) -> int | None:
        """The package that builds a source's stand-ins: of their version if there is one, else the newest."""
        candidates = self.universe.source_packages(source)
        if not candidates:
            return None
        built = {self.universe.source_package_of(standin) for standin in self.universe.standins_of(source)}
        same = [i for i in candidates if _file_name(Nevra.parse(self.universe.nevra(i))) in built]
        return max(same or candidates, key=cmp_to_key(self.universe.compare_versions))

    def question(self, source: str) -> Question | None:
        """What the build of a source needs to be installed; None where its source package is not to be had."""
        if source not in self._questions:
            package = self.source_package(source)
            if package is None:
                self._questions[source] = None
            else:
                deps = self.universe.requirements_of(package)
                deps += [self.universe.pool.Dep(name) for name in self.base]
                nevra = self.universe.nevra(package)
                conflicts = self.universe.conflicts_of(package)
                self._questions[source] = self.universe.ask_dependencies(f"{nevra} (build)", deps, conflicts)
        return self._questions[source]

    def environment(self, source: str) -> frozenset[int] | None:
        """The packages of a source's build environment, stand-ins among them; None where it cannot be told."""
        if source not in self._linkable:
            question = self.question(source)
            self._linkable[source] = None if question is None else self.universe.solve([question])
        attempt = self._linkable[source]
        return frozenset(attempt.chosen) if attempt is not None and attempt.solved else None


def _file_name(nevra: Nevra) -> str:
    """name-version-release, as file names of packages have it: without epoch and architecture."""
    return f"{nevra.name}-{nevra.version}-{nevra.release}"
