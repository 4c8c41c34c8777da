"""graphcore_zmq: streams between processes and hosts over ZeroMQ.

Importing it adds `.zmq_pub` to `Stream`.
"""

from graphcore_zmq.codec import Codec, CodecError, json, msgpack, raw
from graphcore_zmq.config import SocketOptions, ZmqPubRegistration, ZmqSubConfig
from graphcore_zmq.etcd import EtcdRegistry
from graphcore_zmq.follow import Missing
from graphcore_zmq.local import LocalRegistry
from graphcore_zmq.polling import PollingWatch
from graphcore_zmq.publisher import ZmqPublisher, zmq_pub
from graphcore_zmq.read import ZmqSubscription, zmq_sub
from graphcore_zmq.registry import (
    ClaimingRegistry,
    Conflict,
    NameNotFoundError,
    NameTakenError,
    RegistryError,
    RemoteRegistry,
    WatchableRegistry,
    ZmqClaim,
    ZmqHandle,
    ZmqRegistry,
    ZmqWatch,
)
from graphcore_zmq.static import StaticRegistry
from graphcore_zmq.status import OnEnd, PublisherStats, SubscriberStats, ZmqStatus
from graphcore_zmq.wire import WireError
from graphcore_zmq.write import OnFull

__all__ = [
    "ClaimingRegistry",
    "Codec",
    "CodecError",
    "Conflict",
    "EtcdRegistry",
    "LocalRegistry",
    "Missing",
    "NameNotFoundError",
    "NameTakenError",
    "OnEnd",
    "OnFull",
    "PollingWatch",
    "PublisherStats",
    "RegistryError",
    "RemoteRegistry",
    "SocketOptions",
    "StaticRegistry",
    "SubscriberStats",
    "WatchableRegistry",
    "WireError",
    "ZmqClaim",
    "ZmqHandle",
    "ZmqPubRegistration",
    "ZmqPublisher",
    "ZmqRegistry",
    "ZmqStatus",
    "ZmqSubConfig",
    "ZmqSubscription",
    "ZmqWatch",
    "json",
    "msgpack",
    "raw",
    "zmq_pub",
    "zmq_sub",
]
