"""The short forms that become configs, and the forms that are refused."""

import pytest

import graphcore as gc
from graphcore_zmq import SocketOptions, ZmqPubRegistration, ZmqSubConfig, zmq_pub, zmq_sub


class Registry:
    def register(self, name, address):
        raise NotImplementedError

    def lookup(self, name):
        raise LookupError(name)


def test_a_subscriber_takes_an_address_a_port_or_a_name_with_its_registry():
    registry = Registry()
    assert ZmqSubConfig.of("tcp://host:5556").address == "tcp://host:5556"
    assert ZmqSubConfig.of("ipc:///tmp/quotes").address == "ipc:///tmp/quotes"
    assert ZmqSubConfig.of(5556).address == "tcp://127.0.0.1:5556"
    named = ZmqSubConfig.of(("quotes", registry))
    assert (named.name, named.registry, named.address) == ("quotes", registry, None)
    assert ZmqSubConfig.of(named) == named


def test_a_registration_is_a_name_with_its_registry_or_nothing():
    registry = Registry()
    assert ZmqPubRegistration.of(("quotes", registry)).name == "quotes"
    assert ZmqPubRegistration.of(None).name is None
    assert ZmqPubRegistration.of(()).name is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (0, "0"),
        (65_536, "65536"),
        (True, "True"),
        (1.5, "1.5"),
        (None, "None"),
        ("host:5556", "host:5556"),
        ("tcp://host", "tcp://host"),
        ("tcp://host:99999", "99999"),
        ("tcp://*:5556", "names no host to connect to"),
        (("quotes",), r"\(name, registry\)"),
        (("quotes", Registry(), 3), r"\(name, registry\)"),
        (("quotes", "etcd"), r"\(name, registry\)"),
        ((3, Registry()), r"\(name, registry\)"),
    ],
)
def test_an_argument_that_is_not_a_publisher_is_refused_in_one_sentence(source, said):
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=said) as refused:
        zmq_sub(source)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "keywords", "said"),
    [
        ((70_000,), {}, "70000"),
        ((-1,), {}, "-1"),
        (("5556",), {}, "5556"),
        ((0, ("quotes",)), {}, r"\(name, registry\)"),
        ((0, "quotes"), {}, "quotes"),
        ((0,), {"on_full": "wait"}, "wait"),
        ((0,), {"wait_for": -1}, "-1"),
        ((0,), {"bind": "tcp://127.0.0.1"}, "tcp://127.0.0.1"),
        ((0,), {"advertise": "host"}, "host"),
        ((0,), {"advertise": 5}, "5 is not an address"),
        ((0,), {"keep_for": 0.5}, "0.5"),
        ((0,), {"keep_for": "-5ms"}, "-5ms"),
        ((0,), {"options": {"linger": 0}}, "SocketOptions.* not {'linger': 0}"),
        ((0,), {"codec": "msgpack"}, "encode and decode.* 'msgpack'"),
        ((0,), {"keep_count": 20_000}, "20000"),
    ],
)
def test_invalid_arguments_of_a_publisher_are_refused_in_one_sentence(arguments, keywords, said):
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError), match=said) as refused:
        gc.never().zmq_pub(*arguments, **keywords)
    assert "\n" not in str(refused.value)


def test_a_publisher_without_a_stream_and_an_unknown_keyword_are_refused():
    with pytest.raises(gc.InvalidTypeError, match="must be a stream or a node, not 3"):
        zmq_pub(3, 0)
    with pytest.raises(TypeError, match="hwm"):
        zmq_sub(5556, hwm=3)
    with pytest.raises(gc.InvalidTypeError, match="hwm"):
        SocketOptions.of(hwm=3)
    with pytest.raises(gc.InvalidTypeError, match="hwm"):
        SocketOptions(hwm=3)
    with pytest.raises(gc.InvalidValueError, match="-1"):
        SocketOptions.of(send_high_water_mark=-1)
    with pytest.raises(gc.InvalidTypeError, match=r"0\.5"):
        SocketOptions(linger=0.5)


