"""The lines of the function's text, each with the node that it belongs to."""

from dataclasses import dataclass, field

_STEP = "    "


@dataclass(slots=True)
class Lines:
    """Lines of text.

    Attributes:
        lines: the lines.
        owners: for each line, the index of its node; -1 for lines of no node.
    """

    lines: list[str] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)

    def add(self, indent: int, text: str, owner: int = -1) -> None:
        """Add a line."""
        self.lines.append(_STEP * indent + text)
        self.owners.append(owner)

    def __len__(self) -> int:
        """Return how many lines there are."""
        return len(self.lines)

    def __str__(self) -> str:
        """Return the text as it is compiled."""
        return "\n".join(self.lines) + "\n"
