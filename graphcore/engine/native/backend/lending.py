"""The state of keys' sub-graphs while a kernel holds it, and the way back into their generators.

A sub-graph's state is lent to the kernel when Python has run the sub-graph and the kernel goes on.
It is taken back when Python is to run, or to look at, that sub-graph: so to hand a run over costs
as much as the sub-graphs that Python runs in between, however many keys there are.
"""

from array import array
from collections.abc import Mapping
from operator import ne
from typing import Any

from graphcore.engine.fused.backend.live import write_all
from graphcore.engine.fused.subgraphs import FusedSubgraph, FusedSubgraphs
from graphcore.engine.native.backend.layout import (
    CALL,
    CHANGED,
    COUNT,
    ROW_ROOM,
    ROWS,
    SAVED,
    SLOT_ROOM,
    SLOTS,
    mixed,
)
from graphcore.engine.native.backend.places import Packed, Places, Unfit
from graphcore.engine.native.categories import Categories
from graphcore.engine.native.frontend.keyed import Keyed, key_shape, shape_of, words_of_key
from graphcore.engine.native.ir import Table
from graphcore.subgraph import QuickRuns

_ROOM = 64


class Lent(QuickRuns[Any]):
    """The runs of keys, some of whose states a kernel holds: each that is asked for is taken back.

    An object becomes one by its class, so that those who hold it need not know.
    """

    lending: "Lending"

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what runs the sub-graph of a key, once its generator holds its state."""
        run = super().get(key, default)
        self.lending.asked_for(key)
        return run

    def take_back(self) -> None:
        """Have all sub-graphs hold their own state."""
        self.lending.take_all_back()


class Lending:
    """The rows of one table.

    Args:
        keyed: the sub-graphs.
        places: for each variable of the generators, its words in a row.
        constants: the bools that no cycle changes, by the generators' variables.
        table: the table.
        categories: the numbers of strings and members of enums.
    """

    def __init__(
        self,
        keyed: Keyed,
        places: Mapping[str, Places],
        constants: Mapping[str, bool],
        table: Table,
        categories: Categories,
    ) -> None:
        self._keyed = keyed
        self._width = table.width
        self._slot = table.slot
        self._categories = categories
        self._to_take = Packed(places)
        self._to_give_back = Packed({name: places[name] for name in keyed.changed})
        self._constants = constants
        self._call = 0
        self.forget()

    def forget(self) -> None:
        """Hold no keys."""
        self._runs: QuickRuns[Any] | None = None
        self._owner: FusedSubgraphs | None = None
        self._row_of: dict[Any, int] = {}
        self._lent: dict[Any, int] = {}
        self._touched: dict[Any, None] = {}
        self._slots = self._empty(2 * _ROOM)
        self._rows = array("q", bytes(8 * self._width * _ROOM))
        self._saved = self._rows[:]
        self._changed = array("q", bytes(8 * _ROOM))
        self._floats = memoryview(self._rows).cast("B").cast("d")

    def _empty(self, slots: int) -> "array[int]":
        return array("q", (-1,) * (self._slot * slots))

    def begin(self, words: "array[int]", place: int) -> None:
        """Prepare a call of the kernel.

        Args:
            words: the words that it gets.
            place: the first word of the table.
        """
        self._call += 1
        for at, part in (
            (SLOTS, self._slots),
            (ROWS, self._rows),
            (SAVED, self._saved),
            (CHANGED, self._changed),
        ):
            words[place + at] = part.buffer_info()[0]
        words[place + SLOT_ROOM], words[place + ROW_ROOM] = len(self._slots), len(self._rows)
        words[place + COUNT], words[place + CALL] = len(self._changed), self._call

    def lend(self, runs: "QuickRuns[Any]") -> None:
        """Have the kernel hold the state of all sub-graphs that Python may have run.

        Raises:
            Unfit: if the kernel was not made for the sub-graphs, or for what they hold.
        """
        if shape_of(runs) is not self._keyed.compiled:
            raise Unfit
        if self._runs is not runs:
            self.end()
            if isinstance(runs, Lent):
                runs.lending.end()
            instance = next(iter(runs.instances.values()))
            assert isinstance(instance, FusedSubgraph)
            self._runs, self._owner = runs, instance.owner
            self._touched = dict.fromkeys(runs)
            instance.owner.take_back = self.take_back
            runs.__class__ = Lent
            vars(runs)["lending"] = self
        for key in list(self._touched):
            run = runs.instances.get(key)
            if key in runs and isinstance(run, FusedSubgraph):
                self._lend(key, run)
            del self._touched[key]

    def _lend(self, key: Any, run: FusedSubgraph) -> None:
        frame = run.frame
        if run.compiled is not self._keyed.compiled or frame is None:
            return
        row = self._row_of.get(key)
        if row is None:
            row = self._add(key)
            if row is None:
                return
        variables, begin = frame.f_locals, row * self._width
        self._to_take.load(self._rows, self._floats, variables, begin)
        # All are bools, as `load` has seen.
        if any(map(ne, map(variables.get, self._constants), self._constants.values())):
            raise Unfit
        self._rows[begin] = 0
        self._lent[key] = row

    def _add(self, key: Any) -> int | None:
        """Return a row for a further key; `None` if the kernel cannot find it.

        Raises:
            Unfit: if another kernel could.
        """
        shape = self._keyed.key
        if shape is None:
            if key_shape([key]) is not None:
                raise Unfit
            return None
        words = words_of_key(key, shape, self._categories)
        if words is None:
            return None
        row = len(self._row_of)
        if row == len(self._changed):
            self._floats.release()
            for part in (self._rows, self._saved, self._changed):
                part.extend(part)
            self._floats = memoryview(self._rows).cast("B").cast("d")
            before, self._slots = self._slots, self._empty(4 * row)
            for at in range(0, len(before), self._slot):
                if before[at] >= 0:
                    self._enter(before[at : at + self._slot])
        self._enter(array("q", (row, *words)))
        self._row_of[key] = row
        return row

    def _enter(self, slot: "array[int]") -> None:
        """Have the kernel find a row, by the words of its key."""
        width = self._slot
        mask = len(self._slots) // width - 1
        place = mixed(slot[1:]) & mask
        while self._slots[width * place] >= 0:
            place = place + 1 & mask
        self._slots[width * place : width * (place + 1)] = slot

    @property
    def keys(self) -> int:
        """How many keys have a row."""
        return len(self._row_of)

    # The way back

    def asked_for(self, key: Any) -> None:
        """Take the state of a key back, if it is lent; Python may run its sub-graph from now on."""
        self._touched[key] = None
        if key in self._lent:
            assert self._runs is not None
            run = self._runs.instances[key]
            assert isinstance(run, FusedSubgraph)
            self.take_back(run)

    def take_back(self, run: FusedSubgraph) -> None:
        """Have a generator hold the state of its sub-graph again, if it is lent."""
        key = run.what[1]
        row = self._lent.get(key)
        if row is None or self._runs is None or self._runs.instances.get(key) is not run:
            return
        found: dict[str, Any] = {}
        self._to_give_back.store(self._rows, found, row * self._width)
        frame = run.frame
        assert frame is not None
        write_all(frame, found)
        # Not before: Ctrl-C may have broken into it.
        del self._lent[key]
        self._touched[key] = None

    def take_all_back(self) -> None:
        """Take the state of all keys back."""
        for key in list(self._lent):
            self.asked_for(key)

    def end(self) -> None:
        """Take all back, and leave the keys as they were before."""
        runs, owner = self._runs, self._owner
        if runs is None or owner is None:
            return
        self.take_all_back()
        owner.take_back = None
        runs.__class__ = QuickRuns
        del vars(runs)["lending"]
        self.forget()
