"""The laboratory: an OpenStack of Debian's packages in roots and namespaces of its own."""
