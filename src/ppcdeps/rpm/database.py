"""Where a program of rpm finds its database: in the folder that it runs in."""

IN_THIS_FOLDER = ("--dbpath", "/proc/self/cwd")
"""The options of rpm for that. In a path rpm expands macros, more than once: the name ``%(...)`` runs a program."""
