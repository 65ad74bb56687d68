"""Builds handed to engines of many machines."""
