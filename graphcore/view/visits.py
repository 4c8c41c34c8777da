"""`Visit`: what one page wants to see, and the messages that show it.

A message is a line of JSON in both directions. A page asks for the rows that it shows and no
others, so a graph of 10,000 nodes costs as much to view as a small one. From the page come:

- ``{"rows": {"search": text, "first": n, "count": n}}``: the part of the list that it shows;
- ``{"node": n}`` or ``{"node": null}``: the node that it shows at length;
- ``{"charts": [n, ...]}``: the nodes of which it wants each tick;
- ``{"pause": true}``, ``{"pause": false}``, ``{"step": n}``: for historical runs.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphcore.engine.run.session import Session
from graphcore.state import RunMode
from graphcore.time import format_time
from graphcore.view.figures import figures_of
from graphcore.view.lookout import Sight, Wanted, shown
from graphcore.view.structure import Structure

_MOST_CHARTS = 12
_MOST_STEPS = 1_000_000
_MOST_POINTS = 5_000


class RequestError(Exception):
    """A page sent what is no request."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as pages see it.

    Attributes:
        session: the run; `None` before the first.
        number: its number among the runs that the server has seen.
        failure: its error with notes, once it has failed; empty otherwise.
        has_ended: whether it has ended.
    """

    session: Session | None = None
    number: int = 0
    failure: str = ""
    has_ended: bool = False

    @property
    def is_historical(self) -> bool:
        """Whether it can be paused."""
        return self.session is not None and self.session.run_mode is RunMode.HISTORICAL

    @property
    def status(self) -> str:
        """What it does, in a word or two."""
        session = self.session
        if session is None:
            return "not running"
        if self.has_ended:
            return f"ended by {session.ended_by}"
        if session.questions.is_paused:
            return "paused"
        return "running" if session.questions.are_answered else "starting or stopping"


class Visit:
    """One page.

    Args:
        structure: the graph.
        nodes: its nodes.
    """

    def __init__(self, structure: Structure, nodes: Any) -> None:
        self._structure = structure
        self._nodes = nodes
        self._rows: tuple[int, ...] = ()
        self._node: int | None = None
        self._near: tuple[int, ...] = ()  # the nodes that are drawn around it
        self._charts: tuple[int, ...] = ()
        self._points: deque[tuple[int, float, float]] = deque(maxlen=_MOST_POINTS)
        self._lines_seen = 0
        self.wanted = Wanted()

    def receive(self, line: bytes, run: Run) -> dict[str, Any]:
        """Take a request; return what answers it at once.

        Raises:
            RequestError: for anything else than a request.
        """
        try:
            asked = json.loads(line)
        except ValueError as error:
            raise RequestError("not JSON") from error
        if not isinstance(asked, dict):
            raise RequestError("not an object")
        answer: dict[str, Any] = {}
        if "rows" in asked:
            answer["rows"] = self._list(asked["rows"])
        if "node" in asked:
            answer["node"] = self._choose(asked["node"])
        if "charts" in asked:
            self._chart(asked["charts"])
        if "pause" in asked and run.is_historical and run.session is not None:
            run.session.questions.pause(bool(asked["pause"]))
        if "step" in asked and run.is_historical and run.session is not None:
            run.session.questions.step(_whole(asked["step"], _MOST_STEPS))
        whole = () if self._node is None else (self._node,)
        shown_now = frozenset((*self._rows, *self._charts, *self._near))
        self.wanted = Wanted(shown_now, frozenset(whole), frozenset(self._charts))
        return answer

    def add_points(self, points: Mapping[int, list[tuple[int, float]]]) -> None:
        """Keep ticks for the next message; times are in ns."""
        for index in self._charts:
            for time, number in points.get(index, ()):
                self._points.append((index, time / 1e6, number))

    def message(self, run: Run, sight: Sight | None, waiting: float, log: Any) -> dict[str, Any]:
        """Return the present state of what the page shows.

        Args:
            run: the run.
            sight: what was seen of it last.
            waiting: for how long no cycle has ended, s, as far as that is known.
            log: the lines of the log.
        """
        lines, self._lines_seen = log.since(self._lines_seen)
        points = [self._points.popleft() for _ in range(len(self._points))]
        state: dict[str, Any] = {
            "run": run.number,
            "status": run.status,
            "historical": run.is_historical,
            "failure": run.failure,
            "log": lines,
            "points": points,
            "waiting": 0.0 if run.has_ended else waiting,
        }
        if sight is None:
            return state
        session = run.session
        live = session is not None and not run.has_ended and session.clock is not None
        time = session.clock.now() if live and session and session.clock else sight.time
        state |= {
            "cycle": sight.cycle,
            "time": format_time(sight.time),
            "ms": sight.time / 1e6,
            "speed": 0.0 if run.has_ended else sight.speed,
            "rows": [
                [
                    index,
                    row.ticked_in,
                    None if row.at is None else max(0, time - row.at) / 1e9,
                    row.known,
                    0.0 if run.has_ended else row.rate,
                    row.is_exact,
                    row.text,
                ]
                for index in self.wanted.rows | self.wanted.whole
                if (row := sight.rows.get(index)) is not None
            ],
        }
        if self._node is not None and self._node in sight.whole:
            figures = _figures_of(self._nodes[self._node])
            figures += [list(line) for line in sight.inside.get(self._node, ())]
            state["whole"] = [self._node, sight.whole[self._node], figures]
        return state

    def _list(self, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict) or not isinstance(asked.get("search", ""), str):
            raise RequestError("rows is an object with a text to search for")
        first, count = _whole(asked.get("first"), None), _whole(asked.get("count"), None)
        listed = self._structure.listed(asked.get("search", ""), first, count)
        self._rows = tuple(index for index, _, _ in listed["nodes"])
        return listed

    def _choose(self, asked: Any) -> dict[str, Any] | None:
        if asked is None:
            self._node, self._near = None, ()
            return None
        self._node = self._index(asked)
        near = self._structure.near(self._node)
        self._near = tuple(index for index, _, _ in near["places"])
        return near

    def _chart(self, asked: Any) -> None:
        if not isinstance(asked, list) or len(asked) > _MOST_CHARTS:
            raise RequestError(f"charts is a list of {_MOST_CHARTS} nodes at most")
        self._charts = tuple(self._index(each) for each in asked)
        self._points = deque(
            (point for point in self._points if point[0] in self._charts), _MOST_POINTS
        )

    def _index(self, given: Any) -> int:
        index = _whole(given, None)
        if index >= self._structure.count:
            raise RequestError(f"there is no node {index}")
        return index


def _figures_of(node: object) -> list[list[str]]:
    try:
        return [[name, shown(value)] for name, value in figures_of(node).items()]
    except Exception as error:  # what another package's function raises must not end the view
        return [["figures", f"not available: {error!r}"]]


def _whole(given: Any, most: int | None) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise RequestError(f"{given!r} is not a whole number from 0 on")
    return given if most is None else min(given, most)
