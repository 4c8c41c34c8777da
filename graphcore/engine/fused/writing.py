"""The fifth pass: put the templates together, block by block, to the text of one function.

The function holds the state of all nodes in its local variables and gives them back at its end.
It begins with one of four heads (`Head`). Where many blocks are side by side, those that have
something to do wait in a heap, and a tree of comparisons leads to each: a cycle costs what is
active in it.
"""

import builtins
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from enum import Enum
from heapq import heapify, heappop, heappush
from types import ModuleType
from typing import Any

from graphcore.engine.fused.clocks import Block, Clock, Of, Placement
from graphcore.engine.fused.functions import free_cell, free_value
from graphcore.engine.fused.outside import asks_between_cycles, keeps_alarms
from graphcore.engine.fused.parts import Part
from graphcore.engine.fused.reading import Is, Node
from graphcore.engine.fused.returns import Form
from graphcore.engine.fused.syntax import file_of
from graphcore.engine.fused.template import Alias, Pieces, Slot, TickLine, Wake
from graphcore.engine.fused.text import ABSENT, Kept, Text
from graphcore.node import Source

NEVER = 1 << 10_000  # behind any time; found so by its length alone
_SIDE_BY_SIDE = 24
_VARIABLES = 8  # sources whose next times are compared one by one
_SEVERAL = 8  # names in one line of initial values
_BUILTINS = frozenset(dir(builtins))
# What the function calls by itself has no name of a node's.
_TAKEN = {
    *("alarms", "bits", "cycle", "cycles", "due", "end", "entry", "first", "following", "heap"),
    *("heapify", "heappop", "heappush", "last", "mask", "never", "nodes", "run", "session"),
    *("start", "states", "time", "woken"),
    *_BUILTINS,
}


class Head(Enum):
    """Where the function has its cycles from."""

    EVENTS = "the events of the only source, which are all there beforehand"
    VARIABLES = "the sources' next times, each a variable"
    HEAP = "the heap of the alarms"
    SESSION = "the session, which does all that there is: real time, alarms that are taken back"


def head_for(parts: Sequence[Part]) -> Head:
    """Return the head for historical runs of these nodes that nothing else looks at."""
    woken = [part for part in parts if part.woken]
    classes: set[Any] = {type(part.node) for part in parts}
    if any(asks_between_cycles(cls) for cls in classes):
        return Head.SESSION
    if len(woken) == 1 and woken[0].template is not None and _is_recorded(woken[0].node):
        return Head.EVENTS
    if not woken or any(_wants_alarms(part) for part in woken):
        return Head.SESSION
    few = len(woken) <= _VARIABLES
    alone = all(not (part.active or part.passive) for part in woken)
    once = all(part.template is not None and part.template.wakes <= 1 for part in woken)
    return Head.VARIABLES if few and alone and once else Head.HEAP


def _is_recorded(node: Node) -> bool:
    """Return whether a source's `chunks` stands for its `start` and `cycle`."""
    if not (isinstance(node, Source) and node.recorded):
        return False
    told = {"start", "cycle", "chunks"}
    return "chunks" in next(vars(cls) for cls in type(node).__mro__ if told & vars(cls).keys())


def _wants_alarms(part: Part) -> bool:
    """Return whether a node may keep an alarm."""
    cls: Any = type(part.node)
    return part.template is None or part.template.wakes == float("inf") or keeps_alarms(cls)


def write(parts: Sequence[Part], placement: Placement, head: Head) -> Text:
    """Return the text of the function that runs these nodes."""
    return _Writer(parts, placement, head).write()


