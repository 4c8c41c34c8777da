"""`Stream`, the fluent handle, and the functions that make one of several streams."""

from graphcore.stream import math
from graphcore.stream.bars import Bars
from graphcore.stream.event_time import EventTime
from graphcore.stream.event_windows import EventWindows
from graphcore.stream.families.several import Demuxed
from graphcore.stream.functions import (
    align,
    all_of,
    any_of,
    average,
    first_valid,
    make,
    maximum,
    merge_all,
    minimum,
    multiplex,
    race,
    select,
    stack,
    switch,
    sync,
    threaded,
    ticked,
    total,
    zip,
)
from graphcore.stream.keyed import Keyed
from graphcore.stream.stream import (
    FeedbackStream,
    LaterStream,
    Output,
    SourceStream,
    Stream,
    stream_operator,
)
from graphcore.stream.tables import frame, from_table, read_csv, read_parquet, replay_parquet

__all__ = [
    "Bars",
    "Demuxed",
    "EventTime",
    "EventWindows",
    "FeedbackStream",
    "Keyed",
    "LaterStream",
    "Output",
    "SourceStream",
    "Stream",
    "align",
    "all_of",
    "any_of",
    "average",
    "first_valid",
    "frame",
    "from_table",
    "make",
    "math",
    "maximum",
    "merge_all",
    "minimum",
    "multiplex",
    "race",
    "read_csv",
    "read_parquet",
    "replay_parquet",
    "select",
    "stack",
    "stream_operator",
    "switch",
    "sync",
    "threaded",
    "ticked",
    "total",
    "zip",
]
