"""Pass 10: lay out the function's variables. Each name is unique and shows its node."""

import builtins
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphcore.engine.fused.analysis.alike import Alike
from graphcore.engine.fused.analysis.tests import (
    Placed,
    PlacedBlock,
    PlacedNode,
    asked_flags,
    nodes_in,
)
from graphcore.engine.fused.backend.branches import Branches
from graphcore.engine.fused.ir import (
    Attribute,
    Builtin,
    Capture,
    Captured,
    Cell,
    Constant,
    Contents,
    CycleIR,
    Due,
    Function,
    Global,
    Hole,
    Is,
    Local,
    Member,
    NodeIR,
    Outer,
    Place,
    Run,
    RunState,
    State,
    TickForm,
)

_BUILTINS = frozenset(dir(builtins))
# Names that the function itself uses.
_TAKEN = {
    *(
        "absent",
        "alone",
        "bits",
        "branch",
        "cancelled",
        "current_frame",
        "cycle",
        "cycles",
        "due",
        "dues",
        "end",
        "entries",
        "entry",
        "events",
        "failed",
        "first",
        "fresh",
        "further",
    ),
    *(
        "following",
        "given",
        "heap",
        "limit",
        "moment",
        "heapify",
        "heappop",
        "heappush",
        "last",
        "last_bit",
        "live",
        "mask",
    ),
    *("attributes", "monotonic", "never", "now", "offset", "put_off", "run", "schedule", "session"),
    *("recorded", "result", "start", "states", "steps", "time", "variables", "weak_bit", "woken"),
    *_BUILTINS,
}
# Names that the function of a sub-graph uses as well.
_TAKEN_IN_SUBGRAPHS = {"error", "failed", "noted", "nodes", "raised", "subgraph", "what"}


class Kept(NamedTuple):
    """The variables of one node.

    Attributes:
        node: the node's index.
        value: the variable of the value that the node last ticked with; empty if the text assigns
            none.
        working: the variable of the value that the node last set, if that may differ (R5).
        state: the attributes that the cycle assigns, each with its variable.
        read: the attributes that the cycle only reads, each with its variable.
        fixed: the attributes whose values are written into the text.
    """

    node: int
    value: str
    working: str
    state: tuple[tuple[str, str], ...]
    read: tuple[tuple[str, str], ...]
    fixed: frozenset[str]


class Symbol(NamedTuple):
    """An object around a node, which differs between the graphs of one shape.

    Attributes:
        node: the node's index.
        hole: the hole that it fills; `None` for the node itself.
        is_cell: whether it is the cell of a captured variable, not the variable's value.
    """

    node: int
    hole: Function | Captured | None
    is_cell: bool

    def of(self, node: Any) -> Any:
        """Return the object around a node of one of these graphs."""
        match self.hole:
            case Function(attribute):
                return vars(node)[attribute]
            case Captured(attribute, name):
                function = vars(node)[attribute]
                cell = function.__closure__[function.__code__.co_freevars.index(name)]
                return cell if self.is_cell else cell.cell_contents
        return node


@dataclass(eq=False, slots=True)
class Layout:
    """The function's variables, and its globals.

    Attributes:
        names: for each node, the text that fills each of its holes.
        values: for each node, the variable of its value.
        working: for each node, the variable that its cycle assigns as `value`.
        flags: for each node that sets a flag, or whose block does, the variable; in a sub-graph
            without sources only if some test asks for the flag.
        states: for each node whose `GraphState` is used, the variable.
        steps: for each node that is called, the variable of its method.
        attributes: for each mirrored node, the variable that holds its `__dict__`.
        dues: for each node that asks to be woken, the variable of the time.
        cases: for each node that chooses one of its outputs, the variables of the value that it
            gave, of the output's place, and of the cycle.
        kept: for each fused node, its variables.
        constants: the function's globals.
        asks_time: whether some node uses the engine time.
        asks_start: whether some node uses the time of the run's start.
        asks_due: whether some node asks which alarms went off.
        asks_session: whether some node asks the session while the run goes on.
        may_linger: whether there may be further cycles at one time in which no source delivers
            (R15).
        symbols: for each name that stands for an object around a node, which other graphs of this
            shape have of their own, what it stands for.
        lists: for each group of branches that share a text, the variable that holds them.
        branches: their variables.
    """

    names: list[Mapping[Hole, str]]
    values: list[str]
    working: list[str]
    flags: dict[int, str]
    states: dict[int, str]
    steps: dict[int, str]
    attributes: dict[int, str]
    dues: dict[int, str]
    cases: dict[int, tuple[str, str, str]]
    kept: list[Kept]
    constants: dict[str, Any]
    asks_time: bool
    asks_start: bool
    asks_due: bool
    asks_session: bool
    may_linger: bool
    symbols: Mapping[str, Symbol]
    lists: tuple[str, ...] = ()
    branches: tuple[Branches, ...] = ()

    @property
    def carried(self) -> frozenset[str]:
        """The variables that keep their values from one cycle to the next, or are written back."""
        names = {name for kept in self.kept for name in (kept.value, kept.working) if name}
        names |= {name for kept in self.kept for _, name in (*kept.state, *kept.read)}
        names |= {name for names in self.cases.values() for name in names}
        names |= {"start"} if self.asks_start else set()
        return frozenset(names | set(self.flags.values()))


