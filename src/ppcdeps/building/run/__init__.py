"""The build run: tasks, their order, the store of finished builds, resuming."""
