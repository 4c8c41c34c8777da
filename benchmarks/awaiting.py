"""What `consume_async` costs beside asyncio alone: 10,000 awaits of nothing, ten at a time.

All costs are CPU time of the process, all of its threads together. On an idle machine the elapsed
times have the same ratio. With other processes about they do not: the graph's thread and the event
loop's hand over to each other some fifty times, and each time wait for a processor; asyncio alone
has one thread, which keeps its own.
"""

import asyncio
from time import process_time_ns

import graphcore as gc
from benchmarks.figures import Figure, Measured, Target, medians

_ROUNDS = 15
_CALLS = 10_000
_CONCURRENCY = 10
_CAPACITY = 1_000


async def _nothing(value: int) -> int:
    await asyncio.sleep(0)
    return value


def measure() -> Measured:
    out = gc.from_iterable(range(_CALLS)).consume_async(
        _nothing, concurrency=_CONCURRENCY, capacity=_CAPACITY
    )
    collected = out.collect()
    graph = gc.Graph(collected)

    def in_a_graph() -> float:
        began = process_time_ns()
        graph.run(realtime=True)
        taken = process_time_ns() - began
        assert collected.values == list(range(_CALLS))
        return taken / _CALLS

    def alone() -> float:
        began = process_time_ns()
        results = asyncio.run(_workers())
        taken = process_time_ns() - began
        assert results == list(range(_CALLS))
        return taken / _CALLS

    def tasks() -> float:
        began = process_time_ns()
        results = asyncio.run(_tasks())
        taken = process_time_ns() - began
        assert results == list(range(_CALLS))
        return taken / _CALLS

    in_a_graph()  # compiles
    measures = {"consume_async": in_a_graph, "workers": alone, "tasks": tasks}
    return {"call": medians(_ROUNDS, measures)}


async def _workers() -> list[int | None]:
    """Await by workers that take values from a bounded queue, as `consume_async` does."""
    queue = asyncio.Queue[int](_CAPACITY)
    results: list[int | None] = [None] * _CALLS

    async def work() -> None:
        while True:
            value = await queue.get()
            results[value] = await _nothing(value)
            queue.task_done()

    workers = [asyncio.create_task(work()) for _ in range(_CONCURRENCY)]
    for value in range(_CALLS):
        await queue.put(value)
    await queue.join()
    for worker in workers:
        worker.cancel()
    return results


async def _tasks() -> list[int]:
    """Await by a task for each value, bounded by a semaphore."""
    free = asyncio.Semaphore(_CONCURRENCY)

    async def call(value: int) -> int:
        async with free:
            return await _nothing(value)

    return await asyncio.gather(*map(call, range(_CALLS)))


def figures(measured: Measured) -> list[Figure]:
    costs = {name: cost / 1e3 for name, cost in measured["call"].items()}
    ours, workers = costs["consume_async"], costs["workers"]
    return [
        Figure(
            f"`consume_async`, {_CALLS:,} awaits of nothing, CPU time beside asyncio alone",
            f"{ours:.1f} µs a value, workers over a queue {workers:.1f} µs, a task for each "
            f"value {costs['tasks']:.1f} µs",
            ours / workers,
            Target("≤", 1.5),
            reason="each value and each result is a cycle of the graph, in a thread that takes "
            "turns with the event loop's; a real-time cycle takes seven times as long as a "
            "historical one, as it takes an alarm from the heap and reads the clock",
        )
    ]
