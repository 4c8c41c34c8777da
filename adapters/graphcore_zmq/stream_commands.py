"""The commands `graphcore sub`, `pub`, `record` and `replay`: streams from a terminal.

Values go to standard output, everything else to standard error. A command ends with 0 when it
ended in order: by its count, its publisher's end, the end of its input, a signal, or when nobody
reads its output any more. What goes wrong is one sentence, and 1.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import graphcore as gc
from graphcore_zmq.codec import Codec, json, msgpack, raw
from graphcore_zmq.naming import RegistryOptions, with_registry_options
from graphcore_zmq.outlet import OnFull
from graphcore_zmq.publisher import zmq_pub
from graphcore_zmq.read import ZmqSubscription, zmq_sub
from graphcore_zmq.status import ZmqStatus
from graphcore_zmq.terminal import WriteLines, as_json, json_of, lines_of, shown, text_of

_FAILED = 1
_INTERRUPTED = 130


class CodecName(StrEnum):
    """The codecs that a command can be told to use."""

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
_Name = Annotated[str | None, typer.Option(help="The name to register, in --etcd or --local.")]
_Codec = Annotated[CodecName, typer.Option("--codec", help="What a value's bytes are.")]
_Status = Annotated[
    bool, typer.Option("--status", help="Show connections and gaps, on standard error.")
]
_Port = Annotated[int, typer.Argument(help="TCP port; 0 takes a free one")]
_Bind = Annotated[str, typer.Option(help="The address of this host to listen on.")]
_WaitFor = Annotated[
    int, typer.Option(min=0, help="Hold the first value until so many have subscribed.")
]
_OnFull = Annotated[
    OnFull,
    typer.Option(help="Drop values for a subscriber that is slow, or block until it has room."),
]


@with_registry_options
def sub(
    registry: RegistryOptions,
    source: _Source,
    codec: _Codec = CodecName.MSGPACK,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many values.")] = None,
    in_json: Annotated[bool, typer.Option("--json", help="Print values as JSON.")] = False,
    status: _Status = False,
    latency: Annotated[
        bool, typer.Option("--latency", help="At the end, show the one-way latency.")
    ] = False,
) -> None:
    """Print a stream as it comes, a line for each value."""
    with _in_one_sentence(), _subscribing(source, codec, registry) as subscription:
        lines = WriteLines(subscription.data, as_json if in_json else shown, count)
        roots = [lines, *_shown_status(subscription, status)]
        gc.Graph(*roots).run(realtime=True)
        if latency:
            _say(str(subscription.stats().latency))


@with_registry_options
def pub(
    registry: RegistryOptions,
    port: _Port,
    codec: _Codec = CodecName.MSGPACK,
    in_json: Annotated[bool, typer.Option("--json", help="Each line is a value in JSON.")] = False,
    bind: _Bind = "0.0.0.0",
    wait_for: _WaitFor = 0,
    on_full: _OnFull = OnFull.DROP,
    name: _Name = None,
) -> None:
    """Publish the lines of standard input, until it ends."""
    with _in_one_sentence():
        take = json_of if in_json else bytes if codec is CodecName.RAW else text_of
        lines = lines_of(take)
        options = {"codec": _CODECS[codec], "bind": bind, "wait_for": wait_for, "on_full": on_full}
        _publish(lines, port, registry, name, options)


@with_registry_options
def record(
    registry: RegistryOptions,
    source: _Source,
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    codec: _Codec = CodecName.MSGPACK,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    status: _Status = False,
) -> None:
    """Write a stream to a Parquet file, a row for each value."""
    with _in_one_sentence(), _subscribing(source, codec, registry) as subscription:
        if file.exists() and not overwrite:
            raise gc.RunError(f"{file} exists; --overwrite replaces it")
        recorded = subscription.data.unroll().record(file)
        gc.Graph(recorded, *_shown_status(subscription, status)).run(realtime=True)
        stats = subscription.stats()
        _say(f"{stats.received} values recorded, {stats.lost} lost on the way")


@with_registry_options
def replay(
    registry: RegistryOptions,
    file: Annotated[Path, typer.Argument(help="A Parquet file, as `graphcore record` writes it.")],
    port: Annotated[int, typer.Option("--pub", help="TCP port to publish at; 0 takes a free one")],
    speed: Annotated[
        float, typer.Option(help="How many times faster than recorded; inf is as fast as can be.")
    ] = 1.0,
    codec: _Codec = CodecName.MSGPACK,
    bind: _Bind = "0.0.0.0",
    wait_for: _WaitFor = 0,
    on_full: _OnFull = OnFull.DROP,
    name: _Name = None,
) -> None:
    """Publish what was recorded, at the pace at which it came."""
    with _in_one_sentence():
        values = gc.replay_parquet(file, speed=speed)
        options = {"codec": _CODECS[codec], "bind": bind, "wait_for": wait_for, "on_full": on_full}
        _publish(values, port, registry, name, options)


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    """Turn what goes wrong into a sentence and an exit code."""
    try:
        yield
    except BrokenPipeError:
        # Who read the output has gone. What is still in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except (gc.GraphcoreError, OSError, ExceptionGroup) as error:
        _say(" ".join(str(error).split()))
        raise typer.Exit(_FAILED) from None


def _say(sentence: str) -> None:
    typer.echo(f"graphcore: {sentence}", err=True)


@contextmanager
def _subscribing(
    source: str, codec: CodecName, registry: RegistryOptions
) -> Iterator[ZmqSubscription[Any]]:
    if source.isdecimal():
        yield zmq_sub(int(source), codec=_CODECS[codec])
    elif "://" in source:
        yield zmq_sub(source, codec=_CODECS[codec])
    elif not registry.given:
        raise gc.InvalidValueError(
            f"{source!r} is no address (tcp://host:port), and a name needs --etcd or --local"
        )
    else:
        with registry.opened() as opened:
            yield zmq_sub((source, opened), codec=_CODECS[codec])


def _shown_status(subscription: ZmqSubscription[Any], wanted: bool) -> list[gc.Stream[Any]]:
    def show(status: ZmqStatus) -> None:
        lost = subscription.stats().lost
        _say(f"gap, {lost} lost up to now" if status is ZmqStatus.GAP else status)

    return [subscription.status.for_each(show)] if wanted else []


def _publish(
    values: gc.Stream[Any],
    port: int,
    registry: RegistryOptions,
    name: str | None,
    options: dict[str, Any],
) -> None:
    if registry.given != (name is not None):
        raise gc.InvalidValueError("a name is registered with --name and --etcd or --local")
    # Wired before the publisher, which may hold the graph until somebody subscribes.
    told = gc.constant(None).for_each(lambda _: _say(f"publishing at {publisher.address}"))
    with registry.opened() if name is not None else nullcontext() as opened:
        registration = (name, opened) if name is not None and opened is not None else None
        publisher = zmq_pub(values, port, registration, **options)
        gc.Graph(told, publisher).run(realtime=True)
    stats = publisher.stats()
    if stats.expired:
        _say(f"{stats.sent} values sent; {stats.expired} were not, as nobody had subscribed")
