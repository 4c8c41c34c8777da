"""The histogram of latencies: every frame in its bucket, and quantiles computed from it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graphcore_zmq.stats.latency import BOUNDS, Histogram, Latency

NOW = 10**18
latencies = st.one_of(st.integers(-(10**6), 10**4), st.integers(0, 10**11), st.sampled_from(BOUNDS))


@given(st.lists(st.lists(latencies, max_size=30), max_size=5))
def test_each_latency_is_counted_between_the_bounds_of_its_bucket(
    bursts: list[list[int]],
) -> None:
    histogram = Histogram()
    for burst in bursts:
        histogram.add([NOW - latency for latency in burst], NOW)
    found = histogram.latency()
    everything = [max(latency, 0) for burst in bursts for latency in burst]
    expected, _ = np.histogram(everything, bins=[0, *BOUNDS, 10**12])
    # numpy's last bin holds its upper bound too, which none of these reaches.
    assert found.counts == tuple(expected)
    assert found.count == len(everything)


def test_bounds_are_at_most_a_quarter_apart_and_reach_from_256_ns_to_34_s() -> None:
    assert BOUNDS[0] == 256 and BOUNDS[-1] == 1 << 35
    later = zip(BOUNDS[4:], BOUNDS[3:], strict=False)
    assert all(upper <= lower * 1.25 for upper, lower in later)


@given(st.lists(st.integers(1_024, 10**10), min_size=1), st.floats(0, 1))
def test_a_quantile_is_at_most_one_bucket_off(values: list[int], q: float) -> None:
    histogram = Histogram()
    histogram.add([NOW - value for value in values], NOW)
    found = histogram.latency().quantile(q)
    exact = np.quantile(values, q, method="inverted_cdf")
    assert found is not None and exact / 1.26 <= found <= exact * 1.26


def test_the_sum_is_of_all_latencies() -> None:
    histogram = Histogram()
    histogram.add([NOW - 300, NOW - 100], NOW)
    histogram.add([NOW - 50], NOW)
    assert histogram.latency().total == 450


def test_without_frames_there_is_no_quantile() -> None:
    assert Latency().quantile(0.5) is None
    assert str(Latency()) == "latency not known"
    assert (Latency().count, len(Latency().counts)) == (0, len(BOUNDS) + 1)
