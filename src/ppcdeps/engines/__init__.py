"""How one job runs confined in a root file system: podman, docker, bwrap."""
