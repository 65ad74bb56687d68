"""From the plan to packages: buildroots, the build run, publishing."""
