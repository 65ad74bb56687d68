"""What a shell completes: names that ppcdeps ships, from the names of their files alone, and paths of others."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Completion = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
Names = Callable[[click.Context], Iterable[str]]


def _completing(names: Names, *, files: bool = False) -> Completion:
    """A completion of names; ``files`` of paths as well, where no name begins so."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        from ppcdeps.model.errors import PpcdepsError

        try:
            found = [name for name in names(context) if name.startswith(incomplete)]
        except PpcdepsError:
            # What is on the command line has a fault, which the command reports.
            found = []
        if files and not found:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in found]

    return complete


def _targets(_context: click.Context) -> tuple[str, ...]:
    from ppcdeps.base.datafiles import shipped_names

    return shipped_names("targets")


def _workloads(_context: click.Context) -> tuple[str, ...]:
    from ppcdeps.base.datafiles import shipped_names

    return shipped_names("workloads")


def _releases(context: click.Context) -> tuple[str, ...]:
    """The OpenStack releases of the target on the command line, of the default one otherwise."""
    from ppcdeps.metadata.targets import load_target
    from ppcdeps.workflows.choice import DEFAULT_TARGET

    return load_target(context.params.get("target") or DEFAULT_TARGET).openstack_releases


def _recipes(context: click.Context) -> list[str]:
    """The folders of the shipped recipes, and of those that `--recipes` names."""
    from ppcdeps.base.datafiles import shipped_folder
    from ppcdeps.recipebook.book import RECIPE_FILE

    places = (shipped_folder("recipes"), *map(Path, context.params.get("folders") or ()))
    return sorted({file.parent.name for place in places for file in place.glob(f"*/{RECIPE_FILE}")})


def _buildroots(_context: click.Context) -> list[str]:
    from ppcdeps.base.datafiles import shipped_folder

    return sorted(file.parent.name for file in shipped_folder("containers").glob("*/buildroot.toml"))


def _engines(_context: click.Context) -> tuple[str, ...]:
    from ppcdeps.engines.probe import ENGINES as NAMES

    return NAMES


TARGETS = _completing(_targets, files=True)
WORKLOADS = _completing(_workloads, files=True)
RELEASES = _completing(_releases)
RECIPES = _completing(_recipes)
BUILDROOTS = _completing(_buildroots)
ENGINES = _completing(_engines)
