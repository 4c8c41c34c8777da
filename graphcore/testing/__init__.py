"""Helpers for tests of graphs: collect a stream's ticks, and wait for a condition."""

from graphcore.testing.ticks import ticks
from graphcore.testing.waiting import wait_until

__all__ = ["ticks", "wait_until"]
