"""A whole distribution examined: which packages are there, which are installable, and which builds open the most."""
