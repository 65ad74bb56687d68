"""Plans and audits, and two of either compared, as one HTML page for people."""
