"""Runs of graphs of one shape whose cycles run side by side in one kernel, as in a sweep.

A run that is about to enter its kernel waits for others: while it waits, the next one runs inside
its call, up to the same place. Once as many wait as a kernel has lanes, or no other follows, the
last one runs the cycles of all; then each goes on where it waited. A run whose cycle traps leaves
the others, and goes on alone from the state that it had before.

What another thread assigns to nodes meanwhile is seen once a run goes on alone.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from graphcore.engine.native.backend.layout import LANES
from graphcore.engine.native.warning import warn_once
from graphcore.engine.plan import Plan

if TYPE_CHECKING:
    from graphcore.engine.native.backend.memory import Memory
    from graphcore.engine.native.feed import Copied
    from graphcore.engine.native.run import Machine, Run

MOST = LANES  # runs side by side
FEWEST_EVENTS = 10_000_000  # of all sets: making the kernel takes as long as it saves on these


@dataclass(frozen=True)
class SideBySide:
    """A kernel for runs side by side.

    Attributes:
        machine: the kernel for one run alone.
        varying: the variables that may differ.
        code: the machine code; `None` if the kernel cannot run in lanes.
        refused: why it cannot.
        common: the nodes that run once for all lanes, by their names or operators.
    """

    machine: "Machine"
    varying: frozenset[str]
    code: Any
    refused: str
    common: tuple[str, ...]


class Company:
    """Runs that wait for each other.

    Args:
        following: runs the next one, and returns whether there was any.
        count: how many runs there are in all.
        copied: the copy of events that earlier runs had.

    Attributes:
        copied: the copy of events that runs had here, or earlier ones.
    """

    def __init__(self, following: Callable[[], bool], count: int, copied: "Copied | None") -> None:
        self.copied = copied
        self._following = following
        self._count = count
        self._runs: list[Run] = []
        self._asked = 0  # how many others have been asked for
        self._has_gone = False
        # By the ids of plans: none is made once the runs have gone, before which they hold theirs.
        self._common: dict[int, tuple[str, ...] | None] = {}

    def common_of(self, plan: Plan) -> tuple[str, ...] | None:
        """Return the nodes that ran once for all, if the run of a plan ran beside others."""
        return self._common.get(id(plan))

    def pays(self, run: "Run") -> bool:
        """Return whether a run is long enough to wait for others."""
        if self._has_gone or run.is_first or not run.has_all_events:
            return False
        if run.prepared.side_by_side is not None:
            return not run.prepared.side_by_side.refused
        return self._count * run.events >= FEWEST_EVENTS

    def join(self, run: "Run") -> None:
        """Wait for others, and run cycles together with them."""
        if self._has_gone:
            return
        shares = self.copied is not None and run.shares(self.copied)
        if not self._runs:
            # `build` may fill the same array for the next set.
            self.copied = self.copied if shares else run.copied()
        elif not (shares and run.can_stand_beside(self._runs[0])):
            return
        self._runs.append(run)
        while not self._has_gone and self._asked < LANES - 1:
            self._asked += 1
            if not self._following():
                break
        if not self._has_gone:
            self._has_gone = True
            go(self._runs)
            self._common = {id(run.plan): run.common for run in self._runs}
            self._runs.clear()  # because they refer to it


def go(runs: "Sequence[Run]") -> None:
    """Run the cycles of some runs side by side, as far as they can.

    Args:
        runs: at most as many as a kernel has lanes, each of which stands beside the first.
    """
    if len(runs) < 2:
        return
    first = runs[0]
    for run in runs[1:]:
        # A run that joined later may have had more room, and only the first was given as much.
        run.machine.memory.is_shaped_as(first.machine.memory)
    side_by_side = _made(runs)
    if side_by_side.code is None:
        return
    spare: Memory | None = None
    while len(runs) > 1 and not any(run.is_interrupted for run in runs):
        wanted = min(run.left for run in runs)
        if wanted <= 0:
            return
        memories = [run.begin() for run in runs]
        addresses = [each.address for each in memories]
        if len(runs) < LANES:
            # In the other lanes the first run runs again, in memory that is thrown away.
            spare = spare or first.machine.another().memory
            spare.become(memories[0])
            runs[0].begin(spare)
            addresses += [spare.address] * (LANES - len(runs))
        rows = memories[0].rows(LANES)
        given = array("q", addresses + [each.buffer_info()[0] for each in rows])
        marks = array("q", [0])
        began = perf_counter_ns()
        ran: int = side_by_side.code.run(
            given.buffer_info()[0], min(wanted, first.size), marks.buffer_info()[0]
        )
        if memories[0].is_clean:
            first.adapt(perf_counter_ns() - began, ran)
            for run in runs:
                run.count_in(ran)
                run.common = side_by_side.common
            continue
        reason = memories[0].reason
        for each in memories:
            each.restore()
        if not all([each.makes_room(reason) for each in memories]):
            runs = [run for lane, run in enumerate(runs) if not marks[0] >> lane & 1]


def _made(runs: "Sequence[Run]") -> SideBySide:
    """Return the kernel in which some runs can stand side by side."""
    first = runs[0]
    prepared, machine = first.prepared, first.machine
    memories: list[Memory] = [run.machine.memory for run in runs]
    differing = set().union(*(each.differing(memories[0]) for each in memories[1:]))
    made = prepared.side_by_side
    if made is not None and made.machine.translation is machine.translation:
        if made.refused or differing <= made.varying:
            return made
        differing |= made.varying
    kernel = machine.translation.kernel
    varying = import_module("graphcore.engine.native.backend.varying").Varying(kernel, differing)
    code, refused = None, varying.refused
    if not refused:
        compiler = import_module("graphcore.engine.native.backend.machine")
        try:
            code = compiler.code_of_lanes(kernel, machine.words, varying)
        except Exception as error:  # LLVM lacks something on this machine
            refused = f"its machine code cannot be made: {error}"
            warn_once(error)
    common = first.nodes_besides(varying.names)
    made = SideBySide(machine, frozenset(varying.names), code, refused, common)
    prepared.side_by_side = made
    return made
