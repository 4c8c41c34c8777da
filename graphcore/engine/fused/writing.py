"""The fifth pass: put the templates together, block by block, to the text of one function.

The function holds the state of all nodes in its local variables and gives them back at its end.
It begins with one of four heads (`Head`). Where many blocks are side by side, those that have
something to do wait in a heap, and a tree of comparisons leads to each: a cycle costs what is
active in it.
"""

from collections.abc import Container, Iterator, Sequence
from heapq import heapify, heappop, heappush

from graphcore.engine.fused.clocks import Block, Clock, Of, Placement
from graphcore.engine.fused.conditions import Conditions
from graphcore.engine.fused.head import Head
from graphcore.engine.fused.lines import Alias, TickLine, Wake
from graphcore.engine.fused.names import Names
from graphcore.engine.fused.parts import Part
from graphcore.engine.fused.reading import Is
from graphcore.engine.fused.returns import Form
from graphcore.engine.fused.slots import Slots
from graphcore.engine.fused.text import ABSENT, Kept, Text

NEVER = 1 << 10_000  # behind any time; found so by its length alone
_SIDE_BY_SIDE = 24
_SEVERAL = 8  # names in one line of initial values


def write(parts: Sequence[Part], placement: Placement, head: Head) -> Text:
    """Return the text of the function that runs these nodes."""
    return _Writer(parts, placement, head).write()


