"""The methods of `Stream` that run sub-graphs: one for each key, or one that may fail."""

import sys
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from graphcore.errors import Failure, InvalidValueError
from graphcore.node import Active
from graphcore.operators import catching, keyed
from graphcore.stream.families.arguments import build_of, key_of, whole
from graphcore.stream.families.base import StreamBase
from graphcore.stream.keyed import Keyed, outside_of, wiring
from graphcore.time import Duration, to_period

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K", bound=Hashable)


class KeyedOperators(StreamBase[T]):
    """Operators by key."""

    __slots__ = ()

    def group_by(
        self,
        key: Callable[[T], K],
        build: "Callable[[Stream[T], K], Active[U]]",
        *,
        idle: Duration | None = None,
        max_keys: int | None = None,
        uses: Iterable[Active[Any]] = (),
    ) -> Keyed[K, U]:
        """Hand each value to the sub-graph of its key, which its first value brings to life.

        Sub-graphs run at the place of this node, in order of birth. To a sub-graph, the cycle of
        its birth is the first of a run: a ticker in it counts from there. A key ends when it has
        been idle, or when `stop_key` ticks in its sub-graph; the sub-graph then says what it still
        holds, as at the end of a run (R14). A later value of the key makes a new sub-graph.

        ::

            time                        1s        2s                3s
            self                        ("A", 3)  ("B", 5)          ("A", 4)
            group_by(symbol, volume)
                .changes                {"A": 3}  {"B": 5}          {"A": 7}
                .latest                 {"A": 3}  {"A": 3, "B": 5}  {"A": 7, "B": 5}
                .pairs()                ("A", 3)  ("B", 5)          ("A", 7)

        Args:
            key: returns the key of a value; it must be hashable.
            build: gets the stream of a key's values, and the key; wires the sub-graph and returns
                the stream that is its result. It may use streams from outside that it holds: in its
                closure, default arguments, global variables or bound object.
            idle: retire a key when no value has come for so long; by default never.
            max_keys: how many keys there may be at a time; one more is an error. By default any
                number.
            uses: further streams from outside that `build` uses, if its code does not show them.

        Returns:
            The results by key: `changes` ticks with the dict of keys that ticked.

        Raises:
            InvalidTypeError: at wiring if `key` or `build` cannot be called so.
            InvalidValueError: in the run, for more keys than `max_keys`.
            InvalidTypeError: in the run, if `build` returns anything but a stream.
            WiringError: in the run, if `build` uses a stream that it may not use.

        >>> import graphcore as gc
        >>> trades = gc.from_iterable([("A", 3), ("B", 5), ("A", 4)])
        >>> volume = trades.group_by(
        ...     lambda trade: trade[0], lambda own, key: own.map(lambda trade: trade[1]).sum()
        ... )
        >>> out = volume.changes.collect()
        >>> report = out.run()
        >>> out.values
        [{'A': 3}, {'B': 5}, {'A': 7}]
        """
        node = keyed.GroupBy(
            source=self,
            outside=outside_of(build_of(build, "build", "stream", "key"), uses),
            key=key_of(key, "key"),
            build=wiring(build, self._stream),
            removed=keyed.Removed(),
            max_keys=sys.maxsize if max_keys is None else whole(max_keys, "max_keys", 1),
            idle=None if idle is None else keyed.Idle(to_period(idle)),
        )
        return Keyed(node, self._stream)

    def catch(
        self,
        build: "Callable[[Stream[T]], Active[U]]",
        *,
        after: Literal["continue", "restart"] = "continue",
        uses: Iterable[Active[Any]] = (),
    ) -> "tuple[Stream[U], Stream[Failure]]":
        """Run a sub-graph, and tick what its nodes raise in place of ending the run.

        ::

            time                       1s   2s                       3s
            self                       2    0                        4
            catch(lambda s: 8 / s)[0]  4.0                           2.0
            catch(lambda s: 8 / s)[1]       Failure(… ZeroDivision…)

        The sub-graph begins with the run. When a node raises, the rest of that cycle does not run.
        What `build` itself raises ends the run, and so does what a node raises when it is first
        started.

        Args:
            build: gets this stream; wires the sub-graph and returns the stream that is its result.
                It may use streams from outside as that of `group_by` may.
            after: ``"continue"`` goes on with the state that the nodes have then. ``"restart"``
                stops the nodes in reverse order, without closing them (R14), and begins a new
                sub-graph in a further cycle at the same time. If that one fails in its first cycle,
                or cannot be started, the next begins with the next value of this stream.
            uses: further streams from outside that `build` uses, if its code does not show them.

        Returns:
            What the sub-graph's result ticks with, and a `Failure` for each exception: the engine
            time, the name of the node that raised, what it was reading, and the exception with its
            notes (R11).

        Raises:
            InvalidValueError: if `after` is neither of the two.

        >>> import graphcore as gc
        >>> prices = gc.from_iterable(["1.5", "?", "2.5"])
        >>> total, failures = prices.catch(lambda texts: texts.map(float).sum())
        >>> out, failed = total.collect(), failures.map(lambda each: each.exception).collect()
        >>> report = gc.Graph(out, failed).run()
        >>> out.values, failed.values
        ([1.5, 4.0], [ValueError("could not convert string to float: '?'")])
        """
        if after not in ("continue", "restart"):
            raise InvalidValueError(f'after must be "continue" or "restart", not {after!r}')
        node: catching.Catch[U] = catching.Catch(
            source=self,
            outside=outside_of(build_of(build, "build", "stream"), uses),
            build=wiring(build, self._stream),
            restarts=after == "restart",
        )
        return self._stream(node), self._stream(node.failures)

    def stop_key(self) -> "Stream[T]":
        """Retire the key of the sub-graph after each cycle in which this stream ticks.

        It belongs in the `build` of `group_by`, and works there whether or not the result of the
        sub-graph needs it.

        ::

            values of the key "A"    filled    cancelled
            filter(is_cancelled)               cancelled
            stop_key()                         cancelled
            removed of group_by                "A", in a later cycle at the same time

        Raises:
            WiringError: outside of a `build`.
        """
        return self._stream(keyed.StopKey(self))
