"""`run(profile=True)`: counts that are exact, and times that point at the right node."""

import dataclasses
import json
import threading
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphcore as gc
from graphcore.engine.fused import Fused
from graphcore.profiling.counted import Counts
from graphcore.profiling.sampler import Queue, _Segments


def profile(*roots: object, **options: object) -> gc.Profile:
    found = gc.Graph(*roots).run(profile=True, **options).profile  # type: ignore[arg-type]
    assert found is not None
    return found


@given(
    values=st.lists(st.integers(0, 9), min_size=1, max_size=80),
    limits=st.lists(st.none() | st.integers(0, 9), max_size=6),
    branch=st.integers(0, 5),
)
def test_the_interpreted_tier_counts_each_run_and_each_tick(
    values: list[int], limits: list[int | None], branch: int
) -> None:
    stream = gc.from_iterable(values)
    expected = [(len(values), len(values))]
    roots: list[gc.Stream[int]] = []
    present = values
    for place, limit in enumerate(limits):
        runs = len(present)
        if limit is None:  # a node that always ticks
            stream = stream.map(lambda value: value)
        else:
            stream = stream.filter(lambda value, limit=limit: value >= limit)
            present = [value for value in present if value >= limit]
        expected.append((runs, len(present)))
        if place == branch:  # cuts the line of nodes in two
            roots.append(stream.map(lambda value: -value))
            expected.append((len(present), len(present)))
    found = profile(stream, *roots, tier="interpreted")
    assert [(node.runs, node.ticks) for node in found.nodes] == expected
    assert found.cycles == len(values) and found.samples == 0


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_run_with_a_profile_has_the_same_results(tier: str) -> None:
    source = gc.from_iterable(range(200))
    keyed = source.group_by(lambda n: n % 3, lambda own, key: own.sum().filter(lambda n: n % 2))
    low, high = source.split(lambda n: n % 7 < 3)
    out = (low.merge(high).count() + source).with_latest(keyed.changes).collect()
    out.run(tier=tier)  # type: ignore[arg-type]
    plain = list(out)
    assert plain and profile(out, tier=tier).cycles and list(out) == plain


def test_the_fused_tier_gives_the_counts_that_it_knows() -> None:
    source = gc.from_iterable(range(10)).named("source")
    some = source.filter(lambda n: n > 5).named("some")
    none = source.filter(lambda n: n < 0).named("none")
    nodes = {node.name: node for node in profile(some, none, source.map(str).named("text")).nodes}
    assert (nodes["source"].ticks, nodes["text"].runs) == (10, 10)
    assert (nodes["some"].ticks, nodes["none"].ticks, nodes["none"].runs) == (None, 0, None)


def test_a_run_too_short_to_sample_says_how_to_profile_it() -> None:
    source = gc.from_iterable(range(3))
    said = 'looked at {} times, too few to tell: tier="interpreted" times the nodes'
    found = profile(source)
    assert said.format(found.samples) in str(found)
    assert "too few" not in str(profile(source, tier="interpreted"))
    enough = dataclasses.replace(found, samples=20)
    assert str(enough).endswith("; looked at 20 times")


def busy(value: int) -> int:
    """Compute for some milliseconds."""
    end = perf_counter() + 0.002
    while perf_counter() < end:
        pass
    return value


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_the_node_that_computes_longest_has_the_largest_share(tier: str, tmp_path: Path) -> None:
    source = gc.from_iterable(range(100)).named("source")
    slow = source.map(lambda n: n + 1).named("quick").map(busy).named("slow")
    found = profile(slow.map(lambda n: n - 1).named("after"), tier=tier)
    shares = {node.name: node.share for node in found.nodes}
    assert shares["slow"] > 0.5 and sum(shares.values()) == pytest.approx(1)
    assert sum(node.time for node in found.nodes) <= found.running * 1.001
    first, second, *_ = str(found).splitlines()
    assert first.split() == ["node", "ticks", "runs", "time", "share"]
    assert second.startswith("slow ") and "<td>slow</td>" in found._repr_html_()
    assert [row["name"] for row in found.rows()] == ["source", "quick", "slow", "after"]
    found.save(tmp_path / "run.json")
    flames = json.loads((tmp_path / "run.json").read_text())
    frames, (sampled,) = flames["shared"]["frames"], flames["profiles"]
    assert len(sampled["samples"]) == len(sampled["weights"])
    heaviest = max(zip(sampled["weights"], sampled["samples"], strict=True))[1]
    assert frames[heaviest[0]]["name"] == "slow"
    assert frames[heaviest[0]]["line"] == slow.node.wired_at[1]
    if tier == "fused":  # it saw what the node called
        assert frames[heaviest[1]]["name"].startswith("busy (")


