"""Compiled sub-graphs: one generator function for each shape, one generator for each sub-graph.

The generator holds the values and the state of the sub-graph's nodes in its local variables. Each
cycle of the sub-graph resumes it once: it takes what starts the cycle and gives the root's value
back. What differs between sub-graphs of one shape is an argument.

A closure with `nonlocal` variables and a function with its state in a list took as long (CPython
3.11, an average and a threshold for each key). A generator has the text of a whole graph's
function, and its variables can be read, to go on with the nodes in another way.
"""

import itertools
import linecache
import weakref
from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from heapq import heappop, heappush
from types import FunctionType, GeneratorType
from typing import Any, TypeAlias

from graphcore.engine.fused.analysis.tests import Placed
from graphcore.engine.fused.backend.drivers import Driver
from graphcore.engine.fused.backend.emit import emit_subgraph
from graphcore.engine.fused.backend.layout import Layout
from graphcore.engine.fused.backend.lines import Lines
from graphcore.engine.fused.backend.live import attributes_of, variables_of
from graphcore.engine.fused.backend.program import entry_of, flags_of, unbound_in
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.notes import add_subgraph_note, noted
from graphcore.engine.plan import Node, Plan
from graphcore.engine.run.running import RunningSession
from graphcore.node import MutableNode, no_value
from graphcore.parsing import without_warnings
from graphcore.state import GraphState
from graphcore.subgraph import ABSENT, Failed

_numbers = itertools.count(1)

Generator: TypeAlias = "GeneratorType[Any, Any, None]"


class ResumeDriver(Driver):
    """A sub-graph's loop: the owner resumes it for each cycle.

    If only the one inlet can start a cycle, the owner sends the value alone; otherwise the nodes
    that start the cycle, the inlets' values and the time.
    """

    indent = 3

    def __init__(
        self,
        nodes: Sequence[NodeIR],
        layout: Layout,
        inlets: Sequence[int],
        root: int,
        resumable: bool,
        keeps_nodes: bool,
    ) -> None:
        super().__init__(nodes, layout)
        self.inlets = inlets
        self.root = root
        self.resumable = resumable
        self.keeps_nodes = keeps_nodes
        self.replaced = frozenset(inlets)
        self.takes_value = len(inlets) == 1 and self.woken == [*inlets]

    def prologue(self, out: Lines) -> None:
        counts = bool(self.layout.flags or self.layout.cases)
        if counts:
            out.add(1, "cycle = 0")
        out.add(1, "result = absent")
        indent = 1
        if not self.resumable:
            out.add(1, "try:")
            indent = 2
        out.add(indent, "while True:")
        if self.takes_value:
            out.add(indent + 1, f"{self.layout.values[self.inlets[0]]} = yield result")
        else:
            out.add(indent + 1, "woken, given, time = yield result")
        self.begins = len(out)
        if self.takes_value and self.layout.asks_time:
            out.add(indent + 1, "time = session.time")
        if counts:
            out.add(indent + 1, "cycle += 1")
        out.add(indent + 1, "result = absent")
        if self.resumable:
            out.add(indent + 1, "try:")

    def epilogue(self, out: Lines) -> None:
        # Here, because the owner may resume the generator with nothing around it.
        if self.resumable:
            out.add(2, "except Exception as error:")
            out.add(3, "result = failed(error, session, what, nodes, result)")
            return
        out.add(1, "except Exception as error:")
        nodes = "nodes" if self.keeps_nodes else "None"
        out.add(2, f"raised = noted(error, session, what, {nodes})")
        out.add(2, "if raised is error:")
        out.add(3, "raise")
        # Outside the `except`, so that the error has no other as its context.
        out.add(1, "raise raised")

    def due_test(self, index: int) -> str:
        return "True" if self.takes_value else f"{index} in woken"

    def closing_test(self, index: int) -> str:
        # Nodes without a `close` go on here in the closing instant.
        return f"{self.layout.states[index]}.closing"

    def take_event(self, out: Lines, indent: int, index: int) -> None:
        if not self.takes_value:
            value = self.layout.values[index]
            out.add(indent, f"{value} = given[{self.inlets.index(index)}]", index)

    def due_list(self, out: Lines, indent: int) -> None:
        out.add(indent, f"due = {self.inlets}" if self.takes_value else "due = sorted(woken)")

    def ticked(self, out: Lines, indent: int, index: int) -> None:
        if index == self.root:
            out.add(indent, f"result = {self.layout.values[index]}", index)

    def wake(
        self,
        out: Lines,
        indent: int,
        index: int,
        at: str,
        whole: bool,
        keeps_alive: bool = True,
        last: bool = False,
    ) -> None:
        method = "schedule_last" if last else "schedule"
        more = "" if keeps_alive else ", keeps_alive=False"
        out.add(indent, f"{self.layout.states[index]}.{method}({at}{more})", index)


