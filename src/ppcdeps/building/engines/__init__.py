"""The programs that run a job in a root file system: podman, docker, bwrap, proot."""
