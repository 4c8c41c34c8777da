"""Helpers for tests of graphs: ticks, diagrams, steps by hand, simulated arrivals, waiting."""

from graphcore.testing.comparing import assert_ticks
from graphcore.testing.marbles import drawn, marbles
from graphcore.testing.simulation import Arrival, Simulation, simulate
from graphcore.testing.stepper import Stepper
from graphcore.testing.ticks import ticks
from graphcore.testing.waiting import wait_until

__all__ = [
    "Arrival",
    "Simulation",
    "Stepper",
    "assert_ticks",
    "drawn",
    "marbles",
    "simulate",
    "ticks",
    "wait_until",
]
