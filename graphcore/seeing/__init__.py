"""How graphs and what they made are shown: drawings, tables in notebooks, plots, measures."""

from graphcore.seeing.drawing import Drawing
from graphcore.seeing.measures import Buckets, Measure, Measured, MeasureKind, measured
from graphcore.seeing.notebook import rows_table, ticks_table
from graphcore.seeing.picture import picture_of
from graphcore.seeing.plot import plot_of
from graphcore.seeing.report import RunReport

__all__ = [
    "Buckets",
    "Drawing",
    "Measure",
    "MeasureKind",
    "Measured",
    "RunReport",
    "measured",
    "picture_of",
    "plot_of",
    "rows_table",
    "ticks_table",
]
