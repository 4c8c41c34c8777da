"""The note that an exception from a node gains (R11): which node, wired where, when, on what."""

import ast
import linecache
from collections.abc import Iterator, Mapping
from contextlib import suppress
from textwrap import dedent, indent
from typing import Any, Protocol

from graphcore.engine.plan import Node, Plan
from graphcore.errors import NoValueError, place_text, shorten
from graphcore.parsing import parse, walk
from graphcore.time import format_time

_LONGEST = 200
_MOST_LINES = 12

# What was shown, by file and line, with the text of the file: as many as lines that wire nodes.
_wirings: dict[tuple[str, int], tuple[list[str], str]] = {}


class Failing(Protocol):
    """The session of a node that raised an exception."""

    @property
    def time(self) -> int:
        """Engine time, ns."""

    def note_failure(
        self, error: Exception, index: int, node: str, values: Mapping[str, Any]
    ) -> None:
        """Keep the node that raised an error; if the error passes several nodes, the first."""


def noted(
    error: Exception, plan: Plan, index: int, session: Failing, method: str | None = None
) -> Exception:
    """Add the note of a node that raised an exception in a run; return the exception to raise.

    Args:
        error: what the node raised.
        plan: the plan of the run.
        index: which of the plan's nodes raised it.
        session: the session of the run, or of the sub-graph.
        method: as for `add_note`.
    """
    cause = error.__cause__
    if isinstance(cause, StopIteration) and hasattr(cause, "__notes__"):
        # A sub-graph's generator raised it, which Python turns into a RuntimeError (PEP 479).
        error = cause
    raised = error if method else plan.nodes[index]._explained(error)
    if raised is not error:
        raised.__traceback__ = error.__traceback__
    add_note(raised, plan, index, session.time, method)
    names = plan.names()
    values: dict[str, Any] = {}
    for each in _reading(plan, index, method):
        with suppress(NoValueError):
            values[names[each]] = plan.nodes[each].value
    session.note_failure(raised, index, names[index], values)
    return raised


def _reading(plan: Plan, index: int, method: str | None) -> tuple[int, ...]:
    """Return the indices of the nodes that a node was reading."""
    if method == "start":  # no stream has a value before the first cycle
        return ()
    return plan.active[index] + plan.passive[index]


def add_note(
    error: BaseException, plan: Plan, index: int, time: int | None, method: str | None = None
) -> None:
    """Add a note to an exception: which node raised it, where that was wired, what it was reading.

    Args:
        error: what the node raised.
        plan: the plan of the run.
        index: which of the plan's nodes raised it.
        time: the engine time, ns, `None` before the run has one.
        method: ``"start"``, ``"close"`` or ``"stop"``; by default the node was running its cycle.
    """
    node, names = plan.nodes[index], plan.names()
    file, line = node.wired_at
    where = names[index] if method is None else f"{method} of {names[index]}"
    lines = [f"in {where} ({type(node).__name__}), wired at {place_text(node.wired_at)}"]
    lines += indent(_wiring(file, line), "    ").splitlines()
    if time is not None:
        lines.append(f"at {format_time(time)} ({time} ns)")
    reading = _reading(plan, index, method)
    if reading:
        values = ", ".join(f"{names[i]} = {_show(plan.nodes[i])}" for i in reading)
        lines.append(f"reading {values}")
    error.add_note("\n".join(lines))


def add_subgraph_note(error: BaseException, what: tuple[str, Any]) -> None:
    """Add a note to an exception from a sub-graph: what the sub-graph is for.

    Args:
        error: what one of its nodes raised.
        what: a word such as "key", and which one.
    """
    kind, which = what
    error.add_note(f"in the sub-graph for the {kind} {shorten(which)}")


def _wiring(file: str, line: int) -> str:
    """Return the source that wires a node: the line, and the further lines of a call on it."""
    text = linecache.getlines(file)
    known = _wirings.get((file, line))
    # `linecache` returns the same list as long as the file is the same. To parse a file takes a
    # millisecond, and each failure of a `catch` would do it again.
    if known is not None and known[0] is text:
        return known[1]
    last = max(_last_lines(text, line), default=line)
    shown = text[line - 1 : min(last, line - 1 + _MOST_LINES)]
    wiring = dedent("".join(shown)) + "…" * (last - line >= _MOST_LINES)
    _wirings[file, line] = text, wiring
    return wiring


def _last_lines(text: list[str], line: int) -> Iterator[int]:
    """Yield the last lines of the calls that a traceback would place on a line."""
    try:
        tree = parse("".join(text))
    except (SyntaxError, ValueError):  # a notebook's cell with more than Python in it
        return
    for call in walk(tree):
        if isinstance(call, ast.Call):
            method = isinstance(call.func, ast.Attribute)
            placed = call.func.end_lineno if method else call.lineno
            if placed == line:
                yield call.end_lineno or line


def _show(node: Node) -> str:
    try:
        value = node.value
    except NoValueError:
        return "<no value>"
    try:
        text = repr(value)
    except Exception:  # whatever a user's __repr__ raises must not hide the error being noted
        return f"<unprintable {type(value).__name__}>"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
