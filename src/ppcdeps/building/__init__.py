"""From the plan to packages: buildroots, engines, the run, the local repository, and the proof."""
