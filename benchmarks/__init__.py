"""Benchmarks, run by hand: whole processes, medians and ratios."""
