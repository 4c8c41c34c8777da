"""What writing makes and a program keeps: the function's text, and which variable is whose."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ABSENT = object()
_STEP = "    "


class Facts:
    """What mappings held when a text was written; kept side by side, as there are many."""

    def __init__(self) -> None:
        self._where: list[Mapping[str, Any]] = []
        self._names: list[str] = []
        self._values: list[Any] = []

    def add(self, where: Mapping[str, Any], name: str, value: Any) -> None:
        """Note what is there under a name; `ABSENT` stands for nothing."""
        self._where.append(where)
        self._names.append(name)
        self._values.append(value)

    def hold(self) -> bool:
        """Return whether all of it is there still."""
        noted = zip(self._where, self._names, self._values, strict=True)
        return all(where.get(name, ABSENT) is value for where, name, value in noted)


class Kept(NamedTuple):
    """What the function holds of a node.

    Attributes:
        node: the node's index.
        value: the variable of its value.
        state: its attributes, each with its variable.
        flag: the variable that holds the cycle of its last tick: its own, or its block's; empty if
            it ticks in every cycle, `None` if it never does.
    """

    node: int
    value: str
    state: tuple[tuple[str, str], ...]
    flag: str | None


@dataclass(slots=True)
class Text:
    """The function's text, and what is needed to run it and to read its variables.

    Attributes:
        lines: its lines.
        owners: for each line, the index of the node that it belongs to, or -1.
        begins: where the function counts the cycles, the number of lines before one has begun.
        asks_session: whether anything asks the session for the time and the cycle while it runs.
        asks_time: with `Head.EVENTS`, whether its loop is given the times.
        namespace: its globals.
        kept: what the function holds of each node that is taken apart.
        flags: for each node that chooses, and for each block's counter, its variable.
        dues: with `Head.VARIABLES`, for each source the variable of its next time.
        facts: what was written out and has to be so still.
        calls: for each node that is called, what is called.
    """

    lines: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    begins: int = 0
    asks_session: bool = False
    asks_time: bool = False
    namespace: dict[str, Any] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    flags: dict[int, str] = field(default_factory=dict)
    dues: dict[int, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    calls: dict[int, Any] = field(default_factory=dict)

    def add(self, indent: int, text: str, owner: int = -1) -> None:
        """Add a line."""
        self.lines.append(_STEP * indent + text)
        self.owners.append(owner)

    def speaks_of(self, name: str) -> bool:
        """Return whether a name is in the lines so far."""
        word = re.compile(rf"\b{name}\b")
        return any(word.search(line) for line in self.lines)

    def __str__(self) -> str:
        """Return the text as it is compiled."""
        return "\n".join(self.lines) + "\n"
