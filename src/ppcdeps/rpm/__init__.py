"""The universe on libsolv: closure, gaps, explanation."""
