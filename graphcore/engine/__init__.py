"""The engine: it makes a plan of the nodes and runs it; it knows no operator by name.

`plan` (order), `clock` (time and alarms), `inbox` (threads), `session` (one run of a plan),
`lifecycle` (start and stop), and the tiers, each of which runs any plan.
"""
