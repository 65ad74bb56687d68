"""What a recipe promises of its rendered spec: that it is built for the target, and gives the packages it names."""

from collections.abc import Iterator

from ppcdeps.model.recipe import Recipe
from ppcdeps.recipebook.book import for_source
from ppcdeps.recipebook.rendering import Rendering
from ppcdeps.rpm.evaluated_spec import SpecEvaluation
from ppcdeps.rpm.platforms import PlatformMacros
from ppcdeps.rpm.specs import evaluate_spec


def evaluate_rendering(rendering: Rendering, recipe: Recipe, platform: PlatformMacros, arch: str) -> SpecEvaluation:
    """A rendered spec, evaluated as build.sh has it built: with the recipe's macros and build conditions.

    Raises what `evaluate_spec` raises.
    """
    return evaluate_spec(
        rendering.spec,
        platform,
        arch,
        sources=rendering.folder / "SOURCES",
        conditions=dict.fromkeys(recipe.enabled, True) | dict.fromkeys(recipe.disabled, False),
        defines=dict(recipe.macros),
    )


def broken_promises(recipe: Recipe, rendering: Rendering, evaluated: SpecEvaluation) -> Iterator[str]:
    """What the rendered spec, evaluated for the target, does not do that the recipe promises."""
    spec, arch = rendering.spec.name, evaluated.arch
    if evaluated.excluded:
        yield f"{spec} is excluded on {arch}: {evaluated.excluded}"
        return
    for package in for_source(recipe, rendering.name).packages:
        if evaluated.package(package) is None:
            yield f"{spec} gives no package {package} on {arch}"
