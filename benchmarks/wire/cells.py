"""What subscribers receive: the cells of a matrix of peers, payloads, ways and transports.

A cell is measured for three receivers: a bare loop that decodes with the same codec, graphcore, and
wingfoil's wheel with decoding in Python. The cells below are those of the matrix that say something
of their own. These are left out:

- Other payloads over ipc and CURVE: the cost of a transport does not depend on the payload's codec.
- Large payloads in bursts: a burst saves the cost of a frame, which is small beside theirs.
- Bursts and large payloads from wingfoil's wheel: it publishes no bursts, and drops large values.
- A trailer with each codec: one shows what it costs.
- wingfoil's wheel with CURVE, which it does not have.
"""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import Target

BARE, TRAILER, GRAPH, WHEEL = (
    "frames without trailer",
    "frames with trailer",
    "from zmq_pub",
    "from wingfoil's zmq_pub",
)
_UNITS = {1: "single", 3: "bursts of 3", 100: "bursts of 100"}


@dataclass(frozen=True)
class Cell:
    """One kind of stream that is received.

    Attributes:
        payload: its name in `payloads.KINDS`.
        count: how many values are sent in a round.
        way: how many values a frame holds.
        peer: who publishes: a bare socket, a graph, or wingfoil's.
        transport: tcp, ipc or CURVE.
        subscribers: how many in one graph.
        options: more of `zmq_sub`'s, which the name shows.
        bare: graphcore's rate over that of a bare loop is at least this.
        wheel: the same for the rate of wingfoil's wheel.
    """

    payload: str
    count: int
    way: int = 1
    peer: str = BARE
    transport: str = "tcp"
    subscribers: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    bare: float | None = None
    wheel: float | None = None

    @property
    def name(self) -> str:
        many = f"{self.subscribers} subscribers in one graph, " if self.subscribers > 1 else ""
        more = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"{many}{self.payload}, {_UNITS[self.way]}, {self.peer}, {self.transport}{more}"

    @property
    def receivers(self) -> list[str]:
        """Those that can receive it."""
        plain = self.transport != "CURVE" and self.subscribers == 1
        return ["bare", "graphcore", *(["wingfoil"] if plain else [])]

    def sending(self) -> tuple[str, dict[str, Any]]:
        """Return the function that sends it and its arguments."""
        arguments: dict[str, Any] = {"kind": self.payload, "way": self.way, "count": self.count}
        if self.subscribers > 1:
            arguments["subscribers"] = self.subscribers
        if self.peer == GRAPH:
            return "sending.graphcore", arguments
        if self.peer == WHEEL:
            return "sending.wingfoil", arguments
        return "sending.bare", {
            **arguments,
            "trailer": self.peer == TRAILER,
            "transport": self.transport,
        }

    def receiving(self, receiver: str) -> tuple[str, dict[str, Any]]:
        """Return the function that receives it, and its arguments but for what the sender says."""
        arguments: dict[str, Any] = {"kind": self.payload, "way": self.way, "count": self.count}
        if self.subscribers > 1:
            arguments["subscribers"] = self.subscribers
        if self.peer == WHEEL:
            arguments["lossy"] = True
        if receiver == "bare" and self.peer in (TRAILER, GRAPH):
            arguments["trailer"] = True
        if receiver == "graphcore":
            arguments |= self.options
        return f"receiving.{receiver}", arguments

    def targets(self) -> dict[str, Target | None]:
        """Return the target of graphcore's rate beside each other receiver."""
        limits = {"bare": self.bare, "wingfoil": self.wheel}
        return {
            name: None if limits[name] is None else Target("≥", limits[name])
            for name in self.receivers
            if name in limits
        }


CELLS = [
    Cell("16 B", 300_000, bare=0.75, wheel=1.6),
    Cell("16 B", 300_000, peer=TRAILER, bare=0.85, wheel=2.0),
    Cell("16 B", 300_000, options={"receive": "inline"}, bare=0.75, wheel=1.6),
    Cell("changing size", 300_000, bare=0.75, wheel=1.4),
    Cell("changing size", 300_000, peer=TRAILER, bare=0.75, wheel=1.4),
    Cell("msgpack dict", 150_000, bare=0.85, wheel=1.4),
    Cell("msgpack dict", 150_000, peer=TRAILER, bare=0.85, wheel=1.4),
    Cell("msgpack Struct", 150_000),
    Cell("JSON", 150_000),
    Cell("Arrow, 100 rows", 4_000),
    Cell("1 kB", 60_000, bare=0.85, wheel=1.5),
    Cell("1 kB", 60_000, peer=TRAILER, bare=0.85, wheel=1.5),
    Cell("64 kB", 3_000, bare=0.85, wheel=1.5),
    Cell("64 kB", 3_000, peer=TRAILER, bare=0.85, wheel=1.5),
    Cell("16 B", 450_000, way=3, wheel=1.2),
    Cell("16 B", 450_000, way=3, peer=TRAILER),
    Cell("16 B", 3_000_000, way=100, wheel=2.5),
    Cell("16 B", 3_000_000, way=100, peer=TRAILER),
    Cell("msgpack dict", 500_000, way=100),
    Cell("16 B", 200_000, transport="ipc", peer=TRAILER, bare=0.8),
    Cell("16 B", 100_000, transport="CURVE", peer=TRAILER, bare=0.8),
    Cell("16 B", 60_000, subscribers=10, bare=0.7),
    Cell("16 B", 60_000, subscribers=10, options={"receive": "inline"}, bare=0.7),
    Cell("16 B", 100_000, peer=GRAPH),
    Cell("msgpack dict", 100_000, peer=GRAPH),
    Cell("16 B", 1_000_000, way=100, peer=GRAPH),
    Cell("16 B", 100_000, peer=WHEEL),
    Cell("msgpack dict", 100_000, peer=WHEEL),
]
