"""Rules for guests: image properties, domains."""
