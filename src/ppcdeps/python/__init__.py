"""Python distributions: index, metadata, resolution, lock files."""
