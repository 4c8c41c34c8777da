"""graphcore: a dataflow graph framework for Python.

Declare a graph of streams once, and run the same wiring over history or live:

>>> import graphcore as gc
>>> prices = gc.ticker("10ms").count().map(lambda n: 100 + n % 7)
>>> out = prices.ewm(span=5).mean().collect()
>>> report = gc.Graph(out).run(duration="1s")
>>> len(out)
101
"""

from typing import TYPE_CHECKING

from graphcore.checking import CheckWarning, Finding
from graphcore.collected import Collected, Frame
from graphcore.declare import node, output, state
from graphcore.embedding.running import Running
from graphcore.errors import (
    CheckError,
    Failure,
    GraphcoreError,
    InvalidTypeError,
    InvalidValueError,
    NoValueError,
    RunError,
    Stopped,
    WiringError,
)
from graphcore.graph import Graph
from graphcore.handle import Handle
from graphcore.node import Active, MutableNode, Passive, QueueNode, Source, Upstreams
from graphcore.operators.spans.aggregates import Bar
from graphcore.profiling import Profile
from graphcore.seeing import Drawing, RunReport
from graphcore.source_functions import (
    constant,
    feedback,
    from_iterable,
    later,
    never,
    poll,
    produce_async,
    receiver,
    replay,
    session,
    ticker,
)
from graphcore.sources.receiver import ReceiverStream, Sender
from graphcore.sources.retrying import Backoff, SourceState, SourceStatus
from graphcore.state import Alarm, EndedBy, GraphState, RunMode
from graphcore.stream import (
    Bars,
    Demuxed,
    EventTime,
    EventWindows,
    FeedbackStream,
    Keyed,
    LaterStream,
    Output,
    SourceStream,
    Stream,
    align,
    all_of,
    any_of,
    average,
    first_valid,
    frame,
    from_table,
    make,
    math,
    maximum,
    merge_all,
    minimum,
    multiplex,
    race,
    read_csv,
    read_parquet,
    replay_parquet,
    select,
    stack,
    stream_operator,
    switch,
    sync,
    threaded,
    ticked,
    total,
    zip,
)
from graphcore.sweeping import Merged, Sweep, partition, sweep
from graphcore.tables.comparing import Difference
from graphcore.version import __version__
from graphcore.view import Serving

__all__ = [
    "Active",
    "Alarm",
    "Backoff",
    "Bar",
    "Bars",
    "CheckError",
    "CheckWarning",
    "Collected",
    "Demuxed",
    "Difference",
    "Drawing",
    "EndedBy",
    "EventTime",
    "EventWindows",
    "Failure",
    "FeedbackStream",
    "Finding",
    "Frame",
    "Graph",
    "GraphState",
    "GraphcoreError",
    "Handle",
    "InvalidTypeError",
    "InvalidValueError",
    "Keyed",
    "LaterStream",
    "Merged",
    "MutableNode",
    "NoValueError",
    "Output",
    "Passive",
    "Profile",
    "QueueNode",
    "ReceiverStream",
    "RunError",
    "RunMode",
    "RunReport",
    "Running",
    "Sender",
    "Serving",
    "Source",
    "SourceState",
    "SourceStatus",
    "SourceStream",
    "Stopped",
    "Stream",
    "Sweep",
    "Upstreams",
    "WiringError",
    "__version__",
    "align",
    "all_of",
    "any_of",
    "average",
    "constant",
    "feedback",
    "first_valid",
    "frame",
    "from_iterable",
    "from_table",
    "later",
    "make",
    "math",
    "maximum",
    "merge_all",
    "minimum",
    "multiplex",
    "never",
    "node",
    "output",
    "partition",
    "poll",
    "produce_async",
    "race",
    "read_csv",
    "read_parquet",
    "receiver",
    "replay",
    "replay_parquet",
    "select",
    "session",
    "stack",
    "state",
    "stream_operator",
    "sweep",
    "switch",
    "sync",
    "threaded",
    "ticked",
    "ticker",
    "total",
    "zip",
]

if not TYPE_CHECKING:

    def __getattr__(name):
        """Say that a name is a method, to those who look for a function."""
        hint = ""
        if name[:1] != "_":
            if hasattr(Stream, name):
                hint = f": it is a method of a stream, stream.{name}(...)"
            elif hasattr(Graph, name):
                hint = f": it is a method of a graph, gc.Graph(stream).{name}(...)"
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}", name=name)
