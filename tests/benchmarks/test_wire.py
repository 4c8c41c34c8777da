"""The benchmark of the wire receives what it sends: each kind of cell, with few values."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.wire.cells import CELLS, WHEEL, Cell
from benchmarks.wire.worker import Worker, working

pytestmark = pytest.mark.zmq


@pytest.fixture(scope="module")
def workers() -> Iterator[tuple[Worker, Worker]]:
    with working() as sender, working() as receiver:
        yield sender, receiver


@pytest.mark.parametrize(
    ("cell", "receiver"),
    [
        pytest.param(
            cell,
            receiver,
            marks=[pytest.mark.cross_lang] if receiver == "wingfoil" else [],
            id=f"{cell.name} by {receiver}",
        )
        for cell in CELLS
        if cell.peer != WHEEL  # it waits for seconds
        for receiver in cell.receivers
    ],
)
def test_a_receiver_of_a_cell_counts_all_values(
    workers: tuple[Worker, Worker], cell: Cell, receiver: str
) -> None:
    sender, worker = workers
    few = replace(cell, count=20 * cell.way)
    function, arguments = few.sending()
    where = sender.ask(function, **arguments)
    function, arguments = few.receiving(receiver)
    received = worker.ask(function, **arguments, **where)
    assert sender.read()["time"] > 0
    sender.tell("close")
    assert received["received"] == few.count * few.subscribers


@pytest.mark.parametrize("way", [1, 100])
@pytest.mark.parametrize("sender", ["by_hand", "graphcore"])
def test_a_sender_says_what_a_frame_took_it(
    workers: tuple[Worker, Worker], sender: str, way: int
) -> None:
    sending, receiving = workers
    where = sending.ask(f"sending.{sender}", kind="msgpack dict", way=way, count=50 * way)
    assert receiving.ask("receiving.swallow", address=where["address"]) == {"ended": True}
    spent = sending.read()
    sending.tell("close")
    assert spent.keys() == {"time", "thread", "process"}
    assert min(spent.values()) > 0


@pytest.mark.parametrize("receiver", ["bare", "graphcore"])
@pytest.mark.parametrize("sender", ["bare", "graph"])
def test_a_receiver_says_how_long_each_value_took(
    workers: tuple[Worker, Worker], sender: str, receiver: str
) -> None:
    sending, receiving = workers
    where = sending.ask(f"delays.{sender}", count=20)
    delays = receiving.ask(f"delays.receive_{receiver}", **where)["delays"]
    sending.tell("close")
    assert len(delays) == 20
    assert min(delays) > 0
