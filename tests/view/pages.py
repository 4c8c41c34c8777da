"""What a page of the live view does, without a browser: it asks, and reads what it is shown."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

import graphcore as gc


class Page:
    """A connection as the script of the page makes it.

    Attributes:
        shown: the messages about the run, the newest last.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.shown: list[dict[str, Any]] = []
        self.log: list[str] = []
        self.points: list[list[float]] = []

    def ask(self, **request: Any) -> None:
        self.connection.send(json.dumps(request))

    def read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=20))
        if "now" in message:
            self.shown.append(message["now"])
            self.log += message["now"]["log"]
            self.points += message["now"]["points"]
        return message

    def answer(self, key: str) -> Any:
        """Read until something is answered, and return it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            message = self.read()
            if key in message:
                return message[key]
        raise AssertionError(f"no {key} in 20 s")

    def until(self, test: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read until a message about the run passes a test, and return it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            now = self.answer("now")
            if test(now):
                return now
        raise AssertionError(f"the last message is {self.shown[-1]}")

    def list_all(self) -> dict[str, int]:
        """Ask for the first rows; return the indices by name."""
        self.ask(rows={"search": "", "first": 0, "count": 100})
        return {name: index for index, name, _ in self.answer("rows")["nodes"]}


@contextmanager
def page_of(view: gc.Serving) -> Iterator[Page]:
    """Open a page of a view."""
    origin = view.url.rsplit("/", 2)[0]
    address = view.url.replace("http", "ws") + "socket"
    with connect(address, origin=origin, max_size=None) as connection:
        page = Page(connection)
        page.answer("hello")
        yield page


def row_of(now: dict[str, Any], index: int) -> list[Any] | None:
    """Return the row of a node: index, ticked in, age, known, rate, whether exact, text."""
    return next((row for row in now.get("rows", ()) if row[0] == index), None)
