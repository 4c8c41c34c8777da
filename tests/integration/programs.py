"""Publishers and subscribers for tests that need separate processes.

Called with the function's name and its arguments in JSON. Each prints a line of JSON when it is
ready, one for each line that it logs, and one when it is done, and flushes them.
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from itertools import count as naturals
from typing import Any

import graphcore as gc
from graphcore_zmq import (
    EtcdRegistry,
    LocalRegistry,
    SocketOptions,
    ZmqRegistry,
    raw,
    zmq_pub,
    zmq_sub,
)

REGISTRIES: dict[str, Callable[..., ZmqRegistry]] = {"local": LocalRegistry, "etcd": EtcdRegistry}


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


@gc.node
class StopAt(gc.MutableNode[None]):
    source: gc.Active[int]
    last: int

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value == self.last:
            state.stop()
        return False


def publish(
    port: int,
    first: int,
    count: int,
    period: str,
    on_full: str,
    high_water_mark: int,
    width: int,
    wait_for: int,
    say_every: int,
    last_value: bool,
    registered: str,
    registry: list[Any],
    hold: bool,
    options: dict[str, Any],
) -> None:
    """Publish `first` and so on as text.

    A period of "" means as fast as the graph can, a count of 0 means for ever. `registry` is the
    registry's kind, its location and its options. With `hold`, it begins when it reads a line.
    """
    if hold:
        sys.stdin.readline()
    if period:
        # A delayed ticker goes on at its pace; it does not catch up.
        source = gc.ticker(period).count().map(lambda n: n - 1)
    else:
        source = gc.from_iterable(lambda: iter(range(count)) if count else naturals())
    # Made before the publisher, which holds the graph until somebody subscribes.
    ready = gc.constant(None).for_each(lambda _: say(port=publisher.port))
    publisher = zmq_pub(
        source.map(lambda n: b"%0*d" % (width, first + n)),
        port,
        (registered, REGISTRIES[registry[0]](registry[1], **registry[2])) if registered else None,
        codec=raw,
        bind="127.0.0.1",
        on_full=on_full,
        wait_for=wait_for,
        last_value=last_value,
        options=SocketOptions(
            send_high_water_mark=high_water_mark, reconnect_interval="20ms", **options
        ),
    )
    end = gc.Stream(StopAt(source, count - 1))
    told = source.filter(lambda n: say_every and n % say_every == 0).for_each(lambda n: say(at=n))
    report = gc.Graph(ready, publisher, end, told).run(realtime=True)
    say(ended_by=report.ended_by, sent=publisher.stats().sent)


def publish_as(key: str, url: str, ttl: str, conflict: str) -> None:
    """Publish 1, 2, ... every 10 ms under a name in etcd."""
    source = gc.ticker("10ms").count()
    ready = source.limit(1).for_each(lambda _: say(address=publisher.address))
    registry = EtcdRegistry(url, ttl=ttl, conflict=conflict)
    publisher = zmq_pub(source, 0, (key, registry), bind="127.0.0.1")
    report = gc.Graph(publisher, ready).run(realtime=True)
    say(ended_by=report.ended_by)


def subscribe(
    address: str, say_every: int, high_water_mark: int, hold: bool, options: dict[str, Any]
) -> None:
    """Count the values; print whether they were in order and how many were lost.

    With `hold`, the graph waits in its first burst until it reads a line.
    """
    seen = {"count": 0, "first": -1, "last": -1, "in_order": True}

    def look(burst: list[bytes]) -> None:
        if hold and not seen["count"]:
            sys.stdin.readline()
        for value in burst:
            number = int(value[-16:])
            if seen["first"] < 0:
                seen["first"] = number
            seen["in_order"] = seen["in_order"] and number > seen["last"]
            seen["last"] = number
            seen["count"] += 1
        before = seen["count"] - len(burst)
        if say_every and seen["count"] // say_every != before // say_every:
            say(at=seen["count"])

    used = SocketOptions(receive_high_water_mark=high_water_mark, **options)
    subscription = zmq_sub(address, codec=raw, options=used)
    statuses = subscription.status.collect()
    looked = subscription.data.for_each(look)
    connected = subscription.status.for_each(lambda status: say(status=status))
    report = gc.Graph(looked, statuses, connected).run(realtime=True)
    say(
        **seen,
        lost=subscription.stats().lost,
        statuses=statuses.values,
        ended_by=report.ended_by,
    )


class Said(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(log=record.getMessage())


def follow(address: str, high_water_mark: int, options: dict[str, Any]) -> None:
    """Print everything as it arrives: values as runs of consecutive numbers, and statuses."""

    def look(burst: list[bytes]) -> None:
        runs: list[list[int]] = []
        for value in burst:
            number = int(value[-16:])
            if runs and number == runs[-1][1] + 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        say(runs=runs)

    used = SocketOptions(
        receive_high_water_mark=high_water_mark, reconnect_interval="20ms", **options
    )
    subscription = zmq_sub(address, codec=raw, on_end="follow", options=used)
    looked = subscription.data.for_each(look)
    told = subscription.status.for_each(lambda status: say(status=status))
    report = gc.Graph(looked, told).run(realtime=True)
    say(ended_by=report.ended_by, lost=subscription.stats().lost)


if __name__ == "__main__":
    if "RECEIVE" in os.environ:  # how the test receives that has started this
        gc.Graph.run.__kwdefaults__["receive"] = os.environ["RECEIVE"]
    logging.basicConfig(level=logging.INFO, handlers=[Said()])
    programs = {
        "publish": publish,
        "publish_as": publish_as,
        "subscribe": subscribe,
        "follow": follow,
    }
    programs[sys.argv[1]](**json.loads(sys.argv[2]))
