"""Built packages: examined, signed, indexed, published."""
