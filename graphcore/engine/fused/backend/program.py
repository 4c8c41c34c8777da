"""Pass 12, and a run: compile the text, run it, and give the nodes their state back.

However a run ends, the nodes are left as the interpreted tier would have left them: `Program` reads
the variables from the function's frame, and the line at which the function stopped tells which
nodes of a block had run. An error gains the note of the node to which its line belongs (R11).
"""

import builtins
import dis
import itertools
import linecache
import re
import sys
import time
import weakref
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from functools import cached_property, partial
from heapq import heapify, heappop, heappush
from types import CodeType, FunctionType, TracebackType
from typing import Any

from graphcore.engine.collector import without_collections
from graphcore.engine.fused.analysis.tests import Placed, PlacedBlock
from graphcore.engine.fused.backend.drivers import NEVER, RunDriver
from graphcore.engine.fused.backend.events import FAILED
from graphcore.engine.fused.backend.layout import Layout
from graphcore.engine.fused.backend.lines import Lines
from graphcore.engine.fused.backend.live import Live, attributes_of, variables_of
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.interpreted import step_with_outputs
from graphcore.engine.notes import noted
from graphcore.engine.plan import Plan
from graphcore.engine.run.seen import Seen, value_of
from graphcore.engine.run.session import Session
from graphcore.engine.withheld import Step, Withholding, steps_of
from graphcore.node import no_value
from graphcore.parsing import without_warnings
from graphcore.subgraph import ABSENT

_numbers = itertools.count(1)
_QUOTED = re.compile(r"'(\w+)'")


