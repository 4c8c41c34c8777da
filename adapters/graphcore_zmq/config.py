"""Configuration of `zmq_sub` and `zmq_pub`, and the short forms that stand for it.

pydantic turns an address, a port or a `(name, registry)` tuple into `ZmqSubConfig`, and a tuple or
nothing into `ZmqPubRegistration`. Everything is checked at wiring; an error is one sentence.
"""

import re
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    model_validator,
)

from graphcore import InvalidTypeError, InvalidValueError
from graphcore.time import to_duration
from graphcore_zmq.registry import ZmqRegistry

_ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(?P<port>\d+)|ipc://.+")
_SUB_FORMS = (
    'an address ("tcp://host:5556"), a port on this host (5556), '
    "a (name, registry) tuple or a ZmqSubConfig"
)
_PUB_FORMS = "a (name, registry) tuple, a ZmqPubRegistration, or None or () for no registration"

# libzmq counts frames and milliseconds in a C int, and bytes in 64 bits.
_MOST_FRAMES = 2**31 - 1
_MOST_BYTES = 2**63 - 1
_LONGEST = 24 * 86_400 * 10**9

M = TypeVar("M", bound="_Config")


def _nanoseconds(value: object) -> int:
    duration = to_duration(value)
    if duration < 0:
        raise InvalidValueError(f"a duration cannot be negative: {value!r}")
    if duration > _LONGEST:
        raise InvalidValueError(
            f"a duration of a socket is at most 24 days, and {value!r} is longer"
        )
    return duration


def _above_zero(value: object) -> int:
    duration = _nanoseconds(value)
    if not duration:
        raise InvalidValueError(f"a peer timeout must be above 0, or None for never, not {value!r}")
    return duration


Nanoseconds = Annotated[int, BeforeValidator(_nanoseconds)]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **fields: object) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _in_one_sentence(type(self), error) from None

    @classmethod
    def of(cls, given: object = None, /, **fields: object) -> Self:
        """Return the config that a short form or keywords stand for.

        Raises:
            InvalidTypeError, InvalidValueError: for an invalid value, which the error names.
        """
        try:
            return cls.model_validate(fields if given is None and fields else given)
        except ValidationError as error:
            raise _in_one_sentence(cls, error) from None


# What a field takes, by pydantic's name of the error.
_TYPES = {
    "bool_parsing": "True or False",
    "bool_type": "True or False",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "is_instance_of": "a registry, which has register and lookup",
    "string_type": "text",
}
_RANGES = {"greater_than_equal": "at least {ge}", "less_than_equal": "at most {le}"}


def _in_one_sentence(model: type[BaseModel], error: ValidationError) -> Exception:
    first = error.errors()[0]
    context = first.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, InvalidValueError | InvalidTypeError):
        return cause
    field, given, wrong = first["loc"][0], first["input"], first["type"]
    if wrong == "extra_forbidden":
        known = ", ".join(model.model_fields)
        return InvalidTypeError(f"{model.__name__} has no {field!r}; it has {known}")
    name = f"{field} of {model.__name__}"
    if wrong in _RANGES:
        return InvalidValueError(f"{name} is {_RANGES[wrong].format(**context)}, not {given!r}")
    if wrong in _TYPES:
        return InvalidTypeError(f"{name} is {_TYPES[wrong]}, not {given!r}")
    return InvalidValueError(f"{name} cannot be {given!r}")


class SocketOptions(_Config):
    """Options of the sockets, with ZeroMQ's meaning. Durations are text, `timedelta` or ns.

    Attributes:
        send_high_water_mark: how many frames a publisher queues for each subscriber; 0 is no limit.
        receive_high_water_mark: how many frames a subscriber queues; 0 is no limit.
        linger: how long a publisher that stops waits until subscribers have read their queues.
        heartbeat_interval: how often a subscriber sends its publisher a sign of life; 0 is never.
        peer_timeout: how long a silent peer is tolerated; `None` is for ever. After this time a
            publisher disconnects a subscriber that has stopped sending signs of life, and a
            subscriber reconnects when no frame has come. Set it to several times the heartbeat
            interval, and to several seconds: a silent publisher sends a check point each second.
        reconnect_interval: how long a subscriber waits between two tries to connect.
        max_message_size: how many bytes a frame may have; a peer that sends more is disconnected.
        max_burst: how many values a frame may have; more abort a subscriber's run.
        tcp_keepalive: whether the kernel probes idle connections.
        ipv6: whether to use IPv6 as well; an address in brackets turns it on by itself.
        stats_interval: how often the stats are logged during the run; 0 is only at its end.
    """

    send_high_water_mark: int = Field(default=10_000, ge=0, le=_MOST_FRAMES)
    receive_high_water_mark: int = Field(default=10_000, ge=0, le=_MOST_FRAMES)
    linger: Nanoseconds = 5_000_000_000
    heartbeat_interval: Nanoseconds = 1_000_000_000
    peer_timeout: Annotated[int, BeforeValidator(_above_zero)] | None = 3_000_000_000
    reconnect_interval: Nanoseconds = 100_000_000
    max_message_size: int = Field(default=64 << 20, ge=1, le=_MOST_BYTES)
    max_burst: int = Field(default=1_000_000, ge=1)
    tcp_keepalive: bool = True
    ipv6: bool = False
    stats_interval: Nanoseconds = 0


