"""The sub-commands of `graphcore` that look at a graph of the user's."""
