"""The inbox: no event is lost while the graph's thread goes to sleep, however it waits."""

import threading
import time
from collections.abc import Callable

import pytest

from graphcore.engine.inbox import Inbox, Sleep, Waiter


class Later(Sleep):
    """Calls a function just before it sleeps, when the inbox has looked for the last time."""

    def __init__(self, first: Callable[[], None]) -> None:
        super().__init__()
        self._first = first

    def wait(self, nanoseconds: int | None) -> None:
        self._first()
        super().wait(nanoseconds)


def numbers(inbox: Inbox) -> list[int]:
    return [inbox.entries.popleft()[0] for _ in range(len(inbox.entries))]


def test_a_wait_ends_at_once_for_an_entry_that_was_there_before() -> None:
    inbox = Inbox()
    inbox.put((3, None))
    inbox.wait(None)
    assert numbers(inbox) == [3]
    assert numbers(inbox) == []


def test_a_wait_ends_at_once_for_an_entry_that_comes_just_before_the_sleep() -> None:
    inbox = Inbox()
    inbox.waiter = Later(lambda: inbox.put((3, None)))
    inbox.wait(None)
    assert numbers(inbox) == [3]


def test_an_interrupt_just_before_the_sleep_ends_it() -> None:
    inbox = Inbox()
    inbox.waiter = Later(inbox.interrupt)
    inbox.wait(None)
    assert numbers(inbox) == []


def test_a_wait_ends_when_its_time_is_over() -> None:
    inbox = Inbox()
    began = time.monotonic_ns()
    inbox.wait(2_000_000)
    assert time.monotonic_ns() - began >= 2_000_000


def test_a_thread_wakes_the_graphs_thread_only_while_it_waits() -> None:
    woken: list[int] = []

    class Counted(Sleep):
        def wake(self) -> None:
            woken.append(1)
            super().wake()

    inbox = Inbox()
    inbox.waiter = Counted()
    inbox.put((1, None))
    inbox.wait(None)
    inbox.put((2, None))
    assert not woken
    assert numbers(inbox) == [1, 2]


def test_many_wakes_during_one_sleep_end_one_sleep() -> None:
    sleep = Sleep()
    for _ in range(100):
        sleep.wake()
    sleep.wait(None)
    began = time.monotonic_ns()
    sleep.wait(2_000_000)
    assert time.monotonic_ns() - began >= 2_000_000


@pytest.mark.parametrize("threads", [1, 4])
def test_no_entry_of_any_thread_is_lost_or_late(threads: int) -> None:
    each = 3_000
    inbox = Inbox()
    taken: list[int] = []
    deadline = time.monotonic_ns() + 60_000_000_000

    def put(thread: int) -> None:
        for number in range(each):
            inbox.put((thread * each + number, None))
            if number % 7 == 0:  # let the graph's thread fall asleep now and then
                time.sleep(0)

    started = [threading.Thread(target=put, args=(number,)) for number in range(threads)]
    for thread in started:
        thread.start()
    while len(taken) < threads * each:
        inbox.wait(None)
        taken += numbers(inbox)
        assert time.monotonic_ns() < deadline
    for thread in started:
        thread.join()
    for number in range(threads):
        own = [node for node in taken if node // each == number]
        assert own == sorted(own)
    assert len(set(taken)) == threads * each


def test_another_waiter_may_stand_in() -> None:
    waited: list[int | None] = []

    class Hub:
        def wait(self, nanoseconds: int | None) -> None:
            waited.append(nanoseconds)
            inbox.put((1, None))

        def wake(self) -> None:
            waited.append(-1)

    inbox = Inbox()
    hub: Waiter = Hub()
    inbox.waiter = hub
    inbox.wait(500)
    assert waited == [500, -1]
    assert numbers(inbox) == [1]
