"""Speed and memory of graphcore, as ratios to peers on the same work: `python -m benchmarks`.

A module for each question gives `Figure`s (`figures`); programs for separate processes are in
`programs`, and `processes` runs them; `report` makes the table.
"""
