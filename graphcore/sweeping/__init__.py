"""Many runs of one kind of graph: a sweep over parameters, and a table in parts."""

from graphcore.sweeping.partition import Merged, partition
from graphcore.sweeping.sweep import sweep
from graphcore.sweeping.table import Sweep

__all__ = ["Merged", "Sweep", "partition", "sweep"]
