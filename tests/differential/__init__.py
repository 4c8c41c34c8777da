"""The differential test: random graphs of all operators, sources and nodes, on both tiers."""
