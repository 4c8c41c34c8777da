"""Parsing while other threads parse: a graph may be compiled in any thread."""

import gc as garbage
import threading
import time
from collections.abc import Iterator

import pytest

from graphcore.parsing import parse


@pytest.fixture
def interruptions() -> Iterator[None]:
    """Let other threads run while a tree is built, as the garbage collector's callbacks may do."""
    before = garbage.get_threshold()

    def let_others_in(*_: object) -> None:
        time.sleep(0)

    garbage.callbacks.append(let_others_in)
    garbage.set_threshold(20)
    yield
    garbage.set_threshold(*before)
    garbage.callbacks.remove(let_others_in)


@pytest.mark.usefixtures("interruptions")
def test_threads_that_parse_at_the_same_time_do_not_disturb_each_other() -> None:
    text = "f(" * 30 + "x" + ")" * 30
    errors: list[BaseException] = []

    def parse_often() -> None:
        try:
            for _ in range(300):
                parse(text)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=parse_often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_text_that_is_not_python_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxError):
        parse("x =")
