"""What is imported here by name is not to be imported a second time, in search of doctests."""

collect_ignore_glob = ["functions", "nodes", "[!t]*.py"]
