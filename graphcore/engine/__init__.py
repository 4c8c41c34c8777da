"""The engine: make a plan of the nodes and run it. No module here knows an operator by name.

`plan` (order), `clock` (time and alarms), `inbox` (events from threads), `run` (the session of one
run of a plan, its start and its end), `notes` (the note that an error gets), `withheld` (values
that are set without a tick), and two tiers, each of which runs any plan: `interpreted`, `fused`.
"""