class Compiled:
    """The function of all sub-graphs of one shape.

    Args:
        plan: one of the sub-graphs.
        nodes: its nodes.
        placed: the nodes and blocks with their tests.
        layout: the function's variables.
        driver: its loop.

    Attributes:
        takes_value: whether the generator is sent the value of the one inlet alone.
        resumable: whether the generator goes on after a cycle in which a node raised; it then gives
            a `Failed` back.
        keeps_nodes: whether each sub-graph keeps its nodes after its birth.
        keeps_states: whether nodes use their states after `start`.
        source: the function's text.
        carried: the variables that keep their values from one cycle to the next.
    """

    def __init__(
        self,
        plan: Plan,
        nodes: Sequence[NodeIR],
        placed: Placed,
        layout: Layout,
        driver: ResumeDriver,
    ) -> None:
        self._plan = plan
        self._layout = layout
        self._flag_of = flags_of(placed.top)
        self._readers = {kept.value: kept.node for kept in layout.kept if kept.value}
        self._readers |= {kept.working: kept.node for kept in layout.kept if kept.working}
        self.takes_value = driver.takes_value
        self.resumable = driver.resumable
        self.keeps_nodes = driver.keeps_nodes
        quiet = not any(node.asks_between_cycles for node in nodes)
        self.keeps_states = bool(layout.states) or not (quiet and driver.takes_value)
        self._attributes = [
            (kept.node, [name for name, _ in (*kept.state, *kept.read)]) for kept in layout.kept
        ]
        variables = [name for kept in layout.kept for _, name in (*kept.state, *kept.read)]
        self._withheld = [kept for kept in layout.kept if kept.working != kept.value]
        variables += [kept.working for kept in self._withheld]
        self._begun = [index for index in driver.inlets if nodes[index].begun]
        variables += [layout.values[index] for index in self._begun]
        variables += [*layout.symbols, *layout.states.values()]
        self._asks_start = layout.asks_start
        if layout.asks_start:
            variables.append("start")
        variables += ["session", "what"]
        if self.keeps_nodes:
            variables.append("nodes")
        text = emit_subgraph(nodes, placed, layout, driver, variables)
        self._owners = text.owners
        self.source = str(text)
        self.carried = layout.carried | {*layout.symbols, "cycle"}
        name = f"<graphcore {next(_numbers)}, sub-graph>"
        with without_warnings():
            code = compile(self.source, name, "exec", dont_inherit=True)
        namespace: dict[str, Any] = {
            "absent": ABSENT,
            "heappop": heappop,
            "heappush": heappush,
            # Not the method, so that the function does not keep this object alive.
            "failed": partial(Compiled.failed, weakref.proxy(self)),
            "noted": partial(Compiled.noted, weakref.proxy(self)),
            **layout.constants,
        }
        exec(code, namespace)
        self._function: FunctionType = namespace["subgraph"]
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(True), name)
        weakref.finalize(self, linecache.cache.pop, name, None)

    @property
    def function(self) -> FunctionType:
        """The generator function."""
        return self._function

    @property
    def globals(self) -> dict[str, Any]:
        """The function's globals."""
        return self._function.__globals__

    def open(
        self,
        nodes: Sequence[Node],
        states: Mapping[int, GraphState],
        session: RunningSession,
        what: tuple[str, Any],
    ) -> Generator:
        """Return the generator of a sub-graph, ready for its first cycle, which is that of now.

        Args:
            nodes: the sub-graph's nodes, which were started.
            states: the states of its nodes.
            session: that of the node that owns it.
            what: what it is for, as errors name it.
        """
        given: list[Any] = []
        for index, names in self._attributes:
            own, count = attributes_of(nodes[index]), len(given)
            try:
                given += map(own.__getitem__, names)
            except KeyError:  # the class has some of them
                given[count:] = [
                    own[name] if name in own else getattr(nodes[index], name) for name in names
                ]
        for kept in self._withheld:
            given.append(attributes_of(nodes[kept.node]).pop("value", ABSENT))
        given += (nodes[index].value for index in self._begun)
        given += (symbol.of(nodes[symbol.node]) for symbol in self._layout.symbols.values())
        given += (states[index] for index in self._layout.states)
        if self._asks_start:
            given.append(session.time)
        given += (session, what)
        if self.keeps_nodes:
            given.append(nodes)
        generator: Generator = self._function(*given)
        next(generator)
        return generator

    def give_back(self, variables: Mapping[str, Any], nodes: Sequence[Node]) -> None:
        """Give nodes the values and the state that a generator's variables hold.

        Args:
            variables: the variables.
            nodes: the nodes.
        """
        for index, value, _, state, *_ in self._layout.kept:
            own = attributes_of(nodes[index])
            if variables.get(value, ABSENT) is not ABSENT:
                own["value"] = variables[value]
            for attribute, name in state:
                own[attribute] = variables[name]
            counter = self._flag_of.get(index, (None, 0, 0))[0]
            flag = None if counter is None else self._layout.flags.get(counter)
            # The generator counts its own cycles: all that matters is whether the node has ticked.
            # A node without a flag has if it has a value.
            has_ticked = flag is None or variables[flag]
            own["ticked_in"] = 1 if has_ticked and value in variables else 0

    def values(self, variables: Mapping[str, Any], count: int) -> list[Any]:
        """Return what each node last ticked with, `ABSENT` without a tick.

        Args:
            variables: the generator's variables; none at all if it holds nothing any more.
            count: how many nodes there are.
        """
        found: list[Any] = [ABSENT] * count
        for kept in self._layout.kept:
            found[kept.node] = variables.get(kept.value, ABSENT)
        return found

    def copies(
        self, variables: Mapping[str, Any], nodes: Sequence[Node], cls: type[Node]
    ) -> list[Node]:
        """Return nodes, those of a class as copies with the state that a generator holds.

        Args:
            variables: the generator's variables; none at all if it holds nothing any more.
            nodes: the nodes, or those of another sub-graph of the same shape.
            cls: the class.
        """
        if not variables:
            return []
        found = list(nodes)
        for index, _, _, state, read, _ in self._layout.kept:
            if isinstance(nodes[index], cls):
                found[index] = copy(nodes[index])
                names = ((attribute, variables[name]) for attribute, name in (*state, *read))
                attributes_of(found[index]).update(names)
        return found

    def last_tick(self, nodes: Sequence[int], variables: Mapping[str, Any]) -> int:
        """Return in which of the generator's cycles one of these nodes last ticked, 0 if none did.

        Args:
            nodes: the indices of the nodes.
            variables: the generator's variables.
        """
        flags = [self._flag_of[index][0] for index in nodes if index in self._flag_of]
        names = ("cycle" if flag is None else self._layout.flags[flag] for flag in flags)
        return max((variables.get(name, 0) for name in names), default=0)

    def working(self, variables: Mapping[str, Any]) -> dict[int, Any]:
        """Return for each node whose value may differ from its last tick's the one it set (R5)."""
        return {kept.node: variables.get(kept.working, ABSENT) for kept in self._withheld}

    def failed(
        self,
        error: Exception,
        session: RunningSession,
        what: tuple[str, Any],
        nodes: Sequence[Node],
        result: Any,
    ) -> Failed:
        """Return what the cycle of a resumable sub-graph comes to; see `noted`.

        Args:
            error: what a node of the sub-graph raised.
            session: that of the node that owns the sub-graph.
            what: what the sub-graph is for.
            nodes: its nodes.
            result: the root's value, if the root had ticked.
        """
        raised, index = self._noted(error, session, what, nodes)
        return Failed(raised, result, index)

    def noted(
        self,
        error: Exception,
        session: RunningSession,
        what: tuple[str, Any],
        nodes: Sequence[Node] | None,
    ) -> Exception:
        """Add the notes of the node that failed and of the sub-graph; return the error to raise.

        Args:
            error: what a node of the sub-graph raised.
            session: that of the node that owns the sub-graph.
            what: what the sub-graph is for.
            nodes: its nodes, if it keeps them. Otherwise the note shows copies of those of another
                sub-graph of this shape, with the values of this one.
        """
        return self._noted(error, session, what, nodes)[0]

    def _noted(
        self,
        error: Exception,
        session: RunningSession,
        what: tuple[str, Any],
        nodes: Sequence[Node] | None,
    ) -> tuple[Exception, int]:
        """Add the notes; return the error to raise, and the index of the node that failed."""
        found = entry_of(self._function.__code__, error.__traceback__)
        if found is None:
            return error, -1
        traceback, last = found
        line = traceback.tb_lineno or len(self._owners)
        variables = variables_of(traceback.tb_frame)
        if nodes is None:
            nodes = self.copies(variables, self._plan.nodes, MutableNode)
        plan = self._plan.with_nodes(nodes)
        unbound = unbound_in(error, traceback, self._readers) if last else None
        raised = error
        if unbound is not None:
            name, line = unbound
            missing = no_value(plan.nodes[self._readers[name]])
            raised = missing.with_traceback(error.__traceback__)
        for kept in self._layout.kept:
            attributes_of(nodes[kept.node]).pop("value", None)
        self.give_back(variables, nodes)
        index = self._owners[line - 1] if line <= len(self._owners) else -1
        if index >= 0:
            raised = noted(raised, plan, index, session)
        add_subgraph_note(raised, what)
        return raised, index
