"""One run: stretches of cycles in Python, and chunks of cycles in a kernel.

A trap never raises. What runs is deterministic, so the chunk starts again from the state that it
began with and stops before the cycle that trapped; Python runs that cycle. Where traps are frequent
Python runs ever longer stretches, up to the rest of the run.
"""

from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence, Set
from copy import copy
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any, TypeVar

from graphcore.engine.fused.backend.emit import Entry
from graphcore.engine.native import kept
from graphcore.engine.native.backend.layout import ROUNDS, Words
from graphcore.engine.native.backend.machine import Code, code_of
from graphcore.engine.native.backend.memory import Memory
from graphcore.engine.native.backend.places import Unfit
from graphcore.engine.native.categories import Categories
from graphcore.engine.native.company import Company, SideBySide
from graphcore.engine.native.feed import Columns, Copied, Feed
from graphcore.engine.native.frontend.keyed import NEW_KEY
from graphcore.engine.native.frontend.records import Shape
from graphcore.engine.native.frontend.translation import Loop, Translation, translate
from graphcore.engine.native.frontend.variables import Variables
from graphcore.engine.native.handover import Handover
from graphcore.engine.native.ir import Block, Body, Reason, Trap
from graphcore.engine.native.parts.joint import Joint
from graphcore.engine.native.parts.split import Split, Splitting
from graphcore.engine.native.stretches import NotBegunError, Stretch
from graphcore.engine.native.warning import warn_once
from graphcore.engine.plan import Plan
from graphcore.engine.run.session import Session

T = TypeVar("T")
Shapes = tuple[Shape, ...]

_MOST_TRANSLATIONS = 20
_FOR_EVER = 1 << 62
# Stop and Ctrl-C are answered between two calls of the kernel, so a call has to be short: within
# 50 ms also where it runs twice, because of a trap.
_LONG = 10_000_000  # ns
_SLOWER = 8  # times: how much longer the cycles of the next call may take than those of the last
_FIRST, _SHORTEST = 1_024, 16
_SOON = 8
# A key's first value is left for Python. That costs as much as 30 cycles in Python do.
_KEYS_APART = 30
_LONGEST_BIRTHS = 256


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run is divided.

    Attributes:
        warm_up: how many cycles run in Python first, so that the variables show their types.
        chunk: how many cycles one call of the kernel runs at most; between two calls the run looks
            at `stop`, Ctrl-C and the questions of other threads.
        apart: how many cycles have to lie between two that are left for Python. To hand one over
            costs 50 to 100 us, as much as machine code saves in 100 to 500 cycles.
        too_often: how many cycles Python has to run in one go because of traps, so that the plan is
            split.
        fewest: how many nodes the native part of a split plan has, besides sources, at least for
            each value that the fused part takes from a cycle. To hand over a value costs as much as
            machine code saves on three maps.
    """

    warm_up: int = 256
    chunk: int = 65_536
    apart: int = 500
    too_often: int = 8
    fewest: int = 3


@dataclass(slots=True)
class Told:
    """What `explain` tells of a run.

    Attributes:
        cycles: how many cycles ran in machine code.
        all: how many cycles ran.
        left: how many cycles were left for Python, by the index of the node and the reason.
        why: why a run, or the rest of it, was not in machine code.
        fused: of a split plan, the nodes of the fused part, each with the reason.
    """

    cycles: int = 0
    all: int = 0
    left: Counter[tuple[int, str]] = field(default_factory=Counter)
    why: str = ""
    fused: Mapping[int, str] = field(default_factory=dict)


class Machine:
    """A kernel that is ready to run."""

    def __init__(self, translation: Translation, code: Code | None = None) -> None:
        self.words = Words(translation.kernel)
        self.translation = translation
        self.memory = Memory(translation, self.words)
        self.code = code or code_of(translation.kernel, self.words)

    @property
    def is_whole(self) -> bool:
        """Whether its statements are here: they are not if another process translated them."""
        return bool(self.translation.kernel.body)

    def another(self) -> "Machine":
        """Return the same kernel with other memory."""
        made = copy(self)
        made.memory = self.memory.another()
        return made


@dataclass(eq=False)
class Prepared:
    """What serves all runs of a graph.

    Attributes:
        stretches: the function for each entry.
        loop: the function's loop.
        lone: whether each event of the only source starts a cycle, and nothing else does.
        machines: the kernels, by the shapes of the sources' values.
        variables: the kinds that were found, by the same.
        size: of how many cycles the next call of a kernel is at most: the last ones were short.
        side_by_side: the kernel for runs side by side, if one was asked for.
        spare: kernels whose memory nobody uses at present.
        categories: the numbers of strings and members of enums.
        splitting: splits the plan; `None` if it is not to be split.
        split: the parts, if it has been split.
        refused: why further runs are fused; empty if they are not.
    """

    stretches: dict[Entry, Stretch]
    loop: Loop
    lone: bool
    machines: dict[Shapes, Machine] = field(default_factory=dict)
    variables: dict[Shapes, Variables] = field(default_factory=dict)
    size: int = _FIRST
    side_by_side: SideBySide | None = None
    spare: list[Machine] = field(default_factory=list)
    categories: Categories = field(default_factory=Categories)
    splitting: Splitting | None = None
    split: Split | None = None
    refused: str = ""

    @property
    def text(self) -> Loop:
        """The loop that kernels run: that of the native part, if the plan has been split."""
        return self.loop if self.split is None else self.split.loop

    def split_at(self, leaving: Mapping[int, str]) -> str:
        """Move nodes to the fused part, those that are there already among them.

        Args:
            leaving: the nodes, each with the reason.

        Returns:
            Why there is no use in that; empty if it has been done.
        """
        if self.splitting is None:
            return "the plan is not to be split"
        found = self.splitting.at({**leaving, **(self.split.why if self.split else {})})
        if isinstance(found, str):
            return found
        self._forget_machines()
        self.split = found
        return ""

    def join_again(self, why: str) -> None:
        """Have no parts from now on."""
        self._forget_machines()
        self.split, self.splitting, self.refused = None, None, why

    def _forget_machines(self) -> None:
        for machine in self.machines.values():
            machine.memory.end()
        self.machines.clear()
        self.variables.clear()
        self.spare.clear()

    def put_aside(self, shapes: Shapes) -> Machine:
        """Return the kernel for these shapes for one run's own use: others get another memory."""
        machine = self.machines[shapes]
        self.spare = [each for each in self.spare if each.translation is machine.translation]
        self.machines[shapes] = self.spare.pop() if self.spare else machine.another()
        return machine


