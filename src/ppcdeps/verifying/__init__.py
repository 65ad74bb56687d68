"""Whether what was built installs and runs."""
