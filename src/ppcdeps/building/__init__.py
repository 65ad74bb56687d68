"""Buildroots, container engines, the build run, the local repository."""
