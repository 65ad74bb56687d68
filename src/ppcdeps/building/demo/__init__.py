"""A small real workload whose gaps are made and closed on any machine with a Debian mirror."""
