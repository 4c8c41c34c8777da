"""Which arguments `EtcdRegistry` refuses, and its repr."""

from pathlib import Path
from typing import Any

import pytest

import graphcore as gc
from graphcore_zmq import (
    ClaimingRegistry,
    EtcdRegistry,
    KeyedRegistry,
    RemoteRegistry,
    WatchableRegistry,
    ZmqRegistry,
)

URL = "http://etcd:2379"
FORM = 'write "http://host:2379" or "https://host:2379"'


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ([], {}, f"give at least one endpoint: {FORM}"),
        (["etcd:2379"], {}, f"'etcd:2379' is not an endpoint: {FORM}"),
        ([""], {}, f"'' is not an endpoint: {FORM}"),
        (["http://"], {}, f"'http://' is not an endpoint: {FORM}"),
        (["http://etcd:port"], {}, f"'http://etcd:port' is not an endpoint: {FORM}"),
        (["http://etcd:2379/v3"], {}, f"'http://etcd:2379/v3' is not an endpoint: {FORM}"),
        ([[URL, 2379]], {}, f"2379 is not an endpoint: {FORM}"),
        ([2379], {}, "endpoints are a URL or a list of URLs, not 2379"),
        (
            ["http://me:pw@etcd"],
            {},
            "an endpoint has no user or password: give user= and password= beside it",
        ),
        ([URL], {"user": "me"}, "give a user and a password together"),
        ([URL], {"password": "pw"}, "give a user and a password together"),
        ([URL], {"cert": __file__}, "give a certificate and its key together"),
        ([URL], {"ca_cert": __file__}, f"certificates need an https endpoint, not '{URL}'"),
        ([URL], {"ca_cert": "no"}, "'no' cannot be read: No such file or directory"),
        ([URL], {"ca_cert": b"PEM"}, "a certificate is given as the path of a file, not b'PEM'"),
        ([URL], {"ttl": "1500ms"}, "a ttl is in whole seconds, such as \"30s\", not '1500ms'"),
        ([URL], {"ttl": 0}, 'a ttl is in whole seconds, such as "30s", not 0 ns'),
        ([URL], {"conflict": "x"}, 'conflict is "wait", "error" or "standby", not \'x\''),
        ([URL], {"prefix": None}, "a prefix is text, not None"),
        ([URL], {"timeout": 0}, "a timeout is above 0, not 0"),
        (
            [URL],
            {"client": object()},
            "a client of your own has its own endpoints and access: give nothing else",
        ),
    ],
)
def test_invalid_arguments_are_refused_in_a_sentence(
    arguments: list[Any], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises((gc.InvalidValueError, gc.InvalidTypeError)) as caught:
        EtcdRegistry(*arguments, **options)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["", None, 7, "half \ud800"])
def test_a_name_is_text(name: Any) -> None:
    registry = EtcdRegistry(URL)
    for ask in (registry.lookup, registry.watch, lambda each: registry.register(each, "tcp://h:1")):
        with pytest.raises(gc.InvalidValueError, match="name is a text|cannot be written as UTF-8"):
            ask(name)


def test_its_repr_shows_the_endpoints_but_no_password(tmp_path: Path) -> None:
    registry = EtcdRegistry(["https://one", "https://[::1]:99/"], user="me", password="secret")
    assert repr(registry) == "<EtcdRegistry at https://one:2379, https://[::1]:99>"
    assert "secret" not in str(vars(registry)) + repr(registry._endpoints)


def test_it_supports_every_registry_protocol() -> None:
    registry = EtcdRegistry(["http://[::1]:99", URL])
    assert isinstance(registry, ZmqRegistry)
    for kind in (WatchableRegistry, ClaimingRegistry, KeyedRegistry, RemoteRegistry):
        assert isinstance(registry, kind)
    assert registry.peer == ("::1", 99)