def lay_out(
    nodes: Sequence[NodeIR],
    objects: Sequence[Any],
    placed: Placed,
    replaced: Container[int],
    shared: Container[int] | None = None,
    is_subgraph: bool = False,
    groups: Sequence[Alike] = (),
) -> Layout:
    """Return the layout.

    Args:
        nodes: the nodes.
        objects: the nodes' objects.
        placed: the nodes and blocks with their tests.
        replaced: the indices of the sources whose events the loop iterates over.
        shared: if other graphs of its shape use the function as well, the indices of the nodes that
            all of them have. The objects around the other nodes become symbols.
        is_subgraph: whether it is the function of a sub-graph.
        groups: branches that share a text; only the nodes of the first of them get names.
    """
    return _LayingOut(nodes, objects, replaced, shared, is_subgraph, groups).layout(placed)


class _LayingOut:
    def __init__(
        self,
        nodes: Sequence[NodeIR],
        objects: Sequence[Any],
        replaced: Container[int],
        shared: Container[int] | None,
        is_subgraph: bool,
        groups: Sequence[Alike],
    ) -> None:
        self._groups = groups
        self._follow = frozenset(
            index
            for group in groups
            for place, members in group.members.items()
            if place != group.first
            for index in members
        )
        self._nodes = nodes
        self._objects = objects
        self._replaced = replaced
        self._used = _TAKEN.union(_TAKEN_IN_SUBGRAPHS if is_subgraph else ())
        self._numbers: dict[str, int] = {}
        self._globals: dict[tuple[Any, ...], str] = {}
        self._constants: dict[str, Any] = {}
        self._needs: dict[CycleIR, _Needs] = {}
        self._shared_nodes = shared
        self._is_subgraph = is_subgraph
        self._symbols: dict[str, Symbol] = {}

    def layout(self, placed: Placed) -> Layout:
        nodes = self._nodes
        # Values first: they have the shortest names.
        values = ["" if node.index in self._follow else self._new(node.label) for node in nodes]
        working = [
            self._new(f"{node.label}_value") if _is_withheld(node) else values[node.index]
            for node in nodes
        ]
        names: list[Mapping[Hole, str]] = []
        kept: list[Kept] = []
        states: dict[int, str] = {}
        steps: dict[int, str] = {}
        attributes: dict[int, str] = {}
        dues: dict[int, str] = {}
        asks: set[Run] = set()
        asks_session = asks_due = False
        runs = frozenset(nodes_in(placed.top))
        for node in nodes:
            index = node.index
            if index in self._follow:
                names.append(_NONE)
                continue
            if node.cycle is None:
                steps[index] = self._new(f"{node.label}_cycle")
                states[index] = self._new(f"{node.label}_state")
                attributes[index] = self._constant(f"{node.label}_node", self._objects[index])
                values[index] = f"{attributes[index]}.value"
                asks_session = True
                names.append({})
                continue
            if index in self._replaced:
                names.append(_NONE)
                # The loop reads this source's events, so its cycle's variables are not needed.
                fixed = frozenset(node.cycle.kinds)
                kept.append(Kept(index, values[index], values[index], (), (), fixed))
                self._mirror(node, attributes)
                continue
            needs = self._needs_of(node.cycle)
            asks |= node.cycle.requires
            if needs.state or (self._is_subgraph and Run.CLOSING in node.cycle.requires):
                states[index] = self._new(f"{node.label}_state")
            asks_session |= needs.session
            asks_due |= node.woken and needs.due
            if node.cycle.wakes or node.woken:
                dues[index] = self._new(f"{node.label}_next")
            value, set_last = values[index], working[index]
            if not (node.cycle.assigns_value and index in runs):
                values[index] = working[index] = f"{self._node(node)}.value"
                value = set_last = ""
            elif node.cycle.withheld and node.tick_form is TickForm.NEVER:
                values[index], value = f"{self._node(node)}.value", ""
            self._mirror(node, attributes)
            state, read = (
                tuple((name, self._new(f"{node.label}_{name.lstrip('_')}")) for name in group)
                for group in (needs.assigned, needs.read)
            )
            names.append(self._holes(node, needs.holes, dict(state + read)))
            kept.append(Kept(index, value, set_last, state, read, needs.fixed))
        flagged = [each for each in _flagged(placed.top) if each not in self._follow]
        if self._is_subgraph and not self._has_sources():
            # Nothing but its own text asks a sub-graph when nodes ticked, unless it has sources
            # (R15): a flag that no test asks for would only cost time.
            asked = set(asked_flags(placed.top))
            flagged = [each for each in flagged if each in asked or nodes[each].owner >= 0]
        flags = {index: self._new(f"{nodes[index].label}_at") for index in flagged}
        return Layout(
            names,
            values,
            working,
            flags,
            states,
            steps,
            attributes,
            dues,
            self._cases(),
            kept,
            self._constants,
            Run.TIME in asks,
            Run.START in asks,
            asks_due,
            asks_session,
            any(node.woken and not delivers(node) for node in nodes),
            self._symbols,
            tuple(self._new(f"{nodes[each.owner].label}_branches") for each in self._groups),
        )

    def _has_sources(self) -> bool:
        """Return whether a sub-graph has sources other than its inlets."""
        own = (node for node in self._nodes if self._differs(node))
        return any(node.is_source and node.index not in self._replaced for node in own)

    def _cases(self) -> dict[int, tuple[str, str, str]]:
        nodes = self._nodes
        owners = {node.owner for node in nodes if node.case >= 0 and node.cycle is not None}
        return {
            index: (
                self._new(f"{nodes[index].label}_given"),
                self._new(f"{nodes[index].label}_case"),
                self._new(f"{nodes[index].label}_chosen"),
            )
            for index in sorted(owners)
        }

    def _mirror(self, node: NodeIR, attributes: dict[int, str]) -> None:
        if node.mirrored:
            own = vars(self._objects[node.index])
            attributes[node.index] = self._constant(f"{node.label}_attributes", own)

    def _needs_of(self, cycle: CycleIR) -> "_Needs":
        if cycle not in self._needs:
            self._needs[cycle] = _needs_of(cycle)
        return self._needs[cycle]

    def _holes(
        self, node: NodeIR, holes: Sequence[Hole], variables: Mapping[str, str]
    ) -> Mapping[Hole, str]:
        """Return the text for the holes that stand for the node's own objects."""
        if not holes:
            return _NONE
        names: dict[Hole, str] = {}
        for hole in holes:
            match hole:
                case State(attribute):
                    names[hole] = variables[attribute]
                case Local(name):
                    names[hole] = self._new(f"{name}_{node.number}")
                case Attribute(attribute):
                    names[hole] = f"{self._node(node)}.{attribute}"
                case Function(attribute):
                    names[hole] = self._capture(node, attribute, hole, node.captured[hole])
                case Captured(name=name) | Outer(name=name) | Cell(name) | Global(name):
                    names[hole] = self._capture(node, name, hole, node.captured[hole])
        return names

    def _capture(self, node: NodeIR, wanted: str, hole: Hole, given: Capture) -> str:
        if isinstance(hole, Function | Captured) and self._differs(node):
            is_cell = isinstance(given, Contents)
            symbol = self._symbol(f"{node.label}_{wanted.strip('_')}", node, hole, is_cell)
            return f"{symbol}.cell_contents" if is_cell else symbol
        match given:
            case Builtin():
                return wanted
            case Member(module):
                name = str(vars(module).get("__name__", "module")).rpartition(".")[2].strip("_")
                return f"{self._shared(('module', id(module)), name or 'module', module)}.{wanted}"
            case Contents(cell):
                name = f"{node.label}_{wanted.strip('_')}"
                key = "cell", node.index, wanted, id(cell)
                return f"{self._shared(key, name, cell)}.cell_contents"
            case Constant(value):
                where = getattr(hole, "where", Place.NAME)
                literal = _literal(value, where)
                if literal is not None:
                    return literal
                if isinstance(hole, Global):
                    return self._shared(("global", wanted, id(value)), wanted, value)
                name = f"{node.label}_{wanted.strip('_')}"
                return self._shared(("constant", node.index, wanted, id(value)), name, value)

    def _node(self, node: NodeIR) -> str:
        if self._differs(node):
            return self._symbol(f"{node.label}_node", node, None)
        given = self._objects[node.index]
        return self._shared(("node", node.index), f"{node.label}_node", given)

    def _differs(self, node: NodeIR) -> bool:
        """Return whether each graph of this shape has a node of its own here."""
        return self._shared_nodes is not None and node.index not in self._shared_nodes

    def _symbol(
        self, wanted: str, node: NodeIR, hole: Function | Captured | None, is_cell: bool = False
    ) -> str:
        """Return the variable of an object around a node, or of the node itself."""
        key = "symbol", node.index, hole
        if key not in self._globals:
            name = self._globals[key] = self._new(wanted)
            self._symbols[name] = Symbol(node.index, hole, is_cell)
        return self._globals[key]

    # Names

    def _new(self, wanted: str) -> str:
        name = wanted
        while name in self._used:
            # Many nodes may share a name, so the count goes on from the last number: starting over
            # each time would be quadratic.
            number = self._numbers[wanted] = self._numbers.get(wanted, 1) + 1
            name = f"{wanted}_{number}"
        self._used.add(name)
        # An interned string is the same object as the compiled function's constant.
        return sys.intern(name)

    def _constant(self, wanted: str, value: Any) -> str:
        name = self._new(wanted)
        self._constants[name] = value
        return name

    def _shared(self, key: tuple[Any, ...], wanted: str, value: Any) -> str:
        name = self._globals.get(key)
        if name is None:
            name = self._globals[key] = self._constant(wanted, value)
        return name


