"""What is imported here by name is not to be imported a second time, in search of doctests."""

collect_ignore = ["functions.py", "nodes", "observe.py", "operators.py", "recipe.py", "draw.py", "both.py"]
