"""A limit order book, rebuilt from the messages of an exchange.

Reads a file of LOBSTER order messages (https://lobsterdata.com), keeps the book in a node of its
own, and prints how many trades there were, the last quote and an exponential mean of the mid:

    python docs/examples/order_book.py FILE
    python docs/examples/order_book.py FILE --out quotes.csv
    python docs/examples/order_book.py FILE --via-zmq

`wire` is the graph. It is wired the same way over a file, as fast as the CPU allows, and live,
over messages that another process publishes (`--via-zmq`): both give the same output, line for
line. For that, the messages carry their own time, because the engine's time is the wall clock in a
live run.
"""

import argparse
import csv
import heapq
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import msgspec

import graphcore as gc
from graphcore_zmq import SocketOptions, msgpack, zmq_pub, zmq_sub

PRICE_UNIT = 10_000  # prices are in ten-thousandths of a dollar


# Messages


class Kind(IntEnum):
    """The kinds of messages about an order."""

    SUBMISSION = 1
    CANCELLATION = 2  # of a part of the order
    DELETION = 3
    EXECUTION = 4
    HIDDEN_EXECUTION = 5  # of an order that the book never showed
    CROSS = 6
    HALT = 7


class Message(msgspec.Struct, frozen=True, array_like=True):
    """A line of the file; `array_like` keeps the field names off the wire."""

    time: int  # ns after midnight
    kind: Kind
    order: int
    size: int
    price: int
    direction: int  # 1 to buy, -1 to sell


def parse_time(seconds: str) -> int:
    """Return nanoseconds for seconds in decimal notation.

    Done on the text, because a float cannot hold all nanoseconds of a day. Digits after the ninth
    come from a float and not from a clock, so the nearest nanosecond is the correct one.

    >>> parse_time("34200.004241176"), parse_time("34200.5"), parse_time("0.0000000014")
    (34200004241176, 34200500000000, 1)
    """
    whole, _, fraction = seconds.partition(".")
    if not (whole + fraction).isdecimal():
        raise ValueError(f"{seconds!r} is no time in seconds")
    rounded_up = fraction[9:10] >= "5"
    return int(whole or "0") * 10**9 + int(fraction[:9].ljust(9, "0")) + rounded_up


def parse_message(row: list[str]) -> Message:
    """Return the message in a line of the file."""
    if len(row) != 6:
        raise ValueError(f"{','.join(row)!r} has {len(row)} fields, not 6")
    seconds, kind, order, size, price, direction = row
    message = Message(
        parse_time(seconds), Kind(int(kind)), int(order), int(size), int(price), int(direction)
    )
    if message.size < 0 or message.direction not in (1, -1):
        raise ValueError(f"{','.join(row)!r} has no size of at least 0 or no direction of 1 or -1")
    return message


