"""One function for each thing a user does: the Python API."""
