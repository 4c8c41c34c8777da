"""The analysis: passes that work on the IR alone."""
