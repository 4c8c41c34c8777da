"""graphcore_zmq: streams between processes and hosts over ZeroMQ.

Importing it adds `.zmq_pub` and `.zmq_pub_burst` to `Stream`.
"""

from graphcore.origin import register_library
from graphcore_zmq.arrow import ArrowCodec, ArrowRowsCodec, arrow
from graphcore_zmq.bincode import BincodeCodec, bincode
from graphcore_zmq.binding import OnFull
from graphcore_zmq.codec import Codec, CodecError, SelfDelimitingCodec, json, msgpack, raw
from graphcore_zmq.config import SocketOptions, ZmqPubRegistration, ZmqSubConfig
from graphcore_zmq.etcd import EtcdRegistry
from graphcore_zmq.follow import Missing
from graphcore_zmq.latency import Latency
from graphcore_zmq.local import LocalRegistry
from graphcore_zmq.polling import PollingWatch
from graphcore_zmq.publisher import ZmqPublisher, zmq_pub, zmq_pub_burst
from graphcore_zmq.read import ZmqSubscription, zmq_sub
from graphcore_zmq.registry import (
    ClaimingRegistry,
    Conflict,
    KeyedRegistry,
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
from graphcore_zmq.security import Curve, CurveClient, CurveServer
from graphcore_zmq.static import StaticRegistry
from graphcore_zmq.status import OnEnd, PublisherStats, SubscriberStats, ZmqStatus
from graphcore_zmq.widths import f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from graphcore_zmq.wire import WireError

register_library(__name__)

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
