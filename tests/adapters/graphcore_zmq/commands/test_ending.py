"""How commands end: errors as sentences, and Ctrl-C."""

import signal
from typing import Any

import pytest
import typer

import graphcore as gc
from graphcore_zmq.commands.ending import Signals, ending_in_one_sentence


@pytest.fixture(autouse=True)
def handlers() -> Any:
    """Put the signal handlers back, which a command leaves to the end of its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Raising(gc.MutableNode[int]):
    """Raises errors when it starts and when it stops."""

    def __init__(self, at_start: BaseException | None, at_stop: BaseException) -> None:
        super().__init__()
        self.at_start, self.at_stop = at_start, at_stop

    def upstreams(self) -> gc.Upstreams:
        return gc.Upstreams(active=(gc.never(),))

    def start(self, state: gc.GraphState) -> None:
        if self.at_start is not None:
            raise self.at_start

    def stop(self, state: gc.GraphState) -> None:
        raise self.at_stop


def test_several_errors_are_a_sentence_each(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit, ending_in_one_sentence() as signals:
        signals.run(Raising(gc.RunError("no\n  start"), OSError("no stop")))
    assert exit.value.exit_code == 1
    assert capsys.readouterr().err == "graphcore: no start\ngraphcore: no stop\n"


def test_ctrl_c_in_the_stop_of_two_nodes_is_one_interrupt_and_hides_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nodes = [
        Raising(None, KeyboardInterrupt()),
        Raising(None, OSError("no stop")),
        Raising(None, KeyboardInterrupt()),
    ]
    with pytest.raises(KeyboardInterrupt):
        Signals().run(*nodes)
    assert capsys.readouterr().err == "graphcore: no stop\n"


def test_a_signal_before_the_run_interrupts_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit, ending_in_one_sentence():
        signal.raise_signal(signal.SIGTERM)
    assert exit.value.exit_code == 130
    assert capsys.readouterr().err == "graphcore: interrupted\n"


def test_a_signal_after_the_command_is_ignored() -> None:
    with ending_in_one_sentence():
        pass
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)


def test_a_run_that_stops_by_the_first_signal_does_not_see_the_next_at_once() -> None:
    raised = []

    def press(_: Any) -> None:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
            raised.append(number)

    with ending_in_one_sentence() as signals:
        signals.run(gc.constant(None).for_each(press))
    assert len(raised) == 4
