"""What recipes change for the solver: what a source needs to be built, and what its build gives."""

from dataclasses import dataclass, field

from ppcdeps.model.capability import Capability, parse_requirement
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.model.target import Target
from ppcdeps.planning.order import Bootstrap
from ppcdeps.planning.recipes import RecipeBook, recipe_for
from ppcdeps.rpm.sources import BuildNeeds, Buildroots
from ppcdeps.rpm.universe import Universe


@dataclass(slots=True)
class Adaptation:
    """The recipes that apply to the sources of one universe."""

    book: RecipeBook
    target: Target
    universe: Universe
    buildroots: Buildroots
    _found: dict[str, Recipe | None] = field(default_factory=dict)

    def recipe_of(self, source: str) -> Recipe | None:
        """The recipe that builds a source, where it can be used: one for source RPMs needs the source RPM."""
        if source not in self._found:
            self._found[source] = self._find(source)
        return self._found[source]

    def needs(self, source: str) -> BuildNeeds | None:
        """What the recipe changes in a source's BuildRequires."""
        recipe = self.recipe_of(source)
        if recipe is None:
            return None
        own = recipe.kind is not RecipeKind.SRPM
        return BuildNeeds(recipe.build_requires, recipe.dropped_build_requires, instead=own)

    def promise(self, source: str) -> None:
        """Let the packages that the recipe builds, and the reference lacks, stand in like all others."""
        recipe = self.recipe_of(source)
        if recipe is None or not self.universe.standins_of(source):
            return
        there = {Nevra.parse(self.universe.nevra(i)).name for i in self.universe.standins_of(source)}
        for name in sorted(set(recipe.packages) - there):
            self.universe.promise(source, name)

    def grounds(self, source: str, requirement: str) -> str | None:
        """Why the packages that the recipe builds do not have a requirement of the reference's."""
        recipe = self.recipe_of(source)
        if recipe is None or not recipe.dropped_requires:
            return None
        try:
            parsed = parse_requirement(requirement)
        except ValueError:
            return None
        if isinstance(parsed, Capability) and parsed.name in recipe.dropped_requires:
            return f"the recipe {recipe.folder.name} builds without it"
        return None

    def bootstraps(self) -> tuple[Bootstrap, ...]:
        """The build conditions that recipes declare to break cycles with."""
        return tuple(
            Bootstrap(source, recipe.bootstrap)
            for source, recipe in sorted(self._found.items())
            if recipe is not None and recipe.bootstrap
        )

    def _find(self, source: str) -> Recipe | None:
        package = self.buildroots.source_package(source)
        built_as = [package] if package is not None else self.universe.standins_of(source)
        if not built_as:
            return None
        evr = Nevra.parse(self.universe.nevra(built_as[0])).evr
        recipe = recipe_for(self.book, source, evr, self.target)
        if recipe is None or (package is None and recipe.kind is RecipeKind.SRPM):
            return None
        return recipe
