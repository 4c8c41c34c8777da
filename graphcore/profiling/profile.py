"""`Profile`: where the time of a run went, as data, as text and as a flame graph."""

import html
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graphcore.errors import InvalidTypeError

_SHOWN = 30
_FEW_SAMPLES = 20  # a node with a tenth of the time is missed by one of eight such profiles


@dataclass(frozen=True, slots=True)
class NodeProfile:
    """What one node did in a run.

    Attributes:
        name: its name.
        kind: its class.
        wired_at: the file and line that wired it.
        runs: in how many cycles it ran; `None` if that was not counted.
        ticks: in how many it ticked; `None` if that was not counted.
        time: about how long it ran, s, with the functions that it called.
        share: that part of the time in which nodes ran, from 0 to 1.
    """

    name: str
    kind: str
    wired_at: str
    runs: int | None
    ticks: int | None
    time: float
    share: float


@dataclass(frozen=True, slots=True)
class SourceProfile:
    """How a source that receives from a thread kept up, as looked at every few milliseconds.

    Attributes:
        name: its name.
        queue: the largest number of values seen waiting for the graph.
        lag: the longest time for which some value was seen waiting, s.
    """

    name: str
    queue: int
    lag: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of a run went.

    Its text is a table of the nodes that took most of it.

    Attributes:
        tier: ``"fused"`` or ``"interpreted"``.
        nodes: the nodes in the order in which they run.
        sources: the sources that received from threads.
        cycles: how many cycles ran.
        compiling: s spent on preparing the tier.
        running: s from the first cycle to the last, waiting included.
        waiting: s of these spent on waiting for the clock, or for sources.
        collecting: s of garbage collection in the process meanwhile.
        samples: how often the run was looked at; 0 on the interpreted tier, which is timed.
        stacks: seconds by stack, the outermost name first: a node, then what it called.
    """

    tier: str
    nodes: tuple[NodeProfile, ...]
    sources: tuple[SourceProfile, ...]
    cycles: int
    compiling: float
    running: float
    waiting: float
    collecting: float
    samples: int
    stacks: Mapping[tuple[str, ...], float] = field(repr=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return a dict for each node, as ``pandas.DataFrame(profile.rows())`` takes them."""
        return [asdict(node) for node in self.nodes]

    def speedscope(self) -> dict[str, Any]:
        """Return a flame graph in the format of https://www.speedscope.app."""
        wired = {node.name: node.wired_at.rpartition(":") for node in self.nodes}
        names = list(dict.fromkeys(name for stack in self.stacks for name in stack))
        frames: list[dict[str, Any]] = []
        for name in names:
            file, _, line = wired.get(name, ("", "", ""))
            place = {"file": file, "line": int(line)} if line.isdigit() else {}
            frames.append({"name": name, **place})
        places = {name: place for place, name in enumerate(names)}
        weights = list(self.stacks.values())
        profile = {
            "type": "sampled",
            "name": f"graphcore, {self.tier}",
            "unit": "seconds",
            "startValue": 0,
            "endValue": sum(weights),
            "samples": [[places[name] for name in stack] for stack in self.stacks],
            "weights": weights,
        }
        return {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "exporter": "graphcore",
            "shared": {"frames": frames},
            "profiles": [profile],
        }

    def save(self, file: "str | os.PathLike[str]") -> None:
        """Write the flame graph to a file, which https://www.speedscope.app shows.

        Raises:
            InvalidTypeError: for anything but a path.
        """
        if not isinstance(file, str | os.PathLike):
            raise InvalidTypeError(f"file must be a path, not {file!r}")
        Path(file).write_text(json.dumps(self.speedscope()), encoding="utf-8")

    def __str__(self) -> str:
        """Return a table for a terminal: the nodes that took most of the time, and totals."""
        nodes = sorted(self.nodes, key=lambda node: -node.time)
        width = max([len(node.name) for node in nodes[:_SHOWN]] + [4])
        lines = [f"{'node':{width}}  {'ticks':>11}  {'runs':>11}  {'time':>9}  share"]
        lines += [
            f"{node.name:{width}}  {_count(node.ticks):>11}  {_count(node.runs):>11}  "
            f"{node.time:>7.3f} s  {node.share:>4.0%}"
            for node in nodes[:_SHOWN]
        ]
        if len(nodes) > _SHOWN:
            lines.append(f"{len(nodes) - _SHOWN:,} more nodes")
        lines += [
            f"{each.name}: at most {each.queue:,} values waiting, for at most {each.lag:.3f} s"
            for each in self.sources
        ]
        lines.append(self._totals())
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Show what the profile is of: as text, it is a table."""
        return f"<Profile of {len(self.nodes):,} nodes: {self._totals()}>"

    def _totals(self) -> str:
        totals = (
            f"{self.cycles:,} cycles on the {self.tier} tier: {self.running:.3f} s, of which "
            f"{self.waiting:.3f} s waiting; compiling {self.compiling:.3f} s, garbage collection "
            f"{self.collecting:.3f} s"
        )
        if self.tier == "interpreted":
            return totals
        totals += f"; looked at {self.samples:,} times"
        few = self.samples < _FEW_SAMPLES
        return f'{totals}, too few to tell: tier="interpreted" times the nodes' if few else totals

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table of the nodes that took most of the time."""
        nodes = sorted(self.nodes, key=lambda node: -node.time)[:_SHOWN]
        rows = "".join(
            f"<tr><td>{html.escape(node.name)}</td><td>{_count(node.ticks)}</td>"
            f"<td>{_count(node.runs)}</td><td>{node.time:.3f} s</td><td>{node.share:.0%}</td></tr>"
            for node in nodes
        )
        header = "".join(f"<th>{each}</th>" for each in ("node", "ticks", "runs", "time", "share"))
        return f"<div>{self._totals()}<table><tr>{header}</tr>{rows}</table></div>"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"  # noqa: RUF001  # a dash for what is not known
