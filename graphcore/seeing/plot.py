"""Values over time, drawn by matplotlib."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphcore.errors import InvalidTypeError, RunError, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_of(
    name: str,
    times: Sequence[int],
    values: Sequence[Any],
    axes: "Axes | None",
    options: Mapping[str, Any],
) -> "Axes":
    """Draw the values over time, as steps.

    Args:
        name: the label of the line.
        times: engine times, ns.
        values: as many numbers; `None` leaves a gap.
        axes: where to draw; `None` means new axes.
        options: those of `Axes.step`.

    Raises:
        RunError: if matplotlib is not installed.
        InvalidTypeError: for a value that is not a number.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise RunError("plot needs matplotlib: pip install 'graphcore[plot]'") from error
    numbers = []
    for value in values:
        try:
            numbers.append(math.nan if value is None else float(value))
        except (TypeError, ValueError):
            raise InvalidTypeError(
                f"plot draws numbers, and {name} has {shorten(value)} ({type(value).__name__}): "
                "take a field of it, or map it to a number"
            ) from None
    if axes is None:
        _, axes = pyplot.subplots()
    import numpy

    stamps = numpy.array(times, "datetime64[ns]")
    # Otherwise the labels of fractions of a second run into each other.
    with pyplot.rc_context({"date.converter": "concise"}):
        axes.step(stamps, numbers, **{"where": "post", "label": name, **options})
    axes.set_xlabel("time (UTC)")
    axes.legend()
    return axes
