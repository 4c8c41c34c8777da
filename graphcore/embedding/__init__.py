"""Running a graph inside another program: in a thread beside its code, or awaited in its loop.

`background` (a run in a thread of its own), `running` (the block and the coroutine that wait for
such a run), `event_loop` (where the coroutines of a run's nodes run).
"""
