"""Names in etcd: what is registered there, kept alive, looked up and followed."""

from graphcore_zmq.etcd.registry import EtcdRegistry

__all__ = ["EtcdRegistry"]
