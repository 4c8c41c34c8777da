"""The frontend's result: each node of the plan as a `NodeIR`, with the objects that its text uses.

Passes 1 to 6 are applied to the nodes here. The objects around a node (parameters, closures,
globals, classes) are captured for the text, and guarded: the next run compares them.
"""

import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Any, cast

from graphcore.engine.fused.frontend.attributes import kinds_of, node_behind
from graphcore.engine.fused.frontend.functions import HIDDEN, Expression, cell_of, is_bound
from graphcore.engine.fused.frontend.guards import Guards, builtins_of, is_builtin, is_plain_builtin
from graphcore.engine.fused.frontend.lower import lowered
from graphcore.engine.fused.frontend.states import (
    asks_between_cycles,
    has_plain_alarms,
    is_recorded,
    keeps_alarms,
    may_schedule,
    starts_quietly,
)
from graphcore.engine.fused.frontend.subset import Cycle, Node, Refused, cycle_of
from graphcore.engine.fused.ir import (
    BRANCH,
    OUTPUT,
    VARIABLES,
    Builtin,
    Capture,
    Captured,
    Cell,
    Constant,
    Contents,
    CycleIR,
    Function,
    Global,
    Hole,
    Is,
    Member,
    NodeIR,
    Outer,
)
from graphcore.engine.plan import Plan
from graphcore.engine.withheld import sets_only_what_it_ticks_with
from graphcore.node import Source
from graphcore.output import OutputNode

# Methods that the passes read; if one changes, another driver may be needed.
_METHODS = (
    *("start", "cycle", "close", "stop", "value"),
    *("__getattr__", "__getattribute__", "__setattr__"),
)


