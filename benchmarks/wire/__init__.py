"""The adapter beside bare sockets, wingfoil's wheel and csp, in worker processes.

`cells` lists what is received and how; `sending` and `receiving` do it in two workers. The parts
`throughput`, `publishing`, `latency` and `live` take the figures in turn.
"""
