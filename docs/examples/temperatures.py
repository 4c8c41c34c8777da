"""A year of temperatures in two cities, streamed by two processes and joined in a third.

Two publisher processes replay a year of hourly readings, of Seattle and of San Francisco, over
TCP. This process subscribes to both, aligns the readings by the time that they carry, keeps
rolling means and flags the hours at which the two cities differ in an unusual way. At the end it
checks the outcome against the same wiring run over history, in one process:

    graphcore demo

With ``--etcd`` the publishers are found by name, in an etcd that this program starts.

`wire` is the graph; the code above it makes readings, the code below it is about processes and the
terminal. The readings come with the package vega_datasets.
"""

import csv
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import graphcore as gc
from graphcore.time import to_period, to_time
from graphcore_examples.own_etcd import own_etcd  # pyright: ignore[reportMissingImports]
from graphcore_zmq import EtcdRegistry, ZmqSubscription, msgpack, zmq_pub, zmq_sub

SEATTLE, SAN_FRANCISCO = "Seattle", "San Francisco"
FILES = {SEATTLE: "seattle-temps.csv", SAN_FRANCISCO: "sf-temps.csv"}

DAY = 24  # readings
UNUSUAL = 2.0  # standard deviations from the rolling mean


# Readings


class Reading(msgspec.Struct, frozen=True):
    """A reading of a thermometer; the same class is the message on the wire."""

    time: int  # ns since the epoch
    temperature: float  # degrees Fahrenheit


def path_of(city: str) -> Path:
    """Return the file of a city's readings.

    It is found without importing vega_datasets, which would import pandas.
    """
    try:
        package = distribution("vega_datasets")
    except PackageNotFoundError:
        raise FileNotFoundError(
            "the readings are in the package vega_datasets: pip install 'graphcore[demo]'"
        ) from None
    return Path(str(package.locate_file(f"vega_datasets/_data/{FILES[city]}")))


def read(path: Path) -> list[Reading]:
    """Return the readings of a file.

    Their times are local and without a zone. They are read as UTC, because the graph only needs
    equal times in both cities.
    """
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Reading(to_time(row["date"].replace("/", "-")), float(row["temp"]))
            for row in csv.DictReader(file)
        ]


def replayed(readings: list[Reading], speed: float) -> gc.Stream[Reading]:
    """Return a source of readings, `speed` times faster than they were taken if it runs live."""
    return gc.replay([reading.time for reading in readings], readings, speed=speed)


# The graph


class Hour(NamedTuple):
    """The result for an hour."""

    time: int
    temperatures: tuple[float, float]
    means: tuple[float, float]  # over the last day
    gap: float  # between the two cities
    unusual: bool


@dataclass
class Wired:
    """The streams of the graph that others use."""

    pairs: gc.Stream[tuple[Reading, ...]]
    hours: gc.Stream[Hour]


def wire(seattle: gc.Stream[Reading], san_francisco: gc.Stream[Reading]) -> Wired:
    """Wire the graph over two streams of readings, live or recorded.

    Live, the two streams arrive in any order, so they are joined by the time that the readings
    carry. The windows count readings and not engine time, because a year may pass in seconds.
    """
    pairs = gc.align(seattle, san_francisco, key=lambda reading: reading.time)
    first = pairs.map(lambda pair: pair[0].temperature)
    second = pairs.map(lambda pair: pair[1].temperature)
    gap = first - second
    hours = pairs.join(
        first.rolling(DAY).mean(),
        second.rolling(DAY).mean(),
        gap.rolling(DAY).mean(),
        gap.rolling(DAY).std(),
        function=judge,
    )
    return Wired(pairs, hours)


def judge(
    pair: tuple[Reading, Reading], first: float, second: float, usual: float, deviation: float
) -> Hour:
    """Return the result for the hour of a pair of readings, given the means of the last day."""
    gap = pair[0].temperature - pair[1].temperature
    return Hour(
        time=pair[0].time,
        temperatures=(pair[0].temperature, pair[1].temperature),
        means=(first, second),
        gap=gap,
        unusual=abs(gap - usual) > UNUSUAL * deviation,
    )


@dataclass
class Outcome:
    """The outcome of a run."""

    pairs: int
    hours: list[Hour]


def run_historically() -> Outcome:
    """Run the graph over recorded readings, in this process."""
    wired = wire(*(replayed(read(path_of(city)), speed=1.0) for city in FILES))
    pairs, hours = wired.pairs.collect(), wired.hours.collect()
    gc.Graph(pairs, hours).run()
    return Outcome(len(pairs), hours.values)


# Publishing, in a process for each city


def publish(city: str, year: int, etcd: str | None, owner: Connection) -> None:
    """Publish a city's readings within `year` ns; a child process runs this function.

    Given the address of an etcd, it registers there under the city's name. It tells its owner the
    port, and ends when the owner closes the connection or dies.
    """
    threading.Thread(target=end_with, args=(owner,), name="owner", daemon=True).start()
    readings = read(path_of(city))
    source = replayed(readings, speed=(readings[-1].time - readings[0].time) / year)
    # Wired ahead of the publisher, whose first cycle waits for a subscriber.
    announced = gc.constant(None).for_each(lambda _: owner.send(publisher.port))
    # Port 0 is any that is free. With "block" the publisher waits for a slow subscriber instead of
    # dropping values.
    registration = None if etcd is None else (city, EtcdRegistry(etcd))
    publisher = zmq_pub(source, 0, registration, bind="127.0.0.1", on_full="block")
    report = gc.Graph(announced, publisher).run(realtime=True)
    if report.ended_by is not gc.EndedBy.SOURCES:
        sys.exit(1)  # the subscriber would take a part for the whole


