"""Plans as documents of other tools."""