_NONE: Mapping[Hole, str] = {}


class _Needs(NamedTuple):
    """The variables that each node of one `CycleIR` needs.

    Attributes:
        holes: the holes that stand for the node's own objects.
        assigned: the attributes that the cycle assigns.
        read: the attributes that the cycle only reads.
        fixed: the attributes whose values are written into the text.
        state: whether the cycle needs the node's `GraphState`.
        session: whether the cycle asks the session.
        due: whether the cycle asks if an alarm went off.
    """

    holes: tuple[Hole, ...]
    assigned: tuple[str, ...]
    read: tuple[str, ...]
    fixed: frozenset[str]
    state: bool
    session: bool
    due: bool


_FIXED = (Is.INPUT, Is.INPUTS, Is.FOLDED, Is.INLINED, Is.OPERATOR, Is.OUTPUT, Is.OUTPUTS)
_OWN = (State, Local, Attribute, Function, Captured, Outer, Cell, Global)


def _needs_of(cycle: CycleIR) -> _Needs:
    due = Due() in cycle.holes
    return _Needs(
        tuple(hole for hole in cycle.holes if isinstance(hole, _OWN)),
        tuple(name for name, kind in cycle.kinds.items() if kind.of is Is.STATE),
        tuple(name for name, kind in cycle.kinds.items() if kind.of is Is.READ),
        frozenset(name for name, kind in cycle.kinds.items() if kind.of in _FIXED),
        due or Run.STATE in cycle.requires,
        RunState(Run.STATE) in cycle.holes,
        due,
    )