class _Writer:
    def __init__(self, parts: Sequence[Part], placement: Placement, head: Head) -> None:
        self._parts = parts
        self._placement = placement
        self._head = head
        self._text = Text()
        self._names = Names(parts, self._text)
        self._conditions = Conditions(head, self._names, placement.every)
        self._slots = Slots(parts, placement, head, self._text, self._names, self._conditions)
        self._starts: dict[Clock, list[int]] = {}
        # For each node that ticks with its block, the flag of that.
        self._shared_flags: dict[int, str] = {}
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
        asks_woken = self._head is Head.HEAP and text.speaks_of("woken")
        text.asks_time = text.asks_session or text.speaks_of("time")
        body, text.lines = text.lines, []
        owners, text.owners = text.owners, []
        self._write_head(asks_start, asks_woken)
        text.lines += body
        text.owners += owners
        text.add(1, "return locals()")
        return text

    # The head

    def _write_head(self, asks_start: bool, asks_woken: bool) -> None:
        text, woken = self._text, [part.index for part in self._parts if part.woken]
        more = {
            Head.EVENTS: ", events",
            Head.VARIABLES: ", cycles, end, alarms",
            Head.HEAP: ", cycles, end",
        }
        text.add(0, f"def run(session, nodes, states{more.get(self._head, '')}):")
        for part in self._parts:
            if self._names.has_state(part):
                text.add(1, f"{self._names.state(part)} = states[{part.index}]", part.index)
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
                self._write_head_of_heap(asks_woken)
            case Head.SESSION:
                text.add(1, "heap, bits = session.schedule.heap, session.schedule.bits")
                text.add(1, "for due in iter(session.next_cycle, None):")
                text.add(2, "time, cycle = session.time, session.cycle")

    def _write_head_of_events(self, index: int) -> None:
        time = "time, " if self._text.asks_time else ""
        value = self._names.value(self._parts[index])
        self._text.add(1, f"for {time}{value}, cycle in events:", index)
        self._text.begins = len(self._text.lines)
        self._write_session()

    def _write_head_of_variables(self, woken: Sequence[int]) -> None:
        text = self._text
        for index in woken:
            text.add(1, f"{self._names.due(index)} = alarms[{index}]")
            text.dues[index] = self._names.due(index)
        dues = [self._names.due(index) for index in woken]
        text.add(1, "for cycle in cycles:")
        following = dues[0]
        if len(dues) > 1:
            following = "following"
            text.add(2, f"following = {_earliest(dues)}")
        self._write_end(f"{following} > end")
        text.add(2, f"time = {following}")
        self._write_session()

    def _write_head_of_heap(self, asks_woken: bool) -> None:
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
        if asks_woken:
            text.add(2, "woken = tuple(due)")
        self._write_session()

    def _write_end(self, over: str) -> None:
        self._text.add(2, f"if {over} or session.ended_by is not None:")
        self._text.add(3, "cycle -= 1")
        self._text.add(3, "break")
        self._text.begins = len(self._text.lines)

    def _write_session(self) -> None:
        if self._text.asks_session:
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
                name = self._slots.attribute(part, attribute)
                names.append(name)
                given.append(f"nodes[{part.index}].{attribute}")
                if kind.of is Is.OWN:
                    state.append((attribute, name))
        if names:
            self._text.add(1, f"{', '.join(names)} = {', '.join(given)}", part.index)
        flag = self._text.flags.get(part.index, self._shared_flags.get(part.index))
        self._text.kept.append(Kept(part.index, self._names.value(part), tuple(state), flag))

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
        condition = self._conditions.holds(block.clock)
        self._text.add(indent, f"if {condition or 'True'}:", block.first)
        self._write_inside(block, indent + 1)

    def _write_inside(self, block: Block, indent: int) -> None:
        outside, self._conditions.inside = self._conditions.inside, block.clock
        self._write_items(block, indent)
        self._conditions.inside = outside
        if block.counter is not None:
            self._set_flag(block.counter, indent)
            self._share_flag(block, self._names.flag(block.counter))
            if block.clock.flag == block.counter:
                self._conditions.flagged.add(block.clock)
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
                    text.add(indent, f"if {self._names.due(part.index)} == time:")
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
            checks = self._conditions.checks(block.clock)
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
            self._text.add(indent, f"{self._names.due(part.index)} = never", part.index)
        for slot in part.template.handed:
            if self._slots.may_lack(part, slot):
                # A function that is called has its arguments read, whether it looks at them or not.
                self._text.add(indent, self._slots.fill(part, slot), part.index)
        for line in part.template.lines:
            here = indent + line.indent
            if isinstance(line, TickLine):
                self._write_tick(part, here, dependants)
            elif isinstance(line, Wake):
                self._write_wake(part, line, here)
            elif isinstance(line, Alias) and not self._slots.may_lack(part, line.given):
                self._slots.alias(part, line)
            elif isinstance(line, Alias):
                filled = (self._slots.fill(part, slot) for slot in (line.local, line.given))
                self._text.add(here, " = ".join(filled), part.index)
            else:
                self._text.add(here, self._slots.line(part, line.pieces), part.index)

    def _always_wakes(self, part: Part) -> bool:
        assert part.template is not None
        return any(isinstance(line, Wake) and not line.indent for line in part.template.lines)

    def _write_call(self, part: Part, indent: int, dependants: Block | None) -> None:
        self._text.asks_session = True
        self._text.calls[part.index] = part.node.cycle
        call = self._names.constant(part, "cycle", part.node.cycle)
        self._text.add(indent, f"if {call}({self._names.state(part)}):", part.index)
        self._text.add(indent + 1, f"{self._names.node(part)}.ticked_in = cycle", part.index)
        self._write_tick(part, indent + 1, dependants)

    def _write_tick(self, part: Part, indent: int, dependants: Block | None) -> None:
        if part.observed:
            node = self._names.node(part)
            if part.template is not None and part.template.sets_value:
                self._text.add(indent, f"{node}.value = {self._names.value(part)}", part.index)
            self._text.add(indent, f"{node}.ticked_in = cycle", part.index)
        ticks = self._placement.ticks[part.index]
        if ticks.of is Of.CHOICE and ticks.node == part.index:
            self._set_flag(part.index, indent)
            self._conditions.flagged.add(ticks)
            self._push(ticks, indent)
        if dependants is not None:
            self._write_inside(dependants, indent)

    def _write_wake(self, part: Part, line: Wake, indent: int) -> None:
        due = self._names.due(part.index)
        self._text.add(indent, f"{due} = {self._slots.line(part, line.at)}", part.index)
        unknown = "" if line.whole else f"type({due}) is not int or "
        self._text.add(indent, f"if {unknown}{due} < time:", part.index)
        if self._head is not Head.SESSION:
            self._text.add(indent + 1, "session.time = time", part.index)
        self._text.add(indent + 1, f"{due} = {self._names.state(part)}.moment({due})", part.index)
        if self._head is not Head.VARIABLES:
            entry = f"{due} << bits | {part.index}"
            self._text.add(indent, f"heappush(heap, {entry})", part.index)

    def _set_flag(self, index: int, indent: int) -> None:
        self._text.add(indent, f"{self._names.flag(index)} = cycle", index)


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