class _Writer:
    def __init__(self, parts: Sequence[Part], placement: Placement, head: Head) -> None:
        self._parts = parts
        self._placement = placement
        self._head = head
        self._text = Text()
        self._names: dict[tuple[Any, ...], str] = {}
        self._used = set(_TAKEN)
        self._aliases: dict[tuple[int, str], str] = {}
        self._supposed: set[tuple[int, str]] = set()
        self._flagged: set[Clock] = set()
        self._inside = placement.every
        self._starts: dict[Clock, list[int]] = {}
        # Whether anything asks the session for the time and the cycle while it runs.
        self._is_watched = False
        self._asks_due = False
        # For each node that ticks with its block, the flag of that.
        self._shared_flags: dict[int, str] = {}
        self._indices = {part.node: part.index for part in parts}
        items = placement.top.items
        self._sparse = len(items) > _SIDE_BY_SIDE and all(isinstance(i, Block) for i in items)

    def write(self) -> Text:
        text = self._text
        text.namespace |= {"heapify": heapify, "heappop": heappop, "heappush": heappush}
        text.namespace["never"] = NEVER
        if self._sparse:
            self._write_sparse(self._placement.top, 2)
        else:
            self._write_items(self._placement.top, 2)
        self._share_flag(self._placement.top, "")
        if self._head is Head.EVENTS:
            # Here, so that no event is taken that does not run.
            text.add(2, "if session.ended_by is not None:")
            text.add(3, "break")
        # The head comes last: only now is it known which variables there are.
        asks_start = text.speaks_of("start")
        text.asks_time = self._is_watched or text.speaks_of("time")
        body, text.lines = text.lines, []
        owners, text.owners = text.owners, []
        self._write_head(asks_start)
        text.lines += body
        text.owners += owners
        text.add(1, "return locals()")
        return text

    # The head

    def _write_head(self, asks_start: bool) -> None:
        text, woken = self._text, [part.index for part in self._parts if part.woken]
        more = {
            Head.EVENTS: ", events",
            Head.VARIABLES: ", cycles, end, alarms",
            Head.HEAP: ", cycles, end",
        }
        text.add(0, f"def run(session, nodes, states{more.get(self._head, '')}):")
        for part in self._parts:
            if ("state", part.index) in self._names:
                text.add(1, f"{self._state(part)} = states[{part.index}]", part.index)
            if part.template is not None:
                self._write_initial(part)
        flags = list(text.flags.values())
        for begin in range(0, len(flags), _SEVERAL):
            text.add(1, " = ".join([*flags[begin : begin + _SEVERAL], "0"]))
        if asks_start:
            text.add(1, "start = session.start_time")
        match self._head:
            case Head.EVENTS:
                self._write_head_of_events(woken[0])
            case Head.VARIABLES:
                self._write_head_of_variables(woken)
            case Head.HEAP:
                self._write_head_of_heap()
            case Head.SESSION:
                text.add(1, "heap, bits = session.schedule.heap, session.schedule.bits")
                text.add(1, "for due in iter(session.next_cycle, None):")
                text.add(2, "time, cycle = session.time, session.cycle")

    def _write_head_of_events(self, index: int) -> None:
        time = "time, " if self._text.asks_time else ""
        value = self._value(self._parts[index])
        self._text.add(1, f"for {time}{value}, cycle in events:", index)
        self._text.begins = len(self._text.lines)
        self._write_session()

    def _write_head_of_variables(self, woken: Sequence[int]) -> None:
        text = self._text
        for index in woken:
            text.add(1, f"{self._due(index)} = alarms[{index}]")
            text.dues[index] = self._due(index)
        dues = [self._due(index) for index in woken]
        text.add(1, "for cycle in cycles:")
        following = dues[0]
        if len(dues) > 1:
            following = "following"
            text.add(2, f"following = {_earliest(dues)}")
        self._write_end(f"{following} > end")
        text.add(2, f"time = {following}")
        self._write_session()

    def _write_head_of_heap(self) -> None:
        text = self._text
        text.add(1, "heap, bits = session.schedule.heap, session.schedule.bits")
        text.add(1, "mask, end = (1 << bits) - 1, end + 1 << bits")
        text.add(1, "for cycle in cycles:")
        self._write_end("not heap or heap[0] >= end")
        text.add(2, "entry = heappop(heap)")
        text.add(2, "time = entry >> bits")
        text.add(2, "due = [entry & mask]")
        text.add(2, "following = time + 1 << bits")
        text.add(2, "while heap and heap[0] < following:")
        text.add(3, "due.append(heappop(heap) & mask)")
        if self._asks_due:
            text.add(2, "woken = tuple(due)")
        self._write_session()

    def _write_end(self, over: str) -> None:
        self._text.add(2, f"if {over} or session.ended_by is not None:")
        self._text.add(3, "cycle -= 1")
        self._text.add(3, "break")
        self._text.begins = len(self._text.lines)

    def _write_session(self) -> None:
        if self._is_watched:
            self._text.add(2, "if time != session.time:")
            self._text.add(3, "session.first_cycle = cycle")
            self._text.add(2, "session.time, session.cycle = time, cycle")

    def _write_initial(self, part: Part) -> None:
        assert part.template is not None
        names: list[str] = []
        given: list[str] = []
        state: list[tuple[str, str]] = []
        own = vars(part.node)
        # In this head a source has nothing but its value.
        kinds = {} if self._head is Head.EVENTS and part.woken else part.template.kinds
        for attribute, kind in kinds.items():
            if kind.of not in (Is.OWN, Is.KEPT, Is.LIVE):
                self._text.facts.add(own, attribute, own.get(attribute, ABSENT))
            if kind.of in (Is.OWN, Is.KEPT):
                name = self._attribute(part, attribute)
                names.append(name)
                given.append(f"nodes[{part.index}].{attribute}")
                if kind.of is Is.OWN:
                    state.append((attribute, name))
        if names:
            self._text.add(1, f"{', '.join(names)} = {', '.join(given)}", part.index)
        flag = self._text.flags.get(part.index, self._shared_flags.get(part.index))
        self._text.kept.append(Kept(part.index, self._value(part), tuple(state), flag))

    # Blocks

    def _write_items(self, block: Block, indent: int) -> None:
        items = block.items
        position = 0
        while position < len(items):
            item = items[position]
            position += 1
            if isinstance(item, Block):
                self._write_block(item, indent)
                continue
            following = items[position] if position < len(items) else None
            ticks = self._placement.ticks[item]
            at_its_end = self._parts[item].form is Form.TAIL and ticks.node == item
            if at_its_end and isinstance(following, Block) and following.clock is ticks:
                self._write_node(self._parts[item], indent, following)
                position += 1
            else:
                self._write_node(self._parts[item], indent, None)

    def _write_block(self, block: Block, indent: int) -> None:
        condition = self._condition(block.clock)
        self._text.add(indent, f"if {condition or 'True'}:", block.first)
        self._write_inside(block, indent + 1)

    def _write_inside(self, block: Block, indent: int) -> None:
        outside, self._inside = self._inside, block.clock
        self._write_items(block, indent)
        self._inside = outside
        if block.counter is not None:
            self._set_flag(block.counter, indent)
            self._share_flag(block, self._flag(block.counter))
            if block.clock.flag == block.counter:
                self._flagged.add(block.clock)
                self._push(block.clock, indent)

    def _share_flag(self, block: Block, flag: str) -> None:
        for item in block.items:
            if not isinstance(item, Block) and self._placement.ticks[item] is block.clock:
                self._shared_flags[item] = flag

    def _write_sparse(self, top: Block, indent: int) -> None:
        blocks = [item for item in top.items if isinstance(item, Block)]
        opened: set[Clock] = set()
        for block in blocks:
            for clock in _starters(block.clock, opened):
                self._starts.setdefault(clock, []).append(block.first)
            opened.update(_clocks(block))
        text = self._text
        text.add(indent, "last = -1")
        if self._head is Head.VARIABLES:
            text.add(indent, "due = []")
            for part in self._parts:
                if part.woken:
                    text.add(indent, f"if {self._due(part.index)} == time:")
                    text.add(indent + 1, f"due.append({part.index})")
        elif self._head is Head.SESSION:
            text.add(indent, "heapify(due)")
        text.add(indent, "while due:")
        text.add(indent + 1, "first = heappop(due)")
        text.add(indent + 1, "if first == last:")
        text.add(indent + 2, "continue")
        text.add(indent + 1, "last = first")
        self._write_tree(blocks, indent + 1)

    def _write_tree(self, blocks: Sequence[Block], indent: int) -> None:
        if len(blocks) == 1:
            block = blocks[0]
            checks = self._checks(block.clock)
            condition = " and ".join([f"first == {block.first}", *checks])
            self._text.add(indent, f"if {condition}:", block.first)
            self._write_inside(block, indent + 1)
            return
        middle = len(blocks) // 2
        self._text.add(indent, f"if first < {blocks[middle].first}:")
        self._write_tree(blocks[:middle], indent + 1)
        self._text.add(indent, "else:")
        self._write_tree(blocks[middle:], indent + 1)

    def _push(self, clock: Clock, indent: int) -> None:
        for first in self._starts.get(clock, ()):
            self._text.add(indent, f"heappush(due, {first})")

    # Conditions

    def _condition(self, clock: Clock) -> str:
        """Return the test of whether a clock holds, empty where it does for certain."""
        if self._inside.implies(clock):
            return ""
        if clock in self._flagged:
            assert clock.flag is not None
            return f"{self._flag(clock.flag)} == cycle"
        match clock.of:
            case Of.DUE if self._head is Head.VARIABLES:
                return f"{self._due(clock.node)} == time"
            case Of.DUE:
                return f"{clock.node} in due"
            case Of.ANY:
                tests = [self._condition(member) for member in clock.members]
                return " or ".join(tests) if all(tests) else ""
            case Of.VALID if clock.above is not None:
                above, checks = self._condition(clock.above), self._checks(clock)
                if above and clock.above.members == clock.checked and len(checks) == 2:
                    # What holds now has held, so each side asks for the other alone.
                    first, second = (_operand(self._condition(side)) for side in clock.checked)
                    return f"{first} and {checks[1]} or {second} and {checks[0]}"
                return " and ".join([_operand(above), *checks] if above else checks)
        raise AssertionError(f"{clock} is asked for before it can hold")

    def _checks(self, clock: Clock) -> list[str]:
        return [self._held(checked) for checked in clock.checked]

    def _held(self, clock: Clock) -> str:
        """Return the test of whether a clock has held in this run."""
        if self._inside.has_held(clock):
            return "True"
        if clock.of is Of.NEVER or clock.flag is None:
            return "False"
        return self._flag(clock.flag)

    # Nodes

    def _write_node(self, part: Part, indent: int, dependants: Block | None) -> None:
        if part.template is None:
            self._write_call(part, indent, dependants)
            return
        if self._head is Head.EVENTS and part.woken:
            self._write_tick(part, indent, dependants)
            return
        by_variables = self._head is Head.VARIABLES
        if by_variables and part.woken and not self._always_wakes(part):
            self._text.add(indent, f"{self._due(part.index)} = never", part.index)
        for slot in part.template.handed:
            if self._may_lack(part, slot):
                # A function that is called has its arguments read, whether it looks at them or not.
                self._text.add(indent, self._fill(part, slot), part.index)
        for line in part.template.lines:
            here = indent + line.indent
            if isinstance(line, TickLine):
                self._write_tick(part, here, dependants)
            elif isinstance(line, Wake):
                self._write_wake(part, line, here)
            elif isinstance(line, Alias):
                self._write_alias(part, line, here)
            else:
                self._text.add(here, self._line(part, line.pieces), part.index)

    def _may_lack(self, part: Part, slot: Slot) -> bool:
        """Return whether there may be no value where a node reads one."""
        if slot.what == "value" or part.node.valid != "all":
            return True
        template = self._upstream(part, slot).template
        return template is None or not (template.sets_value and template.value_with_tick)

    def _always_wakes(self, part: Part) -> bool:
        assert part.template is not None
        return any(isinstance(line, Wake) and not line.indent for line in part.template.lines)

    def _write_call(self, part: Part, indent: int, dependants: Block | None) -> None:
        self._is_watched = True
        self._text.calls[part.index] = part.node.cycle
        call = self._constant(part, "cycle", part.node.cycle)
        self._text.add(indent, f"if {call}({self._state(part)}):", part.index)
        self._text.add(indent + 1, f"{self._node(part)}.ticked_in = cycle", part.index)
        self._write_tick(part, indent + 1, dependants)

    def _write_tick(self, part: Part, indent: int, dependants: Block | None) -> None:
        if part.observed:
            node = self._node(part)
            if part.template is not None and part.template.sets_value:
                self._text.add(indent, f"{node}.value = {self._value(part)}", part.index)
            self._text.add(indent, f"{node}.ticked_in = cycle", part.index)
        ticks = self._placement.ticks[part.index]
        if ticks.of is Of.CHOICE and ticks.node == part.index:
            self._set_flag(part.index, indent)
            self._flagged.add(ticks)
            self._push(ticks, indent)
        if dependants is not None:
            self._write_inside(dependants, indent)

    def _write_alias(self, part: Part, line: Alias, indent: int) -> None:
        upstream = self._upstream(part, line.given)
        if self._may_lack(part, line.given):
            given, local = self._fill(part, line.given), self._fill(part, line.local)
            self._text.add(indent, f"{local} = {given}", part.index)
        else:
            self._aliases[part.index, line.local.name] = self._value(upstream)

    def _write_wake(self, part: Part, line: Wake, indent: int) -> None:
        due = self._due(part.index)
        self._text.add(indent, f"{due} = {self._line(part, line.at)}", part.index)
        unknown = "" if line.whole else f"type({due}) is not int or "
        self._text.add(indent, f"if {unknown}{due} < time:", part.index)
        if self._head is not Head.SESSION:
            self._text.add(indent + 1, "session.time = time", part.index)
        self._text.add(indent + 1, f"{due} = {self._state(part)}.moment({due})", part.index)
        if self._head is not Head.VARIABLES:
            entry = f"{due} << bits | {part.index}"
            self._text.add(indent, f"heappush(heap, {entry})", part.index)

    def _set_flag(self, index: int, indent: int) -> None:
        self._text.add(indent, f"{self._flag(index)} = cycle", index)

    # Slots

    def _line(self, part: Part, pieces: Pieces) -> str:
        texts = [each if isinstance(each, str) else self._fill(part, each) for each in pieces]
        return "".join(texts)

    def _fill(self, part: Part, slot: Slot) -> str:
        match slot.what:
            case "value":
                return self._value(part)
            case "attribute":
                return self._attribute(part, slot.name, slot.by_name)
            case "local":
                alias = self._aliases.get((part.index, slot.name))
                name = f"{slot.name}_{part.index}"
                return alias or self._name(("local", part.index, slot.name), name)
            case "input":
                return self._input(self._upstream(part, slot))
            case "ticked":
                ticks = self._placement.ticks[self._upstream(part, slot).index]
                if ticks.of is Of.NEVER:
                    return "False"
                test = self._condition(ticks)
                return f"({test})" if test else "True"
            case "valid":
                held = self._held(self._placement.ticks[self._upstream(part, slot).index])
                return held if held in ("True", "False") else f"({held} > 0)"
            case "state":
                self._is_watched = True
                return self._state(part)
            case "due":
                return self._is_due(part)
            case "global":
                return self._global(part, slot.name, slot.by_name)
            case "cell":
                assert part.template is not None
                cell = free_cell(part.template.reading.function, slot.name)
                return f"{self._constant(part, slot.name, cell)}.cell_contents"
            case "free":
                value = free_value(getattr(part.node, slot.name), slot.detail)
                literal = None if slot.by_name else _literal(value)
                return literal or self._constant(part, slot.detail, value)
            case "free_cell":
                cell = free_cell(getattr(part.node, slot.name), slot.detail)
                return f"{self._constant(part, slot.detail, cell)}.cell_contents"
        raise AssertionError(f"there is no slot {slot.what}")

    def _upstream(self, part: Part, slot: Slot) -> Part:
        return self._parts[self._indices[part.upstream(slot.name, slot.detail)]]

    def _input(self, upstream: Part) -> str:
        if upstream.template is None:
            return f"{self._node(upstream)}.value"
        return self._value(upstream)

    def _is_due(self, part: Part) -> str:
        if not part.woken:
            return "False"
        if self._head is Head.VARIABLES:
            return "True"
        if self._head is Head.HEAP:
            self._asks_due = True
            return f"({part.index} in woken)"
        return f"({self._state(part)}.due_in == cycle)"

    def _attribute(self, part: Part, name: str, by_name: bool = False) -> str:
        assert part.template is not None
        kind = part.template.kinds[name]
        match kind.of:
            case Is.OWN | Is.KEPT:
                return self._name(
                    ("attribute", part.index, name), f"{part.label}_{name.lstrip('_')}"
                )
            case Is.LIVE:
                return f"{self._node(part)}.{name}"
        value = getattr(part.node, name)
        if kind.of is Is.LITERAL and not by_name:
            return _literal(value) or self._constant(part, name, value)
        return self._constant(part, name, value)

    def _global(self, part: Part, name: str, by_name: bool) -> str:
        assert part.template is not None
        function = part.template.reading.function
        where = function.__globals__
        file = file_of(function)
        rebound = file is None or file.rebinds_global(name)
        builtin = name in _BUILTINS
        if builtin and not rebound and name not in where:
            self._suppose(where, name, ABSENT)
            return name
        value = where.get(name)
        if rebound or not (callable(value) or isinstance(value, ModuleType)):
            module = self._bind(("module", id(where)), f"globals_of_{_tail(where)}", where)
            key = self._bind(("key", name), name, name) if by_name else repr(name)
            live = f"{module}[{key}]"
            return f"({live} if {key} in {module} else {name})" if builtin else live
        self._suppose(where, name, value)
        return self._bind(("global", id(where), name), name, value)

    def _suppose(self, where: Mapping[str, Any], name: str, value: Any) -> None:
        if (id(where), name) not in self._supposed:
            self._supposed.add((id(where), name))
            self._text.facts.add(where, name, value)

    # Names

    def _name(self, key: tuple[Any, ...], wanted: str) -> str:
        """Return the name that stands for the key: as wanted, if it is not taken."""
        name = self._names.get(key)
        if name is None:
            name = wanted
            while name in self._used:
                name += "_"
            # Interned, it is the very object that the compiled function holds.
            name = self._names[key] = sys.intern(name)
            self._used.add(name)
        return name

    def _bind(self, key: tuple[Any, ...], wanted: str, value: Any) -> str:
        """Return the name of a global of the function with this value."""
        name = self._name(key, wanted)
        self._text.namespace[name] = value
        return name

    def _constant(self, part: Part, name: str, value: Any) -> str:
        return self._bind(("constant", part.index, name), f"{part.label}_{name.strip('_')}", value)

    def _value(self, part: Part) -> str:
        return self._name(("value", part.index), part.label)

    def _node(self, part: Part) -> str:
        return self._bind(("node", part.index), f"{part.label}_node", part.node)

    def _state(self, part: Part) -> str:
        return self._name(("state", part.index), f"{part.label}_state")

    def _flag(self, index: int) -> str:
        name = self._name(("flag", index), f"{self._parts[index].label}_at")
        self._text.flags[index] = name
        return name

    def _due(self, index: int) -> str:
        return self._name(("due", index), f"{self._parts[index].label}_next")