class Run:
    """One run.

    Args:
        prepared: what serves all runs.
        session: the run.
        feed: the events of its sources.
        handover: hands time and alarms over to a kernel.
        pace: how it is divided.
        company: the runs that may run side by side with it.

    Attributes:
        prepared: the argument.
        is_first: whether no run of this graph has had a kernel before: it runs longer in Python.
        size: of how many cycles the next call of the kernel is at most.
        told: what `explain` tells of it.
        common: the nodes that ran once for it and those beside it; `None` if it ran alone.
    """

    def __init__(
        self,
        prepared: Prepared,
        session: Session,
        feed: Feed,
        handover: Handover,
        pace: Pace,
        company: Company | None = None,
    ) -> None:
        self.prepared = prepared
        self._company = company if prepared.split is None else None
        self._own: Machine | None = None  # a kernel that it has put aside
        self._has_waited = False
        self._session = session
        self._feed = feed
        self._handover = handover
        for stretch in prepared.stretches.values():
            stretch.take(session.plan)
            stretch.feed_to(feed)
        self._pace = pace
        self.size = min(pace.chunk, prepared.size)
        self._variables: MutableMapping[str, Any] | None = None
        self._done = 0
        self._machine: Machine | None = None  # it holds the state, instead of the variables
        # How many cycles are to run in Python. If there is a kernel, the types are likely known.
        self.is_first = not prepared.machines
        self._left = pace.warm_up if self.is_first else min(_SOON, pace.warm_up)
        self._patience = 1
        self._last_trap = 0
        self._joint = None if prepared.split is None else self._joined(prepared.split)
        self._keys = -1  # how many keys the kernel held at the last trap
        self._translations = 0
        self.told = Told()
        self.common: tuple[str, ...] | None = None
        if self._joint is not None:
            self.told.fused = self._joint.split.why

    @property
    def has_state(self) -> bool:
        """Whether each node has the attributes that the fused function reads."""
        return not self.prepared.stretches[Entry.START].without_state()

    def warm_up(self) -> bool:
        """Run the first cycles in Python, and have a kernel of its own hold the state.

        Returns:
            Whether it does. If not, the run cannot stand beside others; `run` goes on with either.
        """
        self._has_waited = True
        return self._answering_for_state(self._to_kernel)

    def run(self) -> None:
        """Run all cycles, or all that are left."""
        if self._has_waited:
            self._take_stretches()
        self._answering_for_state(self._to_end)
        self._give_back()
        self.prepared.size = self.size
        if self._own is not None:
            self.prepared.spare.append(self._own)
        self._session.end_at(self._feed.following)

    def _answering_for_state(self, cycles: Callable[[], T]) -> T:
        """Run cycles; if something is raised, give the nodes their state first."""
        try:
            return cycles()
        except NotBegunError as error:
            self._give_back()
            cause = error.__cause__
            assert cause is not None
            raise cause from None
        except BaseException:
            if self._is_left_open():
                self._give_back()
            raise

    def _to_end(self) -> None:
        while self._feed.advance(self._done):
            if not self._chunk():
                break
        if self._variables is None:
            self._in_python(())

    def _to_kernel(self) -> bool:
        feed, session = self._feed, self._session
        while self._left < _FOR_EVER and feed.advance(self._done):
            wanted = self._left
            ran = self._in_python(feed.cycles(self._done, wanted))
            self._left -= ran
            columns = feed.columns()
            if ran < wanted or session.interrupted or columns is None:
                return False
            shapes = tuple(each.shape for each in columns)
            if self._enter(shapes):
                self._own = self.prepared.put_aside(shapes)
                return True
        return False

    def _is_left_open(self) -> bool:
        """Return whether Ctrl-C came outside of the fused function, so the state is still here."""
        if self._machine is not None:
            return True
        stretch = self._current()
        if stretch.returned:
            self._variables = stretch.returned["variables"]
            self._done = self._variables.get("cycle", self._done)
            return True
        return False

    def _current(self) -> Stretch:
        entry = Entry.START if self._variables is None else Entry.VARIABLES
        return self.prepared.stretches[entry]

    # The state

    def _take(self) -> None:
        """Take the state from the kernel's memory into the variables."""
        machine = self._machine
        if machine is None:
            return
        if self._joint is not None:
            self._joint.settle()
        if not machine.memory.is_clean:
            machine.memory.restore()
        assert self._variables is not None
        machine.memory.store(self._variables)
        if self._joint is not None:
            self._joint.give_to(self._variables)
        if not self.prepared.lone:
            self._handover.take(machine.memory)
        self._done = machine.memory.done
        self._variables["cycle"] = self._done
        self._machine = None

    def _take_for_parameters(self) -> None:
        """Take the state, but leave the parameters as they have been read anew."""
        assert self._variables is not None
        anew = dict(self._variables)
        self._take()
        for name in self.prepared.text.text.read:
            self._variables[name] = anew[name]

    def _give_back(self) -> None:
        """Give the nodes their state."""
        self._take()
        self.told.all = self._done
        assert self._variables is not None
        stretch = self.prepared.stretches[Entry.VARIABLES]
        stretch.give_back(self._variables, self._session, self._done)

    # Cycles

    def _chunk(self) -> bool:
        """Run the cycles whose events have been read; return whether the run goes on."""
        feed, session = self._feed, self._session
        while (left := feed.left(self._done)) > 0:
            if session.interrupted:
                if self._variables is not None:
                    self._give_back()
                if session.answer():
                    return False
            columns = feed.columns() if self._left <= 0 else None
            if columns is None:
                wanted = min(left, self._left if self._left > 0 else _FOR_EVER)
                self._take()
                ran = self._in_python(feed.cycles(self._done, wanted))
                self._left -= ran
                if session.ended_by is not None:
                    return False
                if ran < wanted:
                    return True
            else:
                ready = min(left, feed.count) if feed.lone else left
                goes_on = ready > 0
                if goes_on and self._enter(tuple(each.shape for each in columns)):
                    goes_on = self._in_kernel(columns, min(ready, self.size))
                if not goes_on:
                    if not feed.fails:
                        break
                    self._left = _FOR_EVER
        if not feed.lone:
            self._take()  # because the feed asks for the next alarm
        return True

    def _in_python(self, events: Any) -> int:
        """Run cycles in Python; return how many there were."""
        session, stretch, before = self._session, self._current(), self._done
        self._variables = stretch.go(session, events, self._done, self._variables)
        if self._joint is not None:
            self._joint.add_to(self._variables, session)
        self._done = self._variables.get("cycle", self._done)
        stretch.returned = {}
        return self._done - before

    # Kernels

    def _enter(self, shapes: Shapes) -> bool:
        """Have the kernel for these shapes of values hold the state; return whether it does."""
        assert self._variables is not None
        if self.prepared.stretches[Entry.VARIABLES].read_anew(self._variables):
            self._take_for_parameters()
        machine = self.prepared.machines.get(shapes)
        if machine is not None and self._company is not None and not machine.is_whole:
            machine = None  # to run side by side needs its statements
        if machine is not None and self._machine is machine:
            try:
                if machine.translation.surroundings.hold(self._variables):
                    machine.memory.load_inputs()
                    return True
            except Unfit:
                pass
        self._take()
        while True:
            try:
                if machine is None:
                    raise Unfit
                if not machine.translation.surroundings.hold(self._variables):
                    # Other functions and classes make values of other kinds.
                    self.prepared.variables.pop(shapes, None)
                    raise Unfit
                machine.memory.load(self._variables, self._done)
                if not self.prepared.lone:
                    self._handover.give(machine.memory)
                machine.memory.load_inputs()
                if self._joint is not None and not self._joint.begin(machine, self._variables):
                    self.told.why = "both parts of the plan may change the same object"
                    self._left = _FOR_EVER
                    return False
            except Unfit:
                if self._done < self._pace.warm_up:
                    # A variable has no value yet, or an early one of another type.
                    self._left = min(3 * self._done, self._pace.warm_up - self._done)
                    return False
                machine = self._made(shapes)
                if machine is None:
                    self._left = _FOR_EVER
                    return False
                continue
            self._machine = machine
            return True

    def _made(self, shapes: Shapes) -> Machine | None:
        """Return a kernel for the present variables; `None` if there is no use in one."""
        assert self._variables is not None
        self._translations += 1
        if self._translations > _MOST_TRANSLATIONS:
            self.told.why = "the types of its values kept changing"
            return None
        prepared = self.prepared
        variables = prepared.variables.setdefault(shapes, Variables(prepared.categories))
        # To run side by side needs the statements, which are not kept.
        text, key = prepared.text.text, None
        if self._company is None:
            key = kept.key_of(text, variables, self._variables, shapes)
        if key is not None:
            machine = self._kept(key, variables)
            if machine is not None:
                prepared.machines[shapes] = machine
                return machine
        translation = translate(prepared.text, variables, self._variables, shapes)
        trap = _first_trap(translation.kernel.body)
        if trap is not None:
            reason = translation.kernel.reasons[trap]
            if self._split_at(self._owner_at(reason.line), reason.text):
                return self._made(shapes)
            self.told.why = f"each cycle is left for Python, because of {reason.text}"
            return None
        try:
            machine = Machine(translation)
        except Exception as error:  # LLVM or the C library lacks something on this machine
            self.told.why = f"its machine code cannot be made: {error}"
            warn_once(error)
            return None
        if key is not None and machine.code.asked == 1:
            # Further graphs of its shape are left out, because they differ in serial numbers, and
            # a process may make thousands.
            kept.keep(key, translation, machine.code.name)
        prepared.machines[shapes] = machine
        return machine

    def _kept(self, key: str, variables: Variables) -> Machine | None:
        """Return a kernel that this or another process has made for the same."""
        assert self._variables is not None
        found = kept.find(key, self.prepared.text.text, variables, self._variables)
        return None if found is None else Machine(*found)

    def _in_kernel(self, columns: Sequence[Columns], wanted: int) -> bool:
        """Run cycles in the kernel; return whether there may be more of them before `until`."""
        machine, feed = self._machine, self._feed
        assert machine is not None
        memory, code = machine.memory, machine.code
        if not feed.lone:
            self._handover.limit(memory, feed)
        if self._company is not None and feed.lone:
            company, self._company = self._company, None
            if company.pays(self):
                self._join(company, tuple(each.shape for each in columns))
                return True
        memory.begin(self._done, [(each.times, each.values, each.length) for each in columns])
        joint = self._joint
        if joint is not None:
            joint.mark(self._done)
        began = perf_counter_ns()
        ran: int = code.run(memory.address, wanted)
        if memory.is_clean:
            self.adapt(perf_counter_ns() - began, ran)
            if joint is not None and self._joins(joint, ran, wanted):
                return True
            self.count_in(ran)
            return ran == wanted > 0
        reason = memory.reason
        memory.restore()
        if ran:
            code.run(memory.address, ran)
            assert memory.is_clean
        if joint is not None and self._joins(joint, ran, ran):
            return True
        if ran:
            self.count_in(ran)
        reasons = machine.translation.kernel.reasons
        if reason <= ROUNDS:
            if ran:
                self.size = max(ran // 2, _SHORTEST)
                return True
            why = Reason("a loop of very many rounds", reasons[ROUNDS - reason].line)
        elif reason < 0:
            memory.grow(-1 - reason)
            return True
        else:
            why = reasons[reason]
        owner = self._owner_at(why.line)
        self.told.left[owner, why.text] += 1
        keys, self._keys = self._keys, memory.keys
        self._wait_in_python(why.text == NEW_KEY and memory.keys > keys)
        if self._patience > self._pace.too_often and self._split_at(owner, why.text):
            self._left = self._patience = 1
        return True

    # The parts of a split plan

    def _joined(self, split: Split) -> Joint:
        self._handover.fused = split.fused
        split.part.feed_to(self._feed)
        return Joint(split, self._session, self.prepared, self._handover)

    def _join_again(self, why: str) -> None:
        """Run the whole plan in Python from now on."""
        self._take()
        self.prepared.join_again(why)
        self._joint = None
        self._handover.fused = frozenset()
        self.told.why, self.told.fused = why, {}
        self._left = _FOR_EVER

    def _split_at(self, owner: int, why: str) -> bool:
        """Move a node to the fused part, if that is of use; return whether it is there now."""
        prepared = self.prepared
        if owner < 0 or self._company is not None:
            return False
        self._take()
        if prepared.split_at({owner: f"it is left for Python: {why}"}):
            return False
        assert prepared.split is not None and self._variables is not None
        self._joint = self._joined(prepared.split)
        self._joint.add_to(self._variables, self._session)
        self.told.fused = prepared.split.why
        self.told.left.clear()
        return True

    def _owner_at(self, line: int) -> int:
        """Return the node to which a line of a kernel's text belongs, or -1."""
        split = self.prepared.split
        return self._current().owner_at(line) if split is None else split.owners[line - 1]

    def _joins(self, joint: Joint, ran: int, wanted: int) -> bool:
        """Run the fused part of cycles that the kernel has run.

        Returns:
            Whether it has ended before them, and the kernel has been taken back to there; or
            whether one of its alarms keeps the kernel from running on.
        """
        assert self._variables is not None
        try:
            stands = joint.run(ran, self._variables)
        except BaseException:
            if joint.has_failed:
                self._machine, self.told.all = None, self._session.cycle
            raise
        if joint.is_looked_behind or joint.takes_too_much(self._pace.fewest):
            self.count_in(stands)
            self._join_again(
                "the fused part looked at nodes of the native part"
                if joint.is_looked_behind
                else "the native part was too small for what the fused part took from it"
            )
            return True
        if stands < ran:
            self.size = max(stands, _SHORTEST)
        elif ran == wanted or self._feed.lone or self._session.schedule.next_time() is None:
            return False
        self.count_in(stands)
        self._wait_in_python()
        return True

    def _wait_in_python(self, for_key: bool = False) -> None:
        """Have Python run the next cycles.

        Cycles that trap one soon after the other are better run in Python.

        Args:
            for_key: whether a new key is the reason.
        """
        between = self._done - self._last_trap
        self._last_trap = self._done
        if for_key:
            # New keys get rarer: to look often whether they are costs less than to wait too long.
            frequent, most = between < self._patience + _KEYS_APART, _LONGEST_BIRTHS
        else:
            frequent, most = between < max(4 * self._patience, self._pace.apart), _FOR_EVER
        self._patience = min(2 * self._patience, most) if frequent else 1
        self._left = self._patience

    def count_in(self, ran: int) -> None:
        """Count cycles that the kernel has run, and the events that these took."""
        memory = self.machine.memory
        self._done = memory.done
        self.told.cycles += ran
        taken = [ran] if self._feed.lone else memory.given_out()
        for each, count in zip(self._feed.incoming, taken, strict=True):
            each.place += count

    def adapt(self, took: int, ran: int) -> None:
        """Choose the size of the next call by how many ns the last one took for some cycles."""
        if took > _LONG:
            self.size = max(self.size // 2, _SHORTEST)
        elif ran == self.size and 2 * took * _SLOWER < _LONG:
            self.size = min(2 * self.size, self._pace.chunk)

    # Side by side with other runs

    @property
    def machine(self) -> Machine:
        """The kernel that holds the state."""
        assert self._machine is not None
        return self._machine

    @property
    def plan(self) -> Plan:
        """What is run."""
        return self._session.plan

    def nodes_besides(self, varying: Set[str]) -> tuple[str, ...]:
        """Return the nodes whose value is none of these variables of the kernel."""
        values = self.prepared.stretches[Entry.VARIABLES].values
        held = {_variable(name) for name in self.machine.translation.kernel.variables}
        held.difference_update(map(_variable, varying))
        nodes = enumerate(self.plan.nodes)
        return tuple(node._name or node.operator for index, node in nodes if values[index] in held)

    @property
    def events(self) -> int:
        """How many events are to come, as far as they have been read."""
        return self._feed.count

    @property
    def left(self) -> int:
        """How many cycles may run in the kernel."""
        return min(self._feed.left(self._done), self._feed.count)

    @property
    def is_interrupted(self) -> bool:
        """Whether the run has been told to end, or another thread asks something."""
        return self._session.interrupted

    def can_stand_beside(self, other: "Run") -> bool:
        """Return whether both have the same kernel, are as far, and have windows of one length."""
        mine, others = self.machine, other.machine
        [incoming], [theirs] = self._feed.incoming, other._feed.incoming
        return (
            mine.translation is others.translation
            and (self._done, incoming.place) == (other._done, theirs.place)
            and mine.memory.is_shaped_as(others.memory)
        )

    def copied(self) -> Copied:
        """Go on with a private copy of the events, and return it."""
        [incoming] = self._feed.incoming
        return incoming.copied()

    def shares(self, copied: Copied) -> bool:
        """Go on with another run's copy of the events if it has the same; return whether it has."""
        [incoming] = self._feed.incoming
        return incoming.shares(copied)

    @property
    def has_all_events(self) -> bool:
        """Whether all events have been read."""
        return self._feed.has_all

    def begin(self, memory: Memory | None = None) -> Memory:
        """Prepare its memory, or the one given, for a call of a kernel, and return it."""
        memory = memory or self.machine.memory
        columns = self._feed.columns()
        assert columns is not None
        memory.begin(self._done, [(each.times, each.values, each.length) for each in columns])
        return memory

    def _join(self, company: Company, shapes: Shapes) -> None:
        self._own = self.prepared.put_aside(shapes)
        try:
            company.join(self)
        finally:
            self._take_stretches()

    def _take_stretches(self) -> None:
        """Take the fused function back, which in the meantime has served other runs."""
        for entry, stretch in self.prepared.stretches.items():
            # One of them only begins a run.
            if entry is Entry.VARIABLES or self._variables is None:
                stretch.take(self._session.plan)
                stretch.feed_to(self._feed)
                stretch.returned = {}


def _variable(slot: str) -> str:
    """Return the variable of Python to which one of the kernel belongs."""
    return slot.partition(":")[0].partition(".")[0]


def _first_trap(body: Body) -> int | None:
    """Return the reason for which each cycle traps, if there is one."""
    for each in body:
        if isinstance(each, Trap):
            return each.reason
        if isinstance(each, Block):
            found = _first_trap(each.body)
            if found is not None:
                return found
    return None
