"""What publishers and subscribers report about themselves."""
