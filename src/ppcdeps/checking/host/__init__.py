"""Rules for a POWER host."""
