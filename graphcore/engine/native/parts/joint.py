"""Join the two parts of a split plan in a run: the fused part follows a kernel, chunk by chunk.

Where the fused part stops or fails in the middle of a chunk, or sets an alarm for a time that the
kernel has passed, the chunk starts again from its beginning and ends there. So both parts are
always as of one cycle when anything else sees them.
"""

from array import array
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from copy import copy
from threading import get_ident
from typing import TYPE_CHECKING, Any

from graphcore.engine.fused.backend.drivers import NEVER
from graphcore.engine.fused.backend.emit import Entry
from graphcore.engine.fused.backend.live import own_attribute
from graphcore.engine.native.backend.layout import TIME
from graphcore.engine.native.handover import Handover
from graphcore.engine.native.parts.split import Split
from graphcore.engine.run.session import Session
from graphcore.node import no_value
from graphcore.subgraph import ABSENT

if TYPE_CHECKING:
    from graphcore.engine.native.run import Machine, Prepared


_ENOUGH = 256  # cycles that show how much the fused part takes


class Joint:
    """The parts of one run's plan.

    Args:
        split: the parts.
        session: the run.
        prepared: what serves all runs.
        handover: hands time and alarms over to a kernel.

    Attributes:
        split: the argument.
        is_looked_behind: whether the fused part has read or assigned an attribute of a node of the
            native part.
    """

    is_looked_behind = False

    def __init__(
        self, split: Split, session: Session, prepared: "Prepared", handover: Handover
    ) -> None:
        self.split = split
        self._session = session
        self._handover = handover
        self._lone = prepared.lone
        self._whole = prepared.stretches[Entry.VARIABLES]
        self._machine: Machine | None = None
        self._has_changed: Callable[[], bool] | None = None
        self._own: dict[str, Any] = {}  # the variables of the fused part
        self._mark: array[int] | None = None  # of the kernel, before cycles not yet run here
        self._begin = 0  # how many cycles had run then
        self._ran = 0  # how many the kernel has run since
        self._followed = self._taken = 0  # cycles in all, and values of the boundary
        self._thread = 0
        self._variables: MutableMapping[str, Any] = {}  # of the whole plan
        self._assigned: dict[str, Any] = {}

    @property
    def has_failed(self) -> bool:
        """Whether a node of the fused part raised, and all nodes have their state."""
        return self.split.part.failed is not None

    # The state

    def add_to(self, variables: MutableMapping[str, Any], session: Session) -> None:
        """Give the whole plan's variables those in which a kernel records."""
        names = self.split.recording
        variables.update({name: [] for name in names.lists})
        variables[names.time], variables[names.first] = session.time, session.first_cycle

    def begin(self, machine: "Machine", variables: Mapping[str, Any]) -> bool:
        """Go on from the variables of the whole plan; the kernel does so as well.

        Returns:
            Whether that is safe: not if both parts may change one object.
        """
        whole, session = self._whole, self._session
        if self.split.is_shared(session.plan, variables, whole):
            return False
        self._machine = machine
        self.split.part.begin(self)
        self._thread = get_ident()
        self._has_changed = machine.translation.surroundings.watch()
        self._own = self.split.part.begin_with(whole, variables, machine.memory.done)
        if not self._lone:
            self._handover.part()
        return True

    def give_to(self, variables: MutableMapping[str, Any]) -> None:
        """Give the state of the fused part to the variables of the whole plan."""
        if "cycle" in self._own:
            self.split.part.give_to(self._whole, variables, self._own)
            self._own = {}
        variables.update(self._assigned)
        self._assigned.clear()

    def settle(self) -> None:
        """Take the kernel back to where the fused part is, if Ctrl-C came in between."""
        if self._mark is None:
            return
        part, done = self.split.part, self._begin
        if part.returned:
            self._own = part.returned["variables"]
            done = self._own["cycle"]
        self._back_to(done)
        self._mark = None

    # Cycles

    def mark(self, done: int) -> None:
        """Note where the kernel is, before a call that follows so many cycles."""
        assert self._machine is not None
        self.split.part.returned = {}
        self._begin, self._mark = done, self._machine.memory.mark()

    def run(self, ran: int, variables: MutableMapping[str, Any]) -> int:
        """Run the fused part of the cycles that the kernel has run since `mark`.

        Args:
            ran: how many these are.
            variables: the variables of the whole plan, which an error gives to the nodes.

        Returns:
            How many of them stand; the kernel is there.
        """
        assert self._machine is not None
        memory, part, session = self._machine.memory, self.split.part, self._session
        rows = self.split.rows(memory, self._begin, ran)
        self._ran, self._variables = ran, variables
        self._followed += ran
        if rows is None:
            self._mark = None
            return ran
        bound = NEVER
        if not self._lone:
            bound = memory.words[TIME] + 1 << session.schedule.bits
        was_interrupted = session.interrupted

        def is_to_end() -> bool:
            # What keeps the session interrupted is answered after each chunk.
            ended = session.ended_by is not None or self.is_looked_behind
            return ended or not was_interrupted

        self._taken += sum(map(len, rows.values))
        part.failed, part.driver.rows = None, rows
        try:
            self._own = part.go(
                session,
                rows.events(),
                self._begin,
                self._own,
                bound,
                is_to_end,
                self._has_changed,
            )
        except BaseException:
            if part.failed is not None:
                self._fail(part.failed, session.cycle, variables)
            raise
        done = part.last = self._own["cycle"]
        alarm = None if self._lone else session.schedule.next_time()
        if (
            done < rows.cycles[-1]
            or (session.interrupted and is_to_end())
            or (alarm is not None and alarm <= memory.words[TIME])
            or (self._has_changed is not None and self._has_changed())
        ):
            ran = done - self._begin
            self._back_to(done)
        part.returned = {}
        self._mark = None
        return ran

    def takes_too_much(self, fewest: int) -> bool:
        """Return whether the fused part takes more values than pays.

        Args:
            fewest: how many nodes the native part has to have for each value of a cycle.
        """
        enough = self._followed >= _ENOUGH
        return enough and fewest * self._taken > self.split.size * self._followed

    # What the fused part does to nodes of the native part

    def is_here(self) -> bool:
        """Return whether the calling thread is the one that runs the fused part."""
        return get_ident() == self._thread

    def read(self, index: int, name: str, done: int) -> Any:
        """Return an attribute of a node of the native part as it was after so many cycles."""
        self._is_seen()
        assert self._machine is not None
        variables = self._variables
        self._back_to(done)
        self._machine.memory.store(variables)
        variables.update(self._assigned)
        self._back_to(self._begin + self._ran)
        if name == "ticked_in":
            return self._whole.tick_of(index, variables, done)
        [kept] = [each for each in self._whole.kept if each.node == index]
        variable = kept.value if name == "value" else dict((*kept.state, *kept.read))[name]
        node = self._session.plan.nodes[index]
        if not variable:
            return own_attribute(node, name)
        value = variables.get(variable, ABSENT)
        if value is ABSENT:
            raise no_value(node)
        return value

    def assign(self, index: int, name: str, value: Any) -> None:
        """Assign an attribute of a node of the native part, after its cycle."""
        self._is_seen()
        [kept] = [each for each in self._whole.kept if each.node == index]
        self._assigned[dict((*kept.state, *kept.read))[name]] = value

    def _is_seen(self) -> None:
        """End after the present cycle: the parts do not go well together."""
        self.is_looked_behind = self._session.interrupted = True

    # The kernel

    def _back_to(self, done: int) -> None:
        """Take the kernel back to where so many cycles have run."""
        assert self._machine is not None and self._mark is not None
        memory = self._machine.memory
        memory.back_to(self._mark)
        if done > self._begin:
            self._machine.code.run(memory.address, done - self._begin)
            assert memory.is_clean
            for name in self.split.recording.lists:  # the rows have run already, or will not run
                memory.forget(name)

    def _fail(self, failed: int, cycle: int, variables: MutableMapping[str, Any]) -> None:
        """Give the nodes of the native part their state, where the fused part has failed.

        Of the cycle in which a node raised, only the nodes before it have run.

        Args:
            failed: the index of the node; past the last one if no node had the turn.
            cycle: the cycle.
            variables: the variables of the whole plan.
        """
        assert self._machine is not None
        memory, session, whole = self._machine.memory, self._session, self._whole
        native = set(range(len(session.plan.nodes))) - self.split.fused
        later = {index for index in native if index > failed}
        if failed < len(session.plan.nodes):
            self._back_to(cycle - 1)
            memory.store(variables)
            session.cycle = cycle - 1
            whole.give_back_some(variables, session, later)
            # Their deques and lists stay as they are now.
            for kept in whole.kept:
                for _, name in (*kept.state, *kept.read) if kept.node in later else ():
                    if type(variables[name]) in (deque, list):
                        variables[name] = copy(variables[name])
        self._back_to(cycle)
        memory.store(variables)
        variables.update(self._assigned)
        if self._lone:
            session.time = whole.feed.time_of(cycle)
        else:
            self._handover.take(memory)
        session.cycle = cycle
        whole.give_back_some(variables, session, native - later)
        self._mark = None
