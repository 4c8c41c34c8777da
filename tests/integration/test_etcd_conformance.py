"""The conformance suite for the registry in etcd."""

from functools import partial

import pytest

from graphcore_zmq import EtcdRegistry
from graphcore_zmq.testing import (
    FollowedRegistryConformance,
    HeldKeyedRegistryConformance,
    HeldRegistryConformance,
    OpenRegistry,
)
from tests.integration.etcd_server import EtcdServer


@pytest.mark.etcd
class TestEtcdRegistry(
    FollowedRegistryConformance, HeldRegistryConformance, HeldKeyedRegistryConformance
):
    @pytest.fixture
    def open_registry(self, etcd: EtcdServer) -> OpenRegistry:
        return partial(EtcdRegistry, etcd.url)
