"""Plans, and two plans compared, as one HTML page for people."""
