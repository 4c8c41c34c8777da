"""What the command `graphcore` gets from this package; the extra `cli` has what it needs."""
