"""A thread that looks at a run every few milliseconds: where the function is, and at queues.

CPython hands over to another thread only at certain instructions: at the beginning of a function,
at the end of a loop's body, and after a call. So a look never finds the function between two of
them. The time of a look belongs to all instructions since the last such place; it is shared among
their nodes by the number of instructions.
"""

import dis
import sys
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from time import perf_counter
from types import CodeType, FrameType

from graphcore.engine.fused import Fused
from graphcore.engine.fused.backend.program import Program
from graphcore.engine.plan import Node
from graphcore.sources.receiver import ReceiverStream

_INTERVAL = 0.004  # s; below CPython's own switch interval nothing is gained
_HANDS_OVER = ("CALL", "RESUME", "JUMP_BACKWARD", "YIELD_VALUE", "SEND")
_DEEPEST = 40

Stack = tuple[str, ...]


class Queue:
    """What was seen of one source's queue.

    Attributes:
        largest: the largest number of values seen waiting.
        lag: the longest time for which values were seen waiting, s.
    """

    def __init__(self) -> None:
        self.largest = 0
        self.lag = 0.0
        self._since: float | None = None

    def see(self, waiting: int, now: float) -> None:
        """Note how many values wait now."""
        self.largest = max(self.largest, waiting)
        if not waiting:
            self._since = None
            return
        self._since = now if self._since is None else self._since
        self.lag = max(self.lag, now - self._since)


class Sampler:
    """Looks at the thread that makes it, from `start` to `stop`.

    Args:
        fused: the tier that runs there; `None` looks at queues alone.
        nodes: the nodes of the run.

    Attributes:
        queues: for the index of each source that receives from a thread, its queue.
    """

    def __init__(self, fused: Fused | None, nodes: Sequence[Node]) -> None:
        self._fused = fused
        self._thread_id = threading.get_ident()
        self._nodes = nodes
        self._receivers = [i for i, node in enumerate(nodes) if isinstance(node, ReceiverStream)]
        self.queues = {index: Queue() for index in self._receivers}
        self._seen: Counter[tuple[Program, int, Stack]] = Counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="graphcore-profile", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        if self._fused is not None or self._receivers:
            self._thread.start()

    def stop(self) -> None:
        """End looking."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def samples(self) -> int:
        """How often the function was found running."""
        return self._seen.total()

    def shares(self) -> dict[tuple[int, Stack], float]:
        """Return the number of looks by node and by what it called; -1 is the loop itself."""
        found: dict[tuple[int, Stack], float] = {}
        segments: dict[Program, _Segments] = {}
        for (program, offset, called), count in self._seen.items():
            if program not in segments:
                segments[program] = _Segments(program)
            for owner, share in segments[program].owners(offset, bool(called)):
                key = (owner, called)
                found[key] = found.get(key, 0.0) + share * count
        return found

    def _look(self) -> None:
        while not self._done.wait(_INTERVAL):
            if self._fused is not None and self._fused.running is not None:
                self._see_function(self._fused.running)
            now = perf_counter()
            for index in self._receivers:
                sender = vars(self._nodes[index]).get("_sender")
                if sender is not None:
                    self.queues[index].see(sender.waiting, now)

    def _see_function(self, program: Program) -> None:
        frame: FrameType | None = sys._current_frames().get(self._thread_id)
        called: list[str] = []
        while frame is not None and frame.f_code is not program.code:
            called.append(f"{frame.f_code.co_qualname} ({frame.f_code.co_filename})")
            frame = frame.f_back
        if frame is not None and not any("graphcore/engine/session.py" in c for c in called):
            stack = tuple(reversed(called[-_DEEPEST:]))
            self._seen[program, frame.f_lasti, stack] += 1


class _Segments:
    """The instructions of a fused function, by the places where it hands over.

    Args:
        program: the compiled function.
    """

    def __init__(self, program: Program) -> None:
        code: CodeType = program.code
        self._offsets: list[int] = []
        self._owners: list[Sequence[int]] = []
        self._begins: list[int] = []  # for each instruction, the first one of its segment
        begin = 0
        for place, each in enumerate(dis.get_instructions(code)):
            line = each.positions.lineno if each.positions is not None else None
            self._offsets.append(each.offset)
            self._owners.append(program.owners_of(line))
            self._begins.append(begin)
            if each.opname.startswith(_HANDS_OVER):
                begin = place + 1

    def owners(self, offset: int, in_call: bool) -> Iterator[tuple[int, float]]:
        """Yield the nodes to which a look belongs, each with its share.

        Args:
            offset: the instruction at which the function was seen.
            in_call: whether a function that it called was running: then it is that node's alone.
        """
        # During a call, a frame's offset lies after the call's instruction, in its cache.
        place = max(0, bisect_right(self._offsets, offset) - 1)
        owners = self._owners[place : place + 1]
        if not in_call:
            owners = self._owners[self._begins[place] : place + 1]
            owners = [each for each in owners if each[0] >= 0] or [(-1,)]
        for nodes, count in Counter(map(tuple, owners)).items():
            for node in nodes:  # several if branches of the graph share the text
                yield node, count / len(owners) / len(nodes)
