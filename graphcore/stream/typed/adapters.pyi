from typing import Generic, TypeVar, Unpack

from graphcore.node import Active
from graphcore_zmq.codec.codec import Codec
from graphcore_zmq.config import ZmqPubRegistration
from graphcore_zmq.registry import ZmqRegistry
from graphcore_zmq.wire.framing import Topic
from graphcore_zmq.write.publish import PublisherOptions, ZmqPublisher

T = TypeVar("T")
V = TypeVar("V")

class AdapterOperators(Generic[T]):
    def zmq_pub(
        self,
        port: int,
        registration: ZmqPubRegistration | tuple[str, ZmqRegistry] | tuple[()] | None = None,
        *,
        codec: Codec[T] = ...,
        topic: Topic[T] | None = None,
        **options: Unpack[PublisherOptions],
    ) -> ZmqPublisher: ...
    def zmq_pub_burst(
        self: Active[list[V]],
        port: int,
        registration: ZmqPubRegistration | tuple[str, ZmqRegistry] | tuple[()] | None = None,
        *,
        codec: Codec[V] = ...,
        topic: Topic[V] | None = None,
        **options: Unpack[PublisherOptions],
    ) -> ZmqPublisher: ...
