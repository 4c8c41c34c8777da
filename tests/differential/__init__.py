"""The differential test: random graphs, wired out of everything there is, on both tiers."""
