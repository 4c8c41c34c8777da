"""A plan in two parts: machine code for one, the fused function of the other follows it."""
