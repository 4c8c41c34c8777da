"""`StreamBase`: what each family of operators, a mixin of `Stream`, needs of a stream."""

from typing import TYPE_CHECKING, Generic, TypeVar

from graphcore.graph import run_elsewhere
from graphcore.handle import Handle
from graphcore.node import MutableNode

if TYPE_CHECKING:
    from graphcore.stream.stream import Stream

T = TypeVar("T")
U = TypeVar("U")


class StreamBase(Handle, Generic[T]):
    """A stream's node and value, and a way to make further streams."""

    __slots__ = ()
    node: MutableNode[T]

    @property
    def value(self) -> T:
        """The value of the last tick; reading it before the first tick raises `NoValueError`.

        Another thread may read it during a run: it gets the value as of the end of a cycle. If the
        present cycle takes more than a second, the value is that of the moment.
        """
        node = self.node
        run = run_elsewhere(node)
        return node.value if run is None else run.ask(lambda: node.value)

    def _stream(self, node: MutableNode[U]) -> "Stream[U]":
        """Return the stream of a node; the families cannot import `Stream`, which imports them."""
        raise NotImplementedError
