"""Repositories in: configuration, mirrors, checksums, cache, snapshots."""