def end_with(owner: Connection) -> None:
    """End this process, in order, when the other end of a connection is closed."""
    try:
        owner.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def publishing(city: str, year: int, etcd: str | None) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a child process that publishes a city's readings, and end it afterwards.

    Yields the process, and the connection on which it sends its port.
    """
    context = get_context("spawn")  # a fork would copy this process's threads and sockets half
    ours, theirs = context.Pipe()
    process = context.Process(
        target=publish, args=(city, year, etcd, theirs), name=city, daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        ours.close()  # the closed connection tells the child to end, if it has not ended yet
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()


def failure_of(process: BaseProcess) -> gc.Stream[list[None]]:
    """Return a source that ends with a process, and raises if that has failed.

    A subscriber waits for a publisher that has crashed to come back; these never do.
    """

    def watch(sender: gc.Sender[None], stop: threading.Event) -> None:
        while process.is_alive() and not stop.is_set():
            process.join(0.1)
        if process.exitcode and not stop.is_set():
            sender.error(RuntimeError(f"{process.name} failed, exit code {process.exitcode}"))

    return gc.receiver(watch)


# Subscribing


def run_live(
    year: int, display: "Display", etcd: str | None
) -> tuple[Outcome, list[ZmqSubscription[Reading]]]:
    """Run the graph over two published streams; return its outcome and the subscriptions."""
    with ExitStack() as stack:
        children = [stack.enter_context(publishing(city, year, etcd)) for city in FILES]
        subscriptions = [
            subscription(city, connection, etcd)
            for city, (_, connection) in zip(FILES, children, strict=True)
        ]
        wired = wire(*(subscription.data.unroll() for subscription in subscriptions))
        pairs, hours = wired.pairs.collect(), wired.hours.collect()
        shown = wired.hours.for_each(display.take)
        failures = [failure_of(process) for process, _ in children]
        report = gc.Graph(pairs, hours, shown, *failures).run(realtime=True)
    if report.ended_by is not gc.EndedBy.SOURCES:
        raise KeyboardInterrupt
    return Outcome(len(pairs), hours.values), subscriptions


def subscription(city: str, connection: Connection, etcd: str | None) -> ZmqSubscription[Reading]:
    """Subscribe to a city: by its name, or at the port that its publisher sends."""
    codec = msgpack(Reading)
    if etcd is None:
        return zmq_sub(port_of(connection), codec=codec)
    # With a name, the default is to follow the next publisher.
    return zmq_sub((city, EtcdRegistry(etcd)), codec=codec, on_end="close")


def port_of(connection: Connection) -> int:
    """Return the port that a child sends."""
    try:
        port: int = connection.recv()
    except EOFError:
        raise RuntimeError("a publisher ended before it could publish") from None
    return port


# The terminal


class Display:
    """Shows how far the year is: a bar, and a line for each month that is over."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress = progress
        self.task = progress.add_task("", total=total)
        self.month: datetime | None = None
        self.hours = self.unusual = 0

    def take(self, hour: Hour) -> None:
        """Count an hour."""
        time = datetime.fromtimestamp(hour.time // 10**9, UTC)
        if self.month is None or time.month != self.month.month:
            self.end_month()
            self.month = time
            self.progress.update(self.task, description=f"{time:%B}")
        self.hours += 1
        self.unusual += hour.unusual
        self.progress.advance(self.task)

    def end_month(self) -> None:
        """Write the line of a month."""
        if self.month is not None:
            text = f"{self.month:%B %Y}: {self.hours} hours, {self.unusual} unusual"
            self.progress.console.print(text, highlight=False)
        self.hours = self.unusual = 0


def summary(live: Outcome, subscriptions: list[ZmqSubscription[Reading]]) -> Table:
    """Return the table shown at the end."""
    table = Table("city", "received", "lost", "coldest day", "warmest day")
    for index, (city, subscription) in enumerate(zip(FILES, subscriptions, strict=True)):
        means = [hour.means[index] for hour in live.hours]
        stats = subscription.stats()
        table.add_row(
            city,
            f"{stats.received:,}",
            f"{stats.lost:,}",
            f"{min(means, default=0):.1f} °F",
            f"{max(means, default=0):.1f} °F",
        )
    return table


def demo(
    year: Annotated[str, typer.Option(help="How long the year takes, such as 8s.")] = "8s",
    etcd: Annotated[
        bool, typer.Option("--etcd", help="Find the publishers by name, in an etcd of its own.")
    ] = False,
) -> None:
    """Join a year of temperatures of two cities, streamed by two processes over TCP."""
    console = Console()
    began = perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        length = to_period(year)
        recorded = run_historically()
        with (
            own_etcd() if etcd else nullcontext() as address,
            Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress,
        ):
            display = Display(progress, len(recorded.hours))
            live, subscriptions = run_live(length, display, address)
            display.end_month()
    except KeyboardInterrupt:
        typer.echo("demo: interrupted", err=True)
        raise typer.Exit(130) from None
    except (gc.GraphcoreError, OSError, ValueError, RuntimeError, ExceptionGroup) as error:
        typer.echo(f"demo: {error}", err=True)
        raise typer.Exit(1) from None

    unusual = [hour for hour in live.hours if hour.unusual]
    console.print(summary(live, subscriptions))
    console.print(
        f"{live.pairs:,} hours aligned, {len(unusual)} of {len(live.hours):,} unusual, "
        f"in {perf_counter() - began:.1f} s" + (", found by name in etcd" if etcd else "")
    )
    lost = sum(subscription.stats().lost for subscription in subscriptions)
    if live != recorded or lost:
        typer.echo(
            "demo: FAILED: this is not what the same graph makes of the recorded readings", err=True
        )
        raise typer.Exit(1)
    console.print("The same graph, run historically in one process, gives the same hours.")


if __name__ == "__main__":
    typer.run(demo)
