"""Frozen values: what the layers above pass to each other."""
