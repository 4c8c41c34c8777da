"""The names in the function: each says whose it is, and none is given twice."""

import builtins
import sys
from collections.abc import Sequence
from typing import Any

from graphcore.engine.fused.parts import Part
from graphcore.engine.fused.text import Text

BUILTINS = frozenset(dir(builtins))
# What the function calls by itself has no name of a node's.
_TAKEN = {
    *("alarms", "bits", "cycle", "cycles", "due", "end", "entry", "first", "following", "heap"),
    *("heapify", "heappop", "heappush", "last", "mask", "never", "nodes", "run", "session"),
    *("start", "states", "time", "woken"),
    *BUILTINS,
}


class Names:
    """Gives the function's variables and globals their names; one given once stays."""

    def __init__(self, parts: Sequence[Part], text: Text) -> None:
        self._parts = parts
        self._text = text
        self._names: dict[tuple[Any, ...], str] = {}
        self._used = set(_TAKEN)

    def of(self, key: tuple[Any, ...], wanted: str) -> str:
        """Return the name that stands for the key: as wanted, if it is not taken."""
        name = self._names.get(key)
        if name is None:
            name = wanted
            while name in self._used:
                name += "_"
            # Interned, it is the very object that the compiled function holds.
            name = self._names[key] = sys.intern(name)
            self._used.add(name)
        return name

    def bind(self, key: tuple[Any, ...], wanted: str, value: Any) -> str:
        """Return the name of a global of the function with this value."""
        name = self.of(key, wanted)
        self._text.namespace[name] = value
        return name

    def constant(self, part: Part, name: str, value: Any) -> str:
        """Return the global that holds what a node's attribute or function is."""
        return self.bind(("constant", part.index, name), f"{part.label}_{name.strip('_')}", value)

    def value(self, part: Part) -> str:
        """Return the variable of a node's value."""
        return self.of(("value", part.index), part.label)

    def node(self, part: Part) -> str:
        """Return the global that holds a node."""
        return self.bind(("node", part.index), f"{part.label}_node", part.node)

    def state(self, part: Part) -> str:
        """Return the variable of a node's `GraphState`."""
        return self.of(("state", part.index), f"{part.label}_state")

    def has_state(self, part: Part) -> bool:
        """Return whether that variable is in use."""
        return ("state", part.index) in self._names

    def flag(self, index: int) -> str:
        """Return the variable of the cycle in which a node, or its block, last ticked."""
        name = self.of(("flag", index), f"{self._parts[index].label}_at")
        self._text.flags[index] = name
        return name

    def due(self, index: int) -> str:
        """Return the variable of a node's next time."""
        return self.of(("due", index), f"{self._parts[index].label}_next")
