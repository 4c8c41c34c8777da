"""The run of a graph or of a sub-graph, as the code that calls its nodes needs it."""

from collections.abc import Mapping
from typing import Any, Protocol
from weakref import ref

from graphcore.engine.withheld import Withholding
from graphcore.errors import Failure
from graphcore.state import GraphState
from graphcore.state import Session as GraphSession


class RunningSession(GraphSession, Protocol):
    """The session of a graph or of a sub-graph, as what calls its nodes needs it.

    Attributes:
        pending: the heap of the nodes that are still to run in the present cycle, if there is one.
    """

    pending: list[int] | None

    @property
    def states(self) -> "States":
        """The state of each node."""

    @property
    def withheld(self) -> dict[int, Withholding]:
        """How nodes are called whose value may differ from what they last ticked with (R5).

        By index; so one tier can go on with them after another.
        """

    @property
    def is_starting(self) -> bool:
        """Whether nodes are being started, before cycle 1."""

    @property
    def resumable(self) -> bool:
        """Whether cycles may follow one in which a node raised."""

    def due_now(self) -> set[int]:
        """Return the nodes with an alarm for the present time that has not gone off."""

    def note_failure(
        self, error: Exception, index: int, node: str, values: Mapping[str, Any]
    ) -> None:
        """Keep which node raised an error; of the nodes that an error passes, the first.

        Args:
            error: what it raised.
            index: its index.
            node: its name.
            values: what it was reading, by the names of its upstreams.
        """

    def take_failure(self, error: Exception) -> Failure | None:
        """Return what was kept of an error, if anything, and keep it no more."""


class States(dict[int, GraphState]):
    """The state of each node, by its index; made on first use.

    It does not keep the session alive, which keeps it.
    """

    def __init__(self, session: RunningSession) -> None:
        self._session = ref(session)

    def __missing__(self, index: int) -> GraphState:
        session = self._session()
        assert session is not None
        state = self[index] = GraphState(session, index)
        return state