def read_messages(path: Path) -> Iterator[tuple[int, Message]]:
    """Yield the messages of a file with their times; skip a first line of names."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        for row in rows:
            if not row or (rows.line_num == 1 and row[0] == "seconds"):
                continue
            try:
                message = parse_message(row)
            except ValueError as error:
                raise ValueError(f"{path}, line {rows.line_num}: {error}") from None
            yield message.time, message


# The book


class Top(NamedTuple):
    """The best price on each side, with the size that rests there; `None` on an empty side."""

    bid: int | None = None
    bid_size: int | None = None
    ask: int | None = None
    ask_size: int | None = None


class Trade(NamedTuple):
    """An execution, visible or hidden."""

    price: int
    size: int


class Quote(NamedTuple):
    """The top of the book after a message that changed it."""

    time: int
    top: Top


class Side:
    """One side of the book: the size at each price, and the best price.

    A heap gives the best price without a search. A price without orders stays in it, with a size of
    0, until it becomes the best. So each price is in the heap once, and a change of size costs only
    a dict lookup.
    """

    def __init__(self, sign: int) -> None:
        self._sign = sign  # 1 if the lowest price is the best, -1 if the highest is
        self._sizes: dict[int, int] = {}
        self._heap: list[int] = []

    def change(self, price: int, by: int) -> None:
        """Add to the size at a price, or take from it."""
        if price in self._sizes:
            self._sizes[price] += by
        else:
            self._sizes[price] = by
            heapq.heappush(self._heap, self._sign * price)

    def best(self) -> tuple[int | None, int | None]:
        """Return the best price and the size there."""
        while self._heap:
            price = self._sign * self._heap[0]
            size = self._sizes[price]
            if size:
                return price, size
            heapq.heappop(self._heap)
            del self._sizes[price]
        return None, None


@dataclass(slots=True)
class Order:
    """An order that rests in the book."""

    side: Side
    price: int
    size: int


@gc.node
class Book(gc.MutableNode[Quote]):
    """Keeps the book; ticks with a quote when its top moves, and `trades` with each trade.

    A message about an order that is not in the book (it was submitted before the file begins) is
    ignored.
    """

    messages: gc.Active[Message]
    trades: gc.Output[Trade] = gc.output()
    orders: dict[int, Order] = gc.state(factory=dict)
    bids: Side = gc.state(factory=lambda: Side(-1))
    asks: Side = gc.state(factory=lambda: Side(1))
    top: Top = gc.state(Top())

    def cycle(self, state: gc.GraphState) -> bool:
        """Take one message."""
        message = self.messages.value
        trade = self._apply(message)
        if trade is not None:
            self.trades.tick(trade)
        top = Top(*self.bids.best(), *self.asks.best())
        if top == self.top:
            return False
        self.top = top
        self.value = Quote(message.time, top)
        return True

    def _apply(self, message: Message) -> Trade | None:
        match message.kind:
            case Kind.SUBMISSION:
                self._reduce(message.order, None)  # an id that is used again is a new order
                side = self.bids if message.direction == 1 else self.asks
                if message.size:
                    self.orders[message.order] = Order(side, message.price, message.size)
                    side.change(message.price, message.size)
            case Kind.CANCELLATION:
                self._reduce(message.order, message.size)
            case Kind.DELETION:
                self._reduce(message.order, None)
            case Kind.EXECUTION:
                return self._reduce(message.order, message.size)
            case Kind.HIDDEN_EXECUTION:
                return Trade(message.price, message.size)
        return None

    def _reduce(self, number: int, size: int | None) -> Trade | None:
        """Take a size, or all of it, from an order in the book; return the size taken."""
        order = self.orders.get(number)
        if order is None:
            return None
        taken = order.size if size is None else min(size, order.size)
        order.size -= taken
        order.side.change(order.price, -taken)
        if not order.size:
            del self.orders[number]
        return Trade(order.price, taken)


def mid(top: Top) -> float | None:
    """Return the price in the middle, if both sides have one."""
    return None if top.bid is None or top.ask is None else (top.bid + top.ask) / 2


def as_line(quote: Quote) -> str:
    """Return the line of the output file for a quote."""
    fields = (quote.time, *quote.top)
    return ",".join("" if value is None else str(value) for value in fields) + "\n"


# The graph


@dataclass
class Summary:
    """The summary printed at the end."""

    messages: int = 0
    quotes: int = 0
    trades: int = 0
    shares: int = 0
    top: Top = field(default_factory=Top)
    mid: float | None = None

    def __str__(self) -> str:
        """Return the summary as lines of text."""
        top, mid = self.top, "-" if self.mid is None else f"{self.mid / PRICE_UNIT:.4f}"
        sides = (("bid", top.bid, top.bid_size), ("ask", top.ask, top.ask_size))
        quote = ", ".join(
            f"no {name}" if price is None else f"{name} {price / PRICE_UNIT:.4f} x {size:,}"
            for name, price, size in sides
        )
        return (
            f"messages    {self.messages:,}\n"
            f"quotes      {self.quotes:,}\n"
            f"trades      {self.trades:,} of {self.shares:,} shares\n"
            f"last quote  {quote}\n"
            f"ewm of mid  {mid}"
        )


def wire(
    messages: gc.Stream[Message], summary: Summary, write: Callable[[str], object]
) -> list[gc.Handle]:
    """Wire the nodes that fill a summary and write a line for each quote; return the roots."""
    book = Book(messages)
    quotes, trades = gc.Stream(book), book.trades
    mids = quotes.map(lambda quote: quote.top).filter_map(mid)

    def into(name: str) -> Callable[[object], None]:
        return lambda last: setattr(summary, name, last)

    return [
        quotes.map(as_line).for_each(write),
        messages.count().finally_(into("messages")),
        quotes.count().finally_(into("quotes")),
        trades.count().finally_(into("trades")),
        trades.map(lambda trade: trade.size).sum().finally_(into("shares")),
        quotes.map(lambda quote: quote.top).finally_(into("top")),
        mids.ewm(span=100).mean().finally_(into("mid")),
    ]


def from_file(path: Path, write: Callable[[str], object]) -> Summary:
    """Run the graph over a file, in this process."""
    summary = Summary()
    messages = gc.replay(lambda: read_messages(path))
    gc.Graph(*wire(messages, summary, write)).run()
    return summary


# Two processes


def via_zmq(path: Path, write: Callable[[str], object]) -> Summary:
    """Run the graph over the messages that another process reads from a file and publishes."""
    summary = Summary()
    with feeding(path) as (feed, port):
        subscription = zmq_sub(port, codec=msgpack(Message))
        roots = wire(subscription.data.unroll(), summary, write)
        report = gc.Graph(*roots, failure_of(feed)).run(realtime=True)
    if report.ended_by is not gc.EndedBy.SOURCES:
        raise KeyboardInterrupt
    lost = subscription.stats().lost
    if lost:
        raise RuntimeError(f"{lost} messages were lost between the two processes")
    return summary


@contextmanager
def feeding(path: Path) -> Iterator[tuple[BaseProcess, int]]:
    """Run a child process that publishes a file, for a block; yield the process and its port."""
    context = get_context("spawn")  # a fork would copy this process's sockets without its threads
    ours, theirs = context.Pipe()
    feed = context.Process(target=publish, args=(path, theirs), name="feed", daemon=True)
    feed.start()
    theirs.close()
    try:
        try:
            port: int = ours.recv()
        except EOFError:
            raise RuntimeError("the feed ended before it could publish") from None
        yield feed, port
    finally:
        ours.close()  # the closed connection tells the feed to end, if it has not ended yet
        feed.join(10)
        if feed.is_alive():
            feed.kill()
            feed.join()


def publish(path: Path, owner: Connection) -> None:
    """Publish the messages of a file; this is what the child process runs.

    It tells its owner the port, and ends when the owner closes the connection or dies.
    """
    threading.Thread(target=end_with, args=(owner,), name="owner", daemon=True).start()
    messages = gc.replay(lambda: read_messages(path))
    # Wired ahead of the publisher, whose first cycle waits for a subscriber.
    announced = gc.constant(None).for_each(lambda _: owner.send(publisher.port))
    publisher = zmq_pub(
        messages,
        0,  # any port that is free
        codec=msgpack,
        bind="127.0.0.1",
        on_full="block",  # the file can wait, and no message may be lost
        options=SocketOptions(peer_timeout=None),  # a book that is suspended is not given up
    )

    # A run that ended before the subscriber came could not report its end, so even a file without
    # messages waits for the subscriber.
    def subscribed(_: gc.Sender[None], stop: threading.Event) -> None:
        while not publisher.stats().subscriptions and not stop.wait(0.01):
            pass

    try:
        report = gc.Graph(announced, publisher, gc.receiver(subscribed)).run(realtime=True)
    except (OSError, ValueError) as error:
        sys.exit(f"order_book: {error}")
    if report.ended_by is not gc.EndedBy.SOURCES:
        sys.exit(1)  # the subscriber would take an incomplete run for a complete one


def end_with(owner: Connection) -> None:
    """End this process normally when the other end of a connection is closed."""
    try:
        owner.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def failure_of(process: BaseProcess) -> gc.Stream[list[None]]:
    """Return a source that ends with a process, and raises if that has failed.

    A subscriber waits for a publisher that has crashed to come back; this one never does.
    """

    def watch(sender: gc.Sender[None], stop: threading.Event) -> None:
        while process.is_alive() and not stop.is_set():
            process.join(0.1)
        if process.exitcode and not stop.is_set():
            sender.error(RuntimeError(f"the {process.name} failed, exit code {process.exitcode}"))

    return gc.receiver(watch)


# The command


@contextmanager
def writing(path: Path | None) -> Iterator[Callable[[str], object]]:
    """Yield a function that writes to a file, which gets its name only once it is complete."""
    if path is None:
        yield lambda line: None
        return
    special = path.exists() and not path.is_file()  # such as /dev/stdout
    part = path if special else path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="ascii", newline="") as file:
            yield file.write
        if not special:
            part.replace(path)
    finally:
        if not special:
            part.unlink(missing_ok=True)


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Rebuild a limit order book from its messages.")
    parser.add_argument("file", type=Path, metavar="FILE", help="LOBSTER order messages")
    parser.add_argument(
        "--via-zmq", action="store_true", help="read the file in another process, over TCP"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write time_ns,bid,bid_size,ask,ask_size whenever one of the latter four changes",
    )
    arguments = parser.parse_args()
    run = via_zmq if arguments.via_zmq else from_file
    try:
        with writing(arguments.out) as write:
            summary = run(arguments.file, write)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"order_book: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("order_book: interrupted", file=sys.stderr)
        return 130
    print(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
