"""`Stream`, the fluent handle, and the functions that make one of several streams."""

from graphcore.stream.functions import align
from graphcore.stream.stream import FeedbackStream, Stream, stream_operator

__all__ = ["FeedbackStream", "Stream", "align", "stream_operator"]
