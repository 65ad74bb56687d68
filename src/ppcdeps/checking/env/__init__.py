"""Rules for an installed Python environment."""