class ModuleVariables:
    """A module's global variables as attributes, read from the same dict that Python reads."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.__dict__ = names


class ModuleGlobals(ModuleVariables):
    """The same, and the builtins. CPython reads its attributes in twice the time."""

    def __getattr__(self, name: str) -> Any:
        """Return a builtin; called if the module has no variable of this name."""
        return _builtin(vars(self), name)


def _builtin(names: dict[str, Any], name: str) -> Any:
    # A function, because from Python 3.12 on `traceback` asks the `self` of the frame that raised a
    # NameError whether it has an attribute of that name.
    builtin = names.get("__builtins__", {})
    found = builtin if isinstance(builtin, dict) else vars(builtin)
    if name in found:
        return found[name]
    raise NameError(f"name {name!r} is not defined", name=name)


@dataclass(slots=True)
class Frontend:
    """The nodes of a plan as data.

    Attributes:
        nodes: the nodes in the order of R2.
        guards: the objects that must be the same when a run starts.
        held: for each node, the indices of the nodes that its functions have in their closures.
    """

    nodes: list[NodeIR]
    guards: Guards
    held: list[tuple[int, ...]]


def read_plan(plan: Plan, to_call: dict[int, str], resumable: bool = False) -> Frontend:
    """Return the nodes of a plan, each with its `CycleIR` or the reason why it is called.

    Args:
        plan: the plan.
        to_call: nodes that have to be called, with the reason.
        resumable: whether cycles may follow one in which a node raised.
    """
    return _Capture(plan, to_call, resumable).frontend()


@dataclass(frozen=True, slots=True)
class _Class:
    """The results of the passes for a node class.

    Attributes:
        cycle: its `cycle`, or why that cannot be fused.
        withheld: whether it may set a value without ticking with it (R5).
        may_schedule: whether alarms or events from threads may run its nodes.
        keeps_alarms: whether its `start` may keep an alarm to cancel it later.
        asks_between_cycles: whether it may use its state outside a cycle.
        has_plain_alarms: whether it sets plain alarms only.
        starts_quietly: whether its `start` sets no alarm.
    """

    cycle: Cycle | str
    withheld: bool
    may_schedule: bool
    keeps_alarms: bool
    asks_between_cycles: bool
    has_plain_alarms: bool
    starts_quietly: bool


class _Capture:
    def __init__(self, plan: Plan, to_call: dict[int, str], resumable: bool) -> None:
        self._plan = plan
        self._resumable = resumable
        self._to_call = to_call
        self._names = plan.names()
        self._indices = {id(node): index for index, node in enumerate(plan.nodes)}
        self._guards = Guards()
        self._modules: dict[tuple[type, int], ModuleVariables] = {}
        self._globals: dict[tuple[Cycle, str], Capture] = {}
        self._holes: dict[CycleIR, tuple[Hole, ...]] = {}
        self._classes: dict[type[Node], _Class] = {}
        self._outputs: list[NodeIR] = []
        self._cases: dict[int, int] = {}  # by id, of the outputs that a fused node chooses from
        self._guarded: set[tuple[type, CycleIR | None]] = set()

    def frontend(self) -> Frontend:
        nodes = [self._read(index, node) for index, node in enumerate(self._plan.nodes)]
        for output in self._outputs:
            owner = nodes[output.owner]
            if owner.cycle is None:
                output.call(f"{owner.label}, whose output it is, is called")
            else:
                output.cycle = OUTPUT if output.case < 0 else BRANCH
        held = [tuple(self._held(node)) for node in self._plan.nodes]
        return Frontend(nodes, self._guards, held)

    def _read(self, index: int, node: Node) -> NodeIR:
        active, passive = self._plan.active[index], self._plan.passive[index]
        self._guards.kind(node)
        own, of_class = vars(node), self._class_of(type(node))
        by_itself = "start" in own or "cycle" in own
        read = NodeIR(
            index,
            _identifier(self._names[index]),
            node.serial,
            active,
            passive,
            woken=not (active or passive) or by_itself or of_class.may_schedule,
            needs_all=node.valid == "all",
            is_source=isinstance(node, Source),
            is_recorded=is_recorded(node),
            keeps_alarms=of_class.keeps_alarms,
            asks_between_cycles=of_class.asks_between_cycles,
            has_plain_alarms=of_class.has_plain_alarms,
            starts_quietly=of_class.starts_quietly and not by_itself,
        )
        if isinstance(node, OutputNode):
            read.owner = self._indices[id(node.owner)]
            read.case = self._cases.get(id(node), -1)
            self._outputs.append(read)
            self._guard_class(type(node), None, ())
            return read
        try:
            if index in self._to_call:
                raise Refused(self._to_call[index])
            self._fuse(read, node, of_class)
        except Refused as reason:
            read.call(str(reason))
            self._guard_class(type(node), None, ())
        return read

    def _class_of(self, cls: type[Node]) -> "_Class":
        """Return the results of the passes for a class, computed once for all its nodes."""
        found = self._classes.get(cls)
        if found is None:
            try:
                cycle: Cycle | str = cycle_of(cls)
            except Refused as reason:
                cycle = str(reason)
            withheld = not sets_only_what_it_ticks_with(cls, self._resumable)
            asks = may_schedule(cls), keeps_alarms(cls), asks_between_cycles(cls)
            alarms = has_plain_alarms(cls), starts_quietly(cls)
            found = self._classes[cls] = _Class(cycle, withheld, *asks, *alarms)
        return found

    def _fuse(self, read: NodeIR, node: Node, of_class: "_Class") -> None:
        cycle = of_class.cycle
        if isinstance(cycle, str):
            raise Refused(cycle)
        upstreams = {id(self._plan.nodes[each]) for each in (*read.active, *read.passive)}
        kinds = kinds_of(node, cycle, upstreams)
        found = lowered(cycle, tuple(kinds.items()), of_class.withheld)
        if isinstance(found, str):
            raise Refused(found)
        captured = dict(self._captures(node, cycle, found))
        if captured:
            read.captured = captured
        read.upstreams = dict(self._upstreams(node, found))
        if node._outputs:
            read.outputs = {
                name: self._indices[id(node_behind(vars(node)[name]))] for name in node._outputs
            }
        for name, kind in kinds.items():
            if kind.of is Is.OUTPUTS:
                self._cases |= {id(each): case for case, each in enumerate(vars(node)[name])}
        read.cycle = found
        self._guard(node, cycle, found)

    def _upstreams(
        self, node: Node, found: CycleIR
    ) -> Iterator[tuple[tuple[str, int | str | None], int]]:
        for name, kind in found.kinds.items():
            given = vars(node).get(name)
            if kind.of is Is.INPUT:
                yield (name, None), self._indices[id(node_behind(given))]
            elif kind.of is Is.INPUTS:
                for place in kind.detail:
                    each = cast(Any, given)[place]
                    yield (name, place), self._indices[id(node_behind(each))]

    # What the holes stand for

    def _captures(self, node: Node, cycle: Cycle, found: CycleIR) -> Iterator[tuple[Hole, Capture]]:
        holes = self._holes.get(found)
        if holes is None:
            kinds = Function | Cell | Captured | Global | Outer
            holes = tuple(each for each in found.holes if isinstance(each, kinds))
            self._holes[found] = holes
        for hole in holes:
            match hole:
                case Function(attribute):
                    yield hole, Constant(vars(node)[attribute])
                case Captured(attribute, name):
                    expression: Expression = found.kinds[attribute].detail
                    cell = cell_of(vars(node)[attribute], name)
                    yield hole, self._cell(cell, name in expression.fixed)
                case Outer(attribute, name):
                    names = vars(node)[attribute].__globals__
                    self._guards.present(names, name)
                    yield hole, self._member(ModuleVariables, names)
                case Cell(name):
                    yield hole, self._variable_around(cycle, name)
                case Global(name):
                    yield hole, self._global(cycle, name)

    def _cell(self, cell: Any, fixed: bool) -> Capture:
        if not fixed:
            return Contents(cell)
        self._guards.cell(cell)
        return Constant(cell.cell_contents)

    def _variable_around(self, cycle: Cycle, name: str) -> Capture:
        cell = cell_of(cycle.function, name)
        if not is_bound(cell):
            raise Refused(f"{name}, a variable around its cycle, has no value yet")
        if cycle.file.may_delete(name):
            raise Refused(f"{name}, a variable around its cycle, may be deleted")
        return self._cell(cell, cycle.file.bound_once(name, cycle.tree))

    def _global(self, cycle: Cycle, name: str) -> Capture:
        if (cycle, name) not in self._globals:
            self._globals[cycle, name] = self._found_global(cycle, name)
        return self._globals[cycle, name]

    def _found_global(self, cycle: Cycle, name: str) -> Capture:
        function = cycle.function
        names = function.__globals__
        if name in cycle.names:
            return Constant(cycle.names[name])
        if name in names and cycle.is_ours:
            return Constant(
                names[name]
            )  # no code rebinds a global variable of graphcore's own modules
        if is_builtin(function, name) and (cycle.is_ours or not cycle.file.rebinds_global(name)):
            self._guards.builtin(function, name)
            plain = is_plain_builtin(function, name)
            return Builtin() if plain else Constant(builtins_of(function)[name])
        if HIDDEN.fullmatch(name):
            raise Refused(f"its cycle uses the global variable {name}")
        return self._member(ModuleGlobals, names)

    def _member(self, cls: type[ModuleVariables], names: dict[str, Any]) -> Member:
        module = self._modules.get((cls, id(names)))
        if module is None:
            module = self._modules[cls, id(names)] = cls(names)
        return Member(module)

    # What is guarded

    def _guard(self, node: Node, cycle: Cycle, found: CycleIR) -> None:
        self._guard_class(type(node), found, (*found.kinds, *cycle.methods))
        own = vars(node)
        self._guards.entry(own, "cycle")
        for name, kind in found.kinds.items():
            if kind.of in VARIABLES or kind.of is Is.LIVE:
                continue
            self._guards.entry(own, name)
            given = own[name]
            if kind.of is Is.INLINED:
                self._guards.function(given)
            elif kind.of in (Is.INPUTS, Is.OUTPUTS):
                self._guards.items(given)
                if isinstance(given, dict):
                    self._guards.items(given.values())

    def _guard_class(self, cls: type, found: CycleIR | None, names: Iterable[str]) -> None:
        if (cls, found) in self._guarded:
            return
        self._guarded.add((cls, found))
        for name in (*_METHODS, *names):
            self._guards.member(cls, name)

    # Nodes in the closures of a node's functions

    def _held(self, node: Node) -> Iterator[int]:
        """Yield the nodes in the closures of a node's functions, for the escape analysis.

        Only direct references count: code that reaches a node by a longer way reads it more slowly,
            but correctly.
        """
        for given in vars(node).values():
            kind = type(given)
            if kind is FunctionType:
                for cell in given.__closure__ or ():
                    if is_bound(cell):
                        yield from self._index_of(cell.cell_contents)
            elif kind is MethodType:
                yield from self._index_of(given.__self__)

    def _index_of(self, given: object) -> Iterator[int]:
        index = self._indices.get(id(node_behind(given)))
        if index is not None:
            yield index


@lru_cache(1024)
def _identifier(name: str) -> str:
    name = re.sub(r"\W+", "_", name, flags=re.ASCII)
    return f"n_{name}" if name[:1].isdigit() or keyword.iskeyword(name) else name
