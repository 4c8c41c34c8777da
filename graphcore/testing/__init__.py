"""Helpers for tests of graphs: collected ticks, marble diagrams, steps by hand, waiting."""

from graphcore.testing.marbles import drawn, marbles
from graphcore.testing.stepper import Stepper
from graphcore.testing.ticks import ticks
from graphcore.testing.waiting import wait_until

__all__ = ["Stepper", "drawn", "marbles", "ticks", "wait_until"]