def test_a_look_between_two_calls_is_shared_among_the_nodes_since_the_last() -> None:
    source = gc.from_iterable(range(3))
    one = source.map(lambda n: n + 1)
    called = one.map(busy)
    last = called.map(lambda n: n + 1).map(lambda n: n + n + n + n)
    graph = gc.Graph(last)
    graph.run(tier="fused")
    tier = graph._tiers["fused"]
    assert isinstance(tier, Fused) and tier.running is not None
    segments = _Segments(tier.running)
    shared = [dict(segments.owners(offset, False)) for offset in segments._offsets]
    assert all(sum(each.values()) == pytest.approx(1) for each in shared)
    together = [each for each in shared if {3, 4} <= set(each)]
    assert all(1 not in each for each in together)  # it comes before the call
    assert max(each[4] / each[3] for each in together) > 1  # it has more instructions
    # During a call, the offset lies within the cache after the instruction.
    place = next(i for i, nodes in enumerate(segments._owners) if tuple(nodes) == (2,))
    assert dict(segments.owners(segments._offsets[place] + 1, True)) == {2: 1.0}


def test_values_that_wait_for_the_graph_are_seen() -> None:
    sent = threading.Event()

    def send(sender: gc.Sender[int], stop: threading.Event) -> None:
        sender.send(0)
        sender.send_many(range(50))
        sent.set()

    def hold(values: list[int]) -> None:
        assert sent.wait(10)
        stop = perf_counter() + 0.1  # some looks at the queue
        while perf_counter() < stop:
            threading.Event().wait(0.01)

    received = gc.receiver(send).named("received")
    (source,) = profile(received.for_each(hold), realtime=True).sources
    assert source.name == "received"
    # The first value may come with some of the others.
    assert source.queue <= 51 and (source.lag > 0 or source.queue == 0)


def test_a_queue_remembers_the_largest_number_and_the_longest_wait() -> None:
    queue = Queue()
    for now, waiting in enumerate([0, 3, 5, 0, 2, 0]):
        queue.see(waiting, float(now))
    assert (queue.largest, queue.lag) == (5, 1.0)


def test_waiting_is_told_apart() -> None:
    found = profile(gc.ticker("50ms"), realtime=True, cycles=4)
    assert found.waiting > found.running / 2


def test_without_profile_there_is_none_and_profile_is_true_or_false() -> None:
    graph = gc.Graph(gc.from_iterable([1]))
    assert graph.run().profile is None
    with pytest.raises(gc.InvalidTypeError, match="profile must be True or False, not 'yes'"):
        graph.run(profile="yes")  # type: ignore[arg-type]


def test_a_long_wait_in_one_timed_run_counts_once() -> None:
    counts = Counts(1)
    counts.ticks[0] = 1_600
    for time in (1_000_000, 3_000_000, *[1_000_000] * 97, 900_000_000):
        counts.add_time(0, time)
    # 98 runs of 1 ms and two of 3 ms stand for 16 each.
    assert counts.seconds(0) == pytest.approx(16 * 104e-3 + 897e-3, rel=0.01)


def test_long_runs_that_come_again_stand_for_those_that_are_not_timed() -> None:
    counts = Counts(1)
    counts.ticks[0], counts.misses[0] = 1_000, 600
    for time in (50_000_000, *[0] * 98, 50_000_000):
        counts.add_time(0, time)
    assert counts.seconds(0) == pytest.approx(16 * 100e-3, rel=0.01)


def test_the_only_timed_run_stands_for_all() -> None:
    counts = Counts(1)
    counts.ticks[0] = 16
    counts.add_time(0, 5_000_000)
    assert counts.seconds(0) == pytest.approx(80e-3, rel=0.01)
