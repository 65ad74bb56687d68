"""Installed environments, use of APIs, guests and hosts."""
