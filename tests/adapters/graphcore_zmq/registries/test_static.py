"""A registry of fixed names: the conformance suite, and tests of its own."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from zmq.auth import create_certificates, load_certificate

import graphcore as gc
from graphcore_zmq import NameNotFoundError, RegistryError, StaticRegistry
from graphcore_zmq.testing import KEYED_NAMES, NAMES, KeyedRegistryConformance

OTHER = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


class TestStaticRegistry(KeyedRegistryConformance):
    @pytest.fixture
    def open_registry(self) -> Any:
        return partial(StaticRegistry, NAMES | KEYED_NAMES)


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
def test_a_publisher_at_another_address_is_refused(name, address, said):
    registry = StaticRegistry({"quotes": "tcp://feeds:5556", "here": "ipc:///tmp/here"})
    with pytest.raises(RegistryError, match=said):
        registry.register(name, address)


def test_an_unknown_name_is_refused_with_those_that_are_known():
    registry = StaticRegistry({"quotes": "tcp://feeds:5556"})
    for ask in (registry.lookup, lambda name: registry.register(name, "tcp://feeds:1")):
        with pytest.raises(NameNotFoundError, match="'trades'.*it has 'quotes'"):
            ask("trades")


def test_a_key_may_be_a_file(tmp_path):
    public, _ = create_certificates(tmp_path, "quotes")
    registry = StaticRegistry({"quotes": ("tcp://feeds:5556", Path(public)), "plain": "ipc:///x"})
    assert registry.find("quotes").public_key == load_certificate(public)[0].decode()
    assert registry.names() == {"quotes": "tcp://feeds:5556", "plain": "ipc:///x"}


def test_a_publisher_with_another_key_or_none_is_refused():
    address, key = KEYED_NAMES["keyed"]
    registry = StaticRegistry({"quotes": (address, key), "plain": address})
    registry.register("plain", address, key)
    for other, said in ((None, "no key"), (OTHER, f"the key {re.escape(OTHER)}")):
        with pytest.raises(
            RegistryError, match=f"'quotes' has .*{re.escape(key)}.* publisher {said}:"
        ):
            registry.register("quotes", address, other)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["quotes"], "mapping"),
        ({"quotes": 5556}, "5556 is not an address"),
        ({"quotes": "feeds:5556"}, "'feeds:5556' is not an address"),
        ({"": "tcp://feeds:5556"}, "name is a text, not ''"),
        ({3: "tcp://feeds:5556"}, "name is a text, not 3"),
        ({"quotes": ("feeds:5556", OTHER)}, "'feeds:5556' is not an address"),
        ({"quotes": ("tcp://feeds:5556", "key")}, "a public key is 40 characters .*not 'key'"),
        ({"quotes": ("tcp://feeds:5556", 3)}, "a key is text or a pathlib.Path, not 3"),
        ({"quotes": ("tcp://feeds:5556",)}, "an address and a public key, not .*feeds"),
    ],
)
def test_anything_but_a_mapping_of_names_to_addresses_is_refused_in_one_sentence(names, said):
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=said):
        StaticRegistry(names)
