"""Loops as one would write them by hand; long ones are generated."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Loop = Callable[[Iterable[Any]], Any]


def straight_loop(statements: Sequence[str], result: str = "x") -> Loop:
    """Return a loop over values, each called x, with these statements as its body."""
    lines = ["def loop(values):", "  for x in values:", *(f"    {s}" for s in statements)]
    namespace: dict[str, Loop] = {}
    exec("\n".join([*lines, f"  return {result}"]), namespace)
    return namespace["loop"]


def calling_loop(functions: Sequence[Callable[[Any], Any]]) -> Loop:
    """Return a loop over values that passes each through the functions."""

    def loop(values: Iterable[Any]) -> Any:
        for x in values:
            for function in functions:
                x = function(x)
        return x

    return loop
