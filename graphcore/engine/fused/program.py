"""The last pass, and the tier: compile the text, run it, and give the nodes their state back.

However a run ends, the nodes are what the interpreted tier would have left: the function's
variables are read from its frame, and the line at which it stopped says which nodes of a block had
run. An error gains the note of the node to which its line belongs (R11).
"""

import itertools
import linecache
import re
import warnings
import weakref
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any

from graphcore.engine.fused.clocks import Block, Placement, Reads
from graphcore.engine.fused.head import Head, head_for
from graphcore.engine.fused.parts import Part, parts_of
from graphcore.engine.fused.reading import cycle_of
from graphcore.engine.fused.recorded import Recorded
from graphcore.engine.fused.returns import Form
from graphcore.engine.fused.text import Text
from graphcore.engine.fused.writing import NEVER, write
from graphcore.engine.notes import add_note
from graphcore.engine.plan import Plan
from graphcore.engine.session import Session
from graphcore.errors import NoValueError
from graphcore.node import Source

_numbers = itertools.count(1)
_MISSING = object()
_QUOTED = re.compile(r"'(\w+)'")


class Program:
    """A plan, compiled for one of the heads.

    Args:
        plan: what is run.
        parts: its nodes, each taken apart or called.
        head: where the function has its cycles from.
    """

    def __init__(self, plan: Plan, parts: list[Part], head: Head) -> None:
        self.plan = plan
        self.parts = parts
        self.head = head
        self.placement = Placement(
            [
                Reads(
                    part.active,
                    part.passive,
                    part.woken,
                    part.node.valid == "all",
                    part.form is Form.ALWAYS,
                    part.form is Form.NEVER,
                )
                for part in parts
            ]
        )
        self.text: Text = write(parts, self.placement, head)
        source = str(self.text)
        self._classes = {cls: cycle_of(cls) for cls in {type(part.node) for part in parts}}
        name = f"<graphcore {next(_numbers)}>"
        with warnings.catch_warnings():
            # Of doubtful code Python has told when the user's own file was compiled.
            warnings.simplefilter("ignore")
            code: CodeType = compile(source, name, "exec", dont_inherit=True)
        exec(code, self.text.namespace)
        self._run: FunctionType = self.text.namespace["run"]
        self._lines = source.splitlines(True)
        self.text.lines.clear()
        linecache.cache[name] = (len(source), None, self._lines, name)
        weakref.finalize(self, linecache.cache.pop, name, None)

    @property
    def source(self) -> str:
        """The text of the function."""
        return "".join(self._lines).rstrip()

    def holds(self) -> bool:
        """Return whether all that was written out is so still."""
        if not self.text.facts.hold():
            return False
        calls = self.text.calls
        if any(self.parts[index].node.cycle != call for index, call in calls.items()):
            return False
        if any(cycle_of(cls) is not cycle for cls, cycle in self._classes.items()):
            return False
        if any("cycle" in vars(part.node) for part in self.parts if part.template is not None):
            return False
        return not self.without_state()

    def without_state(self) -> dict[int, str]:
        """Return the nodes that lack state with which a run has to begin, with what they lack."""
        return {
            kept.node: f"a run began without {attribute}, which its cycle sets"
            for kept in self.text.kept
            for attribute, _ in kept.state
            if attribute not in vars(self.parts[kept.node].node)
        }

    def run(self, session: Session) -> None:
        """Run the nodes until the session is over."""
        recorded = self._recorded(session) if self.head is Head.EVENTS else None
        returned: dict[str, Mapping[str, Any]] = {}
        try:
            given = (session, self.plan.nodes, session.states, *self._more(session, recorded))
            # It calls and keeps in one step, into which Ctrl-C cannot break.
            returned = defaultdict(partial(self._run, *given))
            self._end(returned["variables"], session, recorded)
        except BaseException as error:
            if returned:
                self._end(returned["variables"], session, recorded)
                raise
            missing = self._fail(error, session, recorded)
            if missing is None:
                raise
        else:
            return
        raise missing  # out here, where it has no other error for its context

    def _more(self, session: Session, recorded: Recorded | None) -> tuple[Any, ...]:
        """Return what the function takes for this head, beside what it takes for all."""
        end = NEVER - 1 if session.end is None else session.end
        if self.head is Head.SESSION:
            return ()
        if recorded is not None:
            return (itertools.chain.from_iterable(recorded),)
        if self.head is Head.HEAP:
            return session.numbers(), end
        return session.numbers(), end, self._alarms(session)

    def _end(
        self, variables: Mapping[str, Any], session: Session, recorded: Recorded | None
    ) -> None:
        """Tell the session and the nodes how the function's end has left them."""
        if self.head is not Head.SESSION:
            self._tell(session, variables, recorded)
            if recorded is not None:
                following = recorded.following
            elif self.head is Head.HEAP:
                following = session.schedule.next_time()
            else:
                first = min(variables[name] for name in self.text.dues.values())
                following = None if first == NEVER else first
            session.end_at(following)
        self._give_back(variables, session, len(self.parts))

    def _recorded(self, session: Session) -> Recorded:
        source = next(part.node for part in self.parts if part.woken)
        assert isinstance(source, Source)
        session.schedule.heap.clear()
        return Recorded(source.chunks(session.start_time), session, self.text.asks_time)

    def _alarms(self, session: Session) -> dict[int, int]:
        """Take the time that each source waits for out of the session."""
        alarms = dict.fromkeys(self.text.dues, NEVER)
        heap, bits = session.schedule.heap, session.schedule.bits
        for entry in heap:
            alarms[entry & ((1 << bits) - 1)] = entry >> bits
        heap.clear()
        return alarms

    def _tell(
        self, session: Session, variables: Mapping[str, Any], recorded: Recorded | None
    ) -> None:
        """Tell the session what time it is, and how many cycles there were."""
        session.cycle = variables.get("cycle", 0)
        if recorded is not None:
            session.time = recorded.time_of(session.cycle)
        else:
            session.time = variables.get("time", session.time)

    def _fail(
        self, error: BaseException, session: Session, recorded: Recorded | None
    ) -> NameError | NoValueError | None:
        """Give the nodes back what they were when it failed, and note on which it was.

        Returns:
            The error that reading a node's value or a global would have raised, if that is what
            failed.
        """
        found = self._frame(error.__traceback__)
        if found is None:
            return None
        frame, line, last = found
        owner = self.text.owners[line - 1] if line <= len(self.text.owners) else -1
        if self.head is not Head.SESSION:
            self._tell(session, frame.f_locals, recorded)
            if recorded is not None and line == self.text.begins:
                if isinstance(error, Exception):
                    session.cycle += 1  # that of the source, which has no next event
                else:
                    owner = -1
            elif owner < 0 and line <= self.text.begins:
                session.cycle = max(session.cycle - 1, 0)
        self._give_back(frame.f_locals, session, owner if owner >= 0 else len(self.parts))
        missing: NameError | NoValueError | None = None
        if last and isinstance(error, NameError):
            missing = self._no_value(error)
        elif last and isinstance(error, KeyError) and owner >= 0:
            missing = self._no_global(error, self.parts[owner])
        if owner >= 0 and isinstance(error, Exception):
            add_note(missing or error, self.plan, owner, session.time)
        return missing

    def _frame(self, traceback: TracebackType | None) -> tuple[FrameType, int, bool] | None:
        """Return the function's frame in a traceback, its line, and whether it is the last one."""
        while traceback is not None:
            if traceback.tb_frame.f_code is self._run.__code__:
                # Some of its instructions belong to no line.
                line = traceback.tb_lineno or len(self.text.owners) + 1
                return traceback.tb_frame, line, traceback.tb_next is None
            traceback = traceback.tb_next
        return None

    def _no_value(self, error: NameError) -> NoValueError | None:
        match = _QUOTED.search(str(error))
        for kept in self.text.kept:
            if match is not None and kept.value == match[1]:
                node = self.parts[kept.node].node
                text = f"{node.name} has no value yet: it has not ticked in this run"
                return NoValueError(text).with_traceback(error.__traceback__)
        return None

    def _no_global(self, error: KeyError, part: Part) -> NameError | None:
        if part.template is None or len(error.args) != 1:
            return None
        name, function = error.args[0], part.template.reading.function
        if name not in function.__code__.co_names or name in function.__globals__:
            return None
        text = f"name {name!r} is not defined"
        return NameError(text, name=name).with_traceback(error.__traceback__)

    def _give_back(self, variables: Mapping[str, Any], session: Session, failed: int) -> None:
        """Give the nodes their values, their state and the cycle of their last tick.

        Args:
            variables: the function's variables.
            session: the run.
            failed: the index of the node at which it stopped; beyond the last, if between cycles.
        """
        nodes, cycle = self.plan.nodes, session.cycle
        for index, value, state, flag in self.text.kept:
            node = nodes[index]
            if value in variables:
                node.value = variables[value]
            for attribute, name in state:
                if name in variables:  # an interrupt may come before the first line
                    setattr(node, attribute, variables[name])
            if flag is not None:
                node.ticked_in = variables.get(flag, 0) if flag else cycle
        if failed < len(nodes):
            self._mend_ticks(session, failed)

    def _mend_ticks(self, session: Session, failed: int) -> None:
        """Tell apart the nodes of a block that had ticked when it was left from the others."""
        for index, (block, last) in _blocks(self.placement.top).items():
            if self.placement.ticks[index] is not block.clock or self.parts[index].template is None:
                continue
            node = self.plan.nodes[index]
            if block.counter is None:
                node.ticked_in = session.cycle if index < failed else session.cycle - 1
            elif block.first <= failed <= last and index < failed:
                node.ticked_in = session.cycle


