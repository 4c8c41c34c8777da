"""The colours of clocks: nodes of one colour tick in the same cycles."""

# Fill and line; apart from each other also for people who do not see all colours (Okabe and Ito).
_COLOURS = (
    ("#cfe8fa", "#0072b2"),
    ("#fde3b8", "#e69f00"),
    ("#c6efe0", "#009e73"),
    ("#f5d5e5", "#cc79a7"),
    ("#f8f4b5", "#b3a800"),
    ("#f7d0bd", "#d55e00"),
    ("#d9eef9", "#56b4e9"),
    ("#e2e2e2", "#666666"),
)


def colour_of(clock: int) -> tuple[str, str]:
    """Return the fill and the line of a clock; with more clocks than colours, they come again."""
    return _COLOURS[clock % len(_COLOURS)]