class Program:
    """A plan compiled for one driver.

    Args:
        plan: what is run.
        nodes: its nodes.
        placed: the nodes and blocks with their tests.
        layout: the function's variables.
        driver: the loop that begins the cycles.
        text: the function's text.

    Attributes:
        namespace: the function's globals.
    """

    def __init__(
        self,
        plan: Plan,
        nodes: Sequence[NodeIR],
        placed: Placed,
        layout: Layout,
        driver: RunDriver,
        text: Lines,
    ) -> None:
        self._plan = plan
        self._nodes = nodes
        self._layout = layout
        self._driver = driver
        self._owners = text.owners
        self._begins = driver.begins
        self._flag_of: dict[int, tuple[str | None, int, int]] = {
            kept.node: ("", -1, -1) for kept in layout.kept
        }
        self._flag_of |= {
            index: (None if flag is None else layout.flags[flag], first, last)
            for index, (flag, first, last) in flags_of(placed.top).items()
        }
        self._flags_of_first = {
            index: self._flag_of[index][0] or ""
            for each in layout.branches
            for index in each.alike.members[each.alike.first]
        }
        in_branches = frozenset(
            index
            for each in layout.branches
            for members in each.alike.members.values()
            for index in members
        )
        self._kept = [kept for kept in layout.kept if kept.node not in in_branches]
        self._held = [
            (kept.node, frozenset(name for name, _ in (*kept.state, *kept.read)))
            for kept in layout.kept
            if kept.state or kept.read
        ]
        self._readers = {kept.value: kept for kept in layout.kept if kept.value}
        self._readers |= {kept.working: kept for kept in layout.kept if kept.working}
        self._live = Live(plan.nodes, nodes, layout, self._ticked_in, self._owner_at)
        self._lines = str(text).splitlines(True)
        self.namespace: dict[str, Any] = {
            "current_frame": sys._getframe,
            "heapify": heapify,
            "heappop": heappop,
            "heappush": heappush,
            "absent": ABSENT,
            "failed": FAILED,
            "monotonic": time.monotonic_ns,
            "never": NEVER,
            "__builtins__": vars(builtins),
            **layout.constants,
            **self._symbols(),
        }

    @cached_property
    def _run(self) -> FunctionType:
        source, name = "".join(self._lines), f"<graphcore {next(_numbers)}>"
        with without_warnings():
            code: CodeType = compile(source, name, "exec", dont_inherit=True)
        exec(code, self.namespace)
        linecache.cache[name] = (len(source), None, self._lines, name)
        weakref.finalize(self, linecache.cache.pop, name, None)
        function: FunctionType = self.namespace.pop("run")
        return function

    def compile(self) -> None:
        """Compile the function now; otherwise its first run does.

        Raises:
            SyntaxError, RecursionError, MemoryError: if CPython cannot compile the text.
        """
        self._live.prepare()
        _ = self._run

    def take(self, plan: Plan) -> None:
        """Take the nodes of another graph of this shape, between two runs."""
        if plan is self._plan:
            return
        self._plan = plan
        self.namespace.update(self._symbols())
        self._live.take(plan.nodes)

    def _symbols(self) -> dict[str, Any]:
        """Return the objects around the nodes that other graphs of this shape have of their own."""
        nodes = self._plan.nodes
        symbols = self._layout.symbols.items()
        return {name: symbol.of(nodes[symbol.node]) for name, symbol in symbols}

    @property
    def code(self) -> CodeType:
        """The code of the function."""
        return self._run.__code__

    def owners_of(self, line: int | None) -> Sequence[int]:
        """Return the indices of the nodes whose cycles a line of the function runs, -1 for none."""
        if line is None or line > len(self._owners):
            return (-1,)
        owner = self._owners[line - 1]
        for each in self._layout.branches:
            if owner in each.alike.members[each.alike.first]:
                return each.owners(owner)
        return (owner,)

    @property
    def source(self) -> str:
        """The text of the function."""
        return "".join(self._lines).rstrip()

    def without_state(self) -> dict[int, str]:
        """Return why a node is called, for each that lacks an attribute that the function reads."""
        nodes = self._plan.nodes
        return {
            index: f"its cycle uses {name}, which was missing when a run started"
            for index, names in self._held
            for name in sorted(names.difference(attributes_of(nodes[index])))
            if not hasattr(nodes[index], name)
        }

    def run(self, session: Session) -> None:
        """Run the nodes until the session is over."""
        plan, steps = self._plan, self._steps(session)
        instead: Exception | None = None
        returned: dict[str, Mapping[str, Any]] = {}
        try:
            with without_collections():
                attributes = self._attributes()
                given = (session, attributes, session.states, steps, self._live)
                more = self._driver.given(session, plan.nodes)
            # `defaultdict` calls and stores atomically, so Ctrl-C cannot lose the result.
            returned = defaultdict(partial(self._run, *given, *more))
            self._finish(returned["variables"], session)
        except BaseException as error:
            if returned:
                self._finish(returned["variables"], session)
                raise
            instead = self._fail(error, session)
            if instead is None:
                raise
        finally:
            self._live.end()
        if instead is not None:
            raise instead  # outside the `except`, so that the error has no other as its context

    def _steps(self, session: Session) -> dict[int, Step]:
        """Return what to call for each node that is called."""
        plan = self._plan
        called = ((index, plan.nodes[index]) for index in self._layout.steps)
        return {
            index: step_with_outputs(plan, index, step, session)
            for index, step in steps_of(called, session.withheld).items()
        }

    def look(self, session: Session, indices: Sequence[int]) -> Seen | None:
        """Look at the nodes between two cycles; return `None` if the function does not run.

        The variables are read once, because that takes as long as there are many.
        """
        now = self._live.now()
        if now is None:
            return None
        variables, line = self._live.readable(now[0]), now[1]
        cycle, time = self._driver.moment(session, variables)
        if self._begins and line <= self._begins:  # it asks before it begins a cycle
            cycle = max(cycle - 1, 0)
        ticked_in: list[int] = []
        values: list[Any] = []
        for index in indices:
            node, kept = self._plan.nodes[index], self._live.kept_at(index)
            flag = self._flag_of[index][0] if index in self._flag_of else ""
            if kept is None or index in self._live.mirrored:
                ticked_in.append(node.ticked_in)
            else:
                ticked_in.append(cycle if flag is None else variables.get(flag, 0))
            if kept is None or not kept.value:
                values.append(value_of(node))
            else:
                values.append(variables.get(kept.value, ABSENT))
        return Seen(cycle, time, ticked_in, values)

    def _attributes(self) -> list[dict[str, Any]]:
        """Return the nodes' `__dict__`s, completed with the defaults from their classes."""
        nodes = self._plan.nodes
        attributes = list(map(attributes_of, nodes))
        defaults = self._live.defaults = {}
        for index, names in self._held:
            for name in names.difference(attributes[index]):
                value = defaults[index, name] = getattr(nodes[index], name)
                attributes[index] = {**attributes[index], name: value}
        return attributes

    def end(self) -> None:
        """Give the nodes their classes back, in case Ctrl-C interrupted the end of the last run."""
        self._live.end()

    def _finish(self, variables: Mapping[str, Any], session: Session) -> None:
        """Write the function's final variables to the session and the nodes."""
        self._driver.finish(session, variables)
        self._give_back(variables, session, len(self._nodes))

    # After an error

    def _fail(self, error: BaseException, session: Session) -> Exception | None:
        """Write the nodes' state back after an error, and add the note of the node that failed.

        Returns:
            The error to raise instead, if there is one: a `NoValueError` if the error came from
            reading a value that a node does not have, or what the node itself makes of it.
        """
        found = entry_of(self._run.__code__, error.__traceback__)
        if found is None:
            return None
        traceback, last = found
        frame = traceback.tb_frame
        # Some instructions belong to no line.
        line = traceback.tb_lineno or len(self._owners) + 1
        missing: Exception | None = None
        unbound = self._unbound(error, traceback) if last else None
        if unbound is not None:
            name, line = unbound
            node = self._plan.nodes[self._readers[name].node]
            missing = no_value(node).with_traceback(error.__traceback__)
        variables = variables_of(frame)
        owner = self._owner_at(line, variables)
        self._driver.tell(session, variables)
        if self._driver.replaced and line == self._begins:
            if isinstance(error, Exception):
                session.cycle += 1  # the cycle of the event that the source failed to give
            else:
                owner = -1
        elif self._begins and owner < 0 and line <= self._begins:
            session.cycle = max(session.cycle - 1, 0)
        self._give_back(variables, session, owner if owner >= 0 else len(self._nodes))
        if owner >= 0 and isinstance(error, Exception):
            self._live.end()  # after the write-back, because the note shows the nodes' values
            raised = noted(missing or error, self._plan, owner, session)
            return None if raised is error else raised
        return missing

    def _unbound(self, error: BaseException, traceback: TracebackType) -> tuple[str, int] | None:
        """Return the value's variable that was read before it was bound, and the line of the read.

        Args:
            error: what the function raised.
            traceback: the traceback's entry for the function.
        """
        for each in self._layout.branches:
            name = each.unset(error)
            if name in self._readers:
                return name, traceback.tb_lineno
        return unbound_in(error, traceback, self._readers)

    def _owner_at(self, line: int | None, variables: Mapping[str, Any]) -> int:
        """Return the index of the node to which a line belongs, or -1.

        Args:
            line: the line.
            variables: the function's variables: they tell which branch runs a text that several
                share.
        """
        if line is None or line > len(self._owners):
            return -1
        owner = self._owners[line - 1]
        for each in self._layout.branches:
            owner = each.owner(owner, variables)
        return owner

    # The nodes' state

    def _give_back(
        self,
        variables: Mapping[str, Any],
        session: Session,
        failed: int,
        only: Container[int] | None = None,
    ) -> None:
        """Give the nodes their values, their state and the cycle of their last tick.

        Args:
            variables: the function's variables.
            session: the run.
            failed: the index of the node at which the function stopped; past the last node if it
                stopped between cycles.
            only: the indices of the nodes that get it; by default all.
        """
        nodes, cycle, live = self._plan.nodes, session.cycle, self._live
        with live.lock:
            # Another thread may have assigned variables since the function returned.
            variables = live.readable(live.variables() or variables)
            whole = failed == len(nodes)
            withheld: dict[int, Any] = {}
            for branches in self._layout.branches:
                told = branches.nodes(variables, self._flags_of_first)
                for index, value, state, ticked_in in told:
                    own = attributes_of(nodes[index])
                    if value is not ABSENT:
                        own["value"] = value
                    if live.defaults:
                        state = (each for each in state if not live.is_default(index, *each))
                    own.update(state)
                    own["ticked_in"] = (
                        ticked_in
                        if whole and ticked_in is not None
                        else self._tick_of(index, variables, cycle, failed)
                    )
            for index, value, working, state, *_ in self._kept:
                if only is not None and index not in only:
                    continue
                own = attributes_of(nodes[index])
                # A failing cycle leaves its node as it is, even with a value that it set without
                # ticking.
                name = value if index != failed else working
                if name in variables and variables[name] is not ABSENT:
                    own["value"] = variables[name]
                if working != value and working in variables:
                    withheld[index] = variables[working]
                for attribute, name in state:
                    # An interrupt may come before the first line has read it.
                    if name in variables and not live.is_default(index, attribute, variables[name]):
                        own[attribute] = variables[name]
                flag = self._flag_of[index][0] if whole else None
                # Not by a call where a variable tells: there may be 100,000 nodes.
                own["ticked_in"] = (
                    variables.get(flag, 0)
                    if flag is not None
                    else self._tick_of(index, variables, cycle, failed)
                )
            live.end()
            for index, set_last in withheld.items():
                session.withheld[index] = Withholding(nodes[index], set_last)

    def _ticked_in(self, index: int, variables: Mapping[str, Any], owner: int) -> int:
        """Return in which cycle a node last ticked, while the function is at a line of `owner`."""
        cycle = variables.get("cycle", 0)
        return self._tick_of(index, variables, cycle, owner if owner >= 0 else len(self._nodes))

    def _tick_of(self, index: int, variables: Mapping[str, Any], cycle: int, at: int) -> int:
        """Return in which cycle a node last ticked.

        A block sets one flag for all nodes that tick with it, at its end. Until then, the nodes
        before the running one have already ticked in this cycle.

        Args:
            index: the node.
            variables: the function's variables.
            cycle: the present cycle.
            at: the index of the running node; past the last node if none is running.
        """
        flag, first, last = self._flag_of[index]
        if flag is None:  # it ticks in every cycle
            return cycle if index < at else cycle - 1
        if first <= at <= last and index < at:
            return cycle
        return int(variables.get(flag, 0))


