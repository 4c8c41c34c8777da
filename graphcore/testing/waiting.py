"""Wait for a condition."""

from collections.abc import Callable
from threading import Event
from time import monotonic

_STEP = 0.005


def wait_until(predicate: Callable[[], object], seconds: float = 10.0) -> None:
    """Return as soon as the predicate is true.

    Raises:
        TimeoutError: if the predicate is not true within `seconds`.
    """
    deadline = monotonic() + seconds
    pause = Event()
    while not predicate():
        if monotonic() > deadline:
            raise TimeoutError(f"the condition did not become true within {seconds:g} s")
        pause.wait(_STEP)
