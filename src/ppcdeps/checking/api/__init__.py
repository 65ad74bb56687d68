"""Use of names across Python distributions, read from their sources: nothing is imported, nothing is run."""