def unbound_in(
    error: BaseException, traceback: TracebackType, readers: Container[str]
) -> tuple[str, int] | None:
    """Return the value's variable that was read before it was bound, and the line of the read.

    CPython may report the line before the read, because it joins an assignment and a following
    read into one instruction. A `raise` in the user's code is recognized by its instruction.

    Args:
        error: what the function raised.
        traceback: the traceback's entry for the function.
        readers: the variables of values.
    """
    match = _QUOTED.search(str(error)) if type(error) is UnboundLocalError else None
    if match is None or match[1] not in readers:
        return None
    line = traceback.tb_lineno
    for each in dis.get_instructions(traceback.tb_frame.f_code):
        if each.offset < traceback.tb_lasti:
            continue
        if each.opname == "RAISE_VARARGS":
            return None
        if each.positions is not None and each.positions.lineno is not None:
            line = each.positions.lineno
        names = each.argval if isinstance(each.argval, tuple) else (each.argval,)
        if "LOAD_FAST" in each.opname and match[1] in names:
            return match[1], line
        if each.offset > traceback.tb_lasti + 8:
            break
    return match[1], traceback.tb_lineno


def entry_of(code: CodeType, traceback: TracebackType | None) -> tuple[TracebackType, bool] | None:
    """Return the traceback's entry for a function, and whether it is the last entry."""
    while traceback is not None:
        if traceback.tb_frame.f_code is code:
            return traceback, traceback.tb_next is None
        traceback = traceback.tb_next
    return None


_Flagged = tuple[int | None, int, int]


def flags_of(block: PlacedBlock) -> dict[int, _Flagged]:
    """Return for each node whose flag tells its ticks, and the first and last node of its block.

    A node that ticks in some of its cycles has a flag of its own and needs no block. A flag of
    `None` means every cycle.
    """
    found: dict[int, _Flagged] = {}
    _find_flags(block, found)
    return found


def _find_flags(block: PlacedBlock, found: dict[int, _Flagged]) -> int:
    """Add the nodes of a block; return the index of the last node in it."""
    last = block.first
    for item in block.items:
        if isinstance(item, PlacedBlock):
            last = max(last, _find_flags(item, found))
            continue
        if not item.is_output:
            last = max(last, item.index)
        if item.sets_flag:
            found[item.index] = item.index, -1, -1
        if item.dependants is not None:
            last = max(last, _find_flags(item.dependants, found))
    for index in block.flag_of:
        found[index] = block.counter, block.first, last
    return last
