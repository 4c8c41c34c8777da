"""`StreamBase`: what each family of operators, a mixin of `Stream`, needs of a stream."""

from typing import TYPE_CHECKING, Generic, TypeVar

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
        """The value of the last tick; reading it before the first tick raises `NoValueError`."""
        return self.node.value

    def _stream(self, node: MutableNode[U]) -> "Stream[U]":
        """Return the stream of a node; the families cannot import `Stream`, which imports them."""
        raise NotImplementedError
