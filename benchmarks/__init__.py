"""Speed and memory of graphcore, as ratios to peers on the same work: `python -m benchmarks`.

A module for each question gives `Figure`s (`figures`); what needs a process of its own lies in
`programs` and is driven from `processes`; `report` makes the table.
"""
