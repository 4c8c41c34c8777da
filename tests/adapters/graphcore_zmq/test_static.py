"""A registry of names that are written down: the conformance suite, and what is its own."""

from functools import partial
from typing import Any

import pytest

import graphcore as gc
from graphcore_zmq import NameNotFoundError, RegistryError, StaticRegistry
from graphcore_zmq.testing import NAMES, RegistryConformance


class TestStaticRegistry(RegistryConformance):
    @pytest.fixture
    def open_registry(self) -> Any:
        return partial(StaticRegistry, NAMES)


def test_the_host_of_a_publisher_need_not_be_written_as_it_is_bound():
    registry = StaticRegistry({"quotes": "tcp://feeds.example:5556", "here": "ipc:///tmp/here"})
    registry.register("quotes", "tcp://192.0.2.7:5556").revoke()
    registry.register("here", "ipc:///tmp/here").revoke()
    assert registry.names() == {"quotes": "tcp://feeds.example:5556", "here": "ipc:///tmp/here"}


@pytest.mark.parametrize(
    ("name", "address", "said"),
    [
        ("quotes", "tcp://192.0.2.7:5557", "is at tcp://feeds:5556 .* and this .*7:5557"),
        ("quotes", "ipc:///5556", "ipc:///5556"),
        ("here", "ipc:///tmp/there", "ipc:///tmp/there"),
    ],
)
def test_a_publisher_that_is_elsewhere_is_refused(name, address, said):
    registry = StaticRegistry({"quotes": "tcp://feeds:5556", "here": "ipc:///tmp/here"})
    with pytest.raises(RegistryError, match=said):
        registry.register(name, address)


def test_an_unknown_name_is_refused_with_those_that_are_known():
    registry = StaticRegistry({"quotes": "tcp://feeds:5556"})
    for ask in (registry.lookup, lambda name: registry.register(name, "tcp://feeds:1")):
        with pytest.raises(NameNotFoundError, match="'trades'.*it has 'quotes'"):
            ask("trades")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["quotes"], "mapping"),
        ({"quotes": 5556}, "5556 is no address"),
        ({"quotes": "feeds:5556"}, "'feeds:5556' is no address"),
        ({"": "tcp://feeds:5556"}, "name is a text, not ''"),
        ({3: "tcp://feeds:5556"}, "name is a text, not 3"),
    ],
)
def test_what_is_no_mapping_of_names_to_addresses_is_refused_in_one_sentence(names, said):
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=said):
        StaticRegistry(names)
