"""Gaps to routes and to an order of builds: values in, values out."""