@pytest.mark.parametrize(
    ("config", "fields", "said"),
    [
        (ZmqSubConfig, {"address": 5}, "address of ZmqSubConfig is text, not 5"),
        (ZmqSubConfig, {"name": 5}, "name of ZmqSubConfig is text, not 5"),
        (
            ZmqSubConfig,
            {"name": "a", "registry": 5},
            "registry of ZmqSubConfig is a registry, which has register and lookup, not 5",
        ),
        (
            ZmqSubConfig,
            {"adress": "tcp://a:1"},
            "ZmqSubConfig has no 'adress'; it has address, name, registry",
        ),
        (
            ZmqPubRegistration,
            {"name": "a", "registry": "http://etcd:2379"},
            "registry of ZmqPubRegistration is a registry, which has register and lookup, not "
            "'http://etcd:2379'",
        ),
        (ZmqPubRegistration, {"name": ["a"]}, "name of ZmqPubRegistration is text, not ['a']"),
        (
            SocketOptions,
            {"ipv6": "perhaps"},
            "ipv6 of SocketOptions is True or False, not 'perhaps'",
        ),
        (SocketOptions, {"ipv6": None}, "ipv6 of SocketOptions is True or False, not None"),
        (SocketOptions, {"max_burst": 0}, "max_burst of SocketOptions is at least 1, not 0"),
        (
            SocketOptions,
            {"max_burst": 0.5},
            "max_burst of SocketOptions is a whole number, not 0.5",
        ),
        (
            SocketOptions,
            {"max_burst": "x"},
            "max_burst of SocketOptions is a whole number, not 'x'",
        ),
        (
            SocketOptions,
            {"max_burst": None},
            "max_burst of SocketOptions is a whole number, not None",
        ),
        (
            SocketOptions,
            {"max_burst": float("nan")},
            "max_burst of SocketOptions cannot be nan",
        ),
        (
            SocketOptions,
            {"send_high_water_mark": 2**31},
            "send_high_water_mark of SocketOptions is at most 2147483647, not 2147483648",
        ),
    ],
)
@pytest.mark.parametrize("way", ["class", "of"])
def test_errors_of_invalid_fields_are_in_graphcores_own_words(config, fields, said, way):
    with pytest.raises((gc.InvalidTypeError, gc.InvalidValueError)) as refused:
        config(**fields) if way == "class" else config.of(**fields)
    assert str(refused.value) == said
    in_range = "at least" in said or "at most" in said or "cannot be" in said
    assert isinstance(refused.value, gc.InvalidValueError if in_range else gc.InvalidTypeError)


def test_on_end_that_does_not_exist_is_refused():
    with pytest.raises(gc.InvalidValueError, match="later"):
        zmq_sub(5556, on_end="later")


def test_a_subscriber_needs_a_codec_and_socket_options():
    with pytest.raises(gc.InvalidTypeError, match="encode and decode.* 'raw'"):
        zmq_sub(5556, codec="raw")
    with pytest.raises(gc.InvalidTypeError, match="SocketOptions.* not 3"):
        zmq_sub(5556, options=3)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("peer_timeout", 0, "above 0, or None"),
        ("peer_timeout", "-1s", "-1s"),
        ("heartbeat_interval", "-1s", "-1s"),
        ("linger", "25d", "25d"),
        ("send_high_water_mark", 2**31, "2147483648"),
        ("receive_high_water_mark", 2**31, "2147483648"),
    ],
)
def test_a_socket_option_that_libzmq_cannot_hold_is_refused(field, value, said):
    with pytest.raises(gc.InvalidValueError, match=said):
        SocketOptions(**{field: value})


@pytest.mark.parametrize(
    ("config", "fields", "said"),
    [
        (ZmqSubConfig, {}, "an address or a name"),
        (ZmqSubConfig, {"address": "tcp://a:1", "name": "n"}, "an address or a name"),
        (ZmqSubConfig, {"name": "n"}, "'n' needs a registry"),
        (ZmqPubRegistration, {"name": "n"}, "a name and a registry"),
        (ZmqPubRegistration, {"registry": Registry()}, "a name and a registry"),
    ],
)
def test_a_config_needs_a_name_and_a_registry_together(config, fields, said):
    with pytest.raises(gc.InvalidValueError, match=said):
        config(**fields)
