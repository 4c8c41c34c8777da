"""`Keyed`: streams by key, as `group_by` makes them."""

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from graphcore.errors import InvalidTypeError, shorten
from graphcore.handle import STREAMS
from graphcore.node import Active, MutableNode, node_of
from graphcore.operators import bursts, keyed, single
from graphcore.operators.keyed import Keys, Removed
from graphcore.operators.threaded import Part
from graphcore.stream.closures import nodes_used_by
from graphcore.stream.families.arguments import build_of
from graphcore.subgraph import Inlet

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
K = TypeVar("K", bound=Hashable)

# What a build gets as streams; the expression `Inlet | Part` takes a while, for each new key.
_GIVEN = (Inlet, Part)

MakeStream = Callable[[MutableNode[Any]], "Stream[Any]"]


class Keyed(Generic[K, V]):
    """The results of a sub-graph for each key, which begins with the key's first value.

    Args:
        keys: the node that owns the sub-graphs.
        make_stream: makes the stream of a node.
    """

    # What errors say to those who take it for a stream.
    INSTEAD = "take one of its streams, .changes, .latest or .pairs()"

    def __init__(self, keys: Keys[K], make_stream: MakeStream) -> None:
        self._keys = keys
        keys.removed.keys = keys
        self._make_stream = make_stream

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: a drawing of the graph up to here."""
        return {**self.changes._repr_mimebundle_(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        """Show the name of the node that owns the sub-graphs."""
        return f"<Keyed {self._keys.name}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            """Say which attributes are streams, to those who take this for one."""
            raise AttributeError(f"a Keyed has no {name}: {self.INSTEAD}", name=name, obj=self)

        def __getitem__(self, key):
            """Refuse: the keys come during the run."""
            raise TypeError(
                f"a Keyed has no streams by key, as the keys come during the run: {self.INSTEAD}, "
                "or demux(key, keys) for keys that are known"
            )

    @property
    def changes(self) -> "Stream[dict[K, V]]":
        """Tick with a dict of the keys that ticked in this cycle, in order of birth.

        Usually it has one key; several keys may tick at once by their timers, or when a stream from
        outside ticks.
        """
        return self._make_stream(self._keys)

    @property
    def latest(self) -> "Stream[dict[K, V]]":
        """Tick with the dict of all present values, a new one each time.

        To make it takes as long as there are keys; with thousands of them, `changes` costs less.
        """
        return self._make_stream(keyed.Latest(self._keys, self._keys.removed))

    @property
    def removed(self) -> "Stream[K]":
        """Tick with each key that was retired, after the last tick of its sub-graph."""
        return self._make_stream(self._keys.removed)

    def pairs(self) -> "Stream[tuple[K, V]]":
        """Tick with (key, value); keys that ticked together follow one a cycle at the same time."""
        items = single.Map(self._keys, lambda changes: tuple(changes.items()))
        return self._make_stream(bursts.Unroll(items))

    def build(
        self,
        build: Callable[["Stream[V]", K], Active[U]],
        uses: Iterable[Active[Any]] = (),
    ) -> "Keyed[K, U]":
        """Wire a further sub-graph for each key, from the results of the present one.

        Args:
            build: wires the sub-graph of a key, as that of `group_by` does.
            uses: as for `group_by`.
        """
        made = keyed.BuildKeys(
            changes=self._keys,
            retired=self._keys.removed,
            outside=outside_of(build_of(build, "build", "stream", "key"), uses),
            build=wiring(build, self._make_stream),
            removed=Removed(),
        )
        return Keyed(made, self._make_stream)


def outside_of(build: Callable[..., Any], uses: Iterable[Active[Any]]) -> list[Active[Any]]:
    """Return the nodes that a build may use: those of `uses`, and those that its code reaches.

    Raises:
        InvalidTypeError: if `uses` is a stream, or holds anything else than streams.
    """
    if isinstance(uses, STREAMS):
        raise InvalidTypeError("uses must be a tuple of streams: write uses=(stream,)")
    named = [node_of(each, "a stream of uses") for each in uses]
    found = nodes_used_by(build)
    return list({id(node): node for node in (*named, *found)}.values())


def wiring(build: Callable[..., Any], make_stream: MakeStream) -> Callable[..., MutableNode[Any]]:
    """Return a function of inlets that wires a sub-graph by `build` and returns its root."""

    def wire(*given: Any) -> MutableNode[Any]:
        made = build(*[make_stream(each) if isinstance(each, _GIVEN) else each for each in given])
        if not isinstance(made, STREAMS):
            name = getattr(build, "__qualname__", repr(build))
            hint = f": {made.INSTEAD}" if isinstance(made, Keyed) else ""
            raise InvalidTypeError(
                f"build {name} must return a stream, not {shorten(made)} "
                f"({type(made).__name__}){hint}"
            )
        return node_of(made)

    return wire
