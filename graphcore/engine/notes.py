"""The note that an exception from a node gains (R11): which node, wired where, when, on what."""

import linecache

from graphcore.engine.plan import Node, Plan
from graphcore.errors import NoValueError
from graphcore.time import format_time

_LONGEST = 200


def add_note(error: BaseException, plan: Plan, index: int, time: int) -> None:
    """Say on an exception which node raised it, where that was wired, and what it was reading."""
    node = plan.nodes[index]
    file, line = node.wired_at
    lines = [f"in {node.name} ({type(node).__name__}), wired at {file}:{line}"]
    source = linecache.getline(file, line).strip()
    if source:
        lines.append(f"    {source}")
    lines.append(f"at {format_time(time)} ({time} ns)")
    edges = plan.graph.pred[node].items()
    reading = [each for wanted in (True, False) for each, edge in edges if edge["active"] is wanted]
    if reading:
        values = ", ".join(f"{upstream.name} = {_show(upstream)}" for upstream in reading)
        lines.append(f"reading {values}")
    error.add_note("\n".join(lines))


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
