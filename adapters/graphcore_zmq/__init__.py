"""graphcore_zmq: streams between processes and hosts over ZeroMQ.

Importing it adds `.zmq_pub` and `.zmq_pub_burst` to `Stream`.
"""

from graphcore.checking import register_check
from graphcore.origin import register_library
from graphcore_zmq.codec.arrow import ArrowCodec, ArrowRowsCodec, arrow
from graphcore_zmq.codec.bincode import BincodeCodec, bincode
from graphcore_zmq.codec.codec import Codec, CodecError, SelfDelimitingCodec, json, msgpack, raw
from graphcore_zmq.codec.widths import f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from graphcore_zmq.config import SocketOptions, ZmqPubRegistration, ZmqSubConfig
from graphcore_zmq.figures import register_figures
from graphcore_zmq.measures import register_measures
from graphcore_zmq.own_subscriber import publishers_that_wait_for_their_own_graph
from graphcore_zmq.read.locate import Missing
from graphcore_zmq.read.subscribe import ZmqSubscription, zmq_sub
from graphcore_zmq.registries.etcd.registry import EtcdRegistry
from graphcore_zmq.registries.local import LocalRegistry
from graphcore_zmq.registries.polling import PollingWatch
from graphcore_zmq.registries.static import StaticRegistry
from graphcore_zmq.registry import (
    ClaimingRegistry,
    Conflict,
    KeyedRegistry,
    NameNotFoundError,
    NameTakenError,
    Registration,
    RegistryError,
    RemoteRegistry,
    WatchableRegistry,
    ZmqClaim,
    ZmqHandle,
    ZmqRegistry,
    ZmqWatch,
)
from graphcore_zmq.socket.security import Curve, CurveClient, CurveServer
from graphcore_zmq.stats.latency import Latency
from graphcore_zmq.stats.status import OnEnd, PublisherStats, SubscriberStats, ZmqStatus
from graphcore_zmq.wire.frames import WireError
from graphcore_zmq.write.binding import OnFull
from graphcore_zmq.write.publish import ZmqPublisher, zmq_pub, zmq_pub_burst

register_library(__name__)
register_check(publishers_that_wait_for_their_own_graph)
register_figures()
register_measures()

__all__ = [
    "ArrowCodec",
    "ArrowRowsCodec",
    "BincodeCodec",
    "ClaimingRegistry",
    "Codec",
    "CodecError",
    "Conflict",
    "Curve",
    "CurveClient",
    "CurveServer",
    "EtcdRegistry",
    "KeyedRegistry",
    "Latency",
    "LocalRegistry",
    "Missing",
    "NameNotFoundError",
    "NameTakenError",
    "OnEnd",
    "OnFull",
    "PollingWatch",
    "PublisherStats",
    "Registration",
    "RegistryError",
    "RemoteRegistry",
    "SelfDelimitingCodec",
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
    "arrow",
    "bincode",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "json",
    "msgpack",
    "raw",
    "u8",
    "u16",
    "u32",
    "u64",
    "zmq_pub",
    "zmq_pub_burst",
    "zmq_sub",
]
