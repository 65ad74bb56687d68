"""The demo: a small real workload to plan, build and verify."""
