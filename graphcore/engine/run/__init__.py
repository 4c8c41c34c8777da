"""One run of a plan: its session, its start, its closing instant and its stop."""
