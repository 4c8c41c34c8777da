"""The figures of graphs for Prometheus; needs the extra `metrics`.

`collector` is what prometheus_client asks at each scrape, `families` are its metrics, and `runs`
reads the run in progress; `nodes` says which nodes have a queue or drop values. `ticks` counts
the ticks of streams exactly.
"""

try:
    import prometheus_client as _needed  # noqa: F401  # said here, once, and in one sentence
except ImportError as error:
    raise ImportError(
        "graphcore.metrics needs prometheus_client: pip install 'graphcore[metrics]'"
    ) from error

from graphcore.metrics.collector import GraphCollector
from graphcore.metrics.families import Families
from graphcore.metrics.ticks import TickCount, count_ticks

__all__ = ["Families", "GraphCollector", "TickCount", "count_ticks"]
