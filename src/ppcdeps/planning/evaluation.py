"""Source RPMs at hand, evaluated as they will be built: what their specs say counts for more than curated facts."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path

from ppcdeps.model.capability import Capability, parse_requirement
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.planning.curated import ArchPackage, ArchRequirement, ExcludedSource
from ppcdeps.recipebook.book import RecipeBook, is_for, recipe_for
from ppcdeps.recipebook.promises import broken_promises, evaluate_rendering
from ppcdeps.recipebook.rendering import render
from ppcdeps.recipebook.srpm import unpack_srpm
from ppcdeps.rpm.evaluated_spec import Differences, SpecEvaluation, differences
from ppcdeps.rpm.header import source_identity
from ppcdeps.rpm.products import OneArchPackage
from ppcdeps.rpm.specs import evaluate_spec

_ENDING = ".src.rpm"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A source RPM's spec for the target's architecture, and how that differs from the reference's.

    ``target`` is what will be built: with the changes of the ``recipe``, where there is one. ``distributed`` is the
    spec as the distribution has it. ``faults`` say what of its promises the recipe does not keep on this source.
    """

    file: str
    target: SpecEvaluation
    differences: Differences
    distributed: SpecEvaluation
    recipe: Recipe | None = None
    faults: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The spec as people read of it."""
        name = f"the spec of {self.target.source.name}"
        return f"{name} with the changes of recipe {self.recipe.folder.name}" if self.recipe is not None else name

    def products(self) -> Iterator[OneArchPackage]:
        """The packages that a build gives on the reference's architecture only."""
        if self.target.excluded or self.faults:
            return
        reason = f"{self.title}, evaluated for {self.target.arch}, does not give it"
        for name in self.differences.packages:
            yield OneArchPackage(self.target.source.name, name, reason)

    def gives(self, package: str) -> bool:
        """Whether a build for the target gives the package."""
        return self.target.package(package) is not None

    def requires(self, fact: ArchRequirement) -> bool:
        """Whether packages that a build for the target gives state what a fact says that only x86 builds require."""
        stated = (text for package in self.target.packages for text in package.requires)
        return any(
            isinstance(found := parse_requirement(text), Capability) and fact.matches(found) for text in stated
        )


@dataclass(slots=True)
class Evaluations:
    """The source RPMs of a folder. Each is evaluated once, with the recipe of the ``book`` that it is built by."""

    target: Target
    reporter: Reporter
    files: dict[str, Path] = field(default_factory=dict)
    book: RecipeBook = field(default_factory=lambda: RecipeBook(()))
    _known: dict[str, Evaluated | None] = field(default_factory=dict)

    @classmethod
    def in_folder(
        cls, folder: Path, target: Target, reporter: Reporter, book: RecipeBook | None = None
    ) -> "Evaluations":
        """Those that lie in a folder, as `name-version-release.src.rpm`.

        Raises ConfigError where there is no such folder, or two source RPMs of one name in it.
        """
        if not folder.is_dir():
            raise ConfigError(f"there is no folder of source RPMs {folder}")
        files: dict[str, Path] = {}
        for path in sorted(folder.glob(f"*{_ENDING}")):
            name = path.name.removesuffix(_ENDING).rsplit("-", 2)[0]
            if name in files:
                raise ConfigError(f"{folder} has two source RPMs of {name}: {files[name].name} and {path.name}")
            files[name] = path
        return cls(target, reporter, files, book or RecipeBook(()))

    def of(self, source: str) -> Evaluated | None:
        """The evaluation of a source; None where its source RPM is not there, or cannot be evaluated here.

        Why it cannot is reported as a warning: the spec does not parse, or would run code that is not confined here.
        So is what the recipe does not do that it promises.
        """
        if source not in self._known:
            self._known[source] = self._evaluated(source)
        return self._known[source]

    def all(self) -> tuple[Evaluated, ...]:
        """The evaluations of all source RPMs that can be evaluated."""
        return tuple(found for source in self.files if (found := self.of(source)) is not None)

    def _evaluated(self, source: str) -> Evaluated | None:
        path = self.files.get(source)
        if path is None:
            return None
        try:
            with tempfile.TemporaryDirectory(prefix="ppcdeps-srpm-") as scratch:
                found = self._with_recipe(path, Path(scratch))
        except ConfigError as fault:
            self.reporter.warn(f"{path.name} is not evaluated: {fault.line}")
            return None
        if found.recipe is not None and found.faults:
            self.reporter.warn(f"recipe {found.recipe.folder.name} on {path.name}: {'; '.join(found.faults)}")
        return found

    def _with_recipe(self, path: Path, scratch: Path) -> Evaluated:
        from ppcdeps.rpm.platforms import platform_of

        platform, arch, other = platform_of(self.target), self.target.arch, self.target.reference_arch
        unpacked = unpack_srpm(path, scratch / "srpm")
        distributed = evaluate_spec(unpacked.spec, platform, arch, sources=unpacked.folder)
        recipe = self._recipe(path)
        if recipe is not None:
            try:
                rendering = render(recipe, scratch / "rendered", srpm=path)
                here, there = (evaluate_rendering(rendering, recipe, platform, each) for each in (arch, other))
            except (ConfigError, UsageError) as fault:
                unknown = Differences((), {}, ())
                return Evaluated(path.name, distributed, unknown, distributed, recipe, (fault.line,))
            else:
                faults = tuple(broken_promises(recipe, rendering, here))
                return Evaluated(path.name, here, differences(here, there), distributed, recipe, faults)
        there = evaluate_spec(unpacked.spec, platform, other, sources=unpacked.folder)
        return Evaluated(path.name, distributed, differences(distributed, there), distributed)

    def _recipe(self, path: Path) -> Recipe | None:
        name, version = source_identity(path)
        recipe = recipe_for(self.book, name, version, self.target)
        others = [] if recipe is not None else [one for one in self.book if is_for(one, name, self.target)]
        if others:
            bounds = ", ".join(f"{one.folder.name} for {one.versions}" for one in others)
            self.reporter.warn(
                f"{path.name} is evaluated as it is: there is a recipe {bounds}, and not for {version}"
            )
        return recipe if recipe is not None and recipe.kind is RecipeKind.SRPM else None


def contradictions(
    found: Evaluated,
    requirements: Iterable[ArchRequirement],
    packages: Iterable[ArchPackage],
    excluded: Iterable[ExcludedSource],
) -> Iterator[str]:
    """Which curated facts an evaluated source RPM contradicts, each as a sentence."""
    name, arch = found.target.source.name, found.target.arch
    end = f"{found.title} ({found.file}) counts"
    for fact in requirements:
        if fact.source == name and found.requires(fact):
            yield f"only x86 builds of {name} are known to require {fact.requirement}, and {arch}'s does: {end}"
    for product in packages:
        if product.source == name and found.gives(product.package):
            yield f"only x86 builds of {name} are known to give {product.package}, and {arch}'s does: {end}"
    for source in excluded:
        if source.source == name and not found.distributed.excluded and found.distributed.packages:
            yield f"{name} is known to leave {arch} out, and its spec ({found.file}) does not: that counts"
