"""Recipes as text and as JSON."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from ppcdeps.model.recipe import Edit, Recipe
from ppcdeps.recipebook.lint import LintFinding
from ppcdeps.report.text import as_json, columns, text_of


def render_book(recipes: Iterable[Recipe]) -> str:
    """The recipes, a line each."""
    rows = [("RECIPE", "KIND", "VERSIONS", "WHERE", "SUMMARY")]
    rows += [(one.folder.name, one.kind, str(one.versions), _where(one), one.summary) for one in recipes]
    return text_of(columns(rows, indent=""))


def render_recipe(recipe: Recipe) -> str:
    """All that a recipe says, for people."""
    lines = [f"{recipe.folder.name}: {recipe.summary}", ""]
    lines += [f"  {line}".rstrip() for line in recipe.reason.rstrip("\n").split("\n")]
    lines += [""]
    names = ", ".join((recipe.source, *recipe.names))
    rows = [("source", names), ("kind", recipe.kind), ("versions", str(recipe.versions)), ("where", _where(recipe))]
    rows += [("macro", f"{name} = {value}") for name, value in recipe.macros]
    rows += [("with", ", ".join(recipe.enabled)), ("without", ", ".join(recipe.disabled))]
    rows += [("bootstrap", recipe.bootstrap), ("packages", ", ".join(recipe.packages))]
    rows += [("not needed to build", ", ".join(recipe.dropped_build_requires))]
    rows += [("not required", ", ".join(recipe.dropped_requires))]
    rows += [("built with", ", ".join(recipe.build_requires))]
    rows += [("source file", f"{one.version}  {one.url}") for one in recipe.sources]
    rows += [("see", link) for link in recipe.links]
    lines += columns([row for row in rows if row[1]])
    for edit in recipe.edits:
        lines += ["", f"  {edit_line(edit)}", f"    {edit.why}{' (where the spec has it)' if edit.optional else ''}"]
    for patch in recipe.patches:
        only = f" (only {patch.versions})" if patch.versions.bounds else ""
        lines += ["", f"  patch {patch.file}{only}", f"    {patch.why}", f"    origin: {patch.origin}"]
    return text_of(lines)


def dump_recipes(recipes: Iterable[Recipe]) -> str:
    """The recipes as JSON text, keys sorted."""
    return as_json([recipe_document(one) for one in recipes])


def dump_recipe(recipe: Recipe) -> str:
    """One recipe as JSON text, keys sorted."""
    return as_json(recipe_document(recipe))


def recipe_document(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON has it."""
    document = dataclasses.asdict(recipe)
    document["name"] = recipe.folder.name
    document["folder"] = str(recipe.folder)
    document["versions"] = str(recipe.versions)
    for given, patch in zip(document["patches"], recipe.patches, strict=True):
        given["versions"] = str(patch.versions)
    if recipe.upstream is not None:
        for given, only in zip(document["upstream"]["for_versions"], recipe.upstream.for_versions, strict=True):
            given["versions"] = str(only.versions)
    document["macros"] = dict(recipe.macros)
    document["variables"] = dict(recipe.variables)
    edits = zip(document["edits"], recipe.edits, strict=True)
    document["edits"] = [{**given, "action": _action(edit)} for given, edit in edits]
    return document


def render_findings(findings: Iterable[LintFinding]) -> str:
    """Findings, a line each."""
    return text_of(f"{one.recipe}: {one.severity}: {one.message}" for one in findings)


def dump_findings(findings: Iterable[LintFinding]) -> str:
    """Findings as JSON text."""
    return as_json([dataclasses.asdict(one) for one in findings])


def _where(recipe: Recipe) -> str:
    return ", ".join((*recipe.platforms, *recipe.targets)) or "everywhere"


def _action(edit: Edit) -> str:
    """The name of an edit's kind, as recipe.toml has it: set-macro."""
    name = type(edit).__name__
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")


def edit_line(edit: Edit) -> str:
    """One edit of a spec in a line: what it does, and to what."""
    words = []
    for field in dataclasses.fields(edit):
        value = getattr(edit, field.name)
        if value and field.name not in {"why", "optional"}:
            words.append(f'{field.name} "{" / ".join(value) if isinstance(value, tuple) else value}"')
    return f"{_action(edit)}: {', '.join(words)}"
