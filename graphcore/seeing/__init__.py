"""How graphs and what they made are shown: drawings, tables and lines in notebooks, plots."""

from graphcore.seeing.drawing import Drawing
from graphcore.seeing.notebook import rows_table, ticks_table
from graphcore.seeing.picture import picture_of
from graphcore.seeing.plot import plot_of
from graphcore.seeing.report import RunReport

__all__ = ["Drawing", "RunReport", "picture_of", "plot_of", "rows_table", "ticks_table"]
