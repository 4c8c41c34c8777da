"""The commands `graphcore sub`, `pub`, `record` and `replay`: streams in a terminal.

Values go to standard output, everything else to standard error. A command ends normally, with the
exit code 0, on a signal, after `--count` values, at the end of its input or of its publisher, and
when the reader of its output has closed the pipe.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import graphcore as gc
from graphcore_zmq.codec.codec import Codec, json, msgpack, raw
from graphcore_zmq.commands.ending import Signals, ending_in_one_sentence, say
from graphcore_zmq.commands.naming import RegistryOptions, with_registry_options
from graphcore_zmq.commands.terminal import (
    WriteLines,
    as_json,
    encode_output,
    json_of,
    lines_of,
    shown,
    shown_with_topic,
    text_of,
)
from graphcore_zmq.read.subscribe import ZmqSubscription, zmq_sub
from graphcore_zmq.socket.security import Curve, CurveClient, CurveServer
from graphcore_zmq.stats.status import OnEnd, ZmqStatus, counted
from graphcore_zmq.write.binding import OnFull
from graphcore_zmq.write.publish import zmq_pub


class CodecName(StrEnum):
    """The codecs that `--codec` names."""

    MSGPACK = "msgpack"
    JSON = "json"
    RAW = "raw"


_CODECS: dict[CodecName, Codec[Any]] = {
    CodecName.MSGPACK: msgpack,
    CodecName.JSON: json,
    CodecName.RAW: raw,
}

_Source = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS|NAME",
        help="tcp://host:port, ipc://path, a port on this host, or a name in a registry.",
    ),
]
_Name = Annotated[str | None, typer.Option(help="The name to register in --etcd or --local.")]
_Codec = Annotated[CodecName, typer.Option("--codec", help="How values are encoded.")]
_Status = Annotated[
    bool, typer.Option("--status", help="Show connections and gaps on standard error.")
]
_Port = Annotated[int, typer.Argument(help="The TCP port; 0 takes a free one.")]
_Bind = Annotated[str, typer.Option(help="The address of this host to listen on.")]
_WaitFor = Annotated[
    int, typer.Option(min=0, help="Hold the first value until this many subscribers have come.")
]
_OnFull = Annotated[
    OnFull,
    typer.Option(help="What to do for a slow subscriber: drop values, or block until it has room."),
]
_SecretKey = Annotated[
    Path | None,
    typer.Option(help="Your own keys, the file NAME.key_secret of `graphcore keys new`."),
]
_ServerKey = Annotated[
    Path | None,
    typer.Option(
        help="The file of the publisher's public key. With a name, the registry supplies the key."
    ),
]
_Clients = Annotated[
    list[Path] | None,
    typer.Option(
        "--client", help="The file of a public key that may subscribe; may be given several times."
    ),
]
_AnyClient = Annotated[
    bool,
    typer.Option("--any-client", help="Let in every client that knows the publisher's public key."),
]
_Topics = Annotated[
    list[str] | None,
    typer.Option("--topic", help="Subscribe to this topic; may be given several times."),
]
_OnEnd = Annotated[
    OnEnd | None,
    typer.Option(
        help="When the publisher has ended normally: close ends this command, follow waits for "
        "the next publisher. By default close for an address or a port, follow for a name."
    ),
]
_Topic = Annotated[str | None, typer.Option(help="The topic of all values.")]


@with_registry_options
def sub(
    registry: RegistryOptions,
    source: _Source,
    codec: _Codec = CodecName.MSGPACK,
    count: Annotated[int | None, typer.Option(min=1, help="End after this many values.")] = None,
    in_json: Annotated[bool, typer.Option("--json", help="Print values as JSON.")] = False,
    topics: _Topics = None,
    on_end: _OnEnd = None,
    status: _Status = False,
    latency: Annotated[
        bool, typer.Option("--latency", help="Show the one-way latency at the end.")
    ] = False,
    secret_key: _SecretKey = None,
    server_key: _ServerKey = None,
) -> None:
    """Print each value of a stream as a line."""
    with (
        ending_in_one_sentence() as signals,
        _subscribing(
            source, codec, topics, on_end, secret_key, server_key, registry
        ) as subscription,
    ):
        encode_output(in_json)
        as_text = shown_with_topic if topics else shown
        lines = WriteLines(subscription.data, as_json if in_json else as_text, count)
        roots = [lines, *_shown_status(subscription, status)]
        signals.run(*roots)
        if latency:
            say(str(subscription.stats().latency))


@with_registry_options
def pub(
    registry: RegistryOptions,
    port: _Port,
    codec: _Codec = CodecName.MSGPACK,
    in_json: Annotated[bool, typer.Option("--json", help="Each line is a value in JSON.")] = False,
    bind: _Bind = "0.0.0.0",
    wait_for: _WaitFor = 0,
    on_full: _OnFull = OnFull.DROP,
    topic: _Topic = None,
    name: _Name = None,
    secret_key: _SecretKey = None,
    clients: _Clients = None,
    any_client: _AnyClient = False,
) -> None:
    """Publish the lines of standard input until it ends."""
    with ending_in_one_sentence() as signals:
        take = json_of if in_json else bytes if codec is CodecName.RAW else text_of
        lines = lines_of(take)
        _publish(
            signals,
            lines,
            port,
            registry,
            name,
            codec=_CODECS[codec],
            topic=_always(topic),
            bind=bind,
            wait_for=wait_for,
            on_full=on_full,
            security=_server(secret_key, clients, any_client),
        )


@with_registry_options
def record(
    registry: RegistryOptions,
    source: _Source,
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    codec: _Codec = CodecName.MSGPACK,
    topics: _Topics = None,
    on_end: _OnEnd = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    status: _Status = False,
    secret_key: _SecretKey = None,
    server_key: _ServerKey = None,
) -> None:
    """Write each value of a stream as a row of a Parquet file."""
    with (
        ending_in_one_sentence() as signals,
        _subscribing(
            source, codec, topics, on_end, secret_key, server_key, registry
        ) as subscription,
    ):
        if file.exists() and not overwrite:
            raise gc.RunError(f"{file} exists; --overwrite replaces it")
        recorded = subscription.data.unroll().record(file)
        try:
            signals.run(recorded, *_shown_status(subscription, status))
        except KeyboardInterrupt:
            partial = Path(f"{file}.partial")
            if partial.exists():
                raise KeyboardInterrupt(
                    f"interrupted before {file} was finished; what was recorded is in {partial}: "
                    "rename it, and replay it with `graphcore replay`, or remove it"
                ) from None
        stats = subscription.stats()
        say(f"{counted(stats.received, 'value')} recorded, {stats.lost} lost on the way")


@with_registry_options
def replay(
    registry: RegistryOptions,
    file: Annotated[Path, typer.Argument(help="A Parquet file that `graphcore record` wrote.")],
    port: Annotated[
        int, typer.Option("--pub", help="The TCP port to publish at; 0 takes a free one.")
    ],
    speed: Annotated[
        float, typer.Option(help="How many times faster than recorded; inf does not wait at all.")
    ] = 1.0,
    codec: _Codec = CodecName.MSGPACK,
    bind: _Bind = "0.0.0.0",
    wait_for: _WaitFor = 0,
    on_full: _OnFull = OnFull.DROP,
    topic: _Topic = None,
    own_topics: Annotated[
        bool,
        typer.Option(
            "--own-topics",
            help="Publish each value under the topic that `record --topic` wrote with it.",
        ),
    ] = False,
    name: _Name = None,
    secret_key: _SecretKey = None,
    clients: _Clients = None,
    any_client: _AnyClient = False,
) -> None:
    """Publish a recording, by default at the pace of the recorded stream."""
    with ending_in_one_sentence() as signals:
        if own_topics and topic is not None:
            raise gc.InvalidValueError("give --topic or --own-topics, not both")
        values = gc.replay_parquet(file, speed=speed)
        _publish(
            signals,
            values,
            port,
            registry,
            name,
            codec=_OfPairs(_CODECS[codec]) if own_topics else _CODECS[codec],
            topic=partial(_own_topic, file) if own_topics else _always(topic),
            bind=bind,
            wait_for=wait_for,
            on_full=on_full,
            security=_server(secret_key, clients, any_client),
        )


def _always(topic: str | None) -> Callable[[Any], str] | None:
    """Return the function that gives each value this topic."""
    return None if topic is None else lambda _: topic


def _own_topic(file: Path, pair: Any) -> str:
    """Return the topic that was recorded with a value."""
    match pair:
        case (str(topic), _):
            return topic
    raise gc.InvalidTypeError(
        f"{file} was not recorded with --topic: {pair!r} is not a pair of a topic and a value"
    )


class _OfPairs:
    """Encodes the value of a (topic, value) pair; the topic goes before the frame."""

    def __init__(self, codec: Codec[Any]) -> None:
        self.name = codec.name
        self.decode = codec.decode
        self._encode = codec.encode

    def encode(self, value: tuple[str, Any]) -> bytes:
        return self._encode(value[1])


def _server(
    secret_key: Path | None, clients: list[Path] | None, any_client: bool
) -> CurveServer | None:
    if secret_key is None:
        if clients or any_client:
            raise gc.InvalidValueError(
                "--client and --any-client need --secret-key, the publisher's own keys"
            )
        return None
    if bool(clients) == any_client:
        raise gc.InvalidValueError(
            "--secret-key needs --client FILE or --any-client, one of the two: who may subscribe"
        )
    return Curve.server(secret_key, Curve.ANYONE if any_client else clients or [])


def _client(secret_key: Path | None, server_key: Path | None, by_name: bool) -> CurveClient | None:
    if secret_key is None:
        if server_key is not None:
            raise gc.InvalidValueError("--server-key needs --secret-key, the subscriber's own keys")
        return None
    if server_key is None and not by_name:
        raise gc.InvalidValueError(
            "--secret-key needs --server-key, the publisher's public key: only a registry could "
            "tell the key of a publisher"
        )
    return Curve.client(server_key, secret_key)


@contextmanager
def _subscribing(
    source: str,
    codec: CodecName,
    topics: list[str] | None,
    on_end: OnEnd | None,
    secret_key: Path | None,
    server_key: Path | None,
    registry: RegistryOptions,
) -> Iterator[ZmqSubscription[Any]]:
    by_name = not source.isdecimal() and "://" not in source
    subscribe: Callable[..., ZmqSubscription[Any]] = partial(
        zmq_sub,
        codec=_CODECS[codec],
        topics=topics or None,
        on_end=on_end,
        security=_client(secret_key, server_key, by_name),
    )
    if not by_name:
        yield subscribe(int(source) if source.isdecimal() else source)
    elif not registry.given:
        raise gc.InvalidValueError(
            f"{source!r} is not an address (tcp://host:port), and a name needs --etcd or --local"
        )
    else:
        with registry.opened() as opened:
            yield subscribe((source, opened))


def _shown_status(subscription: ZmqSubscription[Any], wanted: bool) -> list[gc.Stream[Any]]:
    def show(status: ZmqStatus) -> None:
        lost = subscription.stats().lost
        say(f"gap: {lost} lost so far" if status is ZmqStatus.GAP else status)

    return [subscription.status.for_each(show)] if wanted else []


def _publish(
    signals: Signals,
    values: gc.Stream[Any],
    port: int,
    registry: RegistryOptions,
    name: str | None,
    **options: Any,
) -> None:
    if registry.given != (name is not None):
        raise gc.InvalidValueError(
            "give --name together with --etcd or --local to register the name"
        )
    # Wired before the publisher, because that may hold the graph until somebody subscribes.
    announced = gc.constant(None).for_each(lambda _: say(f"publishing at {publisher.address}"))
    with registry.opened() if name is not None else nullcontext() as opened:
        registration = (name, opened) if name is not None and opened is not None else None
        publisher = zmq_pub(values, port, registration, **options)
        try:
            signals.run(announced, publisher)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "interrupted before all subscribers had read the last values"
            ) from None
    stats = publisher.stats()
    if stats.expired:
        sent = counted(stats.sent, "value")
        say(f"{sent} sent, {stats.expired} not sent before the end")
