"""The picture of the cost of a tick: a line for each task, a mark for each contender."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.figures import Measured

# Medium colours without a background are readable on white and on black.
_INK = "#808080"
_RED, _GREEN, _BLUE, _VIOLET, _OCHRE = "#e4572e", "#2a9d8f", "#4f86f7", "#a977c4", "#c9931a"
# contender -> shape, colour, whether it is filled; in this order they are shown.
MARKS = {
    "graphcore fused": ("o", _RED, True),
    "graphcore interpreted": ("o", _RED, False),
    "hand-written": ("|", _INK, True),
    "hand-written, calling": ("x", _INK, True),
    "hand-written, minding missing values": ("_", _INK, True),
    "csp C++": ("D", _GREEN, True),
    "csp @csp.node": ("s", _GREEN, True),
    "csp @csp.node, calling": ("s", _GREEN, False),
    "wingfoil": ("^", _BLUE, True),
    "bytewax, batches of 1,000": ("v", _VIOLET, True),
    "bytewax, batches of 1": ("v", _VIOLET, False),
    "reactivex": ("P", _OCHRE, True),
}


def draw(ticks: Measured, file: Path) -> None:
    """Draw the cost of a tick, ns, for each task and contender, on a logarithmic scale."""
    with matplotlib.rc_context({"svg.hashsalt": "graphcore", "text.color": _INK}):
        figure = Figure(figsize=(9, 1.4 + 0.32 * len(ticks)), layout="constrained")
        axes = figure.add_subplot()
        for name, (shape, colour, filled) in MARKS.items():
            points = [
                (costs[name] / 1e3, y) for y, costs in enumerate(ticks.values()) if name in costs
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    shape,
                    label=name,
                    color=colour,
                    markerfacecolor=colour if filled else "none",
                    markersize=11 if shape == "|" else 7,
                    markeredgewidth=2 if shape == "|" else 1.3,
                    zorder=3,
                )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("µs a tick, logarithmic", color=_INK)
        axes.set_yticks(range(len(ticks)), list(ticks))
        axes.invert_yaxis()
        axes.tick_params(colors=_INK, which="both")
        axes.grid(color=_INK, alpha=0.25)
        axes.spines[:].set_visible(False)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        figure.savefig(file, transparent=True, metadata={"Date": None})