def check_options(options: SocketOptions | None) -> SocketOptions:
    """Return the options; `None` stands for the default ones.

    Raises:
        InvalidTypeError: if this is anything else.
    """
    if options is None:
        return SocketOptions()
    if not isinstance(options, SocketOptions):
        raise InvalidTypeError(f"options are SocketOptions(...), not {options!r}")
    return options


class ZmqSubConfig(_Config):
    """Where a subscriber finds its publisher: an address, or a name in a registry.

    Attributes:
        address: `tcp://host:port` or `ipc://path`.
        name: the publisher's name.
        registry: where the subscriber looks up the name.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    address: str | None = None
    name: str | None = None
    registry: InstanceOf[ZmqRegistry] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if isinstance(given, bool):
            raise InvalidTypeError(f"{given!r} is not a publisher: give {_SUB_FORMS}")
        if isinstance(given, int):
            return {"address": f"tcp://127.0.0.1:{check_port(given, least=1)}"}
        if isinstance(given, str):
            return {"address": given}
        if isinstance(given, tuple):
            return _name_and_registry(given, _SUB_FORMS)
        if isinstance(given, dict | ZmqSubConfig):
            return given
        raise InvalidTypeError(f"{given!r} is not a publisher: give {_SUB_FORMS}")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.address is None) == (self.name is None):
            raise InvalidValueError(f"a subscriber needs an address or a name: give {_SUB_FORMS}")
        if self.address is not None:
            check_address(self.address)
        elif self.registry is None:
            raise InvalidValueError(f"the name {self.name!r} needs a registry")
        return self


class ZmqPubRegistration(_Config):
    """The name under which a publisher registers.

    Attributes:
        name: the name, or `None` for no registration.
        registry: where the publisher registers it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str | None = None
    registry: InstanceOf[ZmqRegistry] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        if given is None or given == ():
            return {}
        if isinstance(given, tuple):
            return _name_and_registry(given, _PUB_FORMS)
        if isinstance(given, dict | ZmqPubRegistration):
            return given
        raise InvalidTypeError(f"{given!r} is not a registration: give {_PUB_FORMS}")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.name is None) != (self.registry is None):
            raise InvalidValueError(f"a registration is a name and a registry: give {_PUB_FORMS}")
        return self


def _name_and_registry(given: tuple[Any, ...], forms: str) -> dict[str, Any]:
    match given:
        case (str(name), ZmqRegistry() as registry) if name:
            return {"name": name, "registry": registry}
    raise InvalidTypeError(f"{given!r} is not a (name, registry) tuple: give {forms}")


def check_port(port: object, least: int = 0) -> int:
    """Return a port number.

    Raises:
        InvalidTypeError: if it is not a whole number.
        InvalidValueError: if it is out of range.
    """
    if isinstance(port, bool) or not isinstance(port, int):
        raise InvalidTypeError(f"a port is a whole number, not {port!r}")
    if not least <= port <= 65_535:
        raise InvalidValueError(f"a port is a number from {least} to 65535, not {port}")
    return port


def check_address(address: str) -> str:
    """Return an address that a subscriber can connect to.

    Raises:
        InvalidValueError: if it lacks a scheme, a host or a port.
    """
    match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if match is None:
        raise InvalidValueError(
            f'{address!r} is not an address: write "tcp://host:port" or "ipc://path"'
        )
    if match["port"] is not None:
        check_port(int(match["port"]), least=1)
    if match["host"] == "*":
        raise InvalidValueError(f"{address!r} names no host to connect to")
    return address
