"""The acceptance test of a compute node, through the cloud's own API."""
