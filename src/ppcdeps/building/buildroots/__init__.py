"""Root file systems that packages are built in."""