def _earliest(times: Sequence[str]) -> str:
    if len(times) > 2:
        return f"min({', '.join(times)})"
    return times[0] if len(times) == 1 else "{0} if {0} <= {1} else {1}".format(*times)


def _starters(clock: Clock, opened: Container[Clock]) -> Iterator[Clock]:
    """Yield the clocks at whose ticks a block of this clock has to be run."""
    if clock.of is Of.CHOICE or clock in opened:
        yield clock
    elif clock.of is Of.ANY:
        for member in clock.members:
            yield from _starters(member, opened)
    elif clock.of is Of.VALID and clock.above is not None:
        yield from _starters(clock.above, opened)


def _clocks(block: Block) -> Iterator[Clock]:
    if block.counter is not None:
        yield block.clock
    for item in block.items:
        if isinstance(item, Block):
            yield from _clocks(item)


def _operand(test: str) -> str:
    """Return a test as an operand of `and`."""
    return f"({test})" if " or " in test else test


def _literal(value: Any) -> str | None:
    """Return how a value is written, `None` if it is none that can be."""
    if value is None or value is True or value is False:
        return repr(value)
    if type(value) not in (int, float, str, bytes) or (type(value) is float and value - value != 0):
        return None
    text = repr(value)
    if len(text) > 40:
        return None
    return f"({text})" if text.startswith("-") else text


def _tail(where: Mapping[str, Any]) -> str:
    return str(where.get("__name__", "somewhere")).rpartition(".")[2].strip("_") or "somewhere"
