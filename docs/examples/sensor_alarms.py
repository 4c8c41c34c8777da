"""Alarms for sensors that appear while the program runs.

Readings come from a websocket, as JSON such as ``{"sensor": "boiler", "value": 81.5}``. Each sensor
has a sub-graph of its own, which begins with its first reading. Alarms are posted to a web hook:

    python docs/examples/sensor_alarms.py ws://gateway:8765 http://pager:8080/alarms
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from urllib.request import Request, urlopen

import msgspec
from websockets.asyncio.client import connect

import graphcore as gc

LIMIT = 80.0  # degrees; more is hot
HOLD = "5s"  # a sensor is hot, or normal again, when it has been for so long
SILENCE = "30s"  # a sensor without readings for so long is silent


class Reading(msgspec.Struct, frozen=True):
    """What a sensor says."""

    sensor: str
    value: float


class Alarm(msgspec.Struct, frozen=True):
    """What the web hook is told: ``hot`` or ``normal``, ``silent`` or ``back``."""

    sensor: str
    state: str


def watch(readings: gc.Stream[Reading], sensor: str) -> gc.Stream[Alarm]:
    """Wire the sub-graph of a sensor."""
    hot = readings.map(lambda reading: reading.value > LIMIT).distinct().debounce(HOLD).distinct()
    heat = hot.skip_while(lambda on: not on).map(lambda on: "hot" if on else "normal")
    silence = readings.silent_for(SILENCE).map(lambda on: "silent" if on else "back")
    return heat.merge(silence).map(lambda state: Alarm(sensor, state))


def wire(readings: gc.Stream[Reading]) -> gc.Stream[Alarm]:
    """Wire the alarms of all sensors, in one stream."""
    return readings.group_by(lambda each: each.sensor, watch).pairs().map(lambda pair: pair[1])


def service(gateway: str, hook: str) -> gc.Graph:
    """Return the graph that watches a gateway's sensors and posts their alarms."""

    async def read() -> AsyncIterator[Reading]:
        async with connect(gateway) as socket:
            async for message in socket:
                yield msgspec.json.decode(message, type=Reading)
        raise ConnectionError(f"{gateway} closed the connection")  # so that `retry` connects again

    def send(alarm: Alarm) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            urlopen(Request(hook, msgspec.json.encode(alarm), headers), timeout=5).close()
        except OSError as error:  # an unhandled error would end the run
            logging.error("%s was not told of %s: %s", hook, alarm, error)

    async def post(alarm: Alarm) -> None:
        await asyncio.to_thread(send, alarm)

    retry = gc.Backoff("100ms", longest="30s")
    readings = gc.produce_async(read, delivery="each", retry=retry)
    return gc.Graph(wire(readings).consume_async(post))


if __name__ == "__main__":
    service(*sys.argv[1:]).run(realtime=True)  # until Ctrl-C or SIGTERM
