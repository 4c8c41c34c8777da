"""One-way latency as a histogram, cheap enough to be kept of every frame.

A burst's frames were sent in order, so their latencies fall: how many of them lie in a bucket is
found by halving, and a burst costs little more than a single frame. As in HdrHistogram there are
four buckets to each power of two, so that a bucket ends at most a quarter above where it begins.
"""

from bisect import bisect_right
from dataclasses import dataclass

_UNIT = 10  # bits: 1,024 ns, what the first four buckets together hold
_BUCKETS = 4 * 26  # up to about 34 s


def _bucket(latency: int) -> int:
    """Return the number of the bucket of a latency in ns."""
    quarters = latency >> (_UNIT - 2)
    if quarters < 4:
        return max(quarters, 0)
    octave = quarters.bit_length() - 3
    return min(4 * octave + (quarters >> octave), _BUCKETS)


def _bound(bucket: int) -> int:
    """Return where a bucket ends, ns."""
    octave = max(bucket // 4 - 1, 0)
    return (bucket - 4 * octave + 1) << (octave + _UNIT - 2)


BOUNDS = tuple(_bound(bucket) for bucket in range(_BUCKETS))


@dataclass(frozen=True, slots=True)
class Latency:
    """How long frames took from their publisher's engine time to the subscriber's graph.

    Attributes:
        counts: how many frames lie in each bucket; the bounds are `BOUNDS`, in ns, and the last
            bucket holds what is beyond them.
        total: the sum of all, ns.
    """

    counts: tuple[int, ...] = (0,) * (_BUCKETS + 1)
    total: int = 0

    @property
    def count(self) -> int:
        """How many frames were measured."""
        return sum(self.counts)

    def __str__(self) -> str:
        """Say it in words, for the log."""
        middle, high = self.quantile(0.5), self.quantile(0.99)
        if middle is None or high is None:
            return "latency not known"
        return f"latency p50 {middle / 1e6:.3f} ms, p99 {high / 1e6:.3f} ms"

    def quantile(self, q: float) -> int | None:
        """Return the latency, in ns, that this part of the frames (0 to 1) did not exceed.

        It is exact to the width of a bucket, a quarter at most; `None` if none was measured.
        """
        rank = q * self.count
        seen = 0
        for bucket, count in enumerate(self.counts):
            if count and seen + count >= rank:
                lower = BOUNDS[bucket - 1] if bucket else 0
                upper = BOUNDS[min(bucket, _BUCKETS - 1)]
                return lower + round((upper - lower) * (rank - seen) / count)
            seen += count
        return None


class Histogram:
    """Counts latencies."""

    def __init__(self) -> None:
        self._counts = [0] * (_BUCKETS + 1)
        self._total = 0

    def add(self, sent: list[int], now: int) -> None:
        """Add frames that were sent at these times, which are put in order, and are here now.

        Where the clock of the publisher's host is ahead, a latency below 0 counts as 0.
        """
        sent.sort()
        end = len(sent)
        self._total += max(now * end - sum(sent), 0)
        begin = 0
        while begin < end:
            bucket = _bucket(now - sent[begin])
            if bucket == _bucket(now - sent[-1]):
                self._counts[bucket] += end - begin
                return
            # Those of this bucket were sent no later than its lower bound before now.
            following = bisect_right(sent, now - BOUNDS[bucket - 1], begin) if bucket else end
            self._counts[bucket] += following - begin
            begin = following

    def latency(self) -> Latency:
        """Return what was counted; from any thread."""
        return Latency(tuple(self._counts), self._total)
