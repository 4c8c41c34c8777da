"""Run some cycles of a run in Python: the fused function, with an entry for its variables.

`Stretches` has two functions of the same text but for their first lines: one begins a run, the
other goes on with the variables that the former, or a kernel, has left. The latter is compiled when
a cycle is left for Python, which many runs never do.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

from graphcore.engine.collector import without_collections
from graphcore.engine.fused.analysis.tests import Placed
from graphcore.engine.fused.backend.emit import Entry, emit
from graphcore.engine.fused.backend.layout import Kept, Layout
from graphcore.engine.fused.backend.live import attributes_of, variables_of
from graphcore.engine.fused.backend.program import Program, entry_of
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.native.drivers import FeedDriver, MergedFeedDriver, RowsDriver
from graphcore.engine.native.feed import Feed
from graphcore.engine.plan import Plan
from graphcore.engine.run.session import Session


class NotBegunError(BaseException):
    """Ctrl-C came before the first cycle of a stretch: the variables are as they were."""


class Stretch(Program):
    """The fused function for one entry.

    Attributes:
        returned: what the last call returned, under `variables`; empty if it did not return.
    """

    def __init__(
        self,
        plan: Plan,
        nodes: Sequence[NodeIR],
        placed: Placed,
        layout: Layout,
        driver: FeedDriver | MergedFeedDriver | RowsDriver,
        entry: Entry,
    ) -> None:
        text = emit(nodes, placed, layout, driver, entry)
        super().__init__(plan, nodes, placed, layout, driver, text)
        self._feed_driver = driver
        self.returned: dict[str, dict[str, Any]] = {}

    def go(
        self,
        session: Session,
        events: Iterable[Any],
        done: int,
        variables: Mapping[str, Any] | None = None,
        *more: Any,
    ) -> dict[str, Any]:
        """Run the cycles of some events.

        Args:
            session: the run.
            events: the events.
            done: how many cycles have run before.
            variables: the variables, if the run has begun.
            more: the other arguments of the driver.

        Returns:
            The variables.

        Raises:
            BaseException: what a node or the source raised, once the nodes have their state.
            NotBegunError: if Ctrl-C came before the first event.
        """
        self._feed_driver.done = done
        self.returned = {}
        instead: Exception | None = None
        try:
            with without_collections():
                given: tuple[Any, ...] = (
                    session,
                    self._attributes(),
                    session.states,
                    self._steps(session),
                    self._live,
                )
            begun = () if variables is None else (variables,)
            # `defaultdict` calls and stores atomically, so Ctrl-C cannot lose the result.
            self.returned = defaultdict(partial(self._run, *given, *begun, events, *more))
            self.returned["variables"]
        except BaseException as error:
            if self.returned:
                raise
            if variables is not None and not isinstance(error, Exception):
                found = entry_of(self._run.__code__, error.__traceback__)
                if found is None or "cycle" not in variables_of(found[0].tb_frame):
                    raise NotBegunError from error
            instead = self._fail(error, session)
            if instead is None:
                raise
        finally:
            # Another thread may have assigned variables since the function returned.
            with self._live.lock:
                if self.returned:
                    self.returned["variables"] = (
                        self._live.variables() or self.returned["variables"]
                    )
                self._live.end()
        if instead is not None:
            raise instead  # outside the `except`, so that the error has no other as its context
        return self.returned["variables"]

    def give_back(self, variables: Mapping[str, Any], session: Session, done: int) -> None:
        """Give the nodes their state between two cycles, and tell the session where it is."""
        feed = self.feed
        session.cycle = done
        if feed.lone:
            session.time = feed.time_of(done)
        self._give_back(variables, session, len(self._nodes))

    def read_anew(self, variables: MutableMapping[str, Any]) -> bool:
        """Read the parameters that another thread has assigned; return whether there are any."""
        changed = False
        for kept in self._layout.kept:
            own = attributes_of(self._plan.nodes[kept.node])
            for attribute, name in kept.read:
                value = own.get(attribute, variables[name])
                if value is not variables[name]:
                    variables[name], changed = value, True
        return changed

    def feed_to(self, feed: Feed) -> None:
        """Take the events of a run from here on."""
        self._feed_driver.feed = feed

    @property
    def feed(self) -> Feed:
        """The events of the run."""
        return self._feed_driver.feed

    def owner_at(self, line: int) -> int:
        """Return the index of the node to which a line belongs, or -1."""
        return self._owner_at(line, {})

    def give_back_some(
        self, variables: Mapping[str, Any], session: Session, nodes: Container[int]
    ) -> None:
        """Give some nodes their state as of the session's cycle."""
        self._give_back(variables, session, len(self._nodes), nodes)

    def tick_of(self, index: int, variables: Mapping[str, Any], done: int) -> int:
        """Return in which of the first `done` cycles a node last ticked; 0 for none."""
        if index not in self._flag_of:
            return 0
        return self._tick_of(index, variables, done, len(self._nodes))

    @property
    def kept(self) -> Sequence[Kept]:
        """The variables of the nodes."""
        return self._layout.kept

    @property
    def flags(self) -> Mapping[int, str]:
        """The variables of the flags."""
        return self._layout.flags

    @property
    def values(self) -> Sequence[str]:
        """For each node, the variable of its value."""
        return self._layout.values
