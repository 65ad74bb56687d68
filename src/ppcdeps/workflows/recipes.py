"""What is done with recipes: rendered to a folder that rpmbuild builds from, and checked.

The recipes themselves are those of `ppcdeps.recipebook.book.load_book`.
"""

from collections.abc import Sequence
from pathlib import Path

from ppcdeps.metadata.targets import list_targets, load_target
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError
from ppcdeps.model.recipe import Recipe
from ppcdeps.model.reporter import Reporter
from ppcdeps.recipebook.book import RecipeBook
from ppcdeps.recipebook.lint import LintFinding, lint_book
from ppcdeps.recipebook.promises import broken_promises, evaluate_rendering
from ppcdeps.recipebook.rendering import Rendering, render
from ppcdeps.rpm.platforms import platform_of
from ppcdeps.rpm.specs import SpecRefusedError
from ppcdeps.workflows.choice import DEFAULT_TARGET


def render_recipe(
    recipe: Recipe,
    to: Path,
    reporter: Reporter,
    *,
    target: str = DEFAULT_TARGET,
    version: str | None = None,
    srpm: Path | None = None,
    sources: Sequence[Path] = (),
) -> Rendering:
    """Render a recipe for a target (a name or a file) to a folder, which must be new or empty.

    ``version`` is by default the newest of the recipe's; ``sources`` are files that are here already. Raises
    UsageError where what the recipe needs is not given, ConfigError where it does not fit its source, or where the
    rendered spec does not do for the target what the recipe promises. Where that cannot be found out, it is reported.
    """
    found = load_target(target)

    def check(rendering: Rendering) -> None:
        unchecked = f"what the rendered spec gives on {found.arch} is not checked"
        try:
            platform = platform_of(found)
        except ConfigError as fault:
            reporter.warn(f"{unchecked}: {fault.line}")
            return
        try:
            evaluated = evaluate_rendering(rendering, recipe, platform, found.arch)
        except (EnvironmentLacksError, SpecRefusedError) as fault:
            reporter.warn(f"{unchecked}: {fault.line}")
            return
        if broken := tuple(broken_promises(recipe, rendering, evaluated)):
            raise ConfigError(
                f"recipe {recipe.folder.name} does not do what it promises for {found.name}",
                hint="nothing was written; change the recipe in a folder of your own (--recipes)",
                faults=broken,
            )

    packages = found.build_packages
    return render(recipe, to, version=version, srpm=srpm, sources=sources, build_packages=packages, check=check)


def lint_recipes(
    book: RecipeBook, reporter: Reporter, *, target: str = DEFAULT_TARGET, srpms: Sequence[Path] = ()
) -> tuple[LintFinding, ...]:
    """What is wrong with the recipes, in their order. Raises ConfigError for a source RPM that cannot be read."""
    return lint_book(book, load_target(target), list_targets(), reporter, srpms=srpms)
