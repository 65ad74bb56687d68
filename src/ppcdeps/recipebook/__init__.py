"""Recipes: reading, spec edits, rendering, lint, sources."""
