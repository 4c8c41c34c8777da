"""Two feeds over ZeroMQ, joined by the time that their quotes carry.

Two exchanges publish a quote of the same share every millisecond. This program subscribes to both
and prints when the share can be bought at one of them for less than the other pays:

    python docs/examples/two_feeds.py tcp://host:5556 tcp://host:5557

Without addresses it publishes two random feeds itself, and subscribes to these.
"""

import random
import sys
from collections.abc import Iterator

import msgspec

import graphcore as gc
from graphcore_zmq import ZmqPublisher, ZmqSubscription, msgpack, zmq_pub, zmq_sub

MILLISECOND = 10**6  # ns


class Quote(msgspec.Struct, frozen=True):
    """A quote; the same class is the message on the wire."""

    time: int  # ns since the epoch, at the exchange
    bid: int  # cents
    ask: int


class Crossing(msgspec.Struct, frozen=True):
    """A moment at which one exchange bids more than the other asks."""

    time: int
    profit: int  # cents a share


def wire(first: gc.Stream[Quote], second: gc.Stream[Quote]) -> gc.Stream[Crossing]:
    """Wire the graph over two streams of quotes, live or recorded, in whatever order they come."""
    pairs = gc.align(first, second, key=lambda quote: quote.time)
    return pairs.map(compare).filter(lambda crossing: crossing.profit > 0)


def compare(pair: tuple[Quote, ...]) -> Crossing:
    """Return the profit of buying at one exchange and selling at the other; it may be negative."""
    first, second = pair
    return Crossing(first.time, max(first.bid - second.ask, second.bid - first.ask))


def random_quotes(seed: int, count: int = 5_000) -> Iterator[tuple[int, Quote]]:
    """Return quotes around 100 dollars, with their times."""
    chance = random.Random(seed)
    for number in range(1, count + 1):
        bid = 10_000 + round(chance.gauss(0, 5))
        yield number * MILLISECOND, Quote(number * MILLISECOND, bid, bid + chance.randint(5, 25))


def publisher(seed: int) -> ZmqPublisher:
    """Publish random quotes at a free port; slow subscribers hold them up, so that none is lost."""
    quotes = gc.replay(lambda: random_quotes(seed))
    return zmq_pub(quotes, 0, bind="127.0.0.1", codec=msgpack(Quote), on_full="block")


def follow(*addresses: str) -> list[ZmqSubscription[Quote]]:
    """Print the crossings of two feeds until both have ended; return the subscriptions."""
    feeds = [zmq_sub(address, codec=msgpack(Quote)) for address in addresses]
    wire(*(feed.data.unroll() for feed in feeds)).print("crossed").run(realtime=True)
    return feeds


if __name__ == "__main__":
    if sys.argv[1:]:
        follow(*sys.argv[1:])
    else:
        publishers = [publisher(seed) for seed in (1, 2)]
        with gc.Graph(*publishers).running():
            followed = follow(*(each.address for each in publishers))
        print(*(f"{feed.stats().received} received" for feed in followed))