def delivers(node: NodeIR) -> bool:
    """Return whether a node is a source that delivers an event whenever it runs."""
    return node.is_source and node.tick_form is TickForm.ALWAYS


def _is_withheld(node: NodeIR) -> bool:
    return node.cycle is not None and node.cycle.withheld


def _flagged(block: PlacedBlock) -> Iterator[int]:
    """Yield the nodes that have flags, in the order in which the flags are set."""
    for item in block.items:
        if isinstance(item, PlacedBlock):
            yield from _flagged(item)
            continue
        if isinstance(item, PlacedNode) and item.sets_flag:
            yield item.index
        if item.dependants is not None:
            yield from _flagged(item.dependants)
    if block.counter is not None:
        yield block.counter


def _literal(value: Any, where: Place) -> str | None:
    """Return a value's literal, `None` if the text must use a name."""
    if where is Place.NAME:
        return None
    if value is None or value is True or value is False:
        return repr(value)
    if type(value) not in (int, float, str, bytes) or (type(value) is float and value - value != 0):
        return None
    if where is Place.OBJECT and not (type(value) is int and -5 <= value <= 256):
        return None  # CPython has one object for each of these numbers, and several for others
    # Before its text is made: CPython refuses to write out a number of more than 4,300 digits.
    if abs(value) >= 10**40 if isinstance(value, int) else len(repr(value)) > 40:
        return None
    text = repr(value)
    return f"({text})" if text.startswith("-") else text
