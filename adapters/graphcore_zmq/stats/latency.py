"""One-way latency as a histogram that is cheap enough to count every frame.

The frames of a burst were sent in order, so bisection finds how many of them fall into a bucket,
and a burst costs little more than a single frame. As in HdrHistogram, there are four buckets to
each power of two, so a bucket ends at most a quarter above its begin.
"""

from bisect import bisect_right
from dataclasses import dataclass

_UNIT = 10  # bits: the first four buckets together hold up to 1,024 ns
_BUCKETS = 4 * 26  # up to about 34 s


def _bucket(latency: int) -> int:
    """Return the number of the bucket of a latency in ns."""
    quarters = latency >> (_UNIT - 2)
    if quarters < 4:
        return max(quarters, 0)
    octave = quarters.bit_length() - 3
    return min(4 * octave + (quarters >> octave), _BUCKETS)


def _bound(bucket: int) -> int:
    """Return the upper bound of a bucket, ns."""
    octave = max(bucket // 4 - 1, 0)
    return (bucket - 4 * octave + 1) << (octave + _UNIT - 2)


BOUNDS = tuple(_bound(bucket) for bucket in range(_BUCKETS))


@dataclass(frozen=True, slots=True)
class Latency:
    """How long frames took from their publisher's engine time to the subscriber's graph.

    Attributes:
        counts: how many frames are in each bucket. The upper bounds are `BOUNDS`, in ns; the last
            bucket holds everything above them.
        total: the sum of all latencies, ns.
    """

    counts: tuple[int, ...] = (0,) * (_BUCKETS + 1)
    total: int = 0

    @property
    def count(self) -> int:
        """How many frames were measured."""
        return sum(self.counts)

    def __str__(self) -> str:
        """Return it in words, for the log."""
        middle, high = self.quantile(0.5), self.quantile(0.99)
        if middle is None or high is None:
            return "latency not known"
        return f"latency p50 {middle / 1e6:.3f} ms, p99 {high / 1e6:.3f} ms"

    def quantile(self, q: float) -> int | None:
        """Return the latency, ns, that this fraction of the frames (0 to 1) did not exceed.

        It is exact to the width of a bucket, at most a quarter; `None` if no frame was measured.
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
        """Add frames that are here now.

        Args:
            sent: when they were sent, ns; sorted in place.
            now: the present time, ns. A frame that was sent later, by a publisher whose clock is
                ahead, counts as latency 0.
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
            # The frames of this bucket were sent at least its lower bound before now.
            following = bisect_right(sent, now - BOUNDS[bucket - 1], begin) if bucket else end
            self._counts[bucket] += following - begin
            begin = following

    def latency(self) -> Latency:
        """Return the counts; from any thread."""
        return Latency(tuple(self._counts), self._total)
