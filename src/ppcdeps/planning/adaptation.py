"""What recipes and evaluated specs change for the solver: what a source needs to be built, and what that gives."""

from dataclasses import field
from typing import TYPE_CHECKING

from ppcdeps.model.build_order import Bootstrap
from ppcdeps.model.recipe import Recipe, RecipeKind
from ppcdeps.model.target import Target
from ppcdeps.model.values import dataclass
from ppcdeps.recipebook.book import RecipeBook, recipe_for
from ppcdeps.rpm.additions import declare_package
from ppcdeps.rpm.sources import BuildEnvironments, BuildNeeds
from ppcdeps.rpm.universe import Universe

if TYPE_CHECKING:
    from ppcdeps.planning.evaluation import Evaluated, Evaluations


@dataclass(slots=True)
class Adaptation:
    """The recipes that apply to the sources of one universe, and the source RPMs that could be evaluated."""

    book: RecipeBook
    target: Target
    universe: Universe
    environments: BuildEnvironments
    evaluations: "Evaluations | None" = None
    _found: dict[str, Recipe | None] = field(default_factory=dict)

    def recipe_of(self, source: str) -> Recipe | None:
        """The recipe that builds a source, where it can be used: one for source RPMs needs the source RPM."""
        if source not in self._found:
            self._found[source] = self._find(source)
        return self._found[source]

    def evaluated(self, source: str) -> "Evaluated | None":
        """What the source's own spec says for the target, where its source RPM is at hand."""
        return self.evaluations.of(source) if self.evaluations is not None and not self.is_own(source) else None

    def is_own(self, source: str) -> bool:
        """Whether a source is the user's own: its own spec has been evaluated, and is built as it is."""
        return source in self.universe.own

    def needs(self, source: str) -> BuildNeeds | None:
        """What is to be installed for a source's build, where it is not what the source repository says."""
        recipe, evaluated = self.recipe_of(source), self.evaluated(source)
        own = recipe is not None and recipe.kind is not RecipeKind.SRPM
        if evaluated is None or own:
            return None if recipe is None else BuildNeeds(recipe.build_requires, recipe.dropped_build_requires, own)
        wanted = evaluated.target.build_requires
        if recipe is None or (evaluated.recipe is not None and not evaluated.faults):
            # With a recipe's changes to the BuildRequires, which are in the spec that was evaluated.
            return BuildNeeds(wanted, instead=True)
        kept = tuple(text for text in wanted if text.partition(" ")[0] not in recipe.dropped_build_requires)
        return BuildNeeds((*kept, *recipe.build_requires), instead=True)

    def declare(self, source: str) -> None:
        """Let the packages that the recipe builds, and the reference lacks, stand in like all others."""
        recipe = self.recipe_of(source)
        if recipe is None or not self.universe.standins_of(source):
            return
        there = {self.universe.name_of(i) for i in self.universe.standins_of(source)}
        for name in sorted(set(recipe.packages) - there):
            declare_package(self.universe, source, name)

    def has_grounds(self, source: str) -> bool:
        """Whether there is anything that `grounds` goes by."""
        return self.recipe_of(source) is not None or self.evaluated(source) is not None

    def grounds(self, source: str, requirement: str) -> str | None:
        """Why the packages that are built for the target do not have a requirement of the reference's."""
        recipe, evaluated = self.recipe_of(source), self.evaluated(source)
        if recipe is not None and _name(requirement) in recipe.dropped_requires:
            return f"the recipe {recipe.folder.name} builds without it"
        grounds = evaluated.differences.grounds(requirement) if evaluated is not None else None
        if grounds is None or recipe is None or evaluated is None or evaluated.recipe is None:
            return grounds
        return f"{grounds}, with the changes of recipe {recipe.folder.name}"

    def bootstraps(self) -> tuple[Bootstrap, ...]:
        """The build conditions that recipes declare to break cycles with."""
        return tuple(
            Bootstrap(source, recipe.bootstrap)
            for source, recipe in sorted(self._found.items())
            if recipe is not None and recipe.bootstrap
        )

    def _find(self, source: str) -> Recipe | None:
        if self.is_own(source):
            return None
        package = self.environments.source_package(source)
        built_as = [package] if package is not None else self.universe.standins_of(source)
        if not built_as:
            return None
        evaluated = self.evaluated(source)
        if evaluated is not None and evaluated.recipe is not None:
            return evaluated.recipe
        recipe = recipe_for(self.book, source, self.universe.nevra(built_as[0]).evr, self.target)
        at_hand = package is not None or evaluated is not None
        return recipe if recipe is not None and (at_hand or recipe.kind is not RecipeKind.SRPM) else None


def _name(requirement: str) -> str:
    """The name in a plain requirement; nothing for a boolean one."""
    return "" if requirement.startswith("(") else requirement.partition(" ")[0]
