"""Looks at a run between its cycles: the same on every tier, and a pause that holds it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.run.seen import Seen
from graphcore.engine.run.session import Session
from graphcore.testing import wait_until

GRAPHS: dict[str, Callable[[gc.Stream[int]], object]] = {
    "one source": lambda n: n.map(lambda x: x + 1).filter(lambda x: x % 3 == 0),
    "alarms": lambda n: n.delay(2).map(lambda x: x + 1),
    "two sources": lambda n: n.with_latest(gc.ticker(7)).map(lambda pair: pair[0]),
    "many sources": lambda n: n.combine(*(gc.replay([k], [k]) for k in range(40))),
    "further cycles at one time": lambda n: n.merge(n.map(lambda x: -x)),
    "the heap": lambda n: n.merge(n.delay(3)).buffer(2).throttle(5),
    "called": lambda n: n.map(lambda x: eval("x")).collect(),
    "never": lambda n: n.filter(lambda x: x < 0).map(str),
    "a value without a tick": lambda n: n.distinct().gate(n.map(lambda x: x % 4 == 0)),
}


def looks_at(graph: gc.Graph, tier: str, **options: Any) -> list[tuple[Any, ...]]:
    """Run, look after every cycle, and return what each look has seen once a cycle has run."""
    seen: list[Seen] = []
    begin = Session.begin_answering

    def begin_and_follow(session: Session) -> None:
        begin(session)
        looking = graph._tier(tier)
        indices = range(len(graph.nodes))

        def look() -> bool:
            seen.append(looking.look(session, indices))
            return True

        session.questions.follow(look)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "begin_answering", begin_and_follow)
        graph.run(tier=tier, **options)
    cycles = [each for each in seen if each.cycle]
    return [tuple(map(str, each)) for each in dict.fromkeys(map(_hashable, cycles))]


def _hashable(seen: Seen) -> tuple[Any, ...]:
    values = (repr(value) if type(value) is not object else "none" for value in seen.values)
    return seen.cycle, seen.time, tuple(seen.ticked_in), tuple(values)


@pytest.mark.parametrize("tier", ["fused", "native"])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_look_between_cycles_sees_the_same_on_every_tier(name: str, tier: str) -> None:
    times = [0, 3, 3, 4, 9, 15, 15, 15, 22, 30, 31, 50]

    def graph() -> gc.Graph:
        with_names = gc.replay(times, [n // 2 for n in range(len(times))])
        return gc.Graph(GRAPHS[name](with_names))

    expected = looks_at(graph(), "interpreted", cycles=14)
    assert len(expected) > 5
    seen = looks_at(graph(), tier, cycles=14)
    assert seen[-len(expected) :] == expected[-len(seen) :]
    assert len(seen) >= len(expected) - 2  # before the first cycle, or after the last


def test_a_look_sees_a_live_run_after_each_cycle() -> None:
    out = gc.ticker("1ms").count()
    cycles = [int(each[0]) for each in looks_at(gc.Graph(out), "fused", realtime=True, cycles=20)]
    assert sorted(set(cycles)) == list(range(1, 21))


def paused(session: Session) -> bool:
    return session.questions.is_paused


class Held:
    """A historical run that begins in a pause."""

    def __init__(self, tier: str) -> None:
        self.out = gc.replay(range(1_000), range(1_000)).map(lambda n: n + 1)
        self.graph = gc.Graph(self.out)
        self.session: Session | None = None
        begin = Session.begin_answering

        def hold(session: Session) -> None:
            begin(session)
            session.questions.pause(True)
            self.session = session

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "begin_answering", hold)
            self.running = self.graph.running(realtime=False, tier=tier)
            self.running.__enter__()
            wait_until(lambda: self.session is not None and self.session.questions._rests)

    @property
    def value(self) -> int | None:
        try:
            return self.out.value
        except gc.NoValueError:
            return None


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_paused_run_answers_steps_and_goes_on(tier: str) -> None:
    held = Held(tier)
    assert held.session is not None
    questions = held.session.questions
    first = held.value or 0
    assert first <= 1
    for step in (1, 5):
        before = held.value or 0
        questions.step(step)
        wait_until(lambda before=before, step=step: held.value == before + step)  # type: ignore[misc]
        wait_until(lambda: questions._rests)
    questions.pause(False)
    assert held.running.join("20s")
    assert held.running.report.cycles == 1_000
    held.running.__exit__(None, None, None)


@pytest.mark.parametrize("tier", ["fused", "interpreted"])
def test_a_paused_run_can_be_stopped(tier: str) -> None:
    held = Held(tier)
    held.running.stop()
    assert held.running.join("20s")
    assert held.running.report.ended_by is gc.EndedBy.STOP
    assert held.running.report.cycles <= 1
    held.running.__exit__(None, None, None)


def test_fifty_threads_pause_step_and_ask_at_once() -> None:
    held = Held("fused")
    assert held.session is not None
    questions = held.session.questions

    def press(number: int) -> None:
        for _ in range(10):
            questions.step(1)
            questions.follow(lambda: False)
            held.value

    threads = [threading.Thread(target=press, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    questions.pause(False)
    assert held.running.join("20s")
    assert held.running.report.cycles == 1_000
    held.running.__exit__(None, None, None)
