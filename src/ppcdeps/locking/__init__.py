"""Locks: all that a plan takes, pinned, brought into one folder, and used from there."""
