"""What any program of this size needs: HTTP, cache, atomic writes, compression, digests, TOML."""
