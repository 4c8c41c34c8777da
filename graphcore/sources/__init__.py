"""Sources: the nodes that bring events into a graph."""
