"""The methods of `Stream` that take further streams; all but `merge` wait for all values (R5)."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.handle import STREAMS
from graphcore.node import Active, Passive, construct_now
from graphcore.operators import several
from graphcore.stream.families.arguments import function_of, key_of, several_of
from graphcore.stream.families.base import StreamBase

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
W = TypeVar("W")
X = TypeVar("X")
Y = TypeVar("Y")
Z = TypeVar("Z")


K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=StreamBase[Any])


class Demuxed(Mapping[K, S]):
    """The streams that `demux` made, by their keys; `other` is that of all other keys."""

    def __init__(self, streams: dict[K, S], other: S) -> None:
        self._streams = streams
        self._other = other
        self._asked: set[int] = set()

    @property
    def other(self) -> S:
        """The stream of the values of all other keys."""
        return self._constructed(self._other)

    def __getitem__(self, key: K) -> S:
        return self._constructed(self._streams[key])

    def _constructed(self, stream: S) -> S:
        """Return a stream; its node counts as constructed when it is first asked for.

        So it runs beside its first readers, and the compiler can put them into one block.
        """
        if id(stream) not in self._asked:
            self._asked.add(id(stream))
            construct_now(stream.node)
        return stream

    def __iter__(self) -> Iterator[K]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)


class SeveralOperators(StreamBase[T]):
    """Operators on several streams."""

    __slots__ = ()

    @overload
    def join(self, other: Active[V], /, function: Callable[[T, V], U]) -> "Stream[U]": ...
    @overload
    def join(self, /, *others: Active[Any], function: Callable[..., U]) -> "Stream[U]": ...
    def join(self, /, *others: Any, function: Any = None) -> "Stream[Any]":
        """Tick with ``function(value, *other values)`` when any of the streams ticks.

        ::

            time                            1s  2s  3s
            self                            1       3
            b                                   20  30
            join(b, lambda x, y: x + y)         21  33

        Args:
            others: the streams to join; the function may follow them as the last argument.
            function: called with the present value of each stream, this stream's first.
        """
        if function is None:
            if not others:
                raise InvalidTypeError("join needs a stream and a function")
            *streams, function = others
            if isinstance(function, STREAMS):
                raise InvalidTypeError(
                    f"a function is needed, not {function!r}: write join(other, function=f), or "
                    "combine(other), which ticks with the tuple of the values"
                )
        else:
            streams = list(others)
        function = function_of(function)
        return self._stream(several.Join([self, *several_of(streams, "join")], function))

    @overload
    def with_latest(self, a: Passive[V], /) -> "Stream[tuple[T, V]]": ...
    @overload
    def with_latest(self, a: Passive[V], b: Passive[W], /) -> "Stream[tuple[T, V, W]]": ...
    @overload
    def with_latest(
        self, a: Passive[V], b: Passive[W], c: Passive[X], /
    ) -> "Stream[tuple[T, V, W, X]]": ...
    @overload
    def with_latest(
        self, a: Passive[V], b: Passive[W], c: Passive[X], d: Passive[Y], /
    ) -> "Stream[tuple[T, V, W, X, Y]]": ...
    @overload
    def with_latest(
        self, a: Passive[V], b: Passive[W], c: Passive[X], d: Passive[Y], e: Passive[Z], /
    ) -> "Stream[tuple[T, V, W, X, Y, Z]]": ...
    @overload
    def with_latest(self, *others: Passive[Any]) -> "Stream[tuple[Any, ...]]": ...
    def with_latest(self, *others: Passive[Any]) -> "Stream[Any]":
        """Tick with (value, present value of each of the others) when this stream ticks.

        ::

            time              1s  2s  3s      4s
            self              1       3       4
            b                     20          40
            with_latest(b)            (3, 20) (4, 40)
        """
        return self._stream(several.WithLatest(self, several_of(others, "with_latest")))

    def merge(self, *others: Active[T]) -> "Stream[T]":
        """Tick with every value of every stream.

        Values of one cycle follow one a cycle at the same time, in the order of the arguments;
        later ones queue behind those that still wait.

        ::

            time            1s   2s       3s
            self            a1            a3
            other                b2       b3
            merge(other)    a1   b2       a3, b3
        """
        return self._stream(several.Merge([self, *several_of(others, "merge")]))

    def demux(self, key: Callable[[T], K], keys: Iterable[K]) -> "Demuxed[K, Stream[T]]":
        """Return a stream for each of some keys, which ticks with the values of that key.

        The cost of a value does not depend on the number of keys.

        ::

            self                          "a1"  "b1"  "c1"  "a2"
            d = demux(first, ["a", "b"])
            d["a"]                        "a1"              "a2"
            d["b"]                              "b1"
            d.other                                   "c1"

        Args:
            key: returns the key of a value; it must be hashable.
            keys: the keys that have a stream each, none twice; values of other keys go to `.other`.

        Raises:
            InvalidTypeError: if the keys are not a list of keys that are hashable.
            InvalidValueError: without keys, or if a key is there twice.

        >>> import graphcore as gc
        >>> words = gc.from_iterable(["apple", "bean", "avocado"])
        >>> parts = words.demux(lambda word: word[0], ["a", "c"])
        >>> a, others = parts["a"].collect(), parts.other.collect()
        >>> report = gc.Graph(a, others).run()
        >>> a.values, others.values
        (['apple', 'avocado'], ['bean'])
        """
        if isinstance(keys, str) or not isinstance(keys, Iterable):
            raise InvalidTypeError(f"the keys of demux must be a list of keys, not {keys!r}")
        places: dict[Any, int] = {}
        for count, each in enumerate(keys):
            try:
                first = places.setdefault(each, len(places))
            except TypeError:
                raise InvalidTypeError(
                    f"a key of demux must be hashable, not {shorten(each)}"
                ) from None
            if first < count:
                raise InvalidValueError(f"demux has the key {shorten(each)} twice")
        if not places:
            raise InvalidValueError("demux needs at least one key")
        branches = several.Demux(self, key_of(key), places).branches
        streams = [self._stream(branch) for branch in branches]
        return Demuxed(dict(zip(places, streams, strict=False)), streams[-1])

    def merge_first(self, *others: Active[T]) -> "Stream[T]":
        """Tick with the value of the stream that ticks; of several, the first one listed.

        The values of the others are passed over.

        ::

            time                  1s   2s   3s
            self                  a1        a3
            other                      b2   b3
            merge_first(other)    a1   b2   a3
        """
        return self._stream(several.MergeFirst([self, *several_of(others, "merge_first")]))

    @overload
    def combine(self, a: Active[V], /) -> "Stream[tuple[T, V]]": ...
    @overload
    def combine(self, a: Active[V], b: Active[W], /) -> "Stream[tuple[T, V, W]]": ...
    @overload
    def combine(
        self, a: Active[V], b: Active[W], c: Active[X], /
    ) -> "Stream[tuple[T, V, W, X]]": ...
    @overload
    def combine(
        self, a: Active[V], b: Active[W], c: Active[X], d: Active[Y], /
    ) -> "Stream[tuple[T, V, W, X, Y]]": ...
    @overload
    def combine(
        self, a: Active[V], b: Active[W], c: Active[X], d: Active[Y], e: Active[Z], /
    ) -> "Stream[tuple[T, V, W, X, Y, Z]]": ...
    @overload
    def combine(self, *others: Active[Any]) -> "Stream[tuple[Any, ...]]": ...
    def combine(self, *others: Active[Any]) -> "Stream[Any]":
        """Tick with the tuple of all present values when any stream ticks.

        ::

            time          1s  2s       3s
            self          1            3
            b                 20       30
            combine(b)        (1, 20)  (3, 30)
        """
        return self._stream(several.Combine([self, *several_of(others, "combine")]))