class Fused:
    """The fused tier for one plan: compiles it when it is needed, and keeps what it compiled.

    Args:
        plan: what is run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._to_call: dict[int, str] = {}
        self._parts: list[Part] | None = None
        self._programs: dict[Head, Program] = {}

    def prepare(self, watched: bool) -> None:
        """Compile what such a run will need."""
        self._program(Head.SESSION if watched else head_for(self.parts))

    def run(self, session: Session) -> None:
        """Run the plan until the session is over."""
        program = self._program(self._head(session))
        if not program.holds():
            self._to_call |= program.without_state()
            self._parts = None
            self._programs.clear()
            program = self._program(self._head(session))
        program.run(session)

    def source(self) -> str:
        """Return the text of the function that runs the plan over history."""
        return self._program(head_for(self.parts)).source

    @property
    def parts(self) -> list[Part]:
        """The nodes, each with the decision whether it is taken apart or called."""
        if self._parts is None:
            self._parts = parts_of(self._plan, self._to_call)
        return self._parts

    def _program(self, head: Head) -> Program:
        if head not in self._programs:
            self._programs[head] = Program(self._plan, self.parts, head)
        return self._programs[head]

    def _head(self, session: Session) -> Head:
        head = Head.SESSION if session.watched else head_for(self.parts)
        if head is not Head.VARIABLES:
            return head
        schedule = session.schedule
        indices = [entry & ((1 << schedule.bits) - 1) for entry in schedule.heap]
        return head if len(set(indices)) == len(indices) else Head.HEAP


def _blocks(block: Block) -> "dict[int, tuple[Block, int]]":
    """Return, for each node, its block and the index of the last node in that."""
    found: dict[int, tuple[Block, int]] = {}
    own: list[int] = []
    for item in block.items:
        if isinstance(item, Block):
            found |= _blocks(item)
        else:
            own.append(item)
    place = block, max([*own, *found], default=0)
    found |= dict.fromkeys(own, place)
    return found
