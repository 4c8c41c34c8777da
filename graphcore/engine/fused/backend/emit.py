"""Pass 11: emit the text of one function that runs all nodes.

The function holds the nodes' values and state in local variables; it reads them from the nodes at
its beginning, and `Program` writes them back to the nodes at its end. Where there are many blocks
side by side, the blocks to run wait in a heap, and a tree of comparisons finds each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from operator import itemgetter

from graphcore.engine.fused.analysis.alike import goes_on
from graphcore.engine.fused.analysis.tests import (
    AllOf,
    Always,
    AnyOf,
    Case,
    Held,
    IsDue,
    Never,
    Now,
    Placed,
    PlacedBlock,
    PlacedNode,
    Test,
)
from graphcore.engine.fused.backend.branches import BRANCH, Branches, is_of_branch
from graphcore.engine.fused.backend.drivers import Driver
from graphcore.engine.fused.backend.layout import Kept, Layout
from graphcore.engine.fused.backend.lines import Lines
from graphcore.engine.fused.ir import (
    Body,
    Break,
    Do,
    Due,
    Emit,
    Hole,
    If,
    Loop,
    Need,
    NodeIR,
    Raise,
    Run,
    RunState,
    Set,
    Statement,
    Text,
    Tick,
    Ticked,
    Upstream,
    Valid,
    Value,
    Wake,
)

_SEVERAL = 8  # names in one assignment of initial values


class Entry(Enum):
    """Where the function gets the initial values of its variables."""

    START = "the nodes, when a run starts"
    VARIABLES = "the argument `variables`, which an earlier call returned"


def emit(
    nodes: Sequence[NodeIR],
    placed: Placed,
    layout: Layout,
    driver: Driver,
    entry: Entry = Entry.START,
) -> Lines:
    """Return the text of the function."""
    return _Emitter(nodes, layout, driver).function(placed, entry)


def emit_subgraph(
    nodes: Sequence[NodeIR],
    placed: Placed,
    layout: Layout,
    driver: Driver,
    parameters: Sequence[str],
) -> Lines:
    """Return the text of the generator function of a sub-graph.

    Args:
        nodes: the nodes.
        placed: the nodes and blocks with their tests.
        layout: the function's variables.
        driver: the function's loop.
        parameters: the variables that get their first values as arguments.
    """
    return _Emitter(nodes, layout, driver).subgraph(placed, parameters)


class _Emitter:
    def __init__(self, nodes: Sequence[NodeIR], layout: Layout, driver: Driver) -> None:
        self._nodes = nodes
        self._layout = layout
        self._driver = driver
        self._out = Lines()
        self._starts_of: dict[int, tuple[int, ...]] = {}  # of the outputs

    def function(self, placed: Placed, entry: Entry) -> Lines:
        out, more = self._out, self._driver.arguments
        if entry is Entry.VARIABLES:
            more = f", variables{more}"
        out.add(0, f"def run(session, attributes, states, steps, live{more}):")
        # First of all: from here on, an assignment by another thread is either read below or goes
        # to the variables.
        out.add(1, "live.begin(current_frame())")
        self._arguments()
        if entry is Entry.VARIABLES:
            self._resumed()
        else:
            self._initial()
        self._driver.loop(out, partial(self._all, placed))
        out.add(1, "return locals()")
        return out

    def subgraph(self, placed: Placed, parameters: Sequence[str]) -> Lines:
        out = self._out
        out.add(0, f"def subgraph({', '.join(parameters)}):")
        self._first_flags()
        self._driver.loop(out, partial(self._all, placed))
        return out

    def _all(self, placed: Placed, driver: Driver, indent: int) -> None:
        """Write the lines of all nodes, as a driver has them."""
        whole, self._driver = self._driver, driver
        before = len(self._out)
        if placed.sparse:
            self._sparse(placed.top, indent)
        else:
            self._items(placed.top, indent)
        if len(self._out) == before:
            self._out.add(indent, "pass")
        self._driver = whole

    def _arguments(self) -> None:
        """Write the variables that do not depend on the entry."""
        layout, out = self._layout, self._out
        for index, name in layout.states.items():
            out.add(1, f"{name} = states[{index}]", index)
        for index, (_, _, chosen) in layout.cases.items():
            out.add(1, f"{chosen} = 0", index)
        for index, name in layout.steps.items():
            out.add(1, f"{name} = steps[{index}]", index)
        if layout.asks_start:
            out.add(1, "start = session.start_time")

    def _initial(self) -> None:
        """Write the values of the variables before the first cycle."""
        for each in self._layout.branches:
            self._out.add(1, f"{each.variable} = open_{each.variable}(attributes)")
        for kept in self._layout.kept:
            self._initial_state(kept)
        self._first_flags()

    def _first_flags(self) -> None:
        out = self._out
        flags = [each for each in self._layout.flags.values() if not is_of_branch(each)]
        for begin in range(0, len(flags), _SEVERAL):
            out.add(1, " = ".join([*flags[begin : begin + _SEVERAL], "0"]))

    def _resumed(self) -> None:
        """Write that the variables get their earlier values; a node may have no value yet."""
        out = self._out
        for kept in self._layout.kept:
            for _, name in (*kept.state, *kept.read):
                out.add(1, f'{name} = variables["{name}"]', kept.node)
            for name in dict.fromkeys((kept.value, kept.working)):
                if name:
                    out.add(1, f'if "{name}" in variables:', kept.node)
                    out.add(2, f'{name} = variables["{name}"]', kept.node)
        for index, name in self._layout.flags.items():
            out.add(1, f'{name} = variables["{name}"]', index)

    def _initial_state(self, kept: Kept) -> None:
        both = [pair for pair in (*kept.state, *kept.read) if not is_of_branch(pair[1])]
        if both:
            names = ", ".join(name for _, name in both)
            given = ", ".join(f'attributes[{kept.node}]["{attribute}"]' for attribute, _ in both)
            self._out.add(1, f"{names} = {given}", kept.node)
        if kept.working != kept.value:
            self._out.add(1, f"{kept.working} = live.take_value({kept.node})", kept.node)

    # Blocks

    def _items(self, block: PlacedBlock, indent: int) -> None:
        cases: list[PlacedBlock] = []
        for item, following in zip(block.items, [*block.items[1:], None], strict=True):
            if isinstance(item, PlacedBlock) and isinstance(item.test, Case):
                # Of blocks for several cases of one node at most one runs, so their order is free.
                cases.append(item)
                if not goes_on(item.test, following):
                    self._of_cases(cases, item.test, indent)
                    cases = []
            elif isinstance(item, PlacedNode):
                if item.is_output:
                    self._starts_of[item.index] = item.starts
                self._node(item, indent)
            elif (test := self._test(item.test)) != "False":
                self._out.add(indent, f"if {test}:", item.first)
                self._inside(item, indent + 1)

    def _of_cases(self, blocks: list[PlacedBlock], last: Case, indent: int) -> None:
        """Write the blocks of a node's choice: a cycle enters at most one of them."""
        _, case, chosen = self._layout.cases[last.index]
        if not last.inside:
            self._out.add(indent, f"if {chosen} == cycle:", last.index)
            indent += 1
        places = {each.test.case: each for each in blocks if isinstance(each.test, Case)}
        for branches in self._layout.branches:
            if all(places.get(place) is each for place, each in branches.alike.blocks.items()):
                self._out.add(indent, f"{BRANCH} = {branches.variable}[{case}]", last.index)
                self._out.add(indent, f"if {BRANCH} is not None:", last.index)
                self._of_branch(branches, indent + 1)
                places = {
                    place: each
                    for place, each in places.items()
                    if place not in branches.alike.blocks
                }
                if not places:
                    return
                self._out.add(indent, "else:")
                indent += 1
        self._case_tree(case, sorted(places.items(), key=itemgetter(0)), indent)

    def _of_branch(self, branches: Branches, indent: int) -> None:
        """Write the text that several branches share, with the names of the first one's nodes."""
        layout = self._layout
        values, working = list(layout.values), list(layout.working)
        for index, name in branches.values.items():
            values[index] = working[index] = f"{BRANCH}.{name}"
        flags = {index: f"{BRANCH}.{name}" for index, name in branches.flags.items()}
        self._layout = replace(
            layout, values=values, working=working, flags={**layout.flags, **flags}
        )
        self._inside(branches.alike.blocks[branches.alike.first], indent)
        self._layout = layout

    def _case_tree(self, case: str, blocks: Sequence[tuple[int, PlacedBlock]], indent: int) -> None:
        out, middle = self._out, len(blocks) // 2
        if not middle:
            [(place, block)] = blocks
            out.add(indent, f"if {case} == {place}:", block.first)
            self._inside(block, indent + 1)
            return
        out.add(indent, f"if {case} < {blocks[middle][0]}:")
        self._case_tree(case, blocks[:middle], indent + 1)
        out.add(indent, "else:")
        self._case_tree(case, blocks[middle:], indent + 1)

    def _inside(self, block: PlacedBlock, indent: int) -> None:
        """Write the contents of a block, after the line that enters it."""
        before = len(self._out)
        self._items(block, indent)
        if block.counter is not None:
            self._set_flag(block.counter, block.starts, indent)
        if len(self._out) == before:
            self._out.add(indent, "pass", block.first)

    def _sparse(self, top: PlacedBlock, indent: int) -> None:
        out = self._out
        out.add(indent, "last = -1")
        self._driver.due_list(out, indent)
        out.add(indent, "while due:")
        out.add(indent + 1, "first = heappop(due)")
        out.add(indent + 1, "if first == last:")
        out.add(indent + 2, "continue")
        out.add(indent + 1, "last = first")
        blocks = [item for item in top.items if isinstance(item, PlacedBlock)]
        self._tree(blocks, indent + 1)

    def _tree(self, blocks: Sequence[PlacedBlock], indent: int) -> None:
        if len(blocks) == 1:
            [block] = blocks
            checks = self._test(block.test)
            more = "" if checks == "True" else f" and {checks}"
            self._out.add(indent, f"if first == {block.first}{more}:", block.first)
            self._inside(block, indent + 1)
            return
        middle = len(blocks) // 2
        self._out.add(indent, f"if first < {blocks[middle].first}:")
        self._tree(blocks[:middle], indent + 1)
        self._out.add(indent, "else:")
        self._tree(blocks[middle:], indent + 1)

    def _set_flag(self, index: int, starts: Sequence[int], indent: int) -> None:
        flag = self._layout.flags.get(index)
        if flag is not None:
            self._out.add(indent, f"{flag} = cycle", index)
        for first in starts:
            self._out.add(indent, f"heappush(due, {first})")

    # Tests

    def _test(self, test: Test) -> str:
        match test:
            case Always():
                return "True"
            case Never():
                return "False"
            case Now(index):
                at_once = self._driver.ticked_test(index)
                return at_once or f"{self._layout.flags[index]} == cycle"
            case Held(index):
                return self._layout.flags[index]
            case IsDue(index):
                return self._driver.due_test(index)
            case Case(index, place, inside):
                _, case, chosen = self._layout.cases[index]
                text = f"{case} == {place}"
                return text if inside else f"{chosen} == cycle and {text}"
            case AnyOf(tests):
                texts = [text for text in map(self._test, tests) if text != "False"]
                return "True" if "True" in texts else " or ".join(texts) or "False"
            case AllOf(tests):
                texts = [text for text in map(self._operand, tests) if text != "True"]
                return "False" if "False" in texts else " and ".join(texts) or "True"

    def _operand(self, test: Test) -> str:
        """Return a test as an operand of `and`."""
        text = self._test(test)
        is_lone = text in ("True", "False") or not isinstance(test, AnyOf)
        return text if is_lone else f"({text})"

    # Nodes

    def _node(self, placed: PlacedNode, indent: int) -> None:
        node = self._nodes[placed.index]
        if node.cycle is None:
            self._call(node, placed, indent)
        elif node.index in self._driver.replaced:
            self._driver.take_event(self._out, indent, node.index)
            self._tick(node, placed, indent)
        else:
            if node.woken and not any(isinstance(each, Wake) for each in node.cycle.body):
                self._driver.forget(self._out, indent, node.index)
            self._body(_Filled(self, node, placed), node.cycle.body, indent)

    def _call(self, node: NodeIR, placed: PlacedNode, indent: int) -> None:
        layout, index = self._layout, node.index
        step, state = layout.steps[index], layout.states[index]
        self._out.add(indent, f"if {step}({state}):", index)
        self._out.add(indent + 1, f"{layout.attributes[index]}.ticked_in = cycle", index)
        self._tick(node, placed, indent + 1)

    def _tick(self, node: NodeIR, placed: PlacedNode, indent: int) -> None:
        index, layout = node.index, self._layout
        if node.cycle is not None and node.cycle.withheld:
            working = layout.working[index]
            if not node.cycle.sets_value:
                self._out.add(indent, f"if {working} is not absent:", index)
            more = 0 if node.cycle.sets_value else 1
            self._out.add(indent + more, f"{layout.values[index]} = {working}", index)
        if node.mirrored:
            own = layout.attributes[index]
            if index in self._driver.replaced:
                self._out.add(indent, f'{own}["value"] = {layout.values[index]}', index)
            self._out.add(indent, f'{own}["ticked_in"] = cycle', index)
        self._driver.ticked(self._out, indent, index)
        if placed.sets_flag:
            self._set_flag(index, placed.starts, indent)
        if placed.dependants is not None:
            self._inside(placed.dependants, indent)

    def _body(self, filled: "_Filled", body: Body, indent: int) -> None:
        for statement in body:
            self._statement(filled, statement, indent)

    def _statement(self, filled: "_Filled", statement: Statement, indent: int) -> None:
        out, index = self._out, filled.node.index
        match statement:
            case Set(alias=True) if filled.has_value(statement.value):
                filled.alias(statement)
            case Set(targets, operator, value):
                left = " = ".join(map(filled.text, targets))
                out.add(indent, f"{left} {operator}= {filled.text(value)}", index)
                if statement.sets_value and filled.node.mirrored:
                    own = self._layout.attributes[index]
                    out.add(indent, f'{own}["value"] = {self._layout.values[index]}', index)
            case Do(text) | Raise(text):
                out.add(indent, filled.text(text), index)
            case If():
                self._choice(filled, statement, indent, "if")
            case Loop(head, body, orelse):
                out.add(indent, f"{filled.text(head)}:", index)
                self._block(filled, body, indent + 1)
                self._else(filled, orelse, indent)
            case Break(word):
                out.add(indent, word, index)
            case Tick():
                self._tick(filled.node, filled.placed, indent)
            case Wake(at, whole, keeps_alive, last):
                at_time = filled.text(at)
                self._driver.wake(out, indent, index, at_time, whole, keeps_alive, last)
            case Emit(_, value, place) if place:
                given, case, chosen = self._layout.cases[index]
                out.add(indent, f"{case} = {filled.text(place)}", index)
                out.add(indent, f"{given} = {filled.text(value)}", index)
                out.add(indent, f"{chosen} = cycle", index)
            case Emit(output, value):
                self._emit(filled, filled.node.outputs[output], filled.text(value), indent)
            case Need(hole):
                # A call evaluates its arguments, even if the function ignores them.
                if not filled.has_value((hole,)):
                    out.add(indent, filled.text((hole,)), index)

    def _emit(self, filled: "_Filled", index: int, value: str, indent: int) -> None:
        """Write that an output of a node ticks."""
        out, layout, owner = self._out, self._layout, filled.node.index
        out.add(indent, f"{layout.values[index]} = {value}", owner)
        if self._nodes[index].mirrored:
            own = layout.attributes[index]
            out.add(indent, f'{own}["value"] = {layout.values[index]}', owner)
            out.add(indent, f'{own}["ticked_in"] = cycle', owner)
        out.add(indent, f"{layout.flags[index]} = cycle", owner)
        for first in self._starts_of[index]:
            out.add(indent, f"heappush(due, {first})", owner)

    def _choice(self, filled: "_Filled", choice: If, indent: int, word: str) -> None:
        self._out.add(indent, f"{word} {filled.text(choice.test)}:", filled.node.index)
        self._block(filled, choice.body, indent + 1)
        match [each for each in choice.orelse if not filled.is_needless(each)]:
            case [If() as inner]:
                self._choice(filled, inner, indent, "elif")
            case _:
                self._else(filled, choice.orelse, indent)

    def _else(self, filled: "_Filled", body: Body, indent: int) -> None:
        if body:
            self._out.add(indent, "else:", filled.node.index)
            self._block(filled, body, indent + 1)

    def _block(self, filled: "_Filled", body: Body, indent: int) -> None:
        before = len(self._out)
        self._body(filled, body, indent)
        if len(self._out) == before:
            self._out.add(indent, "pass", filled.node.index)

    def fill(self, node: NodeIR, placed: PlacedNode, hole: Hole) -> str:
        """Return the text that fills a hole."""
        layout = self._layout
        match hole:
            case Value():
                return layout.working[node.index]
            case Upstream() if node.case >= 0:
                return layout.cases[node.owner][0]
            case Upstream(attribute, place):
                return layout.values[node.upstreams[attribute, place]]
            case Ticked():
                text = self._test(placed.tests[hole])
                return text if text in ("True", "False") else f"({text})"
            case Valid():
                text = self._test(placed.tests[hole])
                return text if text in ("True", "False") else f"({text} > 0)"
            case Due():
                return f"({self._driver.went_off(node.index)})" if node.woken else "False"
            case RunState(what):
                names = {Run.TIME: "time", Run.START: "start"}
                if what is Run.CLOSING:
                    return self._driver.closing_test(node.index)
                return names.get(what) or layout.states[node.index]
        return layout.names[node.index][hole]

    def has_value(self, node: NodeIR, hole: Hole) -> bool:
        """Return whether an upstream that a node reads certainly has a value."""
        if not isinstance(hole, Upstream) or not node.needs_all:
            return False
        index = node.upstreams[hole.attribute, hole.place]
        cycle = self._nodes[index].cycle
        return index in self._driver.replaced or (cycle is not None and cycle.sets_value)


class _Filled:
    """The texts of one node, with its holes filled."""

    def __init__(self, emitter: _Emitter, node: NodeIR, placed: PlacedNode) -> None:
        self.node = node
        self.placed = placed
        self._emitter = emitter
        self._names: dict[Hole, str] = {}

    def text(self, text: Text) -> str:
        """Return a text with its holes filled."""
        return "".join(self._parts(text))

    def _parts(self, text: Text) -> Iterator[str]:
        for part in text:
            if isinstance(part, str):
                yield part
                continue
            name = self._names.get(part)
            if name is None:
                name = self._names[part] = self._emitter.fill(self.node, self.placed, part)
            yield name

    def has_value(self, text: Text) -> bool:
        """Return whether all upstreams that a text reads certainly have a value."""
        return (
            len(text) == 1
            and isinstance(text[0], Hole)
            and self._emitter.has_value(self.node, text[0])
        )

    def is_needless(self, statement: Statement) -> bool:
        """Return whether a statement adds no line."""
        return isinstance(statement, Need) and self.has_value((statement.hole,))

    def alias(self, statement: Set) -> None:
        """Use an upstream's variable in place of a local name."""
        [[local]] = statement.targets
        assert isinstance(local, Hole)
        self._names[local] = self.text(statement.value)
